//! What a hostile or damaged recording can do: end with an error.

use std::{io::Cursor, path::Path, sync::Arc};

use alert::{Container, Detail, Event, EventKind, Process, ProcessKey};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    ANCESTORS_MAX, Header, Recording, ReplayError, Selection,
    frame::{self, Tag, frame},
    writer::Writer,
};

fn process(pid: i32, parent: Option<Arc<Process>>) -> Arc<Process> {
    let container = Container { id: "c".repeat(64).into(), ..Container::default() };
    Arc::new(Process {
        key: ProcessKey { pid, start_boot_ns: 7 },
        name: format!("p{pid}").into(),
        arguments: Arc::from(["a".into(), format!("--pid={pid}").into()]),
        container: (pid % 2 == 0).then(|| Arc::new(container)),
        parent,
        ..Process::default()
    })
}

fn event(number: u64, process: &Arc<Process>) -> Event {
    Event {
        number,
        time_ns: 1_700_000_000_000_000_000 + number * 5_000_000,
        kind: if number.is_multiple_of(10) { EventKind::Execve } else { EventKind::Clone },
        result: 0,
        tid: process.key.pid,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process: Arc::clone(process),
        detail: Detail::Clone { flags: number },
    }
}

fn family(depth: i32) -> Arc<Process> {
    let mut last = process(1, None);
    for pid in 2..=depth {
        last = process(pid, Some(last));
    }
    last
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Header::default()).unwrap();
    for event in events {
        writer.push(event).unwrap();
    }
    writer.finish().unwrap().0
}

fn read(bytes: Vec<u8>) -> (Vec<Event>, Option<ReplayError>) {
    let mut events = Vec::new();
    let recording = match Recording::read(Path::new("r"), Box::new(Cursor::new(bytes))) {
        Ok(recording) => recording,
        Err(error) => return (events, Some(error)),
    };
    for event in recording {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

fn several() -> Vec<Event> {
    let (family, other) = (family(20), process(99, None));
    let of = |number: u64| if number.is_multiple_of(3) { &other } else { &family };
    (0..1000).map(|number| event(number, of(number))).collect()
}

#[test]
fn what_several_events_share_is_written_once_and_shared_again_when_read() {
    let events = several();
    let bytes = written(&events);
    let text = serde_json::to_vec(&events).unwrap();
    assert!(bytes.len() * 100 < text.len(), "{} of {}", bytes.len(), text.len());
    let (back, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(back, events);
    assert!(Arc::ptr_eq(&back[1].process, &back[2].process));
}

#[test]
fn equal_processes_of_different_readers_are_written_once() {
    let events: Vec<Event> = (0..100).map(|number| event(number, &family(20))).collect();
    let (back, _) = read(written(&events));
    assert_eq!(back, events);
    assert!(back.iter().all(|event| Arc::ptr_eq(&event.process, &back[0].process)));
}

#[test]
fn a_recording_cut_anywhere_gives_whole_chunks_and_says_that_it_was_cut() {
    let events = several();
    let bytes = written(&events);
    let mut most = 0;
    for end in (0..bytes.len()).step_by(61) {
        let (back, error) = read(bytes[..end].to_vec());
        assert_eq!(back[..], events[..back.len()]);
        assert!(back.len() >= most, "a longer part has fewer events");
        most = back.len();
        // Behind the last event only the index is missed, which a reader in turn can do without.
        let whole = back.len() == events.len();
        assert!(error.is_some() || whole, "{end} of {}", bytes.len());
    }
    assert_eq!(most, events.len());
}

#[test]
fn damage_of_any_byte_is_noticed_or_changes_nothing() {
    let events = several();
    let bytes = written(&events);
    let mut random = StdRng::seed_from_u64(6);
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        let at = random.random_range(0..damaged.len());
        damaged[at] ^= 1 << random.random_range(0..8);
        let (back, _) = read(damaged);
        assert_eq!(back[..], events[..back.len()]);
    }
}

/// Changes the text inside a chunk and seals it again, as only somebody hostile would.
#[test]
fn a_forged_chunk_ends_in_an_error_and_not_in_a_panic() {
    let chunk = written(&several());
    let text = text_of_first_chunk(&chunk);
    let mut random = StdRng::seed_from_u64(7);
    let mut errors = 0;
    for _ in 0..400 {
        let mut forged = text.clone();
        for _ in 0..random.random_range(1..6) {
            let (at, other) =
                (random.random_range(0..forged.len()), random.random_range(0..forged.len()));
            match random.random_range(0..4) {
                0 => forged[at] = random.random(),
                1 => forged.truncate(at.max(1)),
                2 => drop(forged.drain(at.min(other)..at.max(other))),
                _ => forged.extend_from_within(at.min(other)..at.max(other)),
            }
            if forged.is_empty() {
                forged.push(b'{');
            }
        }
        forged.truncate(15 << 20);
        errors += usize::from(read(sealed(&forged)).1.is_some());
    }
    assert!(errors > 200, "{errors}");
}

#[test]
fn a_row_of_ancestors_without_end_is_refused() {
    let alone = serde_json::to_string(&*process(1, None)).unwrap();
    let mut text = format!("{{\"process\":{{\"is\":{alone}}}}}\n");
    for number in 0..=u32::from(ANCESTORS_MAX) {
        text.push_str(&format!("{{\"process\":{{\"parent\":{number},\"is\":{alone}}}}}\n"));
    }
    let (_, error) = read(sealed(text.as_bytes()));
    assert!(error.is_some_and(|error| error.to_string().ends_with("has too many ancestors")));
    let far = format!("{{\"process\":{{\"parent\":4000000000,\"is\":{alone}}}}}\n");
    let (_, error) = read(sealed(far.as_bytes()));
    assert!(error.is_some_and(|error| error.to_string().ends_with("names what is not there")));
}

#[test]
fn a_chunk_that_unpacks_to_more_than_it_says_is_refused() {
    let mut bytes = frame(Tag::Chunk, b"{}", &[b' '; 1 << 20], 1).unwrap();
    let said = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    assert_eq!(said, 1 << 20);
    bytes[12..16].copy_from_slice(&100_u32.to_le_bytes());
    let sum = crc32fast::hash(&[&bytes[..16], &bytes[20..]].concat());
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    let frame = frame::Frame::read(&mut Cursor::new(bytes)).unwrap().unwrap();
    assert!(frame.text().is_err());
}

#[test]
fn a_selection_has_what_it_names_whether_by_index_or_in_turn() {
    let events = several();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    std::fs::write(&path, written(&events)).unwrap();
    let start = events[0].time_ns;
    let all = Selection::default();
    for selection in [
        Selection { from_ns: Some(start + 4_000_000_000), ..all.clone() },
        Selection { to_ns: Some(start + 1_000_000_000), ..all.clone() },
        Selection { kinds: vec![EventKind::Execve], ..all.clone() },
        Selection { kinds: vec![EventKind::OpenAt], ..all.clone() },
        Selection { pid: Some(99), from_ns: Some(start + 17), ..all.clone() },
        Selection { pid: Some(5), ..all.clone() },
        all,
    ] {
        let expected: Vec<&Event> = events.iter().filter(|event| selection.has(event)).collect();
        let file = std::fs::File::open(&path).unwrap();
        let stream = Box::new(std::io::BufReader::new(file));
        for recording in [Recording::open(&path), Recording::read(&path, stream)] {
            let got: Result<Vec<Event>, _> = recording.unwrap().only(selection.clone()).collect();
            assert_eq!(got.unwrap().iter().collect::<Vec<_>>(), expected, "{selection:?}");
        }
    }
}

#[test]
fn an_index_that_leads_nowhere_or_in_circles_ends_in_an_error_or_is_not_used() {
    let events = several();
    let bytes = written(&events);
    let header = bytes.windows(4).position(|tag| tag == b"CHNK").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let summary = r#""events":1,"first_ns":0,"last_ns":18446744073709551615,"kinds":{"execve":1}"#;
    for (offsets, expected_error) in
        [(vec![header as u64; 3], false), (vec![3], true), (vec![u64::MAX], true)]
    {
        let entries: Vec<String> =
            offsets.iter().map(|offset| format!("{{\"offset\":{offset},{summary}}}")).collect();
        let index = format!("{{\"chunks\":[{}]}}", entries.join(","));
        let mut forged = bytes[..bytes.len() - frame::END_BYTES].to_vec();
        let at = forged.len() as u64;
        forged.extend(frame(Tag::Index, &[], index.as_bytes(), 1).unwrap());
        forged.extend(frame::end(at));
        std::fs::write(&path, &forged).unwrap();
        let selection = Selection { kinds: vec![EventKind::Execve], ..Selection::default() };
        let got: Result<Vec<Event>, _> = Recording::open(&path).unwrap().only(selection).collect();
        assert_eq!(got.is_err(), expected_error, "{offsets:?}");
        if let Ok(got) = got {
            assert_eq!(got.len(), 100);
        }
    }
}

fn text_of_first_chunk(recording: &[u8]) -> Vec<u8> {
    let mut input = Cursor::new(recording);
    input.set_position(8);
    frame::read_header(&mut input).unwrap().unwrap();
    frame::Frame::read(&mut input).unwrap().unwrap().text().unwrap()
}

/// Returns a recording with one chunk of this text.
fn sealed(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_header(&Header::default(), &mut bytes).unwrap();
    let summary = br#"{"events":1,"first_ns":0,"last_ns":1,"kinds":{}}"#;
    bytes.extend(frame(Tag::Chunk, summary, text, 1).unwrap());
    bytes.extend(frame(Tag::Index, &[], br#"{"chunks":[]}"#, 1).unwrap());
    bytes
}
