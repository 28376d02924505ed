//! Alerts for the responder, as they are read from the journal and written on the wire.

use std::ops::Range;

use alert::Alert;
use bytes::Bytes;
use jiff::Timestamp;
use journal::{ReadError, Reader};
use rules::{Condition, Subject, Verdict};

use crate::pipeline::SilenceId;

/// Records looked at for one batch.
const RECORDS_MAX: usize = 4096;
/// How the journal's record of an alert begins; the alert's own JSON follows, and a brace.
const PREFIX: &[u8] = b"{\"alert\":";

/// An alert and its JSON as the journal has it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sequence: u64,
    pub(super) alert: Alert,
    json: Bytes,
}

/// What to read.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Of the next record, and the one after the last that may be read.
    pub(super) records: Range<u64>,
    /// Alerts before this record are passed over.
    pub(super) let_go: u64,
    /// And those that were accepted before this moment.
    pub(super) not_before: Timestamp,
    pub(super) condition: Option<Condition>,
    pub(super) alerts_max: usize,
    pub(super) bytes_max: usize,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    /// Of the record after the last that was looked at.
    pub(super) next: u64,
    pub(super) skipped: u64,
}

impl Wanted {
    /// Reads alerts that may be for the responder: those of which the alert alone says that they
    /// are not are left out. What is passed over comes before the first line. Blocks.
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Batch, ReadError> {
        let mut batch = Batch { lines: Vec::new(), next: self.records.start, skipped: 0 };
        let mut bytes = 0;
        for _ in 0..RECORDS_MAX {
            let is_full = batch.lines.len() >= self.alerts_max || bytes >= self.bytes_max;
            if is_full || batch.next >= self.records.end {
                break;
            }
            let Some((sequence, record)) = reader.next()? else { break };
            batch.next = sequence + 1;
            let Some(json) = alert_of(&record) else { continue };
            let is_first = batch.lines.is_empty();
            if is_first && sequence < self.let_go {
                batch.skipped += 1;
                continue;
            }
            // The core has counted what cannot be read.
            let Ok(alert) = serde_json::from_slice::<Alert>(&json) else { continue };
            // Nobody has to respond to what is over.
            if alert.is_over() {
                continue;
            }
            let verdict = self.condition.as_ref().map(|it| it.evaluate(&Subject::new(&alert)));
            if verdict == Some(Verdict::False) {
                continue;
            }
            if is_first && alert.received < self.not_before {
                batch.skipped += 1;
                continue;
            }
            bytes += json.len();
            batch.lines.push(Line { sequence, alert, json });
        }
        Ok(batch)
    }
}

/// Returns the alert's JSON, if the record is an alert.
fn alert_of(record: &Bytes) -> Option<Bytes> {
    let is_alert = record.starts_with(PREFIX) && record.ends_with(b"}");
    is_alert.then(|| record.slice(PREFIX.len()..record.len() - 1))
}

impl Line {
    /// Appends the line as it is sent.
    pub(super) fn write(&self, silenced: Option<&SilenceId>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{{\"sequence\":{},\"alert\":", self.sequence).as_bytes());
        out.extend_from_slice(&self.json);
        let silenced = silenced.map_or(serde_json::Value::Null, |id| id.0.as_str().into());
        out.extend_from_slice(format!(",\"silenced\":{silenced}}}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use journal::{Journal, Options};

    use super::*;
    use crate::{core, pipeline::tests::alert_with, record::Record};

    #[test]
    fn a_line_is_the_alert_as_the_journal_has_it() {
        let alert = alert_with(serde_json::json!({"proc.name": "s\"h\n"}));
        let record = core::encode(&Record::Alert(Box::new(alert.clone())));
        let json = alert_of(&record).unwrap();
        let mut out = Vec::new();
        let line = Line { sequence: 7, alert: alert.clone(), json };
        line.write(Some(&SilenceId("a\"b".into())), &mut out);
        line.write(None, &mut out);
        let text = String::from_utf8(out).unwrap();
        let read: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read[0]["alert"], serde_json::to_value(&alert).unwrap());
        assert_eq!((&read[0]["sequence"], &read[0]["silenced"]), (&7.into(), &"a\"b".into()));
        assert_eq!(read[1]["silenced"], serde_json::Value::Null);
        let tick = core::encode(&Record::Tick { now: Timestamp::UNIX_EPOCH });
        assert_eq!(alert_of(&tick), None);
    }

    #[tokio::test]
    async fn what_is_over_is_not_brought_and_what_fires_is() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 4 << 20, ..Options::default() };
        let (journal, _) = Journal::open(folder.path(), options).unwrap();
        let event = alert_with(serde_json::json!({}));
        let over = Alert { ends: Some(event.received), ..event.clone() };
        let later = event.received + SignedDuration::from_secs(60);
        let firing = Alert { ends: Some(later), ..event.clone() };
        let records =
            [event, over, firing].map(|alert| core::encode(&Record::Alert(Box::new(alert))));
        journal.append(records.to_vec()).await.unwrap();
        let wanted = Wanted {
            records: 0..3,
            let_go: 0,
            not_before: Timestamp::MIN,
            condition: None,
            alerts_max: 10,
            bytes_max: 1 << 20,
        };
        let batch = wanted.read(&mut journal.read(0).unwrap()).unwrap();
        let sequences: Vec<u64> = batch.lines.iter().map(|line| line.sequence).collect();
        assert_eq!((sequences, batch.next), (vec![0, 2], 3));
    }
}
