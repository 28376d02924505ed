//! Attaches programs to tracepoints: those that every sensor has, and single ones for the others.

use std::{io, thread, time::Duration};

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, Program, ProgramError, tp_btf::BtfTracePointLink},
};
use probe::{
    layout::Kind,
    program::{self, PROCESS},
};

use super::{
    Backend, Hook, SensorError, Unavailable,
    load::{event_kind, refused},
};
use crate::enrich::container::NOTICES;

/// How long is waited before a program is loaded again whose verification was interrupted.
const LOAD_WAITS: [Duration; 10] = {
    let mut waits = [Duration::ZERO; 10];
    let mut tries = 1;
    while tries < waits.len() {
        waits[tries] = Duration::from_millis(1 << tries);
        tries += 1;
    }
    waits
};

/// What was attached, and what could not be.
#[derive(Clone, Debug, Default)]
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
        let attached = stay_attached(ebpf, btf, hook);
        attached.map_err(|error| required(hook.program, error))?;
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
        match stay_attached(ebpf, btf, hook) {
            Ok(()) => {
                let note = "containers, as their cgroups come and go".to_owned();
                let hook = hooked(kinds, hook, Backend::Syscall, Some(note));
                plan.hooks.push(Hook { kinds: vec![told], ..hook });
            }
            Err(error) => {
                plan.unavailable.push(Unavailable {
                    what: "containers before their first event".to_owned(),
                    why: why_not(hook.program, &error),
                });
            }
        }
    }
}

pub(super) fn hooked(
    kinds: &[Kind],
    hook: program::Hook,
    backend: Backend,
    note: Option<String>,
) -> Hook {
    Hook {
        kinds: kinds.iter().filter_map(|kind| event_kind(*kind)).collect(),
        program: hook.program.to_owned(),
        target: hook.target.to_owned(),
        backend,
        note,
    }
}

/// Returns why the kernel did not take a program.
pub(super) fn why_not(program: &str, error: &ProgramError) -> String {
    format!("{program}: {}", one_line(error))
}

pub(super) fn names(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().filter_map(|kind| Some(event_kind(*kind)?.name())).collect();
    names.join(", ")
}

/// Loads a program and attaches it for as long as the object lives.
fn stay_attached(ebpf: &mut Ebpf, btf: &Btf, hook: program::Hook) -> Result<(), ProgramError> {
    load_tracepoint(ebpf, Some(btf), hook)?;
    tracepoint(ebpf, hook.program)?.attach().map(drop)
}

/// Loads a program, unless it is; without the kernel's types it must be.
pub(super) fn load_tracepoint(
    ebpf: &mut Ebpf,
    btf: Option<&Btf>,
    hook: program::Hook,
) -> Result<(), ProgramError> {
    let program = tracepoint(ebpf, hook.program)?;
    match (program.fd(), btf) {
        (Err(_), Some(btf)) => uninterrupted(|| program.load(hook.target, btf)),
        (loaded, _) => loaded.map(drop),
    }
}

/// Loads a program, again after a while if the verifier stops because this thread is to go back to
/// user space for a signal: EAGAIN (`do_check` of kernel/bpf/verifier.c, from 4.20 on). On 6.18 that
/// lasts some milliseconds, without a signal, while others of the process attach programs.
pub(super) fn uninterrupted(
    mut load: impl FnMut() -> Result<(), ProgramError>,
) -> Result<(), ProgramError> {
    for wait in LOAD_WAITS {
        match load() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        thread::sleep(wait);
    }
    load()
}

/// Attaches a loaded program for as long as what is returned lives.
pub(super) fn attach_tracepoint(
    ebpf: &mut Ebpf,
    name: &str,
) -> Result<BtfTracePointLink, ProgramError> {
    let program = tracepoint(ebpf, name)?;
    let link = program.attach()?;
    program.take_link(link)
}

fn tracepoint<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, ProgramError> {
    find(ebpf, name)?.try_into()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_with(code: i32) -> ProgramError {
        ProgramError::LoadError {
            io_error: io::Error::from_raw_os_error(code),
            verifier_log: aya_obj::VerifierLog::new(String::new()),
        }
    }

    #[test]
    fn an_interrupted_load_is_tried_again_within_bounds_and_another_error_is_not() {
        let tries_of = |code, until| {
            let mut tries = 0;
            let result = uninterrupted(|| {
                tries += 1;
                if tries < until { Err(refused_with(code)) } else { Ok(()) }
            });
            (tries, result.is_ok())
        };
        let most = LOAD_WAITS.len() + 1;
        assert_eq!(tries_of(libc::EAGAIN, 1), (1, true));
        assert_eq!(tries_of(libc::EAGAIN, most), (most, true));
        assert_eq!(tries_of(libc::EAGAIN, usize::MAX), (most, false));
        assert_eq!(tries_of(libc::EACCES, 2), (1, false));
    }
}
