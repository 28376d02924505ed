//! The kinds of event: one for each system call rules speak of, and a few the kernel makes itself.

use serde::{Deserialize, Serialize};

use super::parameter::{self as table, Parameter};

macro_rules! kinds {
    ($($variant:ident $name:literal $category:ident $descriptor:ident $reported:ident $parameters:ident;)+) => {
        /// The kinds of event a rule can name, after the system call that asks for it.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[repr(u8)]
        pub enum EventKind { $(#[serde(rename = $name)] $variant,)+ }

        impl EventKind {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Self; [$($name,)+].len()] = [$(Self::$variant,)+];

            /// Returns the value of `evt.type`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what the event is about.
            pub const fn category(self) -> Category {
                match self { $(Self::$variant => Category::$category,)+ }
            }

            /// Returns the event's parameters in the order of `evt.arg[0]`, `evt.arg[1]`.
            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $(Self::$variant => table::$parameters,)+ }
            }

            /// Returns which open file `fd.*` describes.
            pub const fn descriptor_use(self) -> DescriptorUse {
                match self { $(Self::$variant => DescriptorUse::$descriptor,)+ }
            }

            /// Returns whether a sensor of ours reports this kind. A rule on another kind loads,
            /// and is warned about: it waits for a sensor.
            pub const fn is_reported(self) -> bool {
                match self { $(Self::$variant => kinds!(@reported $reported),)+ }
            }
        }
    };
    (@reported reported) => { true };
    (@reported later) => { false };
}

/// What an event is about: `evt.category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    File,
    Network,
    Process,
    User,
    Memory,
    /// Reads from its descriptor, whose type is the category.
    Read,
    /// Writes to its descriptor, whose type is the category.
    Write,
    /// Does something else with its descriptor, whose type is the category.
    Descriptor,
    Other,
}

/// Which open file the `fd.*` fields of an event describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorUse {
    None,
    /// The one the call made: its number is the result.
    Made,
    /// The one the call was given.
    Given,
}

kinds! {
    Execve "execve" Process None reported EXECVE;
    ExecveAt "execveat" Process None reported EXECVEAT;
    Clone "clone" Process None reported CLONE;
    Clone3 "clone3" Process None reported CLONE;
    Fork "fork" Process None reported CLONE;
    Vfork "vfork" Process None reported CLONE;
    ProcExit "procexit" Process None reported PROCEXIT;
    Open "open" File Made reported OPEN;
    OpenAt "openat" File Made reported OPENAT;
    OpenAt2 "openat2" File Made reported OPENAT2;
    Creat "creat" File Made reported CREAT;
    Close "close" Descriptor Given reported CLOSE;
    Dup "dup" Descriptor Made reported DUP;
    Dup2 "dup2" Descriptor Made reported DUP2;
    Dup3 "dup3" Descriptor Made reported DUP3;
    Socket "socket" Network Made reported SOCKET;
    Bind "bind" Network Given reported BIND;
    Listen "listen" Network Given reported LISTEN;
    Connect "connect" Network Given reported CONNECT;
    Accept "accept" Network Made reported ACCEPT;
    Accept4 "accept4" Network Made reported ACCEPT4;
    SendTo "sendto" Write Given reported SEND;
    SendMsg "sendmsg" Write Given reported SEND;
    RecvFrom "recvfrom" Read Given reported RECVFROM;
    RecvMsg "recvmsg" Read Given reported RECVMSG;
    Unlink "unlink" File None reported UNLINK;
    UnlinkAt "unlinkat" File None reported UNLINKAT;
    Rmdir "rmdir" File None reported UNLINK;
    Mkdir "mkdir" File None reported MKDIR;
    MkdirAt "mkdirat" File None reported MKDIRAT;
    Rename "rename" File None reported RENAME;
    RenameAt "renameat" File None reported RENAMEAT;
    RenameAt2 "renameat2" File None reported RENAMEAT2;
    Link "link" File None reported RENAME;
    LinkAt "linkat" File None reported LINKAT;
    Symlink "symlink" File None reported SYMLINK;
    SymlinkAt "symlinkat" File None reported SYMLINKAT;
    Chmod "chmod" File None reported CHMOD;
    FchmodAt "fchmodat" File None reported FCHMODAT;
    Fchmod "fchmod" File Given reported FCHMOD;
    Ptrace "ptrace" Process None reported PTRACE;
    SetNs "setns" Process Given reported SETNS;
    Unshare "unshare" Process None reported UNSHARE;
    SetUid "setuid" User None reported SETUID;
    SetGid "setgid" User None reported SETGID;
    SetReUid "setreuid" User None reported SETREUID;
    SetReGid "setregid" User None reported SETREGID;
    SetResUid "setresuid" User None reported SETRESUID;
    SetResGid "setresgid" User None reported SETRESGID;
    SetPgid "setpgid" Process None reported SETPGID;
    SetSid "setsid" Process None reported SETSID;
    CapSet "capset" Process None reported CAPSET;
    Prctl "prctl" Process None reported PRCTL;
    Bpf "bpf" Other Made reported BPF;
    InitModule "init_module" Other None reported INIT_MODULE;
    FinitModule "finit_module" Other Given reported FINIT_MODULE;
    UserFaultFd "userfaultfd" File Made reported USERFAULTFD;
    MemfdCreate "memfd_create" Memory Made reported MEMFD_CREATE;
    IoUringSetup "io_uring_setup" Other Made reported IO_URING_SETUP;
    Mount "mount" File None reported MOUNT;
    Umount "umount" File None reported UMOUNT;
    Umount2 "umount2" File None reported UMOUNT2;
    Chroot "chroot" Process None reported PATH;
    Chdir "chdir" File None reported CHDIR;
    Fchdir "fchdir" File Given reported FCHDIR;
    OpenByHandleAt "open_by_handle_at" File Made reported OPEN_BY_HANDLE_AT;
    SocketPair "socketpair" Network None reported SOCKETPAIR;
    Shutdown "shutdown" Network Given reported SHUTDOWN;
    GetSockOpt "getsockopt" Network Given reported SOCKOPT;
    SetSockOpt "setsockopt" Network Given reported SOCKOPT;
    SendMmsg "sendmmsg" Write Given reported SENDMMSG;
    RecvMmsg "recvmmsg" Read Given reported RECVMMSG;
    Chown "chown" File None reported CHOWN;
    Lchown "lchown" File None reported CHOWN;
    Fchown "fchown" File Given reported FCHOWN;
    FchownAt "fchownat" File None reported FCHOWNAT;
    Mknod "mknod" File None reported MKNOD;
    MknodAt "mknodat" File None reported MKNODAT;
    Truncate "truncate" File None reported TRUNCATE;
    Ftruncate "ftruncate" File Given reported FTRUNCATE;
    MoveMount "move_mount" File None reported MOVE_MOUNT;
    PivotRoot "pivot_root" File None reported PIVOT_ROOT;
    DeleteModule "delete_module" Other None reported DELETE_MODULE;
    Kill "kill" Other None reported KILL;
    Tkill "tkill" Other None reported TKILL;
    Tgkill "tgkill" Other None reported TGKILL;
    Mmap "mmap" Memory Given reported MMAP;
    Mprotect "mprotect" Memory None reported MPROTECT;
    ProcessVmReadv "process_vm_readv" Process None reported PROCESS_VM;
    ProcessVmWritev "process_vm_writev" Process None reported PROCESS_VM;
    Container "container" Process None reported CONTAINER;
    ContainerRemoved "container_removed" Process None reported CONTAINER;
}

impl EventKind {
    /// Returns the kind with this `evt.type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the kinds a sensor of ours reports.
    pub fn reported() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| kind.is_reported())
    }

    /// Returns whether the event is the end of a system call.
    pub const fn is_syscall(self) -> bool {
        !matches!(self, Self::ProcExit) && !self.is_notice()
    }

    /// Returns whether the event tells of a container rather than of a call.
    pub const fn is_notice(self) -> bool {
        matches!(self, Self::Container | Self::ContainerRemoved)
    }

    /// Returns whether ordinary programs do this all the time: a rule sees such an event only if it
    /// asks for it by name.
    pub const fn is_frequent(self) -> bool {
        matches!(
            self,
            Self::Close
                | Self::SendTo
                | Self::SendMsg
                | Self::SendMmsg
                | Self::RecvFrom
                | Self::RecvMsg
                | Self::RecvMmsg
                | Self::GetSockOpt
                | Self::SetSockOpt
                | Self::Mmap
                | Self::Mprotect
        )
    }

    /// Returns whether the event opens a file.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Open | Self::OpenAt | Self::OpenAt2 | Self::Creat | Self::OpenByHandleAt
        )
    }

    /// Returns whether the event starts a program.
    pub const fn is_exec(self) -> bool {
        matches!(self, Self::Execve | Self::ExecveAt)
    }

    /// Returns whether the event makes a process.
    pub const fn is_clone(self) -> bool {
        matches!(self, Self::Clone | Self::Clone3 | Self::Fork | Self::Vfork)
    }

    /// Returns the index of a parameter by name.
    pub fn parameter_index(self, name: &str) -> Option<usize> {
        self.parameters().iter().position(|parameter| parameter.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_number_in_the_list_and_its_name_alone() {
        for (number, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn parameter_names_of_a_kind_differ() {
        for kind in EventKind::ALL {
            for (number, parameter) in kind.parameters().iter().enumerate() {
                assert_eq!(kind.parameter_index(parameter.name), Some(number), "{kind:?}");
            }
        }
    }

    #[test]
    fn every_kind_is_reported() {
        assert!(EventKind::reported().eq(EventKind::ALL));
    }
}
