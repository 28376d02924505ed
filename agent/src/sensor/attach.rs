//! Chooses a hook for each kind of event by trying, and says which it was.

use std::collections::BTreeSet;

use alert::EventKind;
use aya::{
    Btf, Ebpf,
    maps::{MapData, PerCpuArray, ProgramArray},
    programs::{BtfTracePoint, Program, ProgramError},
};
use probe::{
    layout::{Counters, Kind},
    program::{self, FAMILIES, Family, PROCESS, SYSCALL_EXIT},
};

use super::{
    Backend, BackendChoice, Hook, SensorError, Unavailable,
    load::{event_kind, refused},
    trampoline::Trampolines,
};
use crate::enrich::container::NOTICES;

/// What is to be watched where calls end, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen<'a> {
    pub(super) kinds: &'a [Kind],
    pub(super) backend: BackendChoice,
    /// See [`SensorOptions::successes_only`](super::SensorOptions::successes_only).
    pub(super) successes_only: &'a [EventKind],
}

/// What was attached, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) hooks: Vec<Hook>,
    pub(super) unavailable: Vec<Unavailable>,
}

/// Attaches the hooks of process life; without them there is no sensor.
pub(super) fn attach_process(
    ebpf: &mut Ebpf,
    btf: &Btf,
    plan: &mut Plan,
) -> Result<(), SensorError> {
    for (kinds, hook) in PROCESS {
        load_tracepoint(ebpf, btf, hook).map_err(|error| required(hook.program, error))?;
        attach_tracepoint(ebpf, hook.program).map_err(|error| required(hook.program, error))?;
        plan.hooks.push(Hook {
            kinds: kinds.iter().filter_map(|kind| event_kind(*kind)).collect(),
            program: hook.program.to_owned(),
            target: hook.target.to_owned(),
            backend: Backend::Syscall,
            note: None,
        });
    }
    Ok(())
}

/// Attaches what tells of cgroups made and removed. Without it a container is known from its first
/// event on.
pub(super) fn attach_cgroups(ebpf: &mut Ebpf, btf: &Btf, plan: &mut Plan) {
    for (told, (kinds, hook)) in NOTICES.into_iter().zip(program::CGROUPS) {
        let attached =
            load_tracepoint(ebpf, btf, hook).and_then(|()| attach_tracepoint(ebpf, hook.program));
        match attached {
            Ok(()) => {
                let note = "containers, as their cgroups come and go".to_owned();
                let hook = hooked(kinds, hook, Backend::Syscall, Some(note));
                plan.hooks.push(Hook { kinds: vec![told], ..hook });
            }
            Err(error) => {
                let mut blind = unavailable(&[], hook.program, &error);
                blind.what = "containers before their first event".to_owned();
                plan.unavailable.push(blind);
            }
        }
    }
}

/// Attaches what the wanted kinds need: a trampoline if the kernel grants one, else the system call
/// exit, or only that which was chosen. A family that gets neither is named in the plan.
pub(super) fn attach_families(
    ebpf: &mut Ebpf,
    btf: &Btf,
    families: &mut ProgramArray<MapData>,
    counters: &PerCpuArray<MapData, Counters>,
    chosen: Chosen<'_>,
    plan: &mut Plan,
) {
    let mut by_syscall = BTreeSet::new();
    let mut trampolines = Trampolines::new(counters, chosen);
    for (index, family) in FAMILIES.iter().enumerate() {
        let kinds = family.kinds.iter().copied();
        let served: Vec<_> = kinds.filter(|kind| chosen.kinds.contains(kind)).collect();
        if served.is_empty() {
            continue;
        }
        let note = match trampolines.serve(ebpf, btf, family, &served) {
            Ok(hook) => {
                plan.hooks.push(hooked(&served, hook, Backend::Trampoline, None));
                continue;
            }
            Err(why) => why,
        };
        if chosen.backend == BackendChoice::Trampoline {
            let why = note.unwrap_or_default();
            plan.unavailable.push(Unavailable { what: names(&served), why });
            continue;
        }
        match enter_from_syscall(ebpf, btf, families, family) {
            Ok(()) => {
                let hook = program::Hook { program: family.syscall, ..SYSCALL_EXIT };
                let note = note.map(|why| format!("no trampoline: {why}"));
                plan.hooks.push(hooked(&served, hook, Backend::Syscall, note));
                by_syscall.insert(index);
            }
            Err(error) => plan.unavailable.push(unavailable(&served, family.syscall, &error)),
        }
    }
    if by_syscall.is_empty() {
        return;
    }
    let attached = load_tracepoint(ebpf, btf, SYSCALL_EXIT)
        .and_then(|()| attach_tracepoint(ebpf, SYSCALL_EXIT.program));
    if let Err(error) = attached {
        plan.hooks.retain(|hook| hook.target != SYSCALL_EXIT.target);
        for index in by_syscall {
            let family = &FAMILIES[index];
            plan.unavailable.push(unavailable(family.kinds, SYSCALL_EXIT.program, &error));
        }
    }
}

/// Attaches what sees opens and connects through io_uring; a kernel that cannot is named as blind.
pub(super) fn attach_io_uring(ebpf: &mut Ebpf, btf: &Btf, kinds: &[Kind], plan: &mut Plan) {
    for (of, hook) in program::IO_URING {
        let served: Vec<_> = of.iter().copied().filter(|kind| kinds.contains(kind)).collect();
        if served.is_empty() {
            continue;
        }
        let older = program::Hook { target: program::IO_URING_OLDER, ..hook };
        let loaded = load_tracepoint(ebpf, btf, hook).map(|()| hook);
        let loaded = loaded.or_else(|error| match load_tracepoint(ebpf, btf, older) {
            Ok(()) => Ok(older),
            Err(_) => Err(error),
        });
        match loaded.and_then(|hook| attach_tracepoint(ebpf, hook.program).map(|()| hook)) {
            Ok(hook) => {
                let note = "through io_uring; the outcome is not known".to_owned();
                plan.hooks.push(hooked(&served, hook, Backend::Syscall, Some(note)));
            }
            Err(error) => {
                let mut blind = unavailable(&served, hook.program, &error);
                blind.what.push_str(" through io_uring");
                plan.unavailable.push(blind);
            }
        }
    }
}

fn hooked(kinds: &[Kind], hook: program::Hook, backend: Backend, note: Option<String>) -> Hook {
    Hook {
        kinds: kinds.iter().filter_map(|kind| event_kind(*kind)).collect(),
        program: hook.program.to_owned(),
        target: hook.target.to_owned(),
        backend,
        note,
    }
}

fn unavailable(kinds: &[Kind], program: &str, error: &ProgramError) -> Unavailable {
    Unavailable { what: names(kinds), why: format!("{program}: {}", one_line(error)) }
}

fn names(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().filter_map(|kind| Some(event_kind(*kind)?.name())).collect();
    names.join(", ")
}

/// Loads the family's program and puts it where the system call exit jumps to.
fn enter_from_syscall(
    ebpf: &mut Ebpf,
    btf: &Btf,
    families: &mut ProgramArray<MapData>,
    family: &Family,
) -> Result<(), ProgramError> {
    load_tracepoint(ebpf, btf, program::Hook { program: family.syscall, ..SYSCALL_EXIT })?;
    let program = find(ebpf, family.syscall)?.fd()?.try_clone().map_err(ProgramError::IOError)?;
    for entry in program::entries(family) {
        families.set(entry, &program, 0)?;
    }
    Ok(())
}

/// Loads a program that is not loaded yet.
fn load_tracepoint(ebpf: &mut Ebpf, btf: &Btf, hook: program::Hook) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = find(ebpf, hook.program)?.try_into()?;
    match program.load(hook.target, btf) {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        other => other,
    }
}

fn attach_tracepoint(ebpf: &mut Ebpf, name: &str) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = find(ebpf, name)?.try_into()?;
    program.attach().map(|_| ())
}

pub(super) fn find<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, ProgramError> {
    ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)
}

/// With CAP_BPF alone maps are granted and every tracing program is refused.
fn required(program: &'static str, error: ProgramError) -> SensorError {
    let denied = match &error {
        ProgramError::LoadError { io_error, .. } => refused(io_error),
        ProgramError::SyscallError(error) => refused(&error.io_error),
        _ => false,
    };
    if denied {
        return SensorError::MissingCapability {
            capability: "CAP_PERFMON",
            what: "load tracing programs",
        };
    }
    SensorError::Program { program, source: Box::new(error) }
}

/// Returns whether a line of the verifier's log says how much work it was.
fn is_statistics(line: &str) -> bool {
    let openings = ["processed ", "stack depth ", "verification time "];
    line.is_empty() || openings.iter().any(|opening| line.starts_with(opening))
}

/// Returns the error without the verifier's log, which runs over many lines; its end tells most.
pub(super) fn one_line(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            match log.lines().rev().find(|line| !is_statistics(line.trim())) {
                Some(last) => format!("{io_error}: {}", last.trim()),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        other => other.to_string(),
    }
}
