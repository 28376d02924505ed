//! What is in the object: its programs, its maps, and the settings it reads.

use crate::layout::Kind;

/// Names of maps.
pub mod map {
    pub const PRIO: &str = "prio";
    pub const BULK: &str = "bulk";
    pub const COUNTERS: &str = "counters";
    pub const FAMILIES: &str = "families";
}

/// Names of settings, each overridden before the object is loaded.
pub mod setting {
    /// `u32`: process whose own system calls are left out; 0 for none.
    pub const MUTED_PID: &str = "saker_muted_pid";
    /// [`super::Wanted`].
    pub const WANTED: &str = "saker_wanted";
    /// `u8`: 1 to send the environment.
    pub const ENVIRONMENT: &str = "saker_environment";
    /// [`super::Operations`].
    pub const OPERATIONS: &str = "saker_operations";
    /// [`super::Socketcalls`].
    pub const SOCKETCALLS: &str = "saker_socketcalls";
}

/// What to do at the end of each system call: `kind + 1`, 0 for nothing; the 32-bit call of the same
/// number has the high byte.
pub type Operations = [u16; 512];

/// The operation of i386 `socketcall`, whose first argument says which call it is.
pub const SOCKETCALL: u8 = 255;

/// The operations of the calls that i386 `socketcall` carries, by their number there.
pub type Socketcalls = [u8; 32];

/// Bit per [`Kind`].
pub type Wanted = [u64; 2];

/// Returns the bits of these kinds.
pub fn wanted(kinds: impl IntoIterator<Item = Kind>) -> Wanted {
    let mut bits = [0; 2];
    for kind in kinds {
        bits[kind as usize / 64] |= 1 << (kind as u32 % 64);
    }
    bits
}

/// The program on the exit of system calls, which jumps to a [`Family`].
pub const SYSCALL_EXIT: Hook = Hook { program: "syscall_exit", target: "sys_exit" };

/// A program and the place in the kernel it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    pub program: &'static str,
    /// Tracepoint, or kernel function of a trampoline.
    pub target: &'static str,
}

/// Life of processes, always attached.
pub const PROCESS: [(Kind, Hook); 3] = [
    (Kind::Execve, Hook { program: "process_exec", target: "sched_process_exec" }),
    (Kind::Clone, Hook { program: "process_fork", target: "sched_process_fork" }),
    (Kind::ProcExit, Hook { program: "process_exit", target: "sched_process_exit" }),
];

/// What becomes of cgroups; the agent does without where the kernel lacks them.
pub const CGROUPS: [(Kind, Hook); 2] = [
    (Kind::CgroupMade, Hook { program: "cgroup_made", target: "cgroup_mkdir" }),
    (Kind::CgroupRemoved, Hook { program: "cgroup_removed", target: "cgroup_rmdir" }),
];

/// Kinds served by one program.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub kinds: &'static [Kind],
    /// On the return of a kernel function; nothing is paid by other system calls.
    pub trampoline: Option<Hook>,
    /// Entered from [`SYSCALL_EXIT`].
    pub syscall: &'static str,
}

/// All families beside process life.
pub const FAMILIES: [Family; 5] = [
    Family {
        kinds: &[Kind::Open, Kind::OpenAt, Kind::OpenAt2, Kind::Creat],
        trampoline: Some(Hook { program: "trampoline_open", target: "do_sys_openat2" }),
        syscall: "syscall_open",
    },
    Family {
        kinds: &[Kind::Connect],
        trampoline: Some(Hook { program: "trampoline_connect", target: "__sys_connect" }),
        syscall: "syscall_connect",
    },
    Family { kinds: &[Kind::Ptrace], trampoline: None, syscall: "syscall_ptrace" },
    Family {
        kinds: &[Kind::InitModule, Kind::FinitModule],
        trampoline: None,
        syscall: "syscall_module",
    },
    Family { kinds: &[Kind::Unlink, Kind::UnlinkAt], trampoline: None, syscall: "syscall_unlink" },
];

/// Requests of io_uring, which pass all system calls by; attached beside the families.
pub const IO_URING: [(&[Kind], Hook); 2] = [
    (&[Kind::OpenAt, Kind::OpenAt2], Hook { program: "ring_open", target: "io_uring_submit_req" }),
    (&[Kind::Connect], Hook { program: "ring_connect", target: "io_uring_submit_req" }),
];

/// What Linux 6.1 calls their tracepoint.
pub const IO_URING_OLDER: &str = "io_uring_submit_sqe";

/// Numbers of one system call: of the 64-bit table and of the 32-bit one, where each has it.
struct Numbers {
    kind: Kind,
    native: Option<u16>,
    compat: Option<u16>,
}

const fn numbers(kind: Kind, native: Option<u16>, compat: Option<u16>) -> Numbers {
    Numbers { kind, native, compat }
}

#[cfg(target_arch = "x86_64")]
const NUMBERS: [Numbers; 10] = [
    numbers(Kind::Open, Some(2), Some(5)),
    numbers(Kind::OpenAt, Some(257), Some(295)),
    numbers(Kind::OpenAt2, Some(437), Some(437)),
    numbers(Kind::Creat, Some(85), Some(8)),
    numbers(Kind::Connect, Some(42), Some(362)),
    numbers(Kind::Ptrace, Some(101), Some(26)),
    numbers(Kind::InitModule, Some(175), Some(128)),
    numbers(Kind::FinitModule, Some(313), Some(350)),
    numbers(Kind::Unlink, Some(87), Some(10)),
    numbers(Kind::UnlinkAt, Some(263), Some(301)),
];

#[cfg(target_arch = "aarch64")]
const NUMBERS: [Numbers; 10] = [
    numbers(Kind::Open, None, Some(5)),
    numbers(Kind::OpenAt, Some(56), Some(322)),
    numbers(Kind::OpenAt2, Some(437), Some(437)),
    numbers(Kind::Creat, None, Some(8)),
    numbers(Kind::Connect, Some(203), Some(283)),
    numbers(Kind::Ptrace, Some(117), Some(26)),
    numbers(Kind::InitModule, Some(105), Some(128)),
    numbers(Kind::FinitModule, Some(273), Some(379)),
    numbers(Kind::Unlink, None, Some(10)),
    numbers(Kind::UnlinkAt, Some(35), Some(328)),
];

/// i386 `socketcall`; 32-bit Arm programs of the EABI have none.
#[cfg(target_arch = "x86_64")]
const SOCKETCALL_NUMBER: Option<usize> = Some(102);
#[cfg(target_arch = "aarch64")]
const SOCKETCALL_NUMBER: Option<usize> = None;

/// Calls that `socketcall` carries, with their numbers in `include/uapi/linux/net.h`.
const CARRIED: [(Kind, u8); 1] = [(Kind::Connect, 3)];

/// Returns the table that makes the probe look at the system calls of these kinds and no others.
pub fn operations(kinds: &[Kind]) -> Operations {
    let mut operations = [0; 512];
    for call in NUMBERS.iter().filter(|call| kinds.contains(&call.kind)) {
        let operation = call.kind as u16 + 1;
        if let Some(number) = call.native {
            operations[usize::from(number)] |= operation;
        }
        if let Some(number) = call.compat {
            operations[usize::from(number)] |= operation << 8;
        }
    }
    if let Some(number) = SOCKETCALL_NUMBER
        && socketcalls(kinds) != [0; 32]
    {
        operations[number] |= u16::from(SOCKETCALL) << 8;
    }
    operations
}

/// Returns the same for the calls `socketcall` carries.
pub fn socketcalls(kinds: &[Kind]) -> Socketcalls {
    let mut operations = [0; 32];
    for (kind, number) in CARRIED.iter().filter(|(kind, _)| kinds.contains(kind)) {
        operations[usize::from(*number)] = *kind as u8 + 1;
    }
    operations
}

/// Returns the places in the map of families at which a family's program is entered.
pub fn entries(family: &Family) -> impl Iterator<Item = u32> {
    family.kinds.iter().map(|kind| *kind as u32 + 1)
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;

    #[test]
    fn both_tables_share_one_word_without_touching_each_other() {
        let operations = operations(&[Kind::Open, Kind::Connect, Kind::Unlink]);
        assert_eq!(operations[2], Kind::Open as u16 + 1);
        assert_eq!(operations[5], (Kind::Open as u16 + 1) << 8);
        assert_eq!(operations[42], Kind::Connect as u16 + 1);
        assert_eq!(operations[102], u16::from(SOCKETCALL) << 8);
        assert_eq!(operations[257], 0);
    }

    #[test]
    fn socketcall_is_looked_at_for_what_it_carries() {
        assert_eq!(socketcalls(&[Kind::Connect])[3], Kind::Connect as u8 + 1);
        assert_eq!(socketcalls(&[Kind::Open]), [0; 32]);
        assert_eq!(operations(&[Kind::Open])[102], 0);
    }

    #[test]
    fn a_wanted_kind_has_its_bit_in_one_of_two_words() {
        assert_eq!(
            wanted([Kind::Execve, Kind::CgroupRemoved]),
            [1, 1 << (Kind::CgroupRemoved as u32 - 64)]
        );
    }

    #[test]
    fn no_system_call_is_looked_at_for_process_life() {
        assert_eq!(operations(&[Kind::Execve, Kind::Clone, Kind::ProcExit]), [0; 512]);
    }

    #[test]
    fn no_kind_has_two_programs() {
        for kind in Kind::ALL {
            let life = PROCESS.iter().chain(&CGROUPS).filter(|(of, _)| *of == kind).count();
            let families = FAMILIES.iter().filter(|family| family.kinds.contains(&kind)).count();
            assert!(life + families <= 1, "{kind:?}");
        }
    }
}
