//! What the journal makes of files that are not as it left them: it finds every record, refuses, or
//! drops the unfinished end. It never returns a record that was not appended.

use std::{fs, ops::Range, path::Path};

use bytes::Bytes;
use journal::{Journal, OpenError, Options, inspect::Inspection};
use proptest::prelude::*;

/// Room for calls that are packed, and for few of them.
const SEGMENT_BYTES: usize = 8192;

fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES as u64, bytes_max: 1 << 20, ..Options::default() }
}

fn record(number: u64, length: usize) -> Bytes {
    (0..length).map(|at| (number as usize * 31 + at) as u8).collect::<Vec<_>>().into()
}

/// Opens the journal, reads all of it and closes it. Panics on anything but a refusal to open.
fn contents(dir: &Path) -> Result<Vec<Bytes>, OpenError> {
    let (journal, recovery) = Journal::open(dir, options())?;
    let mut reader = journal.read(journal.first()).expect("reader");
    let mut found = Vec::new();
    while let Some((sequence, record)) = reader.next().expect("next") {
        assert_eq!(sequence, recovery.records.start + found.len() as u64);
        found.push(record);
    }
    assert_eq!(recovery.records, 0..found.len() as u64);
    Ok(found)
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir).expect("list").map(|entry| entry.expect("entry").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    files.sort();
    files
}

/// Copies the files as they are while the journal is open: what a power cut would leave.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("dir");
    for entry in fs::read_dir(from).expect("list") {
        let path = entry.expect("entry").path();
        fs::copy(&path, to.path().join(path.file_name().expect("name"))).expect("copy");
    }
    to
}

/// Appends calls of these sizes and returns the files as a crash would leave them, with the records
/// and how many calls end where.
fn written(calls: &[Vec<usize>]) -> (tempfile::TempDir, Vec<Bytes>, Vec<usize>) {
    let dir = tempfile::tempdir().expect("dir");
    let (journal, _) = Journal::open(dir.path(), options()).expect("open");
    let (mut all, mut ends) = (Vec::new(), vec![0]);
    for call in calls {
        let first = all.len();
        all.extend(call.iter().enumerate().map(|(at, len)| record((first + at) as u64, *len)));
        journal.append_blocking(all[first..].to_vec()).expect("append");
        ends.push(all.len());
    }
    (copy(dir.path()), all, ends)
}

/// Zeros of the preallocated end do not count.
fn used(file: &Path) -> usize {
    fs::read(file).expect("read").iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn overwrite(file: &Path, range: Range<usize>, byte: u8) {
    let mut bytes = fs::read(file).expect("read");
    bytes[range].fill(byte);
    fs::write(file, bytes).expect("write");
}

/// Opens as [`contents`] does, after a look from outside that must foretell what is found.
fn foretold(dir: &Path) -> Result<Vec<Bytes>, OpenError> {
    let seen = Inspection::of(dir).expect("inspect");
    assert!(!seen.in_use);
    let read: Vec<_> = seen.read(0..u64::MAX).map(|record| record.expect("record")).collect();
    let found = contents(dir);
    match &found {
        Ok(found) => {
            assert!(seen.problems.is_empty(), "{:?}", seen.problems);
            assert_eq!(seen.records(), 0..found.len() as u64);
            let numbered = (0..).zip(found.iter().cloned());
            assert!(read.into_iter().eq(numbered), "other records than those it was opened with");
        }
        Err(error) => {
            let told: Vec<_> = seen.problems.iter().map(ToString::to_string).collect();
            assert!(told.contains(&error.to_string()), "{error} is not among {told:?}");
        }
    }
    found
}

/// Opens twice: what the first opening decided stands.
fn check(dir: &Path, all: &[Bytes], ends: &[usize]) -> Option<usize> {
    match foretold(dir) {
        Ok(found) => {
            assert_eq!(found, all[..found.len()], "a record that was never appended");
            assert!(ends.contains(&found.len()), "half a call: {} of {ends:?}", found.len());
            assert_eq!(contents(dir).expect("open again"), found);
            Some(found.len())
        }
        Err(OpenError::Damaged { .. } | OpenError::Version { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_commit_torn_at_any_byte_is_dropped_and_nothing_else() {
    let calls = [vec![40, 0], vec![7], vec![100, 30, 9]];
    let (dir, all, ends) = written(&calls);
    let file = &segments(dir.path())[0];
    let end = used(file);
    let before_last = 160;
    for cut in before_last..end {
        for zeros in [true, false] {
            let (dir, ..) = written(&calls);
            let file = &segments(dir.path())[0];
            if zeros {
                overwrite(file, cut..SEGMENT_BYTES, 0);
            } else {
                let handle = fs::OpenOptions::new().write(true).open(file).expect("open");
                handle.set_len(cut as u64).expect("cut");
            }
            let kept = check(dir.path(), &all, &ends).expect("a torn end is no damage");
            assert!(kept >= 3, "torn at {cut} of {end}: only {kept} records kept");
        }
    }
}

#[test]
fn a_page_missing_before_later_commits_is_damage() {
    let (dir, ..) = written(&[vec![100], vec![100], vec![100]]);
    let file = segments(dir.path()).remove(0);
    overwrite(&file, 40..60, 0);
    let Err(OpenError::Damaged { file: named, offset: 32, .. }) = foretold(dir.path()) else {
        panic!("must be refused");
    };
    assert_eq!(named, file);
}

#[test]
fn a_torn_record_that_looks_like_frames_does_not_stop_recovery() {
    let (dir, all, ends) = written(&[vec![10], vec![2000]]);
    let file = segments(dir.path()).remove(0);
    // The first frame of the file, copied over and over into the torn record.
    let bytes = fs::read(&file).expect("read");
    let frame = bytes[32..64].to_vec();
    let mut torn = bytes;
    for at in (96..1900).step_by(32) {
        torn[at..at + 32].copy_from_slice(&frame);
    }
    fs::write(&file, torn).expect("write");
    assert_eq!(check(dir.path(), &all, &ends), Some(1));
}

#[test]
fn a_dropped_end_does_not_come_back_after_new_records() {
    let (dir, all, _) = written(&[vec![10], vec![24, 24, 24]]);
    let file = segments(dir.path()).remove(0);
    // Only the first record of the last call is torn; the two after it are whole on the disk.
    overwrite(&file, 120..124, 0xff);
    let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
    assert_eq!(recovery.records, 0..1);
    assert!(recovery.torn_bytes > 100);
    let new = record(99, 24);
    journal.append_blocking(vec![new.clone()]).expect("append");
    journal.close();
    assert_eq!(contents(dir.path()).expect("open"), [all[0].clone(), new]);
}

#[test]
fn a_missing_segment_or_a_lost_end_is_damage() {
    let calls: Vec<_> = (0..120).map(|_| vec![300]).collect();
    let (dir, ..) = written(&calls);
    let files = segments(dir.path());
    assert!(files.len() > 3);
    fs::remove_file(&files[1]).expect("remove");
    assert!(matches!(foretold(dir.path()), Err(OpenError::Damaged { .. })));

    let (dir, ..) = written(&calls);
    let (journal, _) = Journal::open(dir.path(), options()).expect("open");
    let cursor = journal.cursor("c").expect("cursor");
    cursor.commit(120).expect("commit");
    journal.append_blocking(vec![record(120, 1)]).expect("append");
    cursor.commit(121).expect("commit");
    journal.close();
    let last = segments(dir.path()).pop().expect("last");
    fs::remove_file(last).expect("remove");
    let error = foretold(dir.path()).expect_err("records a cursor has passed are gone");
    assert!(error.to_string().contains("it is at 121"), "{error}");
}

#[test]
fn a_damaged_cursor_is_refused() {
    let (dir, ..) = written(&[vec![10]]);
    let (journal, _) = Journal::open(dir.path(), options()).expect("open");
    journal.cursor("c").expect("cursor").commit(1).expect("commit");
    journal.close();
    let file = dir.path().join("c.cursor");
    let whole = fs::read(&file).expect("read");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&file, bytes).expect("write");
        assert!(matches!(foretold(dir.path()), Err(OpenError::Damaged { .. })), "byte {at}");
    }
    fs::write(&file, &whole[..7]).expect("write");
    assert!(matches!(contents(dir.path()), Err(OpenError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_a_list_would_hold(
        lives in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(0..2500_usize, 1..4), 0..12), 1..5),
    ) {
        let dir = tempfile::tempdir().expect("dir");
        let mut model = Vec::new();
        for calls in lives {
            let (journal, recovery) = Journal::open(dir.path(), options()).expect("open");
            prop_assert_eq!(recovery.records, 0..model.len() as u64);
            prop_assert_eq!(recovery.torn_bytes, 0);
            for call in calls {
                let first = model.len();
                model.extend(call.iter().enumerate().map(|(at, len)| {
                    record((first + at) as u64, *len)
                }));
                let range = journal.append_blocking(model[first..].to_vec()).expect("append");
                prop_assert_eq!(range, first as u64..model.len() as u64);
            }
            journal.close();
            prop_assert_eq!(&contents(dir.path()).expect("open"), &model);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_or_only_the_last_commit_goes(
        calls in proptest::collection::vec(proptest::collection::vec(0..2500_usize, 1..4), 1..16),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        closed in any::<bool>(),
    ) {
        let (dir, all, ends) = written(&calls);
        if closed {
            contents(dir.path()).expect("open and close");
        }
        let files = segments(dir.path());
        let lengths: Vec<_> = files.iter().map(|file| used(file)).collect();
        let mut at = place.index(lengths.iter().sum());
        let index = lengths.iter().position(|length| match at.checked_sub(*length) {
            Some(rest) => { at = rest; false }
            None => true,
        }).expect("place");
        let mut bytes = fs::read(&files[index]).expect("read");
        bytes[at] ^= 1 << bit;
        fs::write(&files[index], bytes).expect("write");
        if let Some(kept) = check(dir.path(), &all, &ends) {
            // A sealed journal loses nothing silently; an open one at most its last commit.
            let least = if closed { all.len() } else { ends[ends.len() - 2] };
            prop_assert!(kept >= least, "kept {} of {}, flipped {}", kept, all.len(), at);
        }
    }
}
