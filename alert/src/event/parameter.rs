//! The parameters of each kind of event: names and positions are Falco's, so that its rules read
//! them by either.

use super::symbol::{self, Symbol};

/// One parameter of an event: `evt.arg.NAME`.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: ParameterKind,
}

/// What a parameter holds, and so how it is shown.
#[derive(Clone, Copy, Debug)]
pub enum ParameterKind {
    /// A result: a negative number is an errno.
    Errno,
    /// A file descriptor, shown with what it stands for.
    Descriptor,
    /// A path, relative to the working directory, or to the directory that the parameter of this
    /// position stands for.
    Path(Option<u8>),
    Text,
    Signed,
    Unsigned,
    Hexadecimal,
    /// Permission bits.
    Mode,
    /// `O_*` flags of an open: the access is a number among the bits.
    FileFlags,
    /// Bits, every one of which may be set.
    Flags(&'static [Symbol]),
    /// One value of several.
    Choice(&'static [Symbol]),
    /// A user id, shown as the user's name.
    User,
    /// A group id, shown as the group's name.
    Group,
    /// A process id, shown as the process's name.
    Process,
    Signal,
    /// Both ends of a socket.
    Tuple,
    /// One address.
    Address,
    Bytes,
    /// Texts, one after the other.
    List,
}

use ParameterKind::{
    Address, Bytes, Choice, Descriptor, Errno, FileFlags, Flags, Group, Hexadecimal, List, Mode,
    Path, Process, Signal, Signed, Text, Tuple, Unsigned, User,
};

const fn of(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter { name, kind }
}

const RES: Parameter = of("res", Errno);
const FD: Parameter = of("fd", Descriptor);
const FILE_FLAGS: Parameter = of("flags", FileFlags);
const CLONE_FLAGS: Parameter = of("flags", Flags(symbol::CLONE_FLAGS));
const MODE: Parameter = of("mode", Mode);
const DEVICE: Parameter = of("dev", Hexadecimal);
const INODE: Parameter = of("ino", Unsigned);
const SIZE: Parameter = of("size", Unsigned);
const DATA: Parameter = of("data", Bytes);
const TUPLE: Parameter = of("tuple", Tuple);

/// What an exec tells, but for the name that was asked for.
const EXEC: [Parameter; 30] = [
    RES,
    of("exe", Text),
    of("args", List),
    of("tid", Process),
    of("pid", Process),
    of("ptid", Process),
    of("cwd", Text),
    of("fdlimit", Unsigned),
    of("pgft_maj", Unsigned),
    of("pgft_min", Unsigned),
    of("vm_size", Unsigned),
    of("vm_rss", Unsigned),
    of("vm_swap", Unsigned),
    of("comm", Text),
    of("cgroups", List),
    of("env", List),
    of("tty", Unsigned),
    of("vpgid", Process),
    of("loginuid", User),
    of("flags", Flags(symbol::EXEC_FLAGS)),
    of("cap_inheritable", Hexadecimal),
    of("cap_permitted", Hexadecimal),
    of("cap_effective", Hexadecimal),
    of("exe_ino", Unsigned),
    of("exe_ino_ctime", Unsigned),
    of("exe_ino_mtime", Unsigned),
    of("uid", User),
    of("trusted_exepath", Text),
    of("pgid", Process),
    of("gid", Group),
];

pub(super) const EXECVEAT: &[Parameter] = &EXEC;

pub(super) const EXECVE: &[Parameter] = &{
    // The name that was asked for comes last.
    let mut all = [of("filename", Path(None)); EXEC.len() + 1];
    let mut number = 0;
    while number < EXEC.len() {
        all[number] = EXEC[number];
        number += 1;
    }
    all
};

pub(super) const CLONE: &[Parameter] = &[
    of("res", Process),
    of("exe", Text),
    of("args", List),
    of("tid", Process),
    of("pid", Process),
    of("ptid", Process),
    of("cwd", Text),
    of("fdlimit", Unsigned),
    of("pgft_maj", Unsigned),
    of("pgft_min", Unsigned),
    of("vm_size", Unsigned),
    of("vm_rss", Unsigned),
    of("vm_swap", Unsigned),
    of("comm", Text),
    of("cgroups", List),
    CLONE_FLAGS,
    of("uid", User),
    of("gid", Group),
    of("vtid", Process),
    of("vpid", Process),
    of("pidns_init_start_ts", Unsigned),
];

pub(super) const PROCEXIT: &[Parameter] = &[
    of("status", Errno),
    of("ret", Errno),
    of("sig", Signal),
    of("core", Unsigned),
    of("reaper_tid", Process),
];

pub(super) const OPEN: &[Parameter] =
    &[FD, of("name", Path(None)), FILE_FLAGS, MODE, DEVICE, INODE];
pub(super) const OPENAT: &[Parameter] =
    &[FD, of("dirfd", Descriptor), of("name", Path(Some(1))), FILE_FLAGS, MODE, DEVICE, INODE];
pub(super) const OPENAT2: &[Parameter] = &[
    FD,
    of("dirfd", Descriptor),
    of("name", Path(Some(1))),
    FILE_FLAGS,
    MODE,
    of("resolve", Flags(symbol::RESOLVE_FLAGS)),
    DEVICE,
    INODE,
];
pub(super) const CREAT: &[Parameter] =
    &[FD, of("name", Path(None)), MODE, DEVICE, INODE, of("creat_flags", FileFlags)];

/// A handle has no path: it is the one of the file that was opened.
pub(super) const OPEN_BY_HANDLE_AT: &[Parameter] =
    &[FD, of("mountfd", Descriptor), FILE_FLAGS, of("path", Path(None)), DEVICE, INODE];

pub(super) const CLOSE: &[Parameter] = &[RES, FD];
pub(super) const DUP: &[Parameter] = &[of("res", Descriptor), of("oldfd", Descriptor)];
pub(super) const DUP2: &[Parameter] =
    &[of("res", Descriptor), of("oldfd", Descriptor), of("newfd", Descriptor)];
pub(super) const DUP3: &[Parameter] =
    &[of("res", Descriptor), of("oldfd", Descriptor), of("newfd", Descriptor), FILE_FLAGS];

pub(super) const SOCKET: &[Parameter] = &[
    FD,
    of("domain", Choice(symbol::SOCKET_FAMILIES)),
    of("type", Unsigned),
    of("proto", Unsigned),
];
pub(super) const BIND: &[Parameter] = &[RES, of("addr", Address), FD];
pub(super) const LISTEN: &[Parameter] = &[RES, FD, of("backlog", Signed)];
pub(super) const CONNECT: &[Parameter] = &[RES, TUPLE, FD, of("addr", Address)];
pub(super) const ACCEPT: &[Parameter] =
    &[FD, TUPLE, of("queuepct", Unsigned), of("queuelen", Unsigned), of("queuemax", Unsigned)];
pub(super) const ACCEPT4: &[Parameter] = &[
    FD,
    TUPLE,
    of("queuepct", Unsigned),
    of("queuelen", Unsigned),
    of("queuemax", Unsigned),
    of("flags", Hexadecimal),
];
pub(super) const SEND: &[Parameter] = &[RES, DATA, FD, SIZE, TUPLE];
pub(super) const RECVFROM: &[Parameter] = &[RES, DATA, TUPLE, FD, SIZE];
pub(super) const RECVMSG: &[Parameter] = &[RES, SIZE, DATA, TUPLE, of("msgcontrol", Bytes), FD];

pub(super) const SENDMMSG: &[Parameter] = &[RES, FD, SIZE, DATA, TUPLE];
pub(super) const RECVMMSG: &[Parameter] = &[RES, FD, SIZE, DATA, TUPLE, of("msgcontrol", Bytes)];
pub(super) const SOCKETPAIR: &[Parameter] = &[
    RES,
    of("fd1", Descriptor),
    of("fd2", Descriptor),
    of("source", Hexadecimal),
    of("peer", Hexadecimal),
];
pub(super) const SHUTDOWN: &[Parameter] = &[RES, FD, of("how", Choice(symbol::SHUTDOWN_HOW))];
pub(super) const SOCKOPT: &[Parameter] = &[
    RES,
    FD,
    of("level", Choice(symbol::SOCKET_LEVELS)),
    of("optname", Unsigned),
    of("val", Bytes),
    of("optlen", Unsigned),
];

pub(super) const PATH: &[Parameter] = &[RES, of("path", Path(None))];
pub(super) const UNLINK: &[Parameter] = PATH;
pub(super) const UNLINKAT: &[Parameter] = &[
    RES,
    of("dirfd", Descriptor),
    of("name", Path(Some(1))),
    of("flags", Flags(symbol::UNLINK_FLAGS)),
];
pub(super) const MKDIR: &[Parameter] = &[RES, of("path", Path(None)), MODE];
pub(super) const MKDIRAT: &[Parameter] =
    &[RES, of("dirfd", Descriptor), of("path", Path(Some(1))), MODE];
pub(super) const RENAME: &[Parameter] =
    &[RES, of("oldpath", Path(None)), of("newpath", Path(None))];
pub(super) const RENAMEAT: &[Parameter] = &[
    RES,
    of("olddirfd", Descriptor),
    of("oldpath", Path(Some(1))),
    of("newdirfd", Descriptor),
    of("newpath", Path(Some(3))),
];
pub(super) const RENAMEAT2: &[Parameter] = &[
    RES,
    of("olddirfd", Descriptor),
    of("oldpath", Path(Some(1))),
    of("newdirfd", Descriptor),
    of("newpath", Path(Some(3))),
    of("flags", Flags(symbol::RENAME_FLAGS)),
];
pub(super) const LINKAT: &[Parameter] = &[
    RES,
    of("olddir", Descriptor),
    of("oldpath", Path(Some(1))),
    of("newdir", Descriptor),
    of("newpath", Path(Some(3))),
    of("flags", Flags(symbol::LINK_FLAGS)),
];
/// A link's target is a text: it is kept as given, whatever it leads to.
pub(super) const SYMLINK: &[Parameter] = &[RES, of("target", Text), of("linkpath", Path(None))];
pub(super) const SYMLINKAT: &[Parameter] =
    &[RES, of("target", Text), of("linkdirfd", Descriptor), of("linkpath", Path(Some(2)))];
pub(super) const CHMOD: &[Parameter] = &[RES, of("filename", Path(None)), MODE];
pub(super) const FCHMODAT: &[Parameter] =
    &[RES, of("dirfd", Descriptor), of("filename", Path(Some(1))), MODE];
pub(super) const FCHMOD: &[Parameter] = &[RES, FD, MODE];

const UID: Parameter = of("uid", User);
const GID: Parameter = of("gid", Group);
pub(super) const CHOWN: &[Parameter] = &[RES, of("path", Path(None)), UID, GID];
pub(super) const FCHOWN: &[Parameter] = &[RES, FD, UID, GID];
pub(super) const FCHOWNAT: &[Parameter] = &[
    RES,
    of("dirfd", Descriptor),
    of("pathname", Path(Some(1))),
    UID,
    GID,
    of("flags", Flags(symbol::CHOWN_FLAGS)),
];
/// The kind of the new file is in its mode.
pub(super) const MKNOD: &[Parameter] = &[RES, of("path", Path(None)), MODE, DEVICE];
pub(super) const MKNODAT: &[Parameter] =
    &[RES, of("dirfd", Descriptor), of("path", Path(Some(1))), MODE, DEVICE];
pub(super) const TRUNCATE: &[Parameter] = &[RES, of("path", Path(None)), of("length", Unsigned)];
pub(super) const FTRUNCATE: &[Parameter] = &[RES, FD, of("length", Unsigned)];

pub(super) const PTRACE: &[Parameter] = &[
    RES,
    of("addr", Hexadecimal),
    of("data", Hexadecimal),
    of("request", Choice(symbol::PTRACE_REQUESTS)),
    of("pid", Process),
];
pub(super) const SETNS: &[Parameter] = &[RES, FD, of("nstype", Flags(symbol::CLONE_FLAGS))];
pub(super) const UNSHARE: &[Parameter] = &[RES, CLONE_FLAGS];

pub(super) const SETUID: &[Parameter] = &[RES, of("uid", User)];
pub(super) const SETGID: &[Parameter] = &[RES, of("gid", Group)];
pub(super) const SETREUID: &[Parameter] = &[RES, of("ruid", User), of("euid", User)];
pub(super) const SETREGID: &[Parameter] = &[RES, of("rgid", Group), of("egid", Group)];
pub(super) const SETRESUID: &[Parameter] =
    &[RES, of("ruid", User), of("euid", User), of("suid", User)];
pub(super) const SETRESGID: &[Parameter] =
    &[RES, of("rgid", Group), of("egid", Group), of("sgid", Group)];
pub(super) const SETPGID: &[Parameter] =
    &[of("res", Process), of("pid", Process), of("pgid", Process)];
pub(super) const SETSID: &[Parameter] = &[of("res", Process)];
pub(super) const CAPSET: &[Parameter] = &[
    RES,
    of("cap_inheritable", Hexadecimal),
    of("cap_permitted", Hexadecimal),
    of("cap_effective", Hexadecimal),
];
pub(super) const PRCTL: &[Parameter] = &[
    RES,
    of("option", Choice(symbol::PRCTL_OPTIONS)),
    of("arg2_str", Text),
    of("arg2_int", Signed),
];

pub(super) const BPF: &[Parameter] = &[FD, of("cmd", Choice(symbol::BPF_COMMANDS))];
pub(super) const INIT_MODULE: &[Parameter] =
    &[RES, of("img", Bytes), of("length", Unsigned), of("uargs", Text)];
pub(super) const FINIT_MODULE: &[Parameter] =
    &[RES, FD, of("uargs", Text), of("flags", Flags(symbol::MODULE_FLAGS))];
pub(super) const USERFAULTFD: &[Parameter] = &[RES, FILE_FLAGS];
pub(super) const MEMFD_CREATE: &[Parameter] =
    &[FD, of("name", Text), of("flags", Flags(symbol::MEMFD_FLAGS))];
pub(super) const IO_URING_SETUP: &[Parameter] = &[
    RES,
    of("entries", Unsigned),
    of("sq_entries", Unsigned),
    of("cq_entries", Unsigned),
    of("flags", Flags(symbol::IO_URING_FLAGS)),
    of("sq_thread_cpu", Unsigned),
    of("sq_thread_idle", Unsigned),
    of("features", Flags(symbol::IO_URING_FEATURES)),
];
pub(super) const MOUNT: &[Parameter] = &[
    RES,
    of("dev", Text),
    of("dir", Path(None)),
    of("type", Text),
    of("flags", Flags(symbol::MOUNT_FLAGS)),
];
pub(super) const UMOUNT: &[Parameter] = &[RES, of("name", Path(None))];
pub(super) const UMOUNT2: &[Parameter] =
    &[RES, of("name", Path(None)), of("flags", Flags(symbol::UMOUNT_FLAGS))];
pub(super) const MOVE_MOUNT: &[Parameter] = &[
    RES,
    of("from_dirfd", Descriptor),
    of("oldpath", Path(Some(1))),
    of("to_dirfd", Descriptor),
    of("newpath", Path(Some(3))),
    of("flags", Hexadecimal),
];
pub(super) const PIVOT_ROOT: &[Parameter] =
    &[RES, of("oldpath", Path(None)), of("newpath", Path(None))];
pub(super) const DELETE_MODULE: &[Parameter] =
    &[RES, of("name", Text), of("flags", Flags(symbol::DELETE_MODULE_FLAGS))];
pub(super) const KILL: &[Parameter] = &[RES, of("pid", Process), of("sig", Signal)];
pub(super) const TKILL: &[Parameter] = &[RES, of("tid", Process), of("sig", Signal)];
pub(super) const TGKILL: &[Parameter] =
    &[RES, of("pid", Process), of("tid", Process), of("sig", Signal)];
pub(super) const MMAP: &[Parameter] = &[
    of("res", Hexadecimal),
    of("vm_size", Unsigned),
    of("vm_rss", Unsigned),
    of("vm_swap", Unsigned),
    of("addr", Hexadecimal),
    of("length", Unsigned),
    of("prot", Flags(symbol::PROTECTIONS)),
    of("flags", Flags(symbol::MAP_FLAGS)),
    FD,
    of("offset", Unsigned),
];
pub(super) const MPROTECT: &[Parameter] =
    &[RES, of("addr", Hexadecimal), of("length", Unsigned), of("prot", Flags(symbol::PROTECTIONS))];
pub(super) const PROCESS_VM: &[Parameter] = &[RES, of("pid", Process), DATA];
/// Falco leaves a new working directory as it was asked for.
pub(super) const CHDIR: &[Parameter] = &[RES, of("path", Text)];
pub(super) const FCHDIR: &[Parameter] = &[RES, FD];
pub(super) const CONTAINER: &[Parameter] = &[of("json", Text)];
