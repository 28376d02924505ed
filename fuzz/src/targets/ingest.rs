//! Bodies that senders post, to every input, also compressed.

use std::{cell::RefCell, io::Write, path::Path, sync::Arc};

use ::journal::{Journal, Options};
use alert::Alert;
use axum::body::Body;
use http::{Request, header};
use prometheus::Registry;
use router::{
    ingest::{self, Ingest, IngestConfig, Stamp},
    record::Record,
};
use serde_json::json;
use sim::{chance::Chance, disk::SimDisk};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::{Read, Target};

const ALERTS_MAX: usize = 64;
const DECODED_BYTES_MAX: usize = 256 << 10;
/// Inputs one router takes, so that what it keeps stays small.
const INPUTS_MAX: usize = 200;
const CLOUDEVENTS: &str = "/cloudevents";
const PATHS: [&str; 7] = [
    "/",
    "/api/v2/alerts",
    "/alertmanager",
    CLOUDEVENTS,
    "/json/scans",
    "/json/nothing",
    "/any/other",
];

pub(crate) const TARGET: Target = Target {
    name: "ingest",
    run,
    words: &[
        "{\"rule\":",
        "\"priority\":\"Critical\"",
        "\"output_fields\":{",
        "\"time\":",
        "\"uuid\":",
        "\"tags\":[",
        "\"labels\":{\"alertname\":\"a\"}",
        "\"annotations\":{",
        "\"startsAt\":",
        "\"endsAt\":",
        "\"alerts\":[",
        "\"specversion\":\"1.0\"",
        "\"type\":",
        "\"data\":",
        "null",
        "true",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "2023-11-14T22:13:20Z",
        "9999-12-31T23:59:59.999999999Z",
        "[[[[[[[[",
        "}\n{",
        "1e400",
        "-9223372036854775809",
    ],
};

thread_local! {
    static DOOR: RefCell<Option<Door>> = const { RefCell::new(None) };
}

/// A router's inputs over a journal in memory.
struct Door {
    runtime: Runtime,
    routes: axum::Router,
    journal: Journal,
    inputs: usize,
}

/// The first byte chooses the input, the second how the body is compressed.
fn run(input: &[u8]) -> Read {
    let Some(([path, encoding], body)) = input.split_first_chunk() else {
        return Read::Refused;
    };
    let path = PATHS[*path as usize % PATHS.len()];
    let (encoding, body) = encoded(*encoding, body);
    DOOR.with_borrow_mut(|door| {
        if door.as_ref().is_some_and(|door| door.inputs >= INPUTS_MAX) {
            *door = None;
        }
        let door = door.get_or_insert_with(Door::new);
        door.post(path, encoding, body)
    })
}

/// Returns a body and what it is said to be: packed as that, or not.
fn encoded(how: u8, body: &[u8]) -> (Option<&'static str>, Vec<u8>) {
    match how % 6 {
        0 => (Some("gzip"), body.to_vec()),
        1 => (Some("zstd"), body.to_vec()),
        2 => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(body).expect("packed");
            (Some("gzip"), packed.finish().expect("packed"))
        }
        3 => (Some("zstd"), zstd::bulk::compress(body, 1).expect("packed")),
        _ => (None, body.to_vec()),
    }
}

impl Door {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let disk = Arc::new(SimDisk::new(Chance::new(1)));
        let options = Options { segment_bytes: 1 << 20, bytes_max: 4 << 20, ..Options::default() };
        let opened = Journal::open_on(disk, Path::new("/data/journal"), options);
        let (journal, _, mut writer) = opened.expect("a journal");
        runtime.spawn(async move {
            while writer.wait().await {
                writer.turn();
            }
        });
        let ingest =
            Ingest::new(journal.clone().into(), config(), Stamp::default(), &Registry::new());
        let routes = ingest::routes(Arc::new(ingest.expect("metrics")));
        Self { runtime, routes, journal, inputs: 0 }
    }

    fn post(&mut self, path: &str, encoding: Option<&str>, body: Vec<u8>) -> Read {
        self.inputs += 1;
        let mut request = Request::post(path);
        if path == CLOUDEVENTS {
            request = request.header(header::CONTENT_TYPE, "application/cloudevents+json");
        }
        if let Some(encoding) = encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let before = self.journal.durable();
        let Ok(response) = self.runtime.block_on(self.routes.clone().oneshot(request));
        let status = response.status();
        assert!(status.is_success() || status.is_client_error(), "{path}: {status}");
        let taken = before..self.journal.durable();
        assert!(status.is_success() || taken.is_empty(), "{path}: {status}, and {taken:?} taken");
        assert!(taken.clone().count() <= ALERTS_MAX, "{path}: {taken:?}");
        let mut reader = self.journal.read(taken.start).expect("a reader");
        for sequence in taken {
            let (found, bytes) = reader.next().expect("a record").expect("a record");
            assert_eq!(found, sequence);
            check(&bytes);
        }
        if status.is_success() { Read::Taken } else { Read::Refused }
    }
}

/// What was taken is an alert that reads back as it was written.
fn check(bytes: &[u8]) {
    assert!(bytes.len() <= 8 * DECODED_BYTES_MAX, "{} bytes of one alert", bytes.len());
    let record: Record = serde_json::from_slice(bytes).expect("a record");
    let Record::Alert(alert) = &record else { panic!("{record:?} is no alert") };
    let written = serde_json::to_vec(&**alert).expect("an alert is written");
    let again: Alert = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(again, **alert);
}

fn config() -> IngestConfig {
    let mapping = json!({
        "alerts": "/items", "id": "/id", "rule": ["/name", "a scan"],
        "priority": {"from": "/severity", "values": {"9": "critical"}, "otherwise": "notice"},
        "time": "/at", "hostname": "/host", "output": "{/name} on {/host} of {^/by}",
        "tags": ["/tags"], "fields": {"scan.score": "/score", "scan.by": "^/by"},
    });
    let event = json!({"rule": "/type", "id": "/id", "time": "/time", "output": "/data/message"});
    let config = json!({
        "body_bytes_max": "128KiB", "decoded_bytes_max": "256KiB", "alerts_max": ALERTS_MAX,
        "cloudevents": event, "json": {"scans": mapping},
    });
    serde_json::from_value(config).expect("a configuration")
}
