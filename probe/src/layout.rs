//! `include/event.h` in Rust: same names, same order, same offsets, as a test checks.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $c:literal;)+) => {
        /// What a record says happened; the number on the wire. An event is named after its system
        /// call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $variant,)+ }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Self; [$($c,)+].len()] = [$(Self::$variant,)+];
        }

        #[cfg(test)]
        pub(crate) const C_NAMES: [&str; Kind::ALL.len()] = [$($c,)+];
    };
}

kinds! {
    Execve "SAKER_EXECVE";
    ExecveAt "SAKER_EXECVEAT";
    Clone "SAKER_CLONE";
    Clone3 "SAKER_CLONE3";
    Fork "SAKER_FORK";
    Vfork "SAKER_VFORK";
    ProcExit "SAKER_PROCEXIT";
    Open "SAKER_OPEN";
    OpenAt "SAKER_OPENAT";
    OpenAt2 "SAKER_OPENAT2";
    Creat "SAKER_CREAT";
    Close "SAKER_CLOSE";
    Dup "SAKER_DUP";
    Dup2 "SAKER_DUP2";
    Dup3 "SAKER_DUP3";
    Socket "SAKER_SOCKET";
    Bind "SAKER_BIND";
    Listen "SAKER_LISTEN";
    Connect "SAKER_CONNECT";
    Accept "SAKER_ACCEPT";
    Accept4 "SAKER_ACCEPT4";
    SendTo "SAKER_SENDTO";
    SendMsg "SAKER_SENDMSG";
    RecvFrom "SAKER_RECVFROM";
    RecvMsg "SAKER_RECVMSG";
    Unlink "SAKER_UNLINK";
    UnlinkAt "SAKER_UNLINKAT";
    Rmdir "SAKER_RMDIR";
    Mkdir "SAKER_MKDIR";
    MkdirAt "SAKER_MKDIRAT";
    Rename "SAKER_RENAME";
    RenameAt "SAKER_RENAMEAT";
    RenameAt2 "SAKER_RENAMEAT2";
    Link "SAKER_LINK";
    LinkAt "SAKER_LINKAT";
    Symlink "SAKER_SYMLINK";
    SymlinkAt "SAKER_SYMLINKAT";
    Chmod "SAKER_CHMOD";
    FchmodAt "SAKER_FCHMODAT";
    Fchmod "SAKER_FCHMOD";
    Ptrace "SAKER_PTRACE";
    SetNs "SAKER_SETNS";
    Unshare "SAKER_UNSHARE";
    SetUid "SAKER_SETUID";
    SetGid "SAKER_SETGID";
    SetReUid "SAKER_SETREUID";
    SetReGid "SAKER_SETREGID";
    SetResUid "SAKER_SETRESUID";
    SetResGid "SAKER_SETRESGID";
    SetPgid "SAKER_SETPGID";
    SetSid "SAKER_SETSID";
    CapSet "SAKER_CAPSET";
    Prctl "SAKER_PRCTL";
    Bpf "SAKER_BPF";
    InitModule "SAKER_INIT_MODULE";
    FinitModule "SAKER_FINIT_MODULE";
    UserFaultFd "SAKER_USERFAULTFD";
    MemfdCreate "SAKER_MEMFD_CREATE";
    IoUringSetup "SAKER_IO_URING_SETUP";
    Mount "SAKER_MOUNT";
    Umount "SAKER_UMOUNT";
    Umount2 "SAKER_UMOUNT2";
    Chroot "SAKER_CHROOT";
    Chdir "SAKER_CHDIR";
    Fchdir "SAKER_FCHDIR";
    OpenByHandleAt "SAKER_OPEN_BY_HANDLE_AT";
    SocketPair "SAKER_SOCKETPAIR";
    Shutdown "SAKER_SHUTDOWN";
    GetSockOpt "SAKER_GETSOCKOPT";
    SetSockOpt "SAKER_SETSOCKOPT";
    SendMmsg "SAKER_SENDMMSG";
    RecvMmsg "SAKER_RECVMMSG";
    Chown "SAKER_CHOWN";
    Lchown "SAKER_LCHOWN";
    Fchown "SAKER_FCHOWN";
    FchownAt "SAKER_FCHOWNAT";
    Mknod "SAKER_MKNOD";
    MknodAt "SAKER_MKNODAT";
    Truncate "SAKER_TRUNCATE";
    Ftruncate "SAKER_FTRUNCATE";
    MoveMount "SAKER_MOVE_MOUNT";
    PivotRoot "SAKER_PIVOT_ROOT";
    DeleteModule "SAKER_DELETE_MODULE";
    Kill "SAKER_KILL";
    Tkill "SAKER_TKILL";
    Tgkill "SAKER_TGKILL";
    Mmap "SAKER_MMAP";
    Mprotect "SAKER_MPROTECT";
    ProcessVmReadv "SAKER_PROCESS_VM_READV";
    ProcessVmWritev "SAKER_PROCESS_VM_WRITEV";
    /// No event, like the next: what becomes of cgroups.
    CgroupMade "SAKER_CGROUP_MADE";
    CgroupRemoved "SAKER_CGROUP_REMOVED";
}

impl Kind {
    /// Returns the kind with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Bits of [`Header::flags`].
pub mod flag {
    pub const TRUNCATED: u16 = 1 << 0;
    pub const FAULT: u16 = 1 << 1;
    pub const UNREACHABLE: u16 = 1 << 2;
    pub const IO_URING: u16 = 1 << 3;
    pub const COMPAT: u16 = 1 << 4;
    pub const NO_FILE: u16 = 1 << 5;
    pub const BASE_IS_CWD: u16 = 1 << 6;
}

/// Values of the low byte of [`Field::kind`].
pub mod field {
    pub const PATH: u16 = 1;
    pub const RAW: u16 = 2;
    pub const BASE: u16 = 3;
    pub const ARGUMENTS: u16 = 4;
    pub const ENVIRONMENT: u16 = 5;
    pub const CWD: u16 = 6;
    pub const CGROUP: u16 = 7;
    pub const CGROUP_V1: u16 = 8;
    pub const NAME: u16 = 9;
    pub const UNIX: u16 = 10;
    pub const TEXT: u16 = 11;
    pub const DATA: u16 = 12;
    pub const STRUCTURE: u16 = 13;
    pub const ADDRESS: u16 = 14;
    pub const DESCRIPTOR: u16 = 15;
    pub const ENFORCED: u16 = 64;
}

/// In front of every record.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    pub kind: u16,
    pub flags: u16,
    pub length: u32,
    pub time_ns: u64,
    pub sequence: u64,
    pub cpu: u32,
    pub tid: u32,
    pub pid: u32,
    pub ppid: u32,
    pub uid: u32,
    pub gid: u32,
    pub start_ns: u64,
    pub cgroup: u64,
    pub capabilities: u64,
    pub result: i64,
    pub permitted: u64,
    pub login_uid: u32,
    pub vtid: u32,
}

impl Header {
    /// Returns the head of the record in `bytes`, without reading the rest.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Self::read_from_prefix(bytes).ok().map(|(header, _)| header)
    }
}

/// A standard stream at exec.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Stream {
    pub mode: u16,
    pub family: u16,
    pub device: u32,
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Execve {
    pub inode: u64,
    pub ctime_ns: i64,
    pub mtime_ns: i64,
    pub inheritable: u64,
    pub namespace_start_ns: u64,
    pub files_max: u64,
    pub virtual_pages: u64,
    pub resident_pages: u64,
    pub swapped_pages: u64,
    pub faults_major: u64,
    pub faults_minor: u64,
    pub device: u32,
    pub links: u32,
    pub owner: u32,
    pub group: u32,
    pub mode: u16,
    pub layer: u8,
    pub read_only: u8,
    pub tty: u32,
    pub sid: u32,
    pub group_id: u32,
    pub virtual_group_id: u32,
    pub files: u32,
    pub input: Stream,
    pub output: Stream,
}

/// Values of [`Execve::layer`].
pub mod layer {
    pub const NONE: u8 = 0;
    pub const UPPER: u8 = 1;
    pub const LOWER: u8 = 2;
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Fork {
    pub flags: u64,
    pub parent_start_ns: u64,
    pub namespace_start_ns: u64,
    pub parent_pid: u32,
    pub sid: u32,
    pub group_id: u32,
    pub virtual_group_id: u32,
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ProcExit {
    pub status: i32,
    pub reserved: u32,
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Open {
    pub inode: u64,
    pub device: u32,
    pub flags: u32,
    pub create_mode: u32,
    pub opened_flags: u32,
    pub mode: u16,
    pub reserved: [u16; 3],
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Connect {
    pub descriptor: i32,
    pub family: u16,
    pub socket_type: u16,
    pub protocol: u16,
    pub local_port: u16,
    pub remote_port: u16,
    pub reserved: u16,
    pub local: [u8; 16],
    pub remote: [u8; 16],
}

/// The arguments of a system call, as its registers held them.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Call {
    pub arguments: [u64; CALL_ARGUMENTS],
}

#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Cgroup {
    pub id: u64,
    pub level: u32,
    pub reserved: u32,
}

/// In front of every field. The high byte of `kind` is the number of the argument the field belongs
/// to, counted from 1.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Field {
    pub kind: u16,
    pub length: u16,
}

/// What a descriptor stood for when the call ended.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Descriptor {
    pub inode: u64,
    pub device: u32,
    pub number: i32,
    pub flags: u32,
    pub mode: u16,
    pub family: u16,
    pub socket_type: u16,
    pub protocol: u16,
    pub local_port: u16,
    pub remote_port: u16,
    pub local: [u8; 16],
    pub remote: [u8; 16],
    pub state: u16,
    pub reserved: [u16; 3],
}

/// What the probe reads of one argument, beside the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reading {
    Nothing,
    Path,
    Text,
    Descriptor,
    Address,
    AddressBack,
    Data,
    DataBack,
    Message,
    MessageBack,
    Vector,
    Structure,
}

/// In [`Plan::with`]: no argument.
pub const WITHOUT: u8 = 255;

/// Bits of [`Plan::flags`].
pub mod plan {
    pub const MADE: u8 = 1 << 0;
    pub const FAILED: u8 = 1 << 1;
    pub const MOVED: u8 = 1 << 2;
}

/// What a call's arguments are: a [`Reading`] each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Plan {
    pub reading: [u8; CALL_ARGUMENTS],
    pub with: [u8; CALL_ARGUMENTS],
    pub flags: u8,
    pub reserved: [u8; 3],
}

/// How many arguments a system call has at most.
pub const CALL_ARGUMENTS: usize = 6;

/// What became of the events of one kind, on one processor. The kernel side counts in eight `u64`.
pub type Counters = [u64; 8];

/// Places in [`Counters`]: the first is the sum of the next five.
pub mod counter {
    pub const SEEN: usize = 0;
    pub const MUTED: usize = 1;
    pub const FILTERED: usize = 2;
    pub const LIMITED: usize = 3;
    pub const SENT: usize = 4;
    pub const LOST: usize = 5;
    pub const TRUNCATED: usize = 6;
    pub const FAULTED: usize = 7;
}

const _: () = {
    assert!(Kind::ALL.len() <= 127);
    assert!(size_of::<Header>() == 96);
    assert!(size_of::<Execve>() == 144);
    assert!(size_of::<Fork>() == 40);
    assert!(size_of::<ProcExit>() == 8);
    assert!(size_of::<Open>() == 32);
    assert!(size_of::<Connect>() == 48);
    assert!(size_of::<Call>() == 48);
    assert!(size_of::<Cgroup>() == 16);
    assert!(size_of::<Field>() == 4);
    assert!(size_of::<Descriptor>() == 72);
    assert!(size_of::<Counters>() == 64);
};

#[cfg(test)]
mod tests;
