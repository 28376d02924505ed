//! What the arguments of each system call are: for the probe, which reads them, and for the reader
//! of its records. A new call is one row here and its numbers in `number.rs`.

use zerocopy::IntoBytes;

use crate::layout::{Kind, Plan, Reading, WITHOUT, plan};

/// Where the value of one parameter comes from. Numbers count the arguments of the call from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The result, or what follows from it or from the descriptor; or it is not known.
    Result,
    /// 32 bits with a sign.
    Signed(u8),
    /// 32 bits.
    Unsigned(u8),
    /// As wide as a register.
    Long(u8),
    /// As wide as a register, with old programs' mark in the upper half.
    MountFlags(u8),
    /// A path from the working directory.
    Path(u8),
    /// A path from a directory, which is another argument.
    PathAt(u8, u8),
    /// The directory that a path starts at, and the path.
    Directory(u8, u8),
    /// A text that is no path.
    Text(u8),
    /// A text, if the first argument is this number.
    TextIf(u8, u8),
    /// The descriptor the call is about.
    Descriptor(u8),
    /// A descriptor of the same file as the one the call made.
    Same(u8),
    /// A socket address, and its length.
    Address(u8, u8),
    /// What was written, and its length.
    Data(u8, u8),
    /// What was read.
    DataBack(u8),
    /// What the message holds.
    Message(u8),
    /// What the message, or the first of several, was filled with.
    MessageBack(u8),
    /// How many bytes the message has room for; read with it.
    MessageSize(u8),
    /// What the first vector holds.
    Vector(u8),
    /// A number of 32 bits in a structure, at this offset.
    Member(u8, u8),
    /// A number of 64 bits whose halves are at these offsets.
    Halves(u8, u8, u8),
}

/// One call and its parameters, in the order of the event's.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub kind: Kind,
    pub sources: &'static [Source],
    /// What is read beside the parameters: argument, how, and with which other.
    reads: &'static [(u8, Reading, u8)],
    flags: u8,
}

const fn of(kind: Kind, sources: &'static [Source]) -> Call {
    Call { kind, sources, reads: &[], flags: 0 }
}

/// A call whose result is a descriptor.
const fn made(kind: Kind, sources: &'static [Source]) -> Call {
    Call { kind, sources, reads: &[], flags: plan::MADE }
}

/// A call that is told of here only if it failed.
const fn failed(kind: Kind, reads: &'static [(u8, Reading, u8)]) -> Call {
    Call { kind, sources: &[], reads, flags: plan::FAILED }
}

/// A call after which the process may work in another directory.
const fn moved(kind: Kind, sources: &'static [Source]) -> Call {
    Call { kind, sources, reads: &[], flags: plan::MOVED }
}

const fn reading(call: Call, reads: &'static [(u8, Reading, u8)]) -> Call {
    Call { reads, ..call }
}

use Source::{
    Address, Data, DataBack, Descriptor, Directory, Halves, Long, Member, Message, MessageBack,
    MessageSize, MountFlags, Path, PathAt, Result as Res, Same, Signed, Text, TextIf, Unsigned,
    Vector,
};

const PR_SET_NAME: u8 = 15;
/// With a message: each says itself how long it is.
const SEVERAL: u8 = 1;
const ONE_PATH: &[Source] = &[Res, Path(0)];
const TWO_PATHS: &[Source] = &[Res, Path(0), Path(1)];
const OWNER: &[Source] = &[Res, Path(0), Unsigned(1), Unsigned(2)];
const ONE_ID: &[Source] = &[Res, Unsigned(0)];
const TWO_IDS: &[Source] = &[Res, Unsigned(0), Unsigned(1)];
const THREE_IDS: &[Source] = &[Res, Unsigned(0), Unsigned(1), Unsigned(2)];
const TWO_PATHS_AT: &[Source] =
    &[Res, Directory(0, 1), PathAt(1, 0), Directory(2, 3), PathAt(3, 2), Unsigned(4)];
const PATH_AT: &[Source] = &[Res, Directory(0, 1), PathAt(1, 0), Unsigned(2)];

/// All calls but opens and connects, which have programs of their own.
pub const CALLS: [Call; 84] = [
    failed(Kind::Execve, &[(0, Reading::Path, WITHOUT)]),
    failed(Kind::ExecveAt, &[(1, Reading::Path, 0)]),
    failed(Kind::Clone, &[]),
    failed(Kind::Clone3, &[(0, Reading::Structure, 8)]),
    failed(Kind::Fork, &[]),
    failed(Kind::Vfork, &[]),
    // Told as an open is: of the file, as the handle is no path.
    made(Kind::OpenByHandleAt, &[]),
    // Its file is gone when it returns.
    of(Kind::Close, &[Res, Signed(0)]),
    made(Kind::Dup, &[Res, Same(0)]),
    made(Kind::Dup2, &[Res, Same(0), Same(1)]),
    made(Kind::Dup3, &[Res, Same(0), Same(1), Unsigned(2)]),
    made(Kind::Socket, &[Res, Unsigned(0), Unsigned(1), Unsigned(2)]),
    of(Kind::Bind, &[Res, Address(1, 2), Descriptor(0)]),
    of(Kind::Listen, &[Res, Descriptor(0), Signed(1)]),
    made(Kind::Accept, &[Res, Res, Res, Res, Res]),
    made(Kind::Accept4, &[Res, Res, Res, Res, Res, Unsigned(3)]),
    reading(
        of(Kind::SendTo, &[Res, Data(1, 2), Descriptor(0), Long(2), Res]),
        &[(4, Reading::Address, 5)],
    ),
    of(Kind::SendMsg, &[Res, Message(1), Descriptor(0), MessageSize(1), Res]),
    of(Kind::SendMmsg, &[Res, Descriptor(0), MessageSize(1), Message(1), Res]),
    reading(
        of(Kind::RecvFrom, &[Res, DataBack(1), Res, Descriptor(0), Long(2)]),
        &[(4, Reading::AddressBack, 5)],
    ),
    of(Kind::RecvMsg, &[Res, MessageSize(1), MessageBack(1), Res, Res, Descriptor(0)]),
    reading(
        of(Kind::RecvMmsg, &[Res, Descriptor(0), MessageSize(1), MessageBack(1), Res, Res]),
        &[(1, Reading::MessageBack, SEVERAL)],
    ),
    of(Kind::SocketPair, &[Res, Member(3, 0), Member(3, 4), Res, Res]),
    of(Kind::Shutdown, &[Res, Descriptor(0), Unsigned(1)]),
    of(Kind::GetSockOpt, &[Res, Descriptor(0), Unsigned(1), Unsigned(2), Res, Res]),
    of(Kind::SetSockOpt, &[Res, Descriptor(0), Unsigned(1), Unsigned(2), Res, Unsigned(4)]),
    of(Kind::Unlink, ONE_PATH),
    of(Kind::UnlinkAt, PATH_AT),
    of(Kind::Rmdir, ONE_PATH),
    of(Kind::Mkdir, &[Res, Path(0), Unsigned(1)]),
    of(Kind::MkdirAt, PATH_AT),
    of(Kind::Rename, TWO_PATHS),
    of(Kind::RenameAt, &[Res, Directory(0, 1), PathAt(1, 0), Directory(2, 3), PathAt(3, 2)]),
    of(Kind::RenameAt2, TWO_PATHS_AT),
    of(Kind::Link, TWO_PATHS),
    of(Kind::LinkAt, TWO_PATHS_AT),
    of(Kind::Symlink, &[Res, Text(0), Path(1)]),
    of(Kind::SymlinkAt, &[Res, Text(0), Directory(1, 2), PathAt(2, 1)]),
    of(Kind::Chmod, &[Res, Path(0), Unsigned(1)]),
    of(Kind::FchmodAt, PATH_AT),
    of(Kind::Fchmod, &[Res, Descriptor(0), Unsigned(1)]),
    of(Kind::Chown, OWNER),
    of(Kind::Lchown, OWNER),
    of(Kind::Fchown, &[Res, Descriptor(0), Unsigned(1), Unsigned(2)]),
    of(
        Kind::FchownAt,
        &[Res, Directory(0, 1), PathAt(1, 0), Unsigned(2), Unsigned(3), Unsigned(4)],
    ),
    of(Kind::Mknod, OWNER),
    of(Kind::MknodAt, &[Res, Directory(0, 1), PathAt(1, 0), Unsigned(2), Unsigned(3)]),
    of(Kind::Truncate, &[Res, Path(0), Long(1)]),
    of(Kind::Ftruncate, &[Res, Descriptor(0), Long(1)]),
    of(Kind::Ptrace, &[Res, Long(2), Long(3), Long(0), Signed(1)]),
    of(Kind::SetNs, &[Res, Descriptor(0), Unsigned(1)]),
    of(Kind::Unshare, &[Res, Long(0)]),
    of(Kind::SetUid, ONE_ID),
    of(Kind::SetGid, ONE_ID),
    of(Kind::SetReUid, TWO_IDS),
    of(Kind::SetReGid, TWO_IDS),
    of(Kind::SetResUid, THREE_IDS),
    of(Kind::SetResGid, THREE_IDS),
    of(Kind::SetPgid, &[Res, Signed(0), Signed(1)]),
    of(Kind::SetSid, &[Res]),
    // `struct __user_cap_data_struct[2]`: effective, permitted, inheritable; the low halves first.
    of(Kind::CapSet, &[Res, Halves(1, 8, 20), Halves(1, 4, 16), Halves(1, 0, 12)]),
    of(Kind::Prctl, &[Res, Signed(0), TextIf(1, PR_SET_NAME), Long(1)]),
    made(Kind::Bpf, &[Res, Signed(0)]),
    of(Kind::InitModule, &[Res, Data(0, 1), Long(1), Text(2)]),
    of(Kind::FinitModule, &[Res, Descriptor(0), Text(1), Unsigned(2)]),
    of(Kind::DeleteModule, &[Res, Text(0), Unsigned(1)]),
    made(Kind::UserFaultFd, &[Res, Unsigned(0)]),
    made(Kind::MemfdCreate, &[Res, Text(0), Unsigned(1)]),
    // `struct io_uring_params`.
    made(
        Kind::IoUringSetup,
        &[
            Res,
            Unsigned(0),
            Member(1, 0),
            Member(1, 4),
            Member(1, 8),
            Member(1, 12),
            Member(1, 16),
            Member(1, 20),
        ],
    ),
    of(Kind::Mount, &[Res, Text(0), Path(1), Text(2), MountFlags(3)]),
    of(Kind::Umount, ONE_PATH),
    of(Kind::Umount2, &[Res, Path(0), Unsigned(1)]),
    of(Kind::MoveMount, TWO_PATHS_AT),
    of(Kind::PivotRoot, TWO_PATHS),
    moved(Kind::Chroot, ONE_PATH),
    moved(Kind::Chdir, &[Res, Text(0)]),
    moved(Kind::Fchdir, &[Res, Descriptor(0)]),
    of(Kind::Kill, &[Res, Signed(0), Signed(1)]),
    of(Kind::Tkill, &[Res, Signed(0), Signed(1)]),
    of(Kind::Tgkill, &[Res, Signed(0), Signed(1), Signed(2)]),
    of(
        Kind::Mmap,
        &[Res, Res, Res, Res, Long(0), Long(1), Unsigned(2), Unsigned(3), Descriptor(4), Long(5)],
    ),
    of(Kind::Mprotect, &[Res, Long(0), Long(1), Unsigned(2)]),
    of(Kind::ProcessVmReadv, &[Res, Signed(0), Vector(1)]),
    of(Kind::ProcessVmWritev, &[Res, Signed(0), Vector(1)]),
];

/// The plans of all calls, by the number of their kind.
pub type Plans = [Plan; 128];

/// Returns the row of a kind; `None` where a program of its own serves it.
pub fn call(kind: Kind) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.kind == kind)
}

/// Returns the plans as the probe's bytes.
pub fn plan_bytes() -> Vec<u8> {
    let mut plans: Plans = [Plan::default(); 128];
    for call in &CALLS {
        plans[call.kind as usize] = call.plan();
    }
    plans.as_bytes().to_vec()
}

impl Call {
    /// Returns whether the result is a descriptor.
    pub const fn makes(&self) -> bool {
        self.flags & plan::MADE != 0
    }

    /// Returns whether the process may work in another directory afterwards.
    pub const fn moves(&self) -> bool {
        self.flags & plan::MOVED != 0
    }

    /// Returns whether its record holds all paths and the descriptor of its event, and the event is of
    /// nothing else.
    pub fn tells_all(&self) -> bool {
        // A descriptor that bpf(2) makes counts only if it is of its own sort.
        !self.sources.is_empty() && !self.moves() && self.kind != Kind::Bpf
    }

    /// Returns what the probe reads.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan { flags: self.flags, ..Plan::default() };
        let sources = self.sources.iter().filter_map(|source| source.reading());
        for (argument, reading, with) in sources.chain(self.reads.iter().copied()) {
            let argument = usize::from(argument);
            plan.reading[argument] = reading as u8;
            // The members of a structure come one after the other.
            plan.with[argument] = match reading {
                Reading::Structure => plan.with[argument].max(with),
                _ => with,
            };
        }
        plan
    }
}

impl Source {
    fn reading(self) -> Option<(u8, Reading, u8)> {
        Some(match self {
            Path(argument) => (argument, Reading::Path, WITHOUT),
            PathAt(argument, directory) => (argument, Reading::Path, directory),
            Text(argument) => (argument, Reading::Text, WITHOUT),
            TextIf(argument, first) => (argument, Reading::Text, first),
            Descriptor(argument) => (argument, Reading::Descriptor, WITHOUT),
            Address(argument, length) => (argument, Reading::Address, length),
            Data(argument, length) => (argument, Reading::Data, length),
            DataBack(argument) => (argument, Reading::DataBack, WITHOUT),
            Message(argument) => (argument, Reading::Message, WITHOUT),
            MessageBack(argument) => (argument, Reading::MessageBack, WITHOUT),
            Vector(argument) => (argument, Reading::Vector, WITHOUT),
            Member(argument, offset) => (argument, Reading::Structure, offset + 4),
            Halves(argument, low, high) => (argument, Reading::Structure, low.max(high) + 4),
            Res | Signed(_) | Unsigned(_) | Long(_) | MountFlags(_) | Directory(..) | Same(_)
            | MessageSize(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_is_read_up_to_its_last_member() {
        let plan = |kind| call(kind).map(Call::plan).expect("a row");
        assert_eq!(plan(Kind::CapSet).reading[1], Reading::Structure as u8);
        assert_eq!(plan(Kind::CapSet).with[1], 24);
        assert_eq!(plan(Kind::IoUringSetup).with[1], 24);
        assert_eq!(plan(Kind::SocketPair).with[3], 8);
    }

    #[test]
    fn a_path_knows_the_argument_with_its_directory() {
        let plan = call(Kind::RenameAt2).expect("a row").plan();
        assert_eq!(plan.reading, [0, 1, 0, 1, 0, 0]);
        assert_eq!(plan.with, [0, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn every_structure_fits_into_what_the_probe_reads() {
        for call in &CALLS {
            let plan = call.plan();
            for (reading, with) in plan.reading.into_iter().zip(plan.with) {
                assert!(reading != Reading::Structure as u8 || with <= 64, "{:?}", call.kind);
            }
        }
    }
}
