//! Loads the probe's object: settings first, so that the kernel drops what is switched off.

use std::io;

use alert::EventKind;
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, ArrayOfMaps, Map, MapData, MapError, PerCpuArray, ProgramArray},
};
use probe::{
    layout::{Counters, Kind},
    needs::{self, Needs, Words},
    program::{self, map, setting},
};

use super::{
    SensorError, SensorOptions, filter::FilterControl, known::KnownFiles, ring::OpenRing,
    types::KernelTypes,
};

/// The loaded object, none of its programs attached yet.
pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) prio: OpenRing,
    pub(super) bulk: OpenRing,
    pub(super) counters: PerCpuArray<MapData, Counters>,
    pub(super) families: ProgramArray<MapData>,
    pub(super) filter: FilterControl,
    pub(super) files: KnownFiles,
    /// What is needed, for as long as it runs.
    pub(super) needs: Array<MapData, Words>,
}

macro_rules! kinds {
    ($($name:ident)+) => {
        /// Returns the probe's name for a kind of event, or `None` where no call is behind it.
        pub(super) const fn probe_kind(kind: EventKind) -> Option<Kind> {
            match kind {
                $(EventKind::$name => Some(Kind::$name),)+
                EventKind::Container | EventKind::ContainerRemoved => None,
            }
        }

        /// Returns the event kind of a probe's kind, or `None` where the record is not an event.
        pub(crate) const fn event_kind(kind: Kind) -> Option<EventKind> {
            match kind {
                $(Kind::$name => Some(EventKind::$name),)+
                Kind::CgroupMade | Kind::CgroupRemoved => None,
            }
        }
    };
}

kinds! {
    Execve ExecveAt Clone Clone3 Fork Vfork ProcExit Open
    OpenAt OpenAt2 Creat Close Dup Dup2 Dup3 Socket
    Bind Listen Connect Accept Accept4 SendTo SendMsg RecvFrom
    RecvMsg Unlink UnlinkAt Rmdir Mkdir MkdirAt Rename RenameAt
    RenameAt2 Link LinkAt Symlink SymlinkAt Chmod FchmodAt Fchmod
    Ptrace SetNs Unshare SetUid SetGid SetReUid SetReGid SetResUid
    SetResGid SetPgid SetSid CapSet Prctl Bpf InitModule FinitModule
    UserFaultFd MemfdCreate IoUringSetup Mount Umount Umount2 Chroot Chdir
    Fchdir OpenByHandleAt SocketPair Shutdown GetSockOpt SetSockOpt SendMmsg RecvMmsg
    Chown Lchown Fchown FchownAt Mknod MknodAt Truncate Ftruncate
    MoveMount PivotRoot DeleteModule Kill Tkill Tgkill Mmap Mprotect
    ProcessVmReadv ProcessVmWritev
}

/// Creates the maps and prepares the programs, which tell of process life alone.
pub(super) fn load(
    types: &KernelTypes,
    options: &SensorOptions,
    enforces: bool,
) -> Result<Loaded, SensorError> {
    let needs = Needs::of(&[], options.environment).words();
    let muted = if options.mute_self { std::process::id() } else { 0 };
    let enforce = u8::from(enforces);
    let mute = u8::from(!options.mutes.is_empty());
    let [kind_token_ns, cgroup_token_ns] = options.limits.tokens_ns();
    let burst_ns = options.limits.burst_ns();
    let plans = probe::call::plan_bytes();
    let filtering = u8::from(options.filter.is_some());
    let prepared =
        types.prepare(probe::OBJECT).map_err(|error| SensorError::NoBtf(error.into()))?;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&prepared.types))
        .override_global(setting::MUTED_PID, &muted, true)
        .override_global(needs::SETTING, &needs[..], true)
        .override_global(probe::enforce::SETTING, &enforce, true)
        .override_global(setting::MUTE, &mute, true)
        .override_global(setting::LIMIT_KIND, &kind_token_ns, true)
        .override_global(setting::LIMIT_CGROUP, &cgroup_token_ns, true)
        .override_global(setting::LIMIT_BURST, &burst_ns, true)
        .override_global(setting::PLANS, &plans[..], true)
        .override_global(setting::FILTERING, &filtering, true)
        .override_global(setting::TYPED, &u8::from(prepared.typed), true)
        .map_max_entries(map::PRIO, options.prio_ring_bytes)
        .map_max_entries(map::BULK, options.bulk_ring_bytes)
        .load(&prepared.object)
        .map_err(load_error)?;
    Ok(Loaded {
        prio: take(&mut ebpf, map::PRIO, OpenRing::try_from)?,
        bulk: take(&mut ebpf, map::BULK, OpenRing::try_from)?,
        counters: take(&mut ebpf, map::COUNTERS, PerCpuArray::try_from)?,
        families: take(&mut ebpf, map::FAMILIES, ProgramArray::try_from)?,
        filter: FilterControl::new(
            take(&mut ebpf, map::FILTERS, ArrayOfMaps::try_from)?,
            take(&mut ebpf, map::GENERATION, Array::try_from)?,
            options.filter.is_some(),
        ),
        files: KnownFiles::new(take(&mut ebpf, map::KNOWN_FILES, Array::try_from)?),
        needs: take(&mut ebpf, needs::MAP, Array::try_from)?,
        ebpf,
    })
}

/// Returns the kinds that are seen where calls end. How processes live is seen elsewhere: here only the
/// calls that failed, if `failures` has them.
pub(super) fn called(kinds: &[Kind], failures: &[Kind]) -> Vec<Kind> {
    let lives = |kind: &Kind| program::PROCESS.iter().any(|(served, _)| served.contains(kind));
    kinds.iter().copied().filter(|kind| !lives(kind) || failures.contains(kind)).collect()
}

/// Returns the probe's names for these kinds, but for those it knows nothing of.
pub(super) fn probe_kinds(kinds: &[EventKind]) -> Vec<Kind> {
    kinds.iter().filter_map(|kind| probe_kind(*kind)).collect()
}

fn take<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl FnOnce(Map) -> Result<T, MapError>,
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
    fn every_call_of_the_model_has_a_kind_in_the_probe() {
        for kind in EventKind::ALL {
            let probed = probe_kind(kind);
            assert_eq!(probed.is_none(), kind.is_notice(), "{kind:?}");
            assert_eq!(probed.and_then(event_kind), probed.map(|_| kind));
        }
    }
}
