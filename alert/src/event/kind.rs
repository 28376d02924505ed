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
    ExecveAt "execveat" Process None later EXECVEAT;
    Clone "clone" Process None reported CLONE;
    Clone3 "clone3" Process None later CLONE;
    Fork "fork" Process None later CLONE;
    Vfork "vfork" Process None later CLONE;
    ProcExit "procexit" Process None reported PROCEXIT;
    Open "open" File Made reported OPEN;
    OpenAt "openat" File Made reported OPENAT;
    OpenAt2 "openat2" File Made reported OPENAT2;
    Creat "creat" File Made reported CREAT;
    Close "close" Descriptor Given later CLOSE;
    Dup "dup" Descriptor Made later DUP;
    Dup2 "dup2" Descriptor Made later DUP2;
    Dup3 "dup3" Descriptor Made later DUP3;
    Socket "socket" Network Made later SOCKET;
    Bind "bind" Network Given later BIND;
    Listen "listen" Network Given later LISTEN;
    Connect "connect" Network Given reported CONNECT;
    Accept "accept" Network Made later ACCEPT;
    Accept4 "accept4" Network Made later ACCEPT4;
    SendTo "sendto" Write Given later SEND;
    SendMsg "sendmsg" Write Given later SEND;
    RecvFrom "recvfrom" Read Given later RECVFROM;
    RecvMsg "recvmsg" Read Given later RECVMSG;
    Unlink "unlink" File None reported UNLINK;
    UnlinkAt "unlinkat" File None reported UNLINKAT;
    Rmdir "rmdir" File None later UNLINK;
    Mkdir "mkdir" File None later MKDIR;
    MkdirAt "mkdirat" File None later MKDIRAT;
    Rename "rename" File None later RENAME;
    RenameAt "renameat" File None later RENAMEAT;
    RenameAt2 "renameat2" File None later RENAMEAT2;
    Link "link" File None later RENAME;
    LinkAt "linkat" File None later LINKAT;
    Symlink "symlink" File None later SYMLINK;
    SymlinkAt "symlinkat" File None later SYMLINKAT;
    Chmod "chmod" File None later CHMOD;
    FchmodAt "fchmodat" File None later FCHMODAT;
    Fchmod "fchmod" File Given later FCHMOD;
    Ptrace "ptrace" Process None reported PTRACE;
    SetNs "setns" Process Given later SETNS;
    Unshare "unshare" Process None later UNSHARE;
    SetUid "setuid" User None later SETUID;
    SetGid "setgid" User None later SETGID;
    SetReUid "setreuid" User None later SETREUID;
    SetReGid "setregid" User None later SETREGID;
    SetResUid "setresuid" User None later SETRESUID;
    SetResGid "setresgid" User None later SETRESGID;
    SetPgid "setpgid" Process None later SETPGID;
    SetSid "setsid" Process None later SETSID;
    CapSet "capset" Process None later CAPSET;
    Prctl "prctl" Process None later PRCTL;
    Bpf "bpf" Other Made later BPF;
    InitModule "init_module" Other None reported INIT_MODULE;
    FinitModule "finit_module" Other Given reported FINIT_MODULE;
    UserFaultFd "userfaultfd" File Made later USERFAULTFD;
    MemfdCreate "memfd_create" Memory Made later MEMFD_CREATE;
    IoUringSetup "io_uring_setup" Other Made later IO_URING_SETUP;
    Mount "mount" File None later MOUNT;
    Umount "umount" File None later UMOUNT;
    Umount2 "umount2" File None later UMOUNT2;
    Chroot "chroot" Process None later PATH;
    Chdir "chdir" File None later CHDIR;
    Fchdir "fchdir" File Given later FCHDIR;
    Container "container" Process None later CONTAINER;
    ContainerRemoved "container_removed" Process None later CONTAINER;
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

    /// Returns whether the event opens a file.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenAt | Self::OpenAt2 | Self::Creat)
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
    fn thirteen_kinds_are_reported() {
        let names: Vec<_> = EventKind::reported().map(EventKind::name).collect();
        assert_eq!(
            names,
            [
                "execve",
                "clone",
                "procexit",
                "open",
                "openat",
                "openat2",
                "creat",
                "connect",
                "unlink",
                "unlinkat",
                "ptrace",
                "init_module",
                "finit_module",
            ]
        );
    }
}
