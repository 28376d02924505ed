/* The bytes between the probe and the agent: one header, one body per kind, then fields.
 *
 * Compiled into the probe and, by a test, natively: `src/layout.rs` mirrors every offset. All
 * numbers are of the machine's own byte order. Nothing here holds a kernel pointer.
 *
 * Process life, opens and connects have bodies of their own; every other system call has
 * `saker_call`: its six arguments as the registers held them, and behind it one field for each
 * argument that is more than a number, and one for a descriptor the call made. Which argument of
 * which call is what is written in `src/call.rs` alone. */
#pragma once
#include <linux/types.h>

/* Changes with any change of this file. */
#define SAKER_ABI 4

#define SAKER_PATH_MAX 4096
#define SAKER_ARGUMENTS_MAX 8192
#define SAKER_ENVIRONMENT_MAX 4096
#define SAKER_CGROUP_MAX 1024
#define SAKER_ADDRESS_MAX 128
#define SAKER_DATA_MAX 80
#define SAKER_KINDS_MAX 127             /* an operation, `kind + 1`, is a byte */
#define SAKER_CALL_ARGUMENTS 6

/* An event is named after its system call, as `evt.type` is. */
enum saker_kind {
	SAKER_EXECVE,
	SAKER_EXECVEAT,
	SAKER_CLONE,
	SAKER_CLONE3,
	SAKER_FORK,
	SAKER_VFORK,
	SAKER_PROCEXIT,
	SAKER_OPEN,
	SAKER_OPENAT,
	SAKER_OPENAT2,
	SAKER_CREAT,
	SAKER_CLOSE,
	SAKER_DUP,
	SAKER_DUP2,
	SAKER_DUP3,
	SAKER_SOCKET,
	SAKER_BIND,
	SAKER_LISTEN,
	SAKER_CONNECT,
	SAKER_ACCEPT,
	SAKER_ACCEPT4,
	SAKER_SENDTO,
	SAKER_SENDMSG,
	SAKER_RECVFROM,
	SAKER_RECVMSG,
	SAKER_UNLINK,
	SAKER_UNLINKAT,
	SAKER_RMDIR,
	SAKER_MKDIR,
	SAKER_MKDIRAT,
	SAKER_RENAME,
	SAKER_RENAMEAT,
	SAKER_RENAMEAT2,
	SAKER_LINK,
	SAKER_LINKAT,
	SAKER_SYMLINK,
	SAKER_SYMLINKAT,
	SAKER_CHMOD,
	SAKER_FCHMODAT,
	SAKER_FCHMOD,
	SAKER_PTRACE,
	SAKER_SETNS,
	SAKER_UNSHARE,
	SAKER_SETUID,
	SAKER_SETGID,
	SAKER_SETREUID,
	SAKER_SETREGID,
	SAKER_SETRESUID,
	SAKER_SETRESGID,
	SAKER_SETPGID,
	SAKER_SETSID,
	SAKER_CAPSET,
	SAKER_PRCTL,
	SAKER_BPF,
	SAKER_INIT_MODULE,
	SAKER_FINIT_MODULE,
	SAKER_USERFAULTFD,
	SAKER_MEMFD_CREATE,
	SAKER_IO_URING_SETUP,
	SAKER_MOUNT,
	SAKER_UMOUNT,
	SAKER_UMOUNT2,
	SAKER_CHROOT,
	SAKER_CHDIR,
	SAKER_FCHDIR,
	SAKER_OPEN_BY_HANDLE_AT,
	SAKER_SOCKETPAIR,
	SAKER_SHUTDOWN,
	SAKER_GETSOCKOPT,
	SAKER_SETSOCKOPT,
	SAKER_SENDMMSG,
	SAKER_RECVMMSG,
	SAKER_CHOWN,
	SAKER_LCHOWN,
	SAKER_FCHOWN,
	SAKER_FCHOWNAT,
	SAKER_MKNOD,
	SAKER_MKNODAT,
	SAKER_TRUNCATE,
	SAKER_FTRUNCATE,
	SAKER_MOVE_MOUNT,
	SAKER_PIVOT_ROOT,
	SAKER_DELETE_MODULE,
	SAKER_KILL,
	SAKER_TKILL,
	SAKER_TGKILL,
	SAKER_MMAP,
	SAKER_MPROTECT,
	SAKER_PROCESS_VM_READV,
	SAKER_PROCESS_VM_WRITEV,
	/* No events: what becomes of cgroups. */
	SAKER_CGROUP_MADE,
	SAKER_CGROUP_REMOVED,
	SAKER_KIND_COUNT,
};

/* What `saker_needs.operations` says about a system call, beside `kind + 1`. */
#define SAKER_OPERATION_SOCKETCALL 255

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
	__u64 permitted;                /* capabilities */
	__u32 login_uid;                /* all bits set: never logged in */
	__u32 vtid;                     /* thread id in its own pid namespace */
};

/* A standard stream: enough to tell its sort. */
struct saker_stream {
	__u16 mode;                     /* inode mode, 0 when closed */
	__u16 family;                   /* of a socket */
	__u32 device;                   /* of a device node, kernel encoding */
};

/* Of an overlay file system, which layer has a file. */
enum saker_layer {
	SAKER_LAYER_NONE,               /* no overlay */
	SAKER_LAYER_UPPER,
	SAKER_LAYER_LOWER,
};

/* A program and what runs it: at exec, and of a process that was there before the sensor. */
struct saker_execve {
	__u64 inode;
	__s64 ctime_ns;
	__s64 mtime_ns;
	__u64 inheritable;              /* capabilities */
	__u64 namespace_start_ns;       /* of the first process of the pid namespace, since boot */
	__u64 files_max;
	__u64 virtual_pages;
	__u64 resident_pages;           /* as near as the kernel counts */
	__u64 swapped_pages;
	__u64 faults_major;
	__u64 faults_minor;
	__u32 device;
	__u32 links;
	__u32 owner;
	__u32 group;
	__u16 mode;
	__u8 layer;                     /* `saker_layer` */
	__u8 read_only;                 /* the file system is */
	__u32 tty;                      /* device number, user-space encoding; 0 for none */
	__u32 sid;
	__u32 group_id;
	__u32 virtual_group_id;         /* in its own pid namespace; 0 if the group is of another */
	__u32 files;                    /* open descriptors among the first 1024 */
	struct saker_stream input;
	struct saker_stream output;
};

/* The header is the child's. */
struct saker_clone {
	__u64 flags;
	__u64 parent_start_ns;
	__u64 namespace_start_ns;       /* the rest as in `saker_execve` */
	__u32 parent_pid;
	__u32 sid;
	__u32 group_id;
	__u32 virtual_group_id;
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

struct saker_call {
	__u64 arguments[SAKER_CALL_ARGUMENTS];
};

/* The header is that of whoever made or removed it. */
struct saker_cgroup {
	__u64 id;                       /* of its directory, in its own hierarchy */
	__u32 level;
	__u32 reserved;
};

/* After the body come fields, each with this in front, unaligned, without padding. The high byte of
 * `type` is the number of the argument it belongs to, counted from 1; 0 for what belongs to none. */
struct saker_field {
	__u16 type;
	__u16 length;
};

#define SAKER_FIELD_OF(type, argument) ((type) | ((argument) + 1) << 8)

enum saker_field_type {
	SAKER_FIELD_PATH = 1,           /* resolved by the kernel: of the program, of a file */
	SAKER_FIELD_RAW,                /* a path as typed */
	SAKER_FIELD_BASE,               /* directory a relative `RAW` starts at */
	SAKER_FIELD_ARGUMENTS,          /* each ended by NUL */
	SAKER_FIELD_ENVIRONMENT,        /* each ended by NUL */
	SAKER_FIELD_CWD,
	SAKER_FIELD_CGROUP,             /* path in the unified hierarchy, or of the cgroup itself */
	SAKER_FIELD_CGROUP_V1,          /* path in the deepest of the old hierarchies */
	SAKER_FIELD_NAME,               /* comm */
	SAKER_FIELD_UNIX,               /* address of a Unix socket; an abstract one starts with NUL */
	SAKER_FIELD_TEXT,               /* text of user memory that is no path */
	SAKER_FIELD_DATA,               /* first bytes that were read or written */
	SAKER_FIELD_STRUCTURE,          /* user memory of a size the call's table gives */
	SAKER_FIELD_ADDRESS,            /* socket address in user memory, family first */
	SAKER_FIELD_DESCRIPTOR,         /* `saker_descriptor`; of no argument: what the call made */
	SAKER_FIELD_ENFORCED = 64,      /* `saker_enforced` */
};

/* What a descriptor stood for when the call ended. */
struct saker_descriptor {
	__u64 inode;
	__u32 device;
	__s32 number;
	__u32 flags;                    /* `O_*`, of the open file */
	__u16 mode;                     /* inode mode; 0: no such descriptor */
	__u16 family;                   /* of a socket, as the rest */
	__u16 type;
	__u16 protocol;
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];
	__u8 remote[16];
	__u16 state;                    /* `TCP_*`, of Unix sockets too */
	__u16 reserved[3];
};

/* What is read of one argument, beside the register. */
enum saker_reading {
	SAKER_READ_NOTHING,
	SAKER_READ_PATH,                /* `with`: argument with its directory, or SAKER_WITHOUT */
	SAKER_READ_TEXT,                /* `with`: what the first argument must be, or SAKER_WITHOUT */
	SAKER_READ_DESCRIPTOR,
	SAKER_READ_ADDRESS,             /* `with`: argument with its length */
	SAKER_READ_ADDRESS_BACK,        /* the kernel's answer; `with`: argument that points to its length */
	SAKER_READ_DATA,                /* `with`: argument with its length */
	SAKER_READ_DATA_BACK,           /* as many bytes as the result says */
	SAKER_READ_MESSAGE,             /* `struct msghdr`: address, data, and how many bytes there are */
	SAKER_READ_MESSAGE_BACK,
	SAKER_READ_VECTOR,              /* the first `struct iovec` */
	SAKER_READ_STRUCTURE,           /* `with`: its size */
};

#define SAKER_WITHOUT 255

enum saker_plan_flag {
	SAKER_PLAN_MADE = 1 << 0,       /* the result is a descriptor */
	SAKER_PLAN_FAILED = 1 << 1,     /* a call that succeeds is told elsewhere */
	SAKER_PLAN_MOVED = 1 << 2,      /* after success there is a new `CWD` */
};

/* What a call's arguments are. */
struct saker_plan {
	__u8 reading[SAKER_CALL_ARGUMENTS];
	__u8 with[SAKER_CALL_ARGUMENTS];
	__u8 flags;
	__u8 reserved[3];
};

/* One per processor and kind. `seen = muted + filtered + limited + sent + lost`; a record that is
 * sent may be truncated or faulted too. */
struct saker_counters {
	__u64 seen;
	__u64 muted;                    /* of a process that is left out */
	__u64 filtered;                 /* nothing in user space could want it */
	__u64 limited;                  /* more of its kind than are let through */
	__u64 sent;
	__u64 lost;                     /* no room in the ring */
	__u64 truncated;
	__u64 faulted;
};
