//! Loads the probe's object: settings first, so that the kernel drops what is switched off.

use std::io;

use alert::EventKind;
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    maps::{MapData, MapError, PerCpuArray, ProgramArray, RingBuf},
};
use probe::{
    layout::{Counters, Kind},
    program::{self, map, setting},
};

use super::{SensorError, SensorOptions};

/// The loaded object, none of its programs attached yet.
pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) btf: Btf,
    pub(super) prio: RingBuf<MapData>,
    pub(super) bulk: RingBuf<MapData>,
    pub(super) counters: PerCpuArray<MapData, Counters>,
    pub(super) families: ProgramArray<MapData>,
}

/// Returns the probe's name for a kind of event, or `None` where the probe does not report it: then
/// [`EventKind::is_reported`] is false.
pub(super) fn probe_kind(kind: EventKind) -> Option<Kind> {
    Some(match kind {
        EventKind::Execve => Kind::Execve,
        EventKind::Clone => Kind::Clone,
        EventKind::ProcExit => Kind::ProcExit,
        EventKind::Open => Kind::Open,
        EventKind::OpenAt => Kind::OpenAt,
        EventKind::OpenAt2 => Kind::OpenAt2,
        EventKind::Creat => Kind::Creat,
        EventKind::Connect => Kind::Connect,
        EventKind::Ptrace => Kind::Ptrace,
        EventKind::InitModule => Kind::InitModule,
        EventKind::FinitModule => Kind::FinitModule,
        EventKind::Unlink => Kind::Unlink,
        EventKind::UnlinkAt => Kind::UnlinkAt,
        _ => return None,
    })
}

/// Returns the event kind of a probe's kind, or `None` where the record is not an event.
pub(crate) fn event_kind(kind: Kind) -> Option<EventKind> {
    Some(match kind {
        Kind::Execve => EventKind::Execve,
        Kind::Clone => EventKind::Clone,
        Kind::ProcExit => EventKind::ProcExit,
        Kind::Open => EventKind::Open,
        Kind::OpenAt => EventKind::OpenAt,
        Kind::OpenAt2 => EventKind::OpenAt2,
        Kind::Creat => EventKind::Creat,
        Kind::Connect => EventKind::Connect,
        Kind::Ptrace => EventKind::Ptrace,
        Kind::InitModule => EventKind::InitModule,
        Kind::FinitModule => EventKind::FinitModule,
        Kind::Unlink => EventKind::Unlink,
        Kind::UnlinkAt => EventKind::UnlinkAt,
        Kind::CgroupMade | Kind::CgroupRemoved => return None,
    })
}

/// Creates the maps and prepares the programs; `kinds` are those wanted beside process life.
pub(super) fn load(kinds: &[Kind], options: &SensorOptions) -> Result<Loaded, SensorError> {
    let btf = Btf::from_sys_fs().map_err(|error| SensorError::NoBtf(error.into()))?;
    let wanted: u32 = program::PROCESS
        .iter()
        .chain(&program::CGROUPS)
        .map(|(kind, _)| kind)
        .chain(kinds)
        .fold(0, |bits, kind| bits | 1 << *kind as u32);
    let muted = if options.mute_self { std::process::id() } else { 0 };
    let environment = u8::from(options.environment);
    let operations = program::operations(kinds);
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global(setting::MUTED_PID, &muted, true)
        .override_global(setting::WANTED, &wanted, true)
        .override_global(setting::ENVIRONMENT, &environment, true)
        .override_global(setting::OPERATIONS, &operations[..], true)
        .map_max_entries(map::PRIO, options.prio_ring_bytes)
        .map_max_entries(map::BULK, options.bulk_ring_bytes)
        .load(probe::OBJECT)
        .map_err(load_error)?;
    Ok(Loaded {
        prio: take(&mut ebpf, map::PRIO, RingBuf::try_from)?,
        bulk: take(&mut ebpf, map::BULK, RingBuf::try_from)?,
        counters: take(&mut ebpf, map::COUNTERS, PerCpuArray::try_from)?,
        families: take(&mut ebpf, map::FAMILIES, ProgramArray::try_from)?,
        ebpf,
        btf,
    })
}

fn take<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl FnOnce(aya::maps::Map) -> Result<T, MapError>,
) -> Result<T, SensorError> {
    let map = ebpf.take_map(name).ok_or(SensorError::Object(name))?;
    convert(map).map_err(|source| SensorError::Map { map: name, source: Box::new(source) })
}

/// Without CAP_BPF the very first map is refused.
fn load_error(error: EbpfError) -> SensorError {
    match &error {
        EbpfError::MapError(MapError::CreateError { io_error, .. }) if refused(io_error) => {
            SensorError::MissingCapability { capability: "CAP_BPF", what: "create eBPF maps" }
        }
        _ => SensorError::Load(Box::new(error)),
    }
}

/// Returns whether the kernel said no for want of rights. That is EPERM alone: EACCES, of the same
/// `ErrorKind`, is how the verifier rejects a program.
pub(super) fn refused(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_has_the_kinds_the_model_calls_reported() {
        for kind in EventKind::ALL {
            let probed = probe_kind(kind);
            assert_eq!(probed.is_some(), kind.is_reported(), "{kind:?}");
            assert_eq!(probed.and_then(event_kind), probed.map(|_| kind));
        }
    }
}
