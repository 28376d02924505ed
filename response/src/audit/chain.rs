//! The chain: a line is `{"sequence":…,"time":…,"previous":…,"entry":…,"hash":…}`, and its hash is
//! SHA-256 over its text up to the comma before `"hash"`.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{entry::Entry, plan::hex};

/// What stands before the hash in a line.
pub(super) const HASH_MARK: &str = ",\"hash\":\"";

/// The last line: what the next one is chained to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// 0 before the first line.
    pub sequence: u64,
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { sequence: 0, hash: "0".repeat(64) }
    }
}

impl Head {
    /// Appends the line for an entry to `out`; returns the head after it.
    pub(super) fn extend(&self, time: Timestamp, entry: &Entry, out: &mut Vec<u8>) -> Self {
        #[derive(Serialize)]
        struct Hashed<'a> {
            sequence: u64,
            time: Timestamp,
            previous: &'a str,
            entry: &'a Entry,
        }
        let sequence = self.sequence + 1;
        let hashed = Hashed { sequence, time, previous: &self.hash, entry };
        // Entries are maps with text keys and finite numbers: serde_json cannot refuse them.
        let mut line = serde_json::to_vec(&hashed).expect("an entry serialises");
        line.pop();
        let hash = hash(&line);
        out.extend_from_slice(&line);
        out.extend_from_slice(format!("{HASH_MARK}{hash}\"}}\n").as_bytes());
        Self { sequence, hash }
    }
}

pub(super) fn hash(text: &[u8]) -> String {
    hex(digest(&SHA256, text).as_ref())
}

/// A head somebody wrote down elsewhere: the chain must go through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub sequence: u64,
    pub hash: String,
}

impl FromStr for Checkpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a checkpoint is SEQUENCE:HASH, as `saker audit verify` prints it";
        let (sequence, hash) = text.split_once(':').ok_or(wrong)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sequence = sequence.parse().map_err(|_| wrong)?;
        if is_hash { Ok(Self { sequence, hash: hash.to_ascii_lowercase() }) } else { Err(wrong) }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}
