//! Trampolines on kernel functions, each proven to fire before it is relied on.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, UdpSocket},
};

use alert::EventKind;
use aya::{
    Btf, Ebpf,
    maps::{MapData, PerCpuArray, ProgramArray},
    programs::{Program, ProgramError, ProgramFd},
};
use probe::{
    layout::{Counters, Kind},
    program::{Family, Hook, OPEN_FAILED, entry},
    trampoline::{self, COMPAT, COMPAT_MAP, COMPAT_SIGN, PREFIX, Returned, SORTS, Trampoline},
};

use super::{
    BackendChoice,
    attach::{find, one_line, uninterrupted},
    count,
    load::event_kind,
};

/// More calls than this are left to the one tracepoint: each trampoline takes its time to attach.
const CALLS_MAX: usize = 32;

/// What is attached now.
#[derive(Debug)]
pub(super) struct Trampolines {
    choice: BackendChoice,
    /// Functions of single calls that have one.
    functions: usize,
    /// Slots in use, by sort.
    slots: [usize; SORTS.len()],
    compat: bool,
    /// Programs loaded for the functions of single calls.
    programs: Vec<String>,
}

impl Trampolines {
    pub(super) const fn new(choice: BackendChoice) -> Self {
        let (functions, slots) = (0, [0; SORTS.len()]);
        Self { choice, functions, slots, compat: false, programs: Vec::new() }
    }

    /// Returns whether there is to be one for each of these kinds, or why not; `None` where another
    /// back end was chosen.
    pub(super) fn fit(&self, family: &Family, kinds: &[Kind]) -> Result<(), Option<String>> {
        if self.choice == BackendChoice::Syscall {
            return Err(None);
        }
        let Trampoline::Calls(_) = family.trampoline else { return Ok(()) };
        if !cfg!(target_arch = "x86_64") {
            return Err(Some(
                "calls have functions of their own to be hooked on x86-64".to_owned(),
            ));
        }
        let wanted = self.functions + count_functions(kinds);
        if self.choice == BackendChoice::Auto && wanted > CALLS_MAX {
            return Err(Some(format!("{wanted} calls are wanted, more than {CALLS_MAX}")));
        }
        Ok(())
    }

    /// Attaches what serves these kinds of the family, and the failures of those that are among
    /// `failures`, and is not attached, or says why not.
    pub(super) fn serve(
        &mut self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        counters: &PerCpuArray<MapData, Counters>,
        (family, kinds, failures): (&Family, &[Kind], &[Kind]),
    ) -> Result<Hook, String> {
        let (slots, compat) = (self.slots, self.compat);
        let mut attached = Vec::new();
        let hook = match &family.trampoline {
            Trampoline::Functions(hooks) => {
                let fails = kinds.iter().any(|kind| failures.contains(kind));
                on_functions(ebpf, btf, (hooks, fails), &mut attached)
            }
            Trampoline::Calls(returned) => self.on_calls(ebpf, btf, returned, kinds, &mut attached),
        };
        match hook.and_then(|hook| prove(counters, kinds, &attached).map(|()| hook)) {
            Ok(hook) => {
                if let Trampoline::Calls(_) = family.trampoline {
                    self.functions += count_functions(kinds);
                    self.programs.append(&mut attached);
                }
                Ok(hook)
            }
            Err(mut why) => {
                (self.slots, self.compat) = (slots, compat);
                for program in attached {
                    if let Err(error) = unload(ebpf, &program) {
                        why = format!("{why}; {program} stays: {}", one_line(&error));
                    }
                }
                Err(why)
            }
        }
    }

    /// Detaches all that serves a family, which is these kinds.
    pub(super) fn release(&mut self, ebpf: &mut Ebpf, family: &Family, kinds: &[Kind]) {
        let programs = match &family.trampoline {
            Trampoline::Functions(hooks) => {
                hooks.iter().map(|hook| hook.program.to_owned()).collect()
            }
            Trampoline::Calls(_) => {
                (self.functions, self.slots, self.compat) = (0, [0; SORTS.len()], false);
                SORTS.iter().for_each(|sort| leave(ebpf, sort.map, kinds));
                leave(ebpf, COMPAT_MAP, kinds);
                std::mem::take(&mut self.programs)
            }
        };
        for program in programs {
            if let Err(error) = unload(ebpf, &program) {
                tracing::warn!(program, error = one_line(&error), "a trampoline stays");
            }
        }
    }

    /// Detaches what sees nothing but failures of a family.
    pub(super) fn release_failures(&self, ebpf: &mut Ebpf, family: &Family) {
        let Trampoline::Functions(hooks) = &family.trampoline else { return };
        for hook in hooks.iter().filter(|hook| hook.program == OPEN_FAILED) {
            if let Err(error) = unload(ebpf, hook.program) {
                tracing::warn!(hook.program, error = one_line(&error), "a trampoline stays");
            }
        }
    }

    fn on_calls(
        &mut self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        returned: &Returned,
        served: &[Kind],
        attached: &mut Vec<String>,
    ) -> Result<Hook, String> {
        for (sort, program) in SORTS.iter().zip(returned.programs) {
            loaded(ebpf, btf, (program, sort.any), attached)
                .and_then(|program| enter(ebpf, sort.map, served, &program))
                .map_err(|error| format!("{program}: {}", one_line(&error)))?;
        }
        for kind in served {
            for (number, function) in functions(*kind).iter().enumerate() {
                match self.on_function(ebpf, btf, function, attached) {
                    // Only the first must be there: others came with later kernels.
                    Err(ProgramError::Btf(_)) if number > 0 => {}
                    other => other.map_err(|error| format!("{function}: {}", one_line(&error)))?,
                }
            }
        }
        self.on_compat(ebpf, btf, returned, served, attached)?;
        Ok(Hook { program: returned.programs[0], target: PREFIX })
    }

    /// Attaches a slot to the function of a call: of the one sort, else of the other.
    fn on_function(
        &mut self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        function: &str,
        attached: &mut Vec<String>,
    ) -> Result<(), ProgramError> {
        let mut refused = ProgramError::NotLoaded;
        for (sort, used) in SORTS.iter().zip(&mut self.slots) {
            let slot = trampoline::slot(sort, *used);
            match load(ebpf, btf, &slot, function) {
                Err(error @ ProgramError::LoadError { .. }) => refused = error,
                other => {
                    other?;
                    *used += 1;
                    attached.push(slot.clone());
                    return attach(ebpf, &slot);
                }
            }
        }
        Err(refused)
    }

    /// Attaches the one program for 32-bit calls, if the kernel has such.
    fn on_compat(
        &mut self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        returned: &Returned,
        served: &[Kind],
        attached: &mut Vec<String>,
    ) -> Result<(), String> {
        let kinds: Vec<_> =
            served.iter().copied().filter(|kind| trampoline::calls(*kind).1 > 0).collect();
        let program = match loaded(ebpf, btf, (returned.compat, COMPAT.target), attached) {
            Ok(program) => program,
            Err(error) => {
                return match load(ebpf, btf, COMPAT.program, COMPAT_SIGN) {
                    Err(ProgramError::Btf(_)) => Ok(()),
                    _ => Err(format!("32-bit calls: {}", one_line(&error))),
                };
            }
        };
        let entered = enter(ebpf, COMPAT_MAP, &kinds, &program);
        entered.map_err(|error| format!("32-bit calls: {}", one_line(&error)))?;
        if !self.compat {
            attached.push(COMPAT.program.to_owned());
            load(ebpf, btf, COMPAT.program, COMPAT.target)
                .and_then(|()| attach(ebpf, COMPAT.program))
                .map_err(|error| format!("{}: {}", COMPAT.target, one_line(&error)))?;
            self.compat = true;
        }
        Ok(())
    }
}

/// Attaches what is not attached to functions of the kernel; what sees nothing but failures only if
/// they count.
fn on_functions(
    ebpf: &mut Ebpf,
    btf: &Btf,
    (hooks, failures): (&[Hook], bool),
    attached: &mut Vec<String>,
) -> Result<Hook, String> {
    for hook in hooks.iter().filter(|hook| failures || hook.program != OPEN_FAILED) {
        if find(ebpf, hook.program).is_ok_and(|program| program.fd().is_ok()) {
            continue;
        }
        attached.push(hook.program.to_owned());
        load(ebpf, btf, hook.program, hook.target)
            .and_then(|()| attach(ebpf, hook.program))
            .map_err(|error| format!("{}: {}", hook.target, one_line(&error)))?;
    }
    hooks.first().copied().ok_or_else(|| "the probe has none".to_owned())
}

/// Proves that what is attached fires: a program that loads and attaches may still never be called,
/// where the compiler put the function into its callers.
fn prove(
    counters: &PerCpuArray<MapData, Counters>,
    served: &[Kind],
    attached: &[String],
) -> Result<(), String> {
    let seen = |kind: &Kind| count(counters, *kind).seen;
    for (done, by, deed) in OWN_DEEDS {
        let kinds: Vec<_> = served.iter().filter(|kind| done.contains(kind)).collect();
        let blind = by.is_some_and(|by| !attached.iter().any(|program| program == by));
        if kinds.is_empty() || blind {
            continue;
        }
        let before: u64 = kinds.iter().copied().map(seen).sum();
        let tried = deed();
        let after: u64 = kinds.iter().copied().map(seen).sum();
        if after == before {
            return Err(match tried {
                Err(error) => format!("it could not be tried: {error}"),
                Ok(()) => "it attaches and never fires".to_owned(),
            });
        }
    }
    Ok(())
}

/// Returns how many functions of single calls these kinds have.
fn count_functions(kinds: &[Kind]) -> usize {
    kinds.iter().map(|kind| trampoline::calls(*kind).0).sum()
}

/// What the agent itself does to see whether it is seen, by the kinds that may tell of it, and by the
/// one program that can if there is only one.
type OwnDeed = (&'static [Kind], Option<&'static str>, fn() -> io::Result<()>);
const OWN_DEEDS: [OwnDeed; 4] = [
    (&[Kind::Open, Kind::OpenAt], None, || File::open("/dev/null").map(drop)),
    (&[Kind::Open, Kind::OpenAt], Some(OPEN_FAILED), || match File::open("/dev/null/saker") {
        Ok(_) => Err(io::Error::other("a file below /dev/null")),
        Err(_) => Ok(()),
    }),
    (&[Kind::Connect], None, || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(socket.local_addr()?)
    }),
    (&[Kind::Unlink, Kind::UnlinkAt], None, || match fs::remove_file("/dev/null/saker") {
        Ok(()) => Err(io::Error::other("a file below /dev/null")),
        Err(_) => Ok(()),
    }),
];

/// Returns the kernel functions of a kind of call, those of later kernels last.
fn functions(kind: Kind) -> Vec<String> {
    let Some(event) = event_kind(kind) else { return Vec::new() };
    let names: &[&str] = match event {
        // Only 32-bit programs have the call of this name, and the other is called like it inside.
        EventKind::Umount => &[],
        EventKind::Umount2 => &["umount"],
        EventKind::FchmodAt => &["fchmodat", "fchmodat2"],
        other => &[other.name()],
    };
    let prefix = match trampoline::is_bare(kind) {
        true => trampoline::BARE_PREFIX,
        false => PREFIX,
    };
    names.iter().map(|name| format!("{prefix}{name}")).collect()
}

/// Returns a program that is only jumped to; one that is not loaded yet is, and noted.
fn loaded(
    ebpf: &mut Ebpf,
    btf: &Btf,
    (program, on): (&str, &str),
    noted: &mut Vec<String>,
) -> Result<ProgramFd, ProgramError> {
    if find(ebpf, program)?.fd().is_err() {
        noted.push(program.to_owned());
        load(ebpf, btf, program, on)?;
    }
    find(ebpf, program)?.fd()?.try_clone().map_err(ProgramError::IOError)
}

/// Puts a program where calls of these kinds jump to.
fn enter(
    ebpf: &mut Ebpf,
    map: &str,
    kinds: &[Kind],
    program: &ProgramFd,
) -> Result<(), ProgramError> {
    let map = ebpf.map_mut(map).ok_or(ProgramError::NotLoaded)?;
    let mut programs = ProgramArray::try_from(map)?;
    for kind in kinds {
        programs.set(entry(*kind), program, 0)?;
    }
    Ok(())
}

/// Takes the programs of these kinds out again; there may be none.
fn leave(ebpf: &mut Ebpf, map: &str, kinds: &[Kind]) {
    let map = ebpf.map_mut(map).and_then(|map| ProgramArray::try_from(map).ok());
    let Some(mut programs) = map else { return };
    for kind in kinds {
        drop(programs.clear_index(&entry(*kind)));
    }
}

fn load(ebpf: &mut Ebpf, btf: &Btf, program: &str, function: &str) -> Result<(), ProgramError> {
    match find(ebpf, program)? {
        Program::FEntry(program) => uninterrupted(|| program.load(function, btf)),
        Program::FExit(program) => uninterrupted(|| program.load(function, btf)),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn attach(ebpf: &mut Ebpf, program: &str) -> Result<(), ProgramError> {
    match find(ebpf, program)? {
        Program::FEntry(program) => program.attach().map(drop),
        Program::FExit(program) => program.attach().map(drop),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Detaches a program and lets go of it; one that was never loaded is none.
fn unload(ebpf: &mut Ebpf, program: &str) -> Result<(), ProgramError> {
    let unloaded = match find(ebpf, program)? {
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    match unloaded {
        Err(ProgramError::NotLoaded) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_call_of_64_bit_programs_has_its_function() {
        // The end of a process is no call's.
        let calls = Kind::ALL.into_iter().filter(|kind| *kind != Kind::ProcExit);
        for kind in calls.filter(|kind| event_kind(*kind).is_some()) {
            assert_eq!(functions(kind).len(), trampoline::calls(kind).0, "{kind:?}");
        }
    }
}
