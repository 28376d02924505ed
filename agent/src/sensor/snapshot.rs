//! Reads all processes from the kernel at once, at the start and after records were lost.

use std::io::{self, Read};

use aya::{
    BtfError, Ebpf, EbpfLoader,
    maps::{Array, MapError},
    programs::{Iter, ProgramError},
};
use probe::{
    Record,
    needs::{self, Needs, Words},
    program::{SNAPSHOT, map, setting},
};

use service::ErrorChain;

use super::{attach::uninterrupted, ring::boot_ns, types::KernelTypes};
use crate::enrich::processes::{Processes, Snapshot};

/// Bytes read at once; the kernel hands out 32 KiB, in whole records.
const BUFFER_BYTES: usize = 64 << 10;
/// The object's rings are not used.
const RING_BYTES: u32 = 4096;

/// Why processes are not read from the kernel.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("the types of the kernel cannot be read")]
    Types(#[from] Box<BtfError>),
    #[error("the iterator over processes cannot be loaded")]
    Load(#[from] Box<aya::EbpfError>),
    #[error("the kernel refused the iterator over processes")]
    Program(#[from] Box<ProgramError>),
    #[error("the iterator over processes cannot be told to read the environment")]
    Needs(#[from] MapError),
    #[error("failed to open the iterator over processes")]
    Open(#[from] aya::programs::links::LinkError),
    #[error("failed to read the iterator over processes")]
    Read(#[from] io::Error),
}

/// The iterator over processes, loaded.
#[derive(Debug)]
pub(super) struct Iterator(Ebpf);

impl Iterator {
    /// Loads it. A kernel that cannot (it must let a tracing program sleep and read the memory of other
    /// processes: from 5.18 on) is no reason not to start: there is `/proc`.
    pub(super) fn load(types: &KernelTypes, environment: bool) -> Result<Self, SnapshotError> {
        let needs = Needs::of(&[], environment).words();
        let prepared = types.prepare(probe::ITERATOR).map_err(Box::new)?;
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&prepared.types))
            .override_global(needs::SETTING, &needs[..], true)
            .override_global(setting::TYPED, &u8::from(prepared.typed), true)
            .map_max_entries(map::PRIO, RING_BYTES)
            .map_max_entries(map::BULK, RING_BYTES)
            .load(&prepared.object)
            .map_err(Box::new)?;
        program(&mut ebpf)
            .and_then(|program| uninterrupted(|| program.load(SNAPSHOT.target, types.hooks())))
            .map_err(Box::new)?;
        Ok(Self(ebpf))
    }

    /// Reads the environment too from now on.
    pub(super) fn read_environment(&mut self) -> Result<(), SnapshotError> {
        let Some(map) = self.0.map_mut(needs::MAP) else { return Ok(()) };
        let mut map = Array::<_, Words>::try_from(map)?;
        Ok(map.set(0, Needs::of(&[], true).words(), 0)?)
    }

    /// Hands out a record of every process there is now.
    pub(super) fn read(&mut self, on_record: &mut dyn FnMut(&[u8])) -> Result<(), SnapshotError> {
        let program = program(&mut self.0).map_err(Box::new)?;
        let link = program.attach().and_then(|link| program.take_link(link)).map_err(Box::new)?;
        Ok(records(link.into_file()?, on_record)?)
    }
}

/// Why a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing is known yet.
    Start,
    /// Records of processes were lost: what is known may be wrong.
    Loss,
    /// The environment of processes is needed from now on.
    Environment,
}

/// Makes the tree hold the processes there are: by the iterator, else by `/proc`.
pub(super) fn take_snapshot(
    iterator: &mut Option<Iterator>,
    processes: &mut Processes,
    scope: Scope,
) {
    if let Some(iterator) = iterator {
        let mut snapshot = Snapshot::default();
        let mut malformed = 0_u64;
        let read = iterator.read(&mut |record| {
            malformed += u64::from(processes.tell(&mut snapshot, record).is_err());
        });
        match read {
            Ok(()) if malformed == 0 => return processes.take_in(snapshot, boot_ns()),
            Ok(()) => tracing::warn!(malformed, "records of processes cannot be read"),
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "processes are read from /proc")
            }
        }
    }
    match scope {
        Scope::Start => processes.read_all(),
        Scope::Loss => processes.resync(boot_ns()),
        // What `/proc` tells at the start has none either.
        Scope::Environment => {}
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Iter, ProgramError> {
    ebpf.program_mut(SNAPSHOT.program).ok_or(ProgramError::NotLoaded)?.try_into()
}

/// Cuts what is read into records, however it is split.
fn records(mut file: impl Read, on_record: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let read = match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += read;
        let mut start = 0;
        while let Some(length) = Record::length(&buffer[start..filled]) {
            if length == 0 || length > BUFFER_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(record) = buffer[start..filled].get(..length) else { break };
            on_record(record);
            start += length;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
    match filled {
        0 => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has in pieces of so many bytes.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn record(length: u32) -> Vec<u8> {
        let mut bytes = vec![length as u8; length as usize];
        bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn records_are_told_apart_however_they_are_split() {
        let expected = [record(200), record(20_000), record(130)];
        let bytes = expected.concat();
        for piece in [1, 7, 4096, usize::MAX] {
            let mut found = Vec::new();
            records(Pieces(&bytes, piece), &mut |record| found.push(record.to_vec())).unwrap();
            assert!(found == expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_record_is_an_error_and_no_loop() {
        for bytes in [vec![0; 300], record(200)[..150].to_vec(), record(200)[..20].to_vec(), {
            let mut long = record(200);
            long[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
            long
        }] {
            assert!(records(&bytes[..], &mut |_| {}).is_err());
        }
    }
}
