//! The journal's files: read or refused, and what is opened goes on.

use std::{
    io,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use ::journal::{Access, Disk, Journal, OpenError, Options, ReadError, Writer};
use bytes::Bytes;
use sim::{chance::Chance, disk::SimDisk};

use crate::{Read, Target};

const DIR: &str = "/data/journal";
const SALT: u64 = 0x5eed_0f5a_17a1_1ed5;

pub(crate) const TARGET: Target =
    Target { name: "journal", run, words: &["SAKERJNL", "\u{1}\0\0\0", "\0\0\0\0\0\0\0\0"] };

/// The first byte says whether the rest is a segment as it is, or frames that get right checksums.
fn run(input: &[u8]) -> Read {
    let Some((first, rest)) = input.split_first() else { return Read::Refused };
    let segment = match first % 4 {
        0 => rest.to_vec(),
        1 => framed(1, rest),
        _ => framed(2, rest),
    };
    let disk = disk_with(&segment).expect("the disk works");
    let Ok((journal, mut writer)) = open(&disk) else { return Read::Refused };
    let Ok(mut records) = contents(&journal) else { return Read::Refused };
    // It took what it read: it takes more, and has both after a restart.
    append(&journal, &mut writer);
    disk.power_cut_keeping(0);
    let (journal, _writer) = open(&disk).expect("it opens again");
    records.push(Bytes::from_static(b"more"));
    assert_eq!(contents(&journal).expect("it is read again"), records);
    Read::Taken
}

/// Returns a disk that has this segment, whatever happens to its machine.
fn disk_with(segment: &[u8]) -> io::Result<SimDisk> {
    let disk = SimDisk::new(Chance::new(1));
    let dir = Path::new(DIR);
    disk.make_dir(dir)?;
    let file = disk.open(&dir.join("00000000000000000000.segment"), Access::Create)?;
    file.write_all_at(segment, 0)?;
    file.sync_all()?;
    dir.ancestors().try_for_each(|dir| disk.sync_dir(dir))?;
    Ok(disk)
}

/// Opens the journal; only damage is a reason not to.
fn open(disk: &SimDisk) -> Result<(Journal, Writer), OpenError> {
    let options = Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() };
    match Journal::open_on(Arc::new(disk.clone()), Path::new(DIR), options) {
        Ok((journal, _, writer)) => Ok((journal, writer)),
        Err(OpenError::Io { source, .. }) => panic!("the disk works: {source}"),
        Err(error) => Err(error),
    }
}

fn contents(journal: &Journal) -> Result<Vec<Bytes>, ReadError> {
    let mut reader = journal.read(journal.first())?;
    let mut records = Vec::new();
    while let Some((_, bytes)) = reader.next()? {
        records.push(bytes);
    }
    Ok(records)
}

fn append(journal: &Journal, writer: &mut Writer) {
    let mut answer = pin!(journal.append(vec![Bytes::from_static(b"more")]));
    let mut context = Context::from_waker(Waker::noop());
    if answer.as_mut().poll(&mut context).is_pending() {
        writer.turn();
    }
    let answer = answer.poll(&mut context);
    assert!(matches!(answer, Poll::Ready(Ok(_))), "{answer:?}");
}

/// Makes a segment of frames whose checksums are right: each is a byte of flags, how far its sequence
/// is from the expected one, the payload's length, and the payload.
fn framed(version: u32, mut rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"SAKERJNL".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(SALT.to_le_bytes());
    let sum = crc32fast::hash(&bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let mut next = 0_u64;
    while let Some(([flags, ahead, length], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at((*length as usize).min(after.len()));
        rest = after;
        let count = payload.get(8..12).and_then(|count| count.try_into().ok());
        let records = if version == 1 { 1 } else { count.map_or(1, u32::from_le_bytes) };
        frame(&mut bytes, *flags, next.wrapping_add(u64::from(*ahead)), payload);
        next = next.wrapping_add(u64::from(records));
    }
    bytes
}

fn frame(bytes: &mut Vec<u8>, flags: u8, sequence: u64, payload: &[u8]) {
    let word = (u32::from(flags) << 28 | payload.len() as u32).to_le_bytes();
    let masked = (sequence ^ SALT).to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    for part in [&SALT.to_le_bytes()[..], &word, &masked, payload] {
        hasher.update(part);
    }
    bytes.extend(word);
    bytes.extend(hasher.finalize().to_le_bytes());
    bytes.extend(masked);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}
