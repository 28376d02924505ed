//! Trampolines of the object: on kernel functions that serve several calls, and on the functions of
//! single calls.

use crate::{layout::Kind, number::NUMBERS, program::Hook};

/// How trampolines serve a family.
#[derive(Clone, Copy, Debug)]
pub enum Trampoline {
    /// On these functions, all of which are needed.
    Functions(&'static [Hook]),
    /// On the function of each call.
    Calls(Returned),
}

/// The family's programs where the functions of calls return: one for each [`Sort`], and one for all
/// 32-bit calls.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    pub programs: [&'static str; 2],
    pub compat: &'static str,
}

/// Functions of calls with the same arguments: programs may jump to each other on these only.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// The map in which [`Returned`]'s programs are found by operation, and the start of the names of
    /// those that jump there.
    pub map: &'static str,
    /// A function that every kernel has, to load those programs on that are only jumped to.
    pub any: &'static str,
}

/// In which of both a function is depends on the kernel.
pub const SORTS: [Sort; 2] = [
    Sort { map: "returned", any: "__x64_sys_unlink" },
    Sort { map: "returned_unused", any: "__do_sys_setsid" },
];

/// The same for 32-bit calls.
pub const COMPAT_MAP: &str = "returned_compat";

/// How many functions of each sort can have a trampoline at once.
pub const SLOTS: usize = 64;

/// Where the name of a call's function begins.
pub const PREFIX: &str = "__x64_sys_";
/// The same of calls without arguments, where that name is but another one for it.
pub const BARE_PREFIX: &str = "__do_sys_";

/// The program at which all 32-bit calls are entered, and a function that only kernels with 32-bit
/// calls have.
pub const COMPAT: Hook = Hook { program: "enter_compat", target: "ia32_sys_call" };
pub const COMPAT_SIGN: &str = "__ia32_compat_sys_openat";

/// Returns the program of a slot.
pub fn slot(sort: &Sort, number: usize) -> String {
    format!("enter_{}_{:o}{}", sort.map, number / 8, number % 8)
}

/// Returns whether the call has no arguments.
pub fn is_bare(kind: Kind) -> bool {
    matches!(kind, Kind::Fork | Kind::Vfork | Kind::SetSid)
}

/// Returns how many calls of this kind 64-bit programs have, and 32-bit ones.
pub fn calls(kind: Kind) -> (usize, usize) {
    let numbers = NUMBERS.iter().find(|numbers| numbers.kind == kind);
    numbers.map_or((0, 0), |numbers| (numbers.native.len(), numbers.compat.len()))
}
