/* The bytes between the probe and the agent: one header, one body per kind, then fields.
 *
 * Compiled into the probe and, by a test, natively: `src/layout.rs` mirrors every offset. All
 * numbers are of the machine's own byte order. Nothing here holds a kernel pointer. */
#pragma once
#include <linux/types.h>

/* Changes with any change of this file. */
#define SAKER_ABI 2

#define SAKER_PATH_MAX 4096
#define SAKER_ARGUMENTS_MAX 8192
#define SAKER_ENVIRONMENT_MAX 4096
#define SAKER_CGROUP_MAX 1024

enum saker_kind {
	SAKER_EXECVE,
	SAKER_CLONE,
	SAKER_PROCEXIT,
	SAKER_OPEN,
	SAKER_OPENAT,
	SAKER_OPENAT2,
	SAKER_CREAT,
	SAKER_CONNECT,
	SAKER_PTRACE,
	SAKER_INIT_MODULE,
	SAKER_FINIT_MODULE,
	SAKER_UNLINK,
	SAKER_UNLINKAT,
	/* No events: what becomes of cgroups. */
	SAKER_CGROUP_MADE,
	SAKER_CGROUP_REMOVED,
	SAKER_KIND_COUNT,
};

/* What `saker_operations` says about a system call, beside `kind + 1`. */
#define SAKER_OPERATION_SOCKETCALL 31

enum saker_flag {
	SAKER_TRUNCATED = 1 << 0,       /* a field was cut or left out */
	SAKER_FAULT = 1 << 1,           /* a field could not be read from user memory */
	SAKER_UNREACHABLE = 1 << 2,     /* the path has no way to the root: memfd, detached mount */
	SAKER_IO_URING = 1 << 3,        /* asked for through io_uring; the result is not known */
	SAKER_COMPAT = 1 << 4,          /* 32-bit system call */
	SAKER_NO_FILE = 1 << 5,         /* the call succeeded, yet its descriptor is gone again */
	SAKER_BASE_IS_CWD = 1 << 6,     /* `BASE` is the working directory */
};

struct saker_header {
	__u16 kind;
	__u16 flags;
	__u32 length;                   /* of the whole record */
	__u64 time_ns;                  /* since boot */
	__u64 sequence;                 /* per processor, without gaps where nothing was lost */
	__u32 cpu;
	__u32 tid;
	__u32 pid;
	__u32 ppid;
	__u32 uid;                      /* effective */
	__u32 gid;                      /* effective */
	__u64 start_ns;                 /* of the process, since boot: with pid its key */
	__u64 cgroup;                   /* id in the unified hierarchy */
	__u64 capabilities;             /* effective */
	__s64 result;
};

/* A standard stream: enough to tell its sort. */
struct saker_stream {
	__u16 mode;                     /* inode mode, 0 when closed */
	__u16 family;                   /* of a socket */
	__u32 device;                   /* of a device node, kernel encoding */
};

struct saker_execve {
	__u64 inode;
	__s64 ctime_ns;
	__s64 mtime_ns;
	__u32 device;
	__u32 links;
	__u32 owner;
	__u32 group;
	__u16 mode;
	__u8 upper_layer;
	__u8 read_only;                 /* the file system is */
	__u32 login_uid;
	__u32 tty;                      /* device number, user-space encoding; 0 for none */
	__u32 sid;
	__u32 vpid;
	__u32 reserved;
	struct saker_stream input;
	struct saker_stream output;
};

/* The header is the child's. */
struct saker_clone {
	__u64 flags;
	__u64 parent_start_ns;
	__u32 parent_pid;
	__u32 vpid;
};

struct saker_procexit {
	__s32 status;
	__u32 reserved;
};

struct saker_open {
	__u64 inode;
	__u32 device;
	__u32 flags;                    /* as asked for */
	__u32 create_mode;
	__u32 opened_flags;             /* of the file that was opened */
	__u16 mode;                     /* inode mode */
	__u16 reserved[3];
};

struct saker_connect {
	__s32 descriptor;
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 local_port;
	__u16 remote_port;
	__u16 reserved;
	__u8 local[16];
	__u8 remote[16];
};

struct saker_ptrace {
	__u64 request;
	__s32 pid;
	__u32 reserved;
};

struct saker_module {
	__u32 flags;
	__u32 reserved;
};

struct saker_unlink {
	__u32 flags;
	__u32 reserved;
};

/* The header is that of whoever made or removed it. */
struct saker_cgroup {
	__u64 id;                       /* of its directory, in its own hierarchy */
	__u32 level;
	__u32 reserved;
};

/* After the body come fields, each with this in front, unaligned, without padding. */
struct saker_field {
	__u16 type;
	__u16 length;
};

enum saker_field_type {
	SAKER_FIELD_PATH = 1,           /* resolved by the kernel: of the program or the opened file */
	SAKER_FIELD_RAW,                /* a path as typed */
	SAKER_FIELD_BASE,               /* directory a relative `RAW` starts at */
	SAKER_FIELD_ARGUMENTS,          /* each ended by NUL */
	SAKER_FIELD_ENVIRONMENT,        /* each ended by NUL */
	SAKER_FIELD_CWD,
	SAKER_FIELD_CGROUP,             /* path in the unified hierarchy, or of the cgroup itself */
	SAKER_FIELD_CGROUP_V1,          /* path in the deepest of the old hierarchies */
	SAKER_FIELD_NAME,               /* comm */
	SAKER_FIELD_UNIX,               /* address of a Unix socket; an abstract one starts with NUL */
	SAKER_FIELD_PARAMETERS,
};

/* One per processor and kind. */
struct saker_counters {
	__u64 seen;
	__u64 filtered;
	__u64 sent;
	__u64 lost;
};
