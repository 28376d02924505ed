//! Chooses a hook for each kind of event by trying, says which it was, and detaches what no rule needs
//! any more.

use aya::{
    Btf, Ebpf,
    maps::{MapData, PerCpuArray, ProgramArray},
    programs::{ProgramError, tp_btf::BtfTracePointLink},
};
use probe::{
    layout::{Counters, Kind},
    program::{self, FAMILIES, Family, IO_URING, OPEN_FAILED, SYSCALL_EXIT},
    trampoline::Trampoline,
};

use super::{
    Backend, BackendChoice, Unavailable,
    attach::{Plan, attach_tracepoint, find, hooked, load_tracepoint, names, why_not},
    trampoline::Trampolines,
};

/// A loaded object and what its programs are attached with.
pub(super) struct Programs {
    pub(super) ebpf: Ebpf,
    /// Where the system call exit jumps to, by operation.
    families: ProgramArray<MapData>,
    choice: BackendChoice,
    trampolines: Trampolines,
    served: [Served; FAMILIES.len()],
    rings: [Option<Ring>; IO_URING.len()],
    /// On the system call exit, while a kind is served there.
    syscall_exit: Option<BtfTracePointLink>,
    /// What is attached whatever rules need.
    always: Plan,
}

/// How the kinds of one family are served.
#[derive(Debug, Default)]
struct Served {
    /// A trampoline serves these; some may not be wanted any more.
    by_trampoline: Vec<Kind>,
    trampoline: Option<program::Hook>,
    by_syscall: Vec<Kind>,
    /// Why no trampoline does.
    note: Option<String>,
    /// The kernel does not give any: it is not asked again.
    refused: bool,
    /// What nothing serves, and why.
    unserved: Vec<(Vec<Kind>, String)>,
}

impl Served {
    /// Returns those of these kinds that are of the family and not served.
    fn lacking(&self, family: &Family, kinds: &[Kind]) -> Vec<Kind> {
        let has = |kind: &Kind| self.by_trampoline.contains(kind) || self.by_syscall.contains(kind);
        let wanted = family.kinds.iter().copied().filter(|kind| kinds.contains(kind));
        wanted.filter(|kind| !has(kind)).collect()
    }
}

/// How a row of [`IO_URING`] is served.
enum Ring {
    /// Attached or not; its tracepoint is the one that the kernel has.
    By {
        hook: program::Hook,
        link: Option<BtfTracePointLink>,
    },
    Refused(String),
}

impl Programs {
    pub(super) fn new(
        ebpf: Ebpf,
        families: ProgramArray<MapData>,
        choice: BackendChoice,
        always: Plan,
    ) -> Self {
        Self {
            ebpf,
            families,
            choice,
            trampolines: Trampolines::new(choice),
            served: Default::default(),
            rings: Default::default(),
            syscall_exit: None,
            always,
        }
    }

    /// Returns whether a program must be loaded for these kinds, so that the kernel's types are needed.
    pub(super) fn must_load(&mut self, kinds: &[Kind], failures: &[Kind]) -> bool {
        let Self { ebpf, choice, trampolines, served, rings, .. } = self;
        let mut missing = |name| is_missing(ebpf, name);
        let family = FAMILIES.iter().zip(served).any(|(family, served)| {
            if served.trampoline.is_some() && lacks_failures(&mut missing, family, failures) {
                return true;
            }
            let new = served.lacking(family, kinds);
            if new.is_empty() {
                return false;
            }
            match !served.refused && trampolines.fit(family, &new).is_ok() {
                true => !(served.trampoline.is_some() && has_functions(family)),
                false => *choice != BackendChoice::Trampoline && missing(family.syscall),
            }
        });
        family
            || IO_URING.iter().zip(rings).any(|((of, hook), ring)| {
                ring.is_none()
                    && of.iter().any(|kind| kinds.contains(kind))
                    && missing(hook.program)
            })
    }

    /// Attaches what these kinds and failures need and is not there: a trampoline if the kernel grants one, else
    /// the system call exit, or only that which was chosen. What gets neither is named in the
    /// [plan](Self::plan). What is attached stays so.
    ///
    /// Without the kernel's types nothing is loaded that is not yet.
    pub(super) fn serve(
        &mut self,
        btf: Option<&Btf>,
        counters: &PerCpuArray<MapData, Counters>,
        (kinds, failures): (&[Kind], &[Kind]),
    ) {
        for (place, family) in FAMILIES.iter().enumerate() {
            let served = &mut self.served[place];
            served.unserved.clear();
            let mut new = served.lacking(family, kinds);
            let needed = (&mut new, failures);
            if !self.by_trampoline(btf, counters, (place, family), needed) {
                self.by_syscall(btf, (place, family), new);
            }
        }
        self.enter_syscalls(btf);
        for (place, (of, hook)) in IO_URING.into_iter().enumerate() {
            let wanted = of.iter().any(|kind| kinds.contains(kind));
            let ring = match self.rings[place].take() {
                None if wanted => attach_ring(&mut self.ebpf, btf, hook),
                Some(Ring::By { hook, link: None }) if wanted => ring_by(&mut self.ebpf, hook),
                same => {
                    self.rings[place] = same;
                    continue;
                }
            };
            let refused = |error| Ring::Refused(why_not(hook.program, &error));
            self.rings[place] = Some(ring.unwrap_or_else(refused));
        }
    }

    /// Returns whether trampolines serve these kinds, and failures of the family, from now on. Those
    /// that they serve no more are added to them.
    fn by_trampoline(
        &mut self,
        btf: Option<&Btf>,
        counters: &PerCpuArray<MapData, Counters>,
        (place, family): (usize, &Family),
        (new, failures): (&mut Vec<Kind>, &[Kind]),
    ) -> bool {
        let served = &mut self.served[place];
        let blind = served.trampoline.is_some()
            && lacks_failures(|name| is_missing(&mut self.ebpf, name), family, failures);
        if new.is_empty() && !blind {
            return true;
        }
        if served.refused {
            return false;
        }
        if let Err(why) = self.trampolines.fit(family, new) {
            served.note = why;
            return false;
        }
        if blind || !(has_functions(family) && served.trampoline.is_some()) {
            let Some(btf) = btf else { return false };
            let has = if blind { &served.by_trampoline[..] } else { &[] };
            let kinds = [has, new].concat();
            match self.trampolines.serve(&mut self.ebpf, btf, counters, (family, &kinds, failures))
            {
                Ok(hook) => served.trampoline = Some(hook),
                Err(why) => {
                    (served.note, served.refused) = (Some(why), true);
                    if blind {
                        // What is told by two places would be told twice.
                        self.trampolines.release(&mut self.ebpf, family, &served.by_trampoline);
                        served.trampoline = None;
                        new.append(&mut served.by_trampoline);
                    }
                    return false;
                }
            }
        }
        served.by_trampoline.append(new);
        true
    }

    fn by_syscall(&mut self, btf: Option<&Btf>, (place, family): (usize, &Family), new: Vec<Kind>) {
        let served = &mut self.served[place];
        if self.choice == BackendChoice::Trampoline {
            let why = served.note.clone().unwrap_or_default();
            return served.unserved.push((new, why));
        }
        match jump_from_syscall(&mut self.ebpf, btf, &mut self.families, (family, &new)) {
            Ok(()) => served.by_syscall.extend(new),
            Err(error) => served.unserved.push((new, why_not(family.syscall, &error))),
        }
    }

    /// Attaches to the system call exit, if a kind is served there.
    fn enter_syscalls(&mut self, btf: Option<&Btf>) {
        let any = self.served.iter().any(|served| !served.by_syscall.is_empty());
        if !any || self.syscall_exit.is_some() {
            return;
        }
        let attached = load_tracepoint(&mut self.ebpf, btf, SYSCALL_EXIT)
            .and_then(|()| attach_tracepoint(&mut self.ebpf, SYSCALL_EXIT.program));
        match attached {
            Ok(link) => self.syscall_exit = Some(link),
            Err(error) => {
                for served in &mut self.served {
                    let unserved = std::mem::take(&mut served.by_syscall);
                    if !unserved.is_empty() {
                        let why = why_not(SYSCALL_EXIT.program, &error);
                        served.unserved.push((unserved, why));
                    }
                }
            }
        }
    }

    /// Detaches what none of these kinds and failures needs.
    pub(super) fn release(&mut self, kinds: &[Kind], failures: &[Kind]) {
        for (served, family) in self.served.iter_mut().zip(&FAMILIES) {
            let families = &mut self.families;
            served.by_syscall.retain(|kind| {
                let wanted = kinds.contains(kind);
                // Else a trampoline that serves it later would tell of it a second time.
                if !wanted && let Err(error) = families.clear_index(&program::entry(*kind)) {
                    tracing::debug!(%error, "the system call exit keeps a program");
                }
                wanted
            });
            let wanted = served.by_trampoline.iter().any(|kind| kinds.contains(kind));
            if !wanted && served.trampoline.take().is_some() {
                let released = std::mem::take(&mut served.by_trampoline);
                self.trampolines.release(&mut self.ebpf, family, &released);
            } else if wanted && !of_any(family, failures) {
                self.trampolines.release_failures(&mut self.ebpf, family);
            }
        }
        if self.served.iter().all(|served| served.by_syscall.is_empty()) {
            self.syscall_exit = None;
        }
        for ((of, _), ring) in IO_URING.iter().zip(&mut self.rings) {
            if !of.iter().any(|kind| kinds.contains(kind)) {
                match ring {
                    Some(Ring::By { link, .. }) => *link = None,
                    refused => *refused = None,
                }
            }
        }
    }

    /// Returns what serves these kinds, and what does not.
    pub(super) fn plan(&self, kinds: &[Kind]) -> Plan {
        let mut plan = self.always.clone();
        let wanted = |of: &[Kind]| -> Vec<Kind> {
            of.iter().copied().filter(|kind| kinds.contains(kind)).collect()
        };
        for (served, family) in self.served.iter().zip(&FAMILIES) {
            let by_trampoline = wanted(&served.by_trampoline);
            if let Some(hook) = served.trampoline.filter(|_| !by_trampoline.is_empty()) {
                plan.hooks.push(hooked(&by_trampoline, hook, Backend::Trampoline, None));
            }
            let by_syscall = wanted(&served.by_syscall);
            if !by_syscall.is_empty() {
                let hook = program::Hook { program: family.syscall, ..SYSCALL_EXIT };
                let note = served.note.as_ref().map(|why| format!("no trampoline: {why}"));
                plan.hooks.push(hooked(&by_syscall, hook, Backend::Syscall, note));
            }
            for (kinds, why) in &served.unserved {
                let what = names(&wanted(kinds));
                if !what.is_empty() {
                    plan.unavailable.push(Unavailable { what, why: why.clone() });
                }
            }
        }
        for ((of, _), ring) in IO_URING.iter().zip(&self.rings) {
            let of = wanted(of);
            match ring {
                Some(Ring::By { hook, link: Some(_) }) => {
                    let note = "through io_uring; the outcome is not known".to_owned();
                    plan.hooks.push(hooked(&of, *hook, Backend::Syscall, Some(note)));
                }
                Some(Ring::Refused(why)) => plan.unavailable.push(Unavailable {
                    what: format!("{} through io_uring", names(&of)),
                    why: why.clone(),
                }),
                Some(Ring::By { link: None, .. }) | None => {}
            }
        }
        plan
    }
}

fn is_missing(ebpf: &mut Ebpf, program: &str) -> bool {
    !find(ebpf, program).is_ok_and(|program| program.fd().is_ok())
}

fn of_any(family: &Family, kinds: &[Kind]) -> bool {
    family.kinds.iter().any(|kind| kinds.contains(kind))
}

/// Returns whether failures of the family are needed, and a trampoline that sees nothing else is not
/// there.
fn lacks_failures(
    mut missing: impl FnMut(&'static str) -> bool,
    family: &Family,
    failures: &[Kind],
) -> bool {
    let Trampoline::Functions(hooks) = family.trampoline else { return false };
    of_any(family, failures)
        && hooks.iter().any(|hook| hook.program == OPEN_FAILED && missing(hook.program))
}

/// Returns whether the same trampolines serve all of the family.
const fn has_functions(family: &Family) -> bool {
    matches!(family.trampoline, Trampoline::Functions(_))
}

/// Attaches what sees requests of io_uring, by either name of their tracepoint.
fn attach_ring(
    ebpf: &mut Ebpf,
    btf: Option<&Btf>,
    hook: program::Hook,
) -> Result<Ring, ProgramError> {
    let older = program::Hook { target: program::IO_URING_OLDER, ..hook };
    let loaded = load_tracepoint(ebpf, btf, hook).map(|()| hook);
    let hook = loaded.or_else(|error| match load_tracepoint(ebpf, btf, older) {
        Ok(()) => Ok(older),
        Err(_) => Err(error),
    })?;
    ring_by(ebpf, hook)
}

fn ring_by(ebpf: &mut Ebpf, hook: program::Hook) -> Result<Ring, ProgramError> {
    Ok(Ring::By { hook, link: Some(attach_tracepoint(ebpf, hook.program)?) })
}

/// Loads the family's program and puts it where the system call exit jumps to for these kinds.
fn jump_from_syscall(
    ebpf: &mut Ebpf,
    btf: Option<&Btf>,
    families: &mut ProgramArray<MapData>,
    (family, kinds): (&Family, &[Kind]),
) -> Result<(), ProgramError> {
    load_tracepoint(ebpf, btf, program::Hook { program: family.syscall, ..SYSCALL_EXIT })?;
    let program = find(ebpf, family.syscall)?.fd()?.try_clone().map_err(ProgramError::IOError)?;
    for kind in kinds {
        families.set(program::entry(*kind), &program, 0)?;
    }
    Ok(())
}
