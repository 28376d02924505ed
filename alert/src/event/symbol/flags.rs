//! Flags and choices of system calls. The names and their order are Falco's, the numbers those of
//! `include/uapi` of Linux 6.18.

use super::Symbol;

/// Our own mark, beyond the kernel's flags, that an open created its file.
const CREATED: u32 = 1 << 30;

pub(super) const OPEN_FLAGS: [(&str, u32); 10] = [
    ("O_LARGEFILE", 0o100_000),
    ("O_DIRECTORY", 0o200_000),
    ("O_DIRECT", 0o40_000),
    ("O_TRUNC", 0o1000),
    ("O_SYNC", 0o4_010_000),
    ("O_NONBLOCK", 0o4000),
    ("O_EXCL", 0o200),
    ("O_DSYNC", 0o10_000),
    ("O_APPEND", 0o2000),
    ("O_CREAT", 0o100),
];

/// These follow the access.
pub(super) const OPEN_FLAGS_LAST: [(&str, u32); 4] = [
    ("O_CLOEXEC", 0o2_000_000),
    ("O_TMPFILE", 0o20_200_000),
    ("O_F_CREATED", CREATED),
    ("O_PATH", 0o10_000_000),
];

pub(crate) const CLONE_FLAGS: &[Symbol] = &[
    ("CLONE_FILES", 0x400),
    ("CLONE_FS", 0x200),
    ("CLONE_IO", 0x8000_0000),
    ("CLONE_NEWIPC", 0x0800_0000),
    ("CLONE_NEWNET", 0x4000_0000),
    ("CLONE_NEWNS", 0x2_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWUTS", 0x0400_0000),
    ("CLONE_PARENT", 0x8000),
    ("CLONE_PARENT_SETTID", 0x10_0000),
    ("CLONE_PTRACE", 0x2000),
    ("CLONE_SIGHAND", 0x800),
    ("CLONE_SYSVSEM", 0x4_0000),
    ("CLONE_THREAD", 0x1_0000),
    ("CLONE_UNTRACED", 0x80_0000),
    ("CLONE_VM", 0x100),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_CHILD_CLEARTID", 0x20_0000),
    ("CLONE_CHILD_SETTID", 0x0100_0000),
    ("CLONE_SETTLS", 0x8_0000),
    ("CLONE_VFORK", 0x4000),
    ("CLONE_NEWCGROUP", 0x0200_0000),
    ("CLONE_NEWTIME", 0x80),
    ("CLONE_PIDFD", 0x1000),
];

pub(crate) const EXEC_FLAGS: &[Symbol] = &[
    ("EXE_WRITABLE", EXE_WRITABLE),
    ("EXE_UPPER_LAYER", EXE_UPPER_LAYER),
    ("EXE_FROM_MEMFD", EXE_FROM_MEMFD),
    ("EXE_LOWER_LAYER", EXE_LOWER_LAYER),
];

pub(crate) const EXE_WRITABLE: u64 = 1;
pub(crate) const EXE_UPPER_LAYER: u64 = 2;
pub(crate) const EXE_FROM_MEMFD: u64 = 4;
pub(crate) const EXE_LOWER_LAYER: u64 = 8;

pub(crate) const RESOLVE_FLAGS: &[Symbol] = &[
    ("RESOLVE_BENEATH", 0x8),
    ("RESOLVE_IN_ROOT", 0x10),
    ("RESOLVE_NO_MAGICLINKS", 0x2),
    ("RESOLVE_NO_SYMLINKS", 0x4),
    ("RESOLVE_NO_XDEV", 0x1),
    ("RESOLVE_CACHED", 0x20),
];

pub(crate) const UNLINK_FLAGS: &[Symbol] = &[("AT_REMOVEDIR", AT_REMOVEDIR)];

pub(crate) const AT_REMOVEDIR: u64 = 0x200;

pub(crate) const LINK_FLAGS: &[Symbol] = &[("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000)];

pub(crate) const CHOWN_FLAGS: &[Symbol] =
    &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000)];

pub(crate) const DELETE_MODULE_FLAGS: &[Symbol] = &[("O_NONBLOCK", 0o4000), ("O_TRUNC", 0o1000)];

pub(crate) const SHUTDOWN_HOW: &[Symbol] = &[("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2)];

pub(crate) const SOCKET_LEVELS: &[Symbol] = &[
    ("SOL_SOCKET", 1),
    ("SOL_TCP", 6),
    ("SOL_UDP", 17),
    ("SOL_IPV6", 41),
    ("SOL_ICMPV6", 58),
    ("SOL_RAW", 255),
    ("SOL_PACKET", 263),
    ("SOL_NETLINK", 270),
];

pub(crate) const PROTECTIONS: &[Symbol] = &[
    ("PROT_READ", 0x1),
    ("PROT_WRITE", 0x2),
    ("PROT_EXEC", 0x4),
    ("PROT_SEM", 0x8),
    ("PROT_GROWSDOWN", 0x0100_0000),
    ("PROT_GROWSUP", 0x0200_0000),
    ("PROT_NONE", 0),
];

pub(crate) const MAP_FLAGS: &[Symbol] = &[
    ("MAP_SHARED", 0x1),
    ("MAP_PRIVATE", 0x2),
    ("MAP_FIXED", 0x10),
    ("MAP_ANONYMOUS", 0x20),
    ("MAP_32BIT", 0x40),
    ("MAP_NORESERVE", 0x4000),
    ("MAP_POPULATE", 0x8000),
    ("MAP_NONBLOCK", 0x1_0000),
    ("MAP_GROWSDOWN", 0x100),
    ("MAP_DENYWRITE", 0x800),
    ("MAP_EXECUTABLE", 0x1000),
    ("MAP_LOCKED", 0x2000),
];

pub(crate) const RENAME_FLAGS: &[Symbol] =
    &[("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2), ("RENAME_WHITEOUT", 4)];

pub(crate) const MODULE_FLAGS: &[Symbol] = &[
    ("MODULE_INIT_IGNORE_MODVERSIONS", 1),
    ("MODULE_INIT_IGNORE_VERMAGIC", 2),
    ("MODULE_INIT_COMPRESSED_FILE", 4),
];

pub(crate) const MEMFD_FLAGS: &[Symbol] = &[
    ("MFD_CLOEXEC", 0x1),
    ("MFD_ALLOW_SEALING", 0x2),
    ("MFD_HUGETLB", 0x4),
    ("MFD_NOEXEC_SEAL", 0x8),
    ("MFD_EXEC", 0x10),
];

/// `ATTACH_RW` is how Falco spells `IORING_SETUP_ATTACH_WQ`.
pub(crate) const IO_URING_FLAGS: &[Symbol] = &[
    ("IORING_SETUP_IOPOLL", 0x1),
    ("IORING_SETUP_SQPOLL", 0x2),
    ("IORING_SETUP_SQ_AFF", 0x4),
    ("IORING_SETUP_CQSIZE", 0x8),
    ("IORING_SETUP_CLAMP", 0x10),
    ("IORING_SETUP_ATTACH_RW", 0x20),
    ("IORING_SETUP_R_DISABLED", 0x40),
];

pub(crate) const IO_URING_FEATURES: &[Symbol] = &[
    ("IORING_FEAT_SINGLE_MMAP", 0x1),
    ("IORING_FEAT_NODROP", 0x2),
    ("IORING_FEAT_SUBMIT_STABLE", 0x4),
    ("IORING_FEAT_RW_CUR_POS", 0x8),
    ("IORING_FEAT_CUR_PERSONALITY", 0x10),
    ("IORING_FEAT_FAST_POLL", 0x20),
    ("IORING_FEAT_POLL_32BITS", 0x40),
    ("IORING_FEAT_SQPOLL_NONFIXED", 0x80),
    ("IORING_FEAT_ENTER_EXT_ARG", 0x100),
    ("IORING_FEAT_NATIVE_WORKERS", 0x200),
    ("IORING_FEAT_RSRC_TAGS", 0x400),
];

pub(crate) const MOUNT_FLAGS: &[Symbol] = &[
    ("RDONLY", 1 << 0),
    ("NOSUID", 1 << 1),
    ("NODEV", 1 << 2),
    ("NOEXEC", 1 << 3),
    ("SYNCHRONOUS", 1 << 4),
    ("REMOUNT", 1 << 5),
    ("MANDLOCK", 1 << 6),
    ("DIRSYNC", 1 << 7),
    ("NOATIME", 1 << 10),
    ("NODIRATIME", 1 << 11),
    ("BIND", 1 << 12),
    ("MOVE", 1 << 13),
    ("REC", 1 << 14),
    ("SILENT", 1 << 15),
    ("POSIXACL", 1 << 16),
    ("UNBINDABLE", 1 << 17),
    ("PRIVATE", 1 << 18),
    ("SLAVE", 1 << 19),
    ("SHARED", 1 << 20),
    ("RELATIME", 1 << 21),
    ("KERNMOUNT", 1 << 22),
    ("I_VERSION", 1 << 23),
    ("STRICTATIME", 1 << 24),
    ("LAZYTIME", 1 << 25),
    ("NOSEC", 1 << 28),
    ("BORN", 1 << 29),
    ("ACTIVE", 1 << 30),
    ("NOUSER", 1 << 31),
];

pub(crate) const UMOUNT_FLAGS: &[Symbol] =
    &[("FORCE", 1), ("DETACH", 2), ("EXPIRE", 4), ("NOFOLLOW", 8)];

/// Two families have two names; both are shown.
pub(crate) const SOCKET_FAMILIES: &[Symbol] = &[
    ("AF_XDP", 44),
    ("AF_VSOCK", 40),
    ("AF_NFC", 39),
    ("AF_ALG", 38),
    ("AF_CAIF", 37),
    ("AF_IEEE802154", 36),
    ("AF_PHONET", 35),
    ("AF_ISDN", 34),
    ("AF_RXRPC", 33),
    ("AF_IUCV", 32),
    ("AF_BLUETOOTH", 31),
    ("AF_TIPC", 30),
    ("AF_CAN", 29),
    ("AF_LLC", 26),
    ("AF_WANPIPE", 25),
    ("AF_PPPOX", 24),
    ("AF_IRDA", 23),
    ("AF_SNA", 22),
    ("AF_RDS", 21),
    ("AF_ATMSVC", 20),
    ("AF_ECONET", 19),
    ("AF_ASH", 18),
    ("AF_PACKET", 17),
    ("AF_ROUTE", 16),
    ("AF_NETLINK", 16),
    ("AF_KEY", 15),
    ("AF_SECURITY", 14),
    ("AF_NETBEUI", 13),
    ("AF_DECnet", 12),
    ("AF_ROSE", 11),
    ("AF_INET6", 10),
    ("AF_X25", 9),
    ("AF_ATMPVC", 8),
    ("AF_BRIDGE", 7),
    ("AF_NETROM", 6),
    ("AF_APPLETALK", 5),
    ("AF_IPX", 4),
    ("AF_AX25", 3),
    ("AF_INET", 2),
    ("AF_LOCAL", 1),
    ("AF_UNIX", 1),
    ("AF_UNSPEC", 0),
];

pub(crate) const PTRACE_REQUESTS: &[Symbol] = &[
    ("PTRACE_SINGLEBLOCK", 33),
    ("PTRACE_SYSEMU_SINGLESTEP", 32),
    ("PTRACE_SYSEMU", 31),
    ("PTRACE_ARCH_PRCTL", 30),
    ("PTRACE_SET_THREAD_AREA", 26),
    ("PTRACE_GET_THREAD_AREA", 25),
    ("PTRACE_OLDSETOPTIONS", 21),
    ("PTRACE_SETFPXREGS", 19),
    ("PTRACE_GETFPXREGS", 18),
    ("PTRACE_SETFPREGS", 15),
    ("PTRACE_GETFPREGS", 14),
    ("PTRACE_SETREGS", 13),
    ("PTRACE_GETREGS", 12),
    ("PTRACE_SETSIGMASK", 0x420b),
    ("PTRACE_GETSIGMASK", 0x420a),
    ("PTRACE_PEEKSIGINFO", 0x4209),
    ("PTRACE_LISTEN", 0x4208),
    ("PTRACE_INTERRUPT", 0x4207),
    ("PTRACE_SEIZE", 0x4206),
    ("PTRACE_SETREGSET", 0x4205),
    ("PTRACE_GETREGSET", 0x4204),
    ("PTRACE_SETSIGINFO", 0x4203),
    ("PTRACE_GETSIGINFO", 0x4202),
    ("PTRACE_GETEVENTMSG", 0x4201),
    ("PTRACE_SETOPTIONS", 0x4200),
    ("PTRACE_SYSCALL", 24),
    ("PTRACE_DETACH", 17),
    ("PTRACE_ATTACH", 16),
    ("PTRACE_SINGLESTEP", 9),
    ("PTRACE_KILL", 8),
    ("PTRACE_CONT", 7),
    ("PTRACE_POKEUSR", 6),
    ("PTRACE_POKEDATA", 5),
    ("PTRACE_POKETEXT", 4),
    ("PTRACE_PEEKUSR", 3),
    ("PTRACE_PEEKDATA", 2),
    ("PTRACE_PEEKTEXT", 1),
    ("PTRACE_TRACEME", 0),
];

pub(crate) const PRCTL_OPTIONS: &[Symbol] = &[
    ("PR_SET_PDEATHSIG", 1),
    ("PR_GET_DUMPABLE", 3),
    ("PR_SET_DUMPABLE", 4),
    ("PR_GET_KEEPCAPS", 7),
    ("PR_SET_KEEPCAPS", 8),
    ("PR_SET_NAME", 15),
    ("PR_GET_NAME", 16),
    ("PR_GET_SECCOMP", 21),
    ("PR_SET_SECCOMP", 22),
    ("PR_CAPBSET_READ", 23),
    ("PR_CAPBSET_DROP", 24),
    ("PR_GET_SECUREBITS", 27),
    ("PR_SET_SECUREBITS", 28),
    ("PR_MCE_KILL", 33),
    ("PR_SET_MM", 35),
    ("PR_SET_CHILD_SUBREAPER", 36),
    ("PR_GET_CHILD_SUBREAPER", 37),
    ("PR_SET_NO_NEW_PRIVS", 38),
    ("PR_GET_NO_NEW_PRIVS", 39),
    ("PR_GET_TID_ADDRESS", 40),
    ("PR_SET_THP_DISABLE", 41),
    ("PR_GET_THP_DISABLE", 42),
    ("PR_CAP_AMBIENT", 47),
];

pub(crate) const BPF_COMMANDS: &[Symbol] = &[
    ("BPF_MAP_CREATE", 0),
    ("BPF_MAP_LOOKUP_ELEM", 1),
    ("BPF_MAP_UPDATE_ELEM", 2),
    ("BPF_MAP_DELETE_ELEM", 3),
    ("BPF_MAP_GET_NEXT_KEY", 4),
    ("BPF_PROG_LOAD", 5),
    ("BPF_OBJ_PIN", 6),
    ("BPF_OBJ_GET", 7),
    ("BPF_PROG_ATTACH", 8),
    ("BPF_PROG_DETACH", 9),
    ("BPF_PROG_TEST_RUN", 10),
    ("BPF_PROG_GET_NEXT_ID", 11),
    ("BPF_MAP_GET_NEXT_ID", 12),
    ("BPF_PROG_GET_FD_BY_ID", 13),
    ("BPF_MAP_GET_FD_BY_ID", 14),
    ("BPF_OBJ_GET_INFO_BY_FD", 15),
    ("BPF_PROG_QUERY", 16),
    ("BPF_RAW_TRACEPOINT_OPEN", 17),
    ("BPF_BTF_LOAD", 18),
    ("BPF_BTF_GET_FD_BY_ID", 19),
    ("BPF_TASK_FD_QUERY", 20),
    ("BPF_MAP_LOOKUP_AND_DELETE_ELEM", 21),
    ("BPF_MAP_FREEZE", 22),
    ("BPF_BTF_GET_NEXT_ID", 23),
    ("BPF_MAP_LOOKUP_BATCH", 24),
    ("BPF_MAP_LOOKUP_AND_DELETE_BATCH", 25),
    ("BPF_MAP_UPDATE_BATCH", 26),
    ("BPF_MAP_DELETE_BATCH", 27),
    ("BPF_LINK_CREATE", 28),
    ("BPF_LINK_UPDATE", 29),
    ("BPF_LINK_GET_FD_BY_ID", 30),
    ("BPF_LINK_GET_NEXT_ID", 31),
    ("BPF_ENABLE_STATS", 32),
    ("BPF_ITER_CREATE", 33),
    ("BPF_LINK_DETACH", 34),
    ("BPF_PROG_BIND_MAP", 35),
    ("BPF_TOKEN_CREATE", 36),
];

pub(crate) const MODE_BITS: &[Symbol] = &[
    ("S_IXOTH", 0o1),
    ("S_IWOTH", 0o2),
    ("S_IROTH", 0o4),
    ("S_IXGRP", 0o10),
    ("S_IWGRP", 0o20),
    ("S_IRGRP", 0o40),
    ("S_IXUSR", 0o100),
    ("S_IWUSR", 0o200),
    ("S_IRUSR", 0o400),
    ("S_ISVTX", 0o1000),
    ("S_ISGID", 0o2000),
    ("S_ISUID", 0o4000),
];
