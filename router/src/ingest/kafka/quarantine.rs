//! Messages that cannot be read, put aside for a person: a file of JSON lines in the data folder,
//! begun anew at a size, with one older one kept.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use alert::wire::cut;
use jiff::Timestamp;

/// Folder of these files in the data folder.
const FOLDER: &str = "quarantine";
const FILE_BYTES_MAX: u64 = 16 << 20;
/// What is kept of a message, and of each of its headers.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;
const HEADER_BYTES_MAX: usize = 1 << 10;
const HEADERS_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Quarantine {
    path: PathBuf,
}

/// A message, where it is, and why it cannot be read.
#[derive(Debug)]
pub(super) struct Unread<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) reason: &'a str,
    pub(super) headers: &'a [(String, Vec<u8>)],
    pub(super) payload: &'a [u8],
}

impl Quarantine {
    pub(super) fn new(data: &Path, input: &str) -> Self {
        Self { path: data.join(FOLDER).join(format!("kafka-{input}.ndjson")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes messages down, all or none; they are on disk when it returns. Blocks.
    pub(super) fn put(&self, now: Timestamp, messages: &[Unread<'_>]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > FILE_BYTES_MAX) {
            fs::rename(&self.path, self.path.with_extension("ndjson.1"))?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let mut text = Vec::new();
        for message in messages {
            let payload = String::from_utf8_lossy(message.payload).into_owned();
            let kept =
                |text: &[u8]| cut(String::from_utf8_lossy(text).into_owned(), HEADER_BYTES_MAX);
            let headers: Vec<_> = message
                .headers
                .iter()
                .take(HEADERS_MAX)
                .map(|(name, value)| (kept(name.as_bytes()), kept(value)))
                .collect();
            let mut line = serde_json::json!({
                "time": now,
                "topic": message.topic,
                "partition": message.partition,
                "offset": message.offset,
                "reason": message.reason,
                "payload": cut(payload, PAYLOAD_BYTES_MAX),
            });
            if !headers.is_empty() {
                line["headers"] = serde_json::json!(headers);
            }
            writeln!(text, "{line}")?;
        }
        let before = file.metadata()?.len();
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if written.is_err() {
            // They are written again, after what was whole before.
            file.set_len(before)?;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_kept_with_its_place_and_the_file_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(folder.path(), "agents");
        let payload = vec![0xff; 100_000];
        let headers = [("ce_id".to_owned(), vec![b'x'; 5000])];
        let unread = |offset, reason, payload| Unread {
            topic: "t",
            partition: 3,
            offset,
            reason,
            headers: &headers,
            payload,
        };
        quarantine.put(Timestamp::UNIX_EPOCH, &[unread(7, "no text", &payload)]).unwrap();
        let text = fs::read_to_string(quarantine.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&line["partition"], &line["offset"]), (&3.into(), &7.into()));
        assert!(line["payload"].as_str().unwrap().len() <= PAYLOAD_BYTES_MAX);
        assert_eq!(line["headers"][0][0], "ce_id");
        assert!(line["headers"][0][1].as_str().unwrap().len() <= HEADER_BYTES_MAX);
        fs::write(quarantine.path(), vec![b' '; FILE_BYTES_MAX as usize + 1]).unwrap();
        quarantine.put(Timestamp::UNIX_EPOCH, &[unread(8, "", b"")]).unwrap();
        assert!(fs::metadata(quarantine.path()).unwrap().len() < 2000);
        assert!(quarantine.path().with_extension("ndjson.1").exists());
    }
}
