//! What is in the object: its programs, its maps, and the settings it reads.

use crate::{
    call::CALLS,
    layout::Kind,
    number::{self, CARRIED, NUMBERS},
    trampoline::{Returned, Trampoline},
    types::Cast,
};

/// Names of maps.
pub mod map {
    pub const PRIO: &str = "prio";
    pub const BULK: &str = "bulk";
    pub const COUNTERS: &str = "counters";
    pub const FAMILIES: &str = "families";
    pub const LIMIT_CGROUPS: &str = "limit_cgroups";
    pub const MUTED_PIDS: &str = "muted_pids";
    pub const MUTED_CGROUPS: &str = "muted_cgroups";
    pub const FILTERS: &str = "filters";
    pub const KNOWN_FILES: &str = "known_files";
    /// The one variable beside [`crate::needs`]: the generation of the tables in force, 0 for none.
    pub const GENERATION: &str = ".bss";
}

/// Names of settings, each overridden before the object is loaded.
pub mod setting {
    /// `u32`: process whose own system calls are left out; 0 for none.
    pub const MUTED_PID: &str = "saker_muted_pid";
    /// `u64`: nanoseconds after which one more event of a kind is let through; 0 for no limit.
    pub const LIMIT_KIND: &str = "saker_limit_kind_token_ns";
    /// The same of a kind from one cgroup.
    pub const LIMIT_CGROUP: &str = "saker_limit_cgroup_token_ns";
    /// `u64`: nanoseconds that are saved up; 0 for no limits.
    pub const LIMIT_BURST: &str = "saker_limit_burst_ns";
    /// `u8`: 1 to leave out processes and cgroups.
    pub const MUTE: &str = "saker_mute";
    /// `u8`: 1 to drop by [`crate::filter`].
    pub const FILTERING: &str = "saker_filtering";
    /// `u8`: 1 if [`super::with_cast`] was given numbers.
    pub const TYPED: &str = "saker_typed";
    /// [`crate::call::plan_bytes`].
    pub const PLANS: &str = "saker_plans";
}

/// The kernel function that gives a pointer its type, from Linux 6.2 on.
pub const CAST_FUNCTION: &str = "bpf_rdonly_cast";

/// The types it is told of.
pub const CAST_TYPES: [&str; 5] = ["task_struct", "vm_area_struct", "mount", "vfsmount", "file"];

/// The call in its place in the object: opcode, registers, and a number no function has.
const CAST_CALL: u64 = 0x5a4b_ec7e_0000_2085;
/// The first of the types in its place: opcode, register, and a number no type has.
const CAST_TYPE: u64 = 0x5a4c_0000_0000_02b7;

/// Returns the object with the numbers that the running kernel has for [`CAST_FUNCTION`] and
/// [`CAST_TYPES`] in its calls, since the loader knows none of the kernel's functions. 0 where there is
/// none: such calls are refused only where they can be reached.
pub fn with_cast(object: &[u8], cast: Option<Cast>) -> Vec<u8> {
    let mut object = object.to_vec();
    let Cast { function, types } = cast.unwrap_or_default();
    for instruction in object.as_chunks_mut::<8>().0 {
        let word = u64::from_le_bytes(*instruction);
        let type_number = usize::try_from(word.wrapping_sub(CAST_TYPE) >> 32)
            .ok()
            .filter(|_| word & 0xffff_ffff == CAST_TYPE & 0xffff_ffff)
            .and_then(|place| types.get(place));
        let number = match type_number {
            None if word == CAST_CALL => function,
            None => continue,
            Some(number) => *number,
        };
        instruction[4..].copy_from_slice(&number.to_le_bytes());
    }
    object
}

/// What to do at the end of each system call: `kind + 1`, 0 for nothing; the 32-bit call of the same
/// number has the high byte.
pub type Operations = [u16; 512];

/// The operation of i386 `socketcall`, whose first argument says which call it is.
pub const SOCKETCALL: u8 = 255;

/// The calls that i386 `socketcall` carries, by their number there: low byte the operation, high byte
/// how many arguments there are.
pub type Socketcalls = [u16; 32];

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
pub const PROCESS: [(&[Kind], Hook); 3] = [
    (
        &[Kind::Execve, Kind::ExecveAt],
        Hook { program: "process_exec", target: "sched_process_exec" },
    ),
    (
        &[Kind::Clone, Kind::Clone3, Kind::Fork, Kind::Vfork],
        Hook { program: "process_fork", target: "sched_process_fork" },
    ),
    (&[Kind::ProcExit], Hook { program: "process_exit", target: "sched_process_exit" }),
];

/// Tells of every process there is; the program is in the [iterator](crate::ITERATOR)'s object.
pub const SNAPSHOT: Hook = Hook { program: "snapshot", target: "task" };

/// What becomes of cgroups; the agent does without where the kernel lacks them.
pub const CGROUPS: [(&[Kind], Hook); 2] = [
    (&[Kind::CgroupMade], Hook { program: "cgroup_made", target: "cgroup_mkdir" }),
    (&[Kind::CgroupRemoved], Hook { program: "cgroup_removed", target: "cgroup_rmdir" }),
];

/// Kinds served by one program.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub kinds: &'static [Kind],
    /// On kernel functions; nothing is paid by other system calls.
    pub trampoline: Trampoline,
    /// Entered from [`SYSCALL_EXIT`].
    pub syscall: &'static str,
}

/// Sees opens that fail and no others.
pub const OPEN_FAILED: &str = "trampoline_open_failed";

/// All families beside process life.
pub const FAMILIES: [Family; 3] = [
    Family {
        kinds: &[Kind::Open, Kind::OpenAt, Kind::OpenAt2, Kind::Creat],
        trampoline: Trampoline::Functions(&[
            Hook { program: "trampoline_open", target: "fd_install" },
            Hook { program: OPEN_FAILED, target: "do_sys_openat2" },
        ]),
        syscall: "syscall_open",
    },
    Family {
        kinds: &[Kind::Connect],
        trampoline: Trampoline::Functions(&[Hook {
            program: "trampoline_connect",
            target: "__sys_connect",
        }]),
        syscall: "syscall_connect",
    },
    Family {
        kinds: &CALL_KINDS,
        trampoline: Trampoline::Calls(Returned {
            programs: ["returned_call", "returned_unused_call"],
            compat: "returned_compat_call",
        }),
        syscall: "syscall_call",
    },
];

/// What the table of [`CALLS`] serves.
const CALL_KINDS: [Kind; CALLS.len()] = {
    let mut kinds = [Kind::Execve; CALLS.len()];
    let mut row = 0;
    while row < CALLS.len() {
        kinds[row] = CALLS[row].kind;
        row += 1;
    }
    kinds
};

/// Requests of io_uring, which pass all system calls by; attached beside the families.
pub const IO_URING: [(&[Kind], Hook); 4] = [
    (&[Kind::OpenAt, Kind::OpenAt2], Hook { program: "ring_open", target: "io_uring_submit_req" }),
    (&[Kind::Connect], Hook { program: "ring_connect", target: "io_uring_submit_req" }),
    (
        &[Kind::RenameAt2, Kind::UnlinkAt, Kind::MkdirAt, Kind::SymlinkAt, Kind::LinkAt],
        Hook { program: "ring_path", target: "io_uring_submit_req" },
    ),
    (
        &[
            Kind::Accept4,
            Kind::Close,
            Kind::SendTo,
            Kind::RecvFrom,
            Kind::SendMsg,
            Kind::RecvMsg,
            Kind::Socket,
            Kind::Shutdown,
            Kind::Bind,
            Kind::Listen,
        ],
        Hook { program: "ring_socket", target: "io_uring_submit_req" },
    ),
];

/// What Linux 6.1 calls their tracepoint.
pub const IO_URING_OLDER: &str = "io_uring_submit_sqe";

/// Returns the table that makes the probe look at the system calls of these kinds and no others.
pub fn operations(kinds: &[Kind]) -> Operations {
    let mut operations = [0; 512];
    for call in NUMBERS.iter().filter(|call| kinds.contains(&call.kind)) {
        let operation = call.kind as u16 + 1;
        for number in call.native {
            operations[usize::from(*number)] |= operation;
        }
        for number in call.compat {
            operations[usize::from(*number)] |= operation << 8;
        }
    }
    if let Some(number) = number::SOCKETCALL
        && socketcalls(kinds) != [0; 32]
    {
        operations[number] |= u16::from(SOCKETCALL) << 8;
    }
    operations
}

/// Returns the same for the calls `socketcall` carries, each with the count of its arguments.
pub fn socketcalls(kinds: &[Kind]) -> Socketcalls {
    let mut operations = [0; 32];
    for (kind, number, count) in CARRIED.iter().filter(|(kind, ..)| kinds.contains(kind)) {
        operations[usize::from(*number)] = (*kind as u16 + 1) | (u16::from(*count) << 8);
    }
    operations
}

/// Returns the place in the map of families at which a kind's program is entered.
pub const fn entry(kind: Kind) -> u32 {
    kind as u32 + 1
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;

    #[test]
    fn the_objects_have_calls_to_give_pointers_their_type_and_each_gets_its_numbers() {
        let count = |object: &[u8], instruction: u64| {
            let chunks = object.as_chunks::<8>().0;
            chunks.iter().filter(|chunk| u64::from_le_bytes(**chunk) == instruction).count()
        };
        let cast = Cast { function: 0x1234_5678, types: [0x111, 0x222, 0x333, 0x444, 0x555] };
        for object in [crate::OBJECT, crate::ITERATOR] {
            let calls = count(object, CAST_CALL);
            let put = with_cast(object, Some(cast));
            assert!(calls > 0);
            assert_eq!((count(&put, CAST_CALL), count(&put, 0x1234_5678_0000_2085)), (0, calls));
            let mut types = 0;
            for (place, number) in (0..).zip(cast.types) {
                let before = count(object, CAST_TYPE + (place << 32));
                assert_eq!(count(&put, u64::from(number) << 32 | 0x2b7), before, "{place}");
                types += before;
            }
            assert_eq!(types, calls);
        }
    }

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
        assert_eq!(socketcalls(&[Kind::Connect])[3], (Kind::Connect as u16 + 1) | 3 << 8);
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
    fn every_kind_has_a_program_and_only_starts_and_forks_have_a_second_for_failures() {
        for kind in Kind::ALL {
            let life = PROCESS.iter().chain(&CGROUPS).filter(|(kinds, _)| kinds.contains(&kind));
            let families = FAMILIES.iter().filter(|family| family.kinds.contains(&kind)).count();
            let programs = life.count() + families;
            let starts = matches!(
                kind,
                Kind::Execve
                    | Kind::ExecveAt
                    | Kind::Clone
                    | Kind::Clone3
                    | Kind::Fork
                    | Kind::Vfork
            );
            assert_eq!(programs, 1 + usize::from(starts), "{kind:?}");
        }
    }

    #[test]
    fn every_call_of_a_family_has_a_number_on_some_machine() {
        for kind in FAMILIES.iter().flat_map(|family| family.kinds) {
            assert!(NUMBERS.iter().any(|call| call.kind == *kind), "{kind:?}");
        }
    }
}
