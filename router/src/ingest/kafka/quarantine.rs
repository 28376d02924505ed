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
/// What is kept of a message.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

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
            let line = serde_json::json!({
                "time": now,
                "topic": message.topic,
                "partition": message.partition,
                "offset": message.offset,
                "reason": message.reason,
                "payload": cut(payload, PAYLOAD_BYTES_MAX),
            });
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
        let unread =
            Unread { topic: "t", partition: 3, offset: 7, reason: "no text", payload: &payload };
        quarantine.put(Timestamp::UNIX_EPOCH, &[unread]).unwrap();
        let text = fs::read_to_string(quarantine.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&line["partition"], &line["offset"]), (&3.into(), &7.into()));
        assert!(line["payload"].as_str().unwrap().len() <= PAYLOAD_BYTES_MAX);
        fs::write(quarantine.path(), vec![b' '; FILE_BYTES_MAX as usize + 1]).unwrap();
        let unread = Unread { topic: "t", partition: 3, offset: 8, reason: "", payload: b"" };
        quarantine.put(Timestamp::UNIX_EPOCH, &[unread]).unwrap();
        assert!(fs::metadata(quarantine.path()).unwrap().len() < 1000);
        assert!(quarantine.path().with_extension("ndjson.1").exists());
    }
}
