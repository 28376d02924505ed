//! Files that somebody made: every checksum is right, and what stands in them is anything. They are
//! read or refused, by an opening as a look from outside foretold, and nothing panics.

use std::path::Path;

use bytes::Bytes;
use journal::{Journal, OpenError, Options, ReadError, inspect::Inspection};
use proptest::prelude::*;

const SALT: u64 = 0x5eed_0f5a_17a1_1ed5;

/// A frame as the format has it, with whatever flags, sequence and payload.
#[derive(Clone, Debug)]
struct Frame {
    flags: u32,
    sequence: u64,
    payload: Vec<u8>,
}

fn header(version: u32) -> Vec<u8> {
    let mut bytes = b"SAKERJNL".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(SALT.to_le_bytes());
    let sum = crc32fast::hash(&bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn framed(frame: &Frame, bytes: &mut Vec<u8>) {
    let word = (frame.flags << 28 | frame.payload.len() as u32).to_le_bytes();
    let masked = (frame.sequence ^ SALT).to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    for part in [&SALT.to_le_bytes()[..], &word, &masked, &frame.payload] {
        hasher.update(part);
    }
    bytes.extend(word);
    bytes.extend(hasher.finalize().to_le_bytes());
    bytes.extend(masked);
    bytes.extend(&frame.payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

/// A batch's head and body: what a journal writes, and what it never would.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let records = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5);
    let change = prop_oneof![3 => Just(None), 1 => (0..40_usize, any::<u8>()).prop_map(Some)];
    let batch = (records, any::<bool>(), -1..=1_i64, -1..=1_i64, change).prop_map(
        |(records, packed, more_records, more_bytes, change)| {
            let mut body = Vec::new();
            for record in &records {
                body.extend((record.len() as u32).to_le_bytes());
                body.extend(record);
            }
            let length = (body.len() as i64 + more_bytes).max(0) as u32;
            let count = (records.len() as i64 + more_records).max(0) as u32;
            if packed {
                body = zstd::bulk::compress(&body, 1).expect("packed");
            }
            let mut payload = 1_700_000_000_000_u64.to_le_bytes().to_vec();
            payload.extend(count.to_le_bytes());
            payload.extend((u32::from(packed) << 28 | length).to_le_bytes());
            payload.extend(body);
            if let Some((at, byte)) = change
                && let Some(changed) = payload.get_mut(at)
            {
                *changed = byte;
            }
            payload
        },
    );
    prop_oneof![6 => batch, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

fn frames() -> impl Strategy<Value = Vec<(u32, u64, Vec<u8>)>> {
    // Mostly a synced frame, as a commit's is; where the next record is expected, or near.
    let flags = prop_oneof![6 => Just(8_u32), 1 => 0..16_u32];
    let ahead = prop_oneof![8 => Just(0_u64), 1 => 0..4_u64, 1 => any::<u64>()];
    prop::collection::vec((flags, ahead, payload()), 0..6)
}

/// Returns a segment with these frames, each where the record after the last is expected.
fn segment(version: u32, frames: Vec<(u32, u64, Vec<u8>)>, sealed: bool) -> Vec<u8> {
    let (mut bytes, mut next) = (header(version), 0_u64);
    for (flags, ahead, payload) in frames {
        let count = payload.get(8..12).and_then(|count| count.try_into().ok());
        let records = if version == 1 { 1 } else { count.map_or(1, u32::from_le_bytes) };
        framed(&Frame { flags, sequence: next.wrapping_add(ahead), payload }, &mut bytes);
        next = next.wrapping_add(u64::from(records));
    }
    if sealed {
        framed(&Frame { flags: 0b1010, sequence: next, payload: Vec::new() }, &mut bytes);
    }
    bytes
}

/// Records, and why no more could be read.
type Found = (Vec<(u64, Bytes)>, Option<ReadError>);

/// Opens the journal and reads all of it, up to what cannot be read.
fn contents(dir: &Path) -> Result<Found, OpenError> {
    let options = Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() };
    let (journal, recovery) = Journal::open(dir, options)?;
    let mut reader = journal.read(journal.first()).expect("a reader");
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(record)) => found.push(record),
            Ok(None) => break,
            Err(error) => return Ok((found, Some(error))),
        }
    }
    assert_eq!(found.len() as u64, recovery.records.end - recovery.records.start);
    Ok((found, None))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_somebody_made_is_read_or_refused(
        version in prop_oneof![1 => Just(1_u32), 5 => Just(2)],
        frames in frames(),
        sealed in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("00000000000000000000.segment");
        std::fs::write(path, segment(version, frames, sealed)).expect("write");
        let seen = Inspection::of(dir.path()).expect("a look");
        let told: Vec<String> = seen.problems.iter().map(ToString::to_string).collect();
        let read: Result<Vec<_>, _> = seen.read(0..u64::MAX).collect();
        match contents(dir.path()) {
            Ok((found, None)) => {
                prop_assert!(told.is_empty(), "{told:?}, and it opens");
                prop_assert_eq!(read.expect("records"), found);
            }
            // Opening does not unpack; a look from outside does.
            Ok((found, Some(error))) => {
                let ReadError::Damaged { offset, .. } = &error else {
                    return Err(TestCaseError::fail(format!("{error}")));
                };
                let place = format!("offset {offset}:");
                prop_assert!(told.iter().any(|it| it.contains(&place)), "{error}: {told:?}");
                prop_assert_eq!(read.expect("what is before it"), found);
            }
            Err(OpenError::Damaged { offset, .. }) => {
                let place = format!("offset {offset}:");
                // What cannot be unpacked is found first, and nothing after it.
                prop_assert!(
                    told.iter().any(|it| it.contains(&place) || it.contains("a batch ")),
                    "{told:?}"
                );
            }
            Err(error) => return Err(TestCaseError::fail(format!("{error}"))),
        }
    }
}
