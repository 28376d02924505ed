//! Has programs verified on two processors at once, before they are attached one by one: verifying
//! takes most of the time of a start.

use std::thread;

use aya::{
    Btf, Ebpf,
    programs::{Program, ProgramError},
};
use probe::{
    layout::Kind,
    program::{CGROUPS, FAMILIES, Hook, IO_URING, PROCESS, SYSCALL_EXIT},
    trampoline::Trampoline,
};

use super::{
    BackendChoice,
    attach::{find, uninterrupted},
};

/// Loads what these kinds need of the system call exit and other tracepoints. A program that is refused
/// is refused again when it is to be attached, which says so.
pub(super) fn load_ahead(ebpf: &mut Ebpf, btf: &Btf, kinds: &[Kind], choice: BackendChoice) {
    let by_syscall = !grants_trampolines(ebpf, btf, choice);
    let hooks = tracepoints(kinds, by_syscall);
    // The largest by far, which takes about as long as all others.
    let (mut exit, mut others) = (None, Vec::new());
    for (name, program) in ebpf.programs_mut() {
        let Some(hook) = hooks.iter().find(|hook| hook.program == name) else { continue };
        let Program::BtfTracePoint(program) = program else { continue };
        match *hook == SYSCALL_EXIT {
            true => exit = Some(program),
            false => others.push((program, hook.target)),
        }
    }
    thread::scope(|scope| {
        if let Some(exit) = exit {
            scope.spawn(move || drop(uninterrupted(|| exit.load(SYSCALL_EXIT.target, btf))));
        }
        for (program, target) in others {
            drop(uninterrupted(|| program.load(target, btf)));
        }
    });
}

/// Returns the tracepoints that serve these kinds, with the system call exit or without.
fn tracepoints(kinds: &[Kind], by_syscall: bool) -> Vec<Hook> {
    let wanted = |served: &[Kind]| served.iter().any(|kind| kinds.contains(kind));
    let always = PROCESS.iter().chain(&CGROUPS).map(|(_, hook)| *hook);
    let families = FAMILIES.iter().filter(|family| by_syscall && wanted(family.kinds));
    let families = families.map(|family| Hook { program: family.syscall, ..SYSCALL_EXIT });
    let rings = IO_URING.iter().filter(|(served, _)| wanted(served)).map(|(_, hook)| *hook);
    let mut hooks: Vec<_> = families.collect();
    if !hooks.is_empty() {
        hooks.push(SYSCALL_EXIT);
    }
    hooks.extend(always.chain(rings));
    hooks
}

/// Returns whether the kernel may grant trampolines: it accepts a small program for one.
fn grants_trampolines(ebpf: &mut Ebpf, btf: &Btf, choice: BackendChoice) -> bool {
    if choice == BackendChoice::Syscall {
        return false;
    }
    let mut of_functions = FAMILIES.iter().filter_map(|family| match family.trampoline {
        Trampoline::Functions([hook]) => Some(hook),
        _ => None,
    });
    of_functions.any(|hook| try_trampoline(ebpf, btf, *hook).is_ok())
}

fn try_trampoline(ebpf: &mut Ebpf, btf: &Btf, hook: Hook) -> Result<(), ProgramError> {
    match find(ebpf, hook.program)? {
        Program::FExit(program) => {
            uninterrupted(|| program.load(hook.target, btf))?;
            program.unload()
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_call_exit_is_loaded_only_where_it_serves_something() {
        let programs = |kinds: &[Kind], by_syscall| -> Vec<_> {
            tracepoints(kinds, by_syscall).iter().map(|hook| hook.program).collect()
        };
        let life =
            ["process_exec", "process_fork", "process_exit", "cgroup_made", "cgroup_removed"];
        assert_eq!(programs(&[Kind::ProcExit], true), life);
        assert_eq!(programs(&[Kind::Connect], false), [&life[..], &["ring_connect"]].concat());
        let connect = [&["syscall_connect", "syscall_exit"], &life[..], &["ring_connect"]].concat();
        assert_eq!(programs(&[Kind::Connect], true), connect);
    }
}
