//! Writes one file of the history: a part of a day, in SQLite.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use alert::{Alert, GroupId, NotificationId};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params, types::FromSqlError};

use super::account::{Line, Minutes, Owed};
use crate::pipeline::{AlertDecision, Decision, DecisionKind, Verdict};

/// Written into every file; a later version that changes the tables writes another.
const FORMAT_VERSION: i64 = 1;
/// A file with this `application_id` is a part of the history ("SKRH").
const APPLICATION_ID: i64 = 0x534b_5248;
/// Pages of 4 KiB after which SQLite writes what is in its log into the file.
const CHECKPOINT_PAGES: i64 = 256;
const COMPRESSION_LEVEL: i32 = 1;

const SCHEMA: &str = "
CREATE TABLE place (only INTEGER PRIMARY KEY CHECK (only = 0), sequence INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE alerts (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    decided INTEGER NOT NULL,
    rule TEXT,
    priority INTEGER,
    source TEXT,
    hostname TEXT,
    fingerprint BLOB NOT NULL,
    score INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    decision BLOB NOT NULL
);
CREATE TABLE bodies (sequence INTEGER PRIMARY KEY, alert BLOB NOT NULL);
CREATE INDEX alerts_by_id ON alerts (id);
CREATE INDEX alerts_by_rule ON alerts (rule, sequence);
CREATE INDEX alerts_by_hostname ON alerts (hostname, sequence);
CREATE INDEX alerts_by_fingerprint ON alerts (fingerprint, sequence);
CREATE INDEX alerts_by_time ON alerts (decided, sequence);
CREATE TABLE decisions (
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    decided INTEGER NOT NULL,
    grp INTEGER,
    notification INTEGER,
    changed_by TEXT,
    decision BLOB NOT NULL,
    PRIMARY KEY (sequence, count)
) WITHOUT ROWID;
CREATE INDEX decisions_by_people ON decisions (sequence, count) WHERE changed_by IS NOT NULL;
CREATE INDEX decisions_by_group ON decisions (grp) WHERE grp IS NOT NULL;
CREATE INDEX decisions_by_notification ON decisions (notification) WHERE notification IS NOT NULL;
CREATE TABLE account (
    minute INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    alerts INTEGER NOT NULL,
    PRIMARY KEY (minute, kind, source, name)
) WITHOUT ROWID;
CREATE TABLE anchors (since INTEGER NOT NULL, output TEXT NOT NULL, pending INTEGER NOT NULL, PRIMARY KEY (since, output)) WITHOUT ROWID;
";

/// A decision's place: the journal record that caused it, and which of that record's it is, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(super) sequence: u64,
    pub(super) count: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.count)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('-').and_then(|(sequence, count)| {
            Some(Self { sequence: sequence.parse().ok()?, count: count.parse().ok()? })
        });
        numbers.ok_or("it is not a place that an earlier answer named as `next`")
    }
}

/// An open file that is written to.
#[derive(Debug)]
pub(super) struct Part {
    connection: Connection,
}

/// Decisions on their way into a file: all of them, or none.
pub(super) struct Batch<'a> {
    transaction: Transaction<'a>,
    compressor: zstd::bulk::Compressor<'static>,
    minutes: Minutes,
    place: Option<Place>,
    bytes: usize,
}

/// What the indexer knows of an alert.
pub(super) struct Body<'a> {
    pub(super) alert: &'a Alert,
    /// The journal's record.
    pub(super) record: &'a [u8],
}

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("`{}` is not a part of the history, or was written by a later version", .0.display())]
    Foreign(PathBuf),
    #[error("the search took too long")]
    Deadline,
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    #[error("a decision or an alert in it is damaged: {0}")]
    Damaged(String),
    #[error("failed to read the folder")]
    Folder(#[source] std::io::Error),
    #[error("failed to compress")]
    Compress(#[source] std::io::Error),
}

impl From<FromSqlError> for PartError {
    fn from(error: FromSqlError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<rusqlite::Error> for PartError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::Deadline,
            _ => Self::Sqlite(error),
        }
    }
}

impl Part {
    /// Opens a file to write to, and makes it if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, PartError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What is in it will not be offered again: the journal forgets.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        if connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)) == Ok(0)
        {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT_VERSION)?;
            transaction.commit()?;
        }
        check(&connection, path)?;
        Ok(Self { connection })
    }

    pub(super) fn batch(&mut self) -> Result<Batch<'_>, PartError> {
        let compressor =
            zstd::bulk::Compressor::new(COMPRESSION_LEVEL).map_err(PartError::Compress)?;
        let transaction = self.connection.transaction()?;
        Ok(Batch { transaction, compressor, minutes: Minutes::new(), place: None, bytes: 0 })
    }
}

impl Batch<'_> {
    /// Takes a decision, and the alert it is about if it is about one that is known. Its alert is
    /// counted under `source`.
    pub(super) fn add(
        &mut self,
        decision: &Decision,
        place: Place,
        body: Option<&Body<'_>>,
        source: &str,
    ) -> Result<(), PartError> {
        self.place = Some(place);
        super::account::count(decision, source, &mut self.minutes);
        let json =
            serde_json::to_vec(decision).map_err(|error| PartError::Damaged(error.to_string()))?;
        let packed = self.compressor.compress(&json).map_err(PartError::Compress)?;
        self.bytes += packed.len();
        match &decision.kind {
            DecisionKind::Alert(alert) => self.add_alert(decision, alert, packed, body),
            kind => self.add_other(decision, kind, place.count, packed),
        }
    }

    fn add_alert(
        &mut self,
        decision: &Decision,
        alert: &AlertDecision,
        packed: Vec<u8>,
        body: Option<&Body<'_>>,
    ) -> Result<(), PartError> {
        let of = body.map(|body| body.alert);
        let mut insert = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        insert.execute(params![
            decision.sequence.cast_signed(),
            alert.alert.as_u128().to_be_bytes(),
            decision.time.as_microsecond(),
            of.map(|alert| &alert.rule),
            of.map(|alert| alert.priority as u8),
            of.map(|alert| &alert.source),
            of.map(|alert| &alert.hostname),
            alert.fingerprint.0.to_be_bytes(),
            alert.score,
            verdict_name(&alert.verdict),
            packed,
        ])?;
        if let Some(body) = body {
            let packed = self.compressor.compress(body.record).map_err(PartError::Compress)?;
            self.bytes += packed.len();
            let mut insert =
                self.transaction.prepare_cached("INSERT OR REPLACE INTO bodies VALUES (?1, ?2)")?;
            insert.execute(params![decision.sequence.cast_signed(), packed])?;
        }
        Ok(())
    }

    fn add_other(
        &mut self,
        decision: &Decision,
        kind: &DecisionKind,
        count: u64,
        packed: Vec<u8>,
    ) -> Result<(), PartError> {
        let (group, notification) = keys(kind);
        let mut insert = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO decisions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            decision.sequence.cast_signed(),
            count.cast_signed(),
            decision.time.as_microsecond(),
            group.map(|group| group.0.cast_signed()),
            notification.map(|notification| notification.0.cast_signed()),
            kind.changed_by(),
            packed,
        ])?;
        Ok(())
    }

    /// Returns the compressed size of what it took.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes where decisions go on, when those before are not in the history.
    pub(super) fn begin_after(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Notes what outputs owed at this time: sums of the account begin here.
    pub(super) fn anchor(&mut self, since: Timestamp, owed: &Owed) -> Result<(), PartError> {
        let mut insert = self
            .transaction
            .prepare_cached("INSERT OR REPLACE INTO anchors VALUES (?1, ?2, ?3)")?;
        let since = since.as_microsecond();
        // A row without an output says that there is an anchor, even if nothing was owed.
        insert.execute(params![since, "", 0])?;
        for (output, pending) in &owed.by_output {
            insert.execute(params![since, output, pending.cast_signed()])?;
        }
        Ok(())
    }

    pub(super) fn commit(self) -> Result<(), PartError> {
        {
            let mut add = self.transaction.prepare_cached(
                "INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT DO UPDATE SET alerts = alerts + excluded.alerts",
            )?;
            for ((minute, line), alerts) in &self.minutes {
                let Line { kind, source, name } = line;
                add.execute(params![minute, *kind as u8, source, name, alerts.cast_signed()])?;
            }
        }
        if let Some(place) = self.place {
            self.transaction.execute(
                "INSERT OR REPLACE INTO place VALUES (0, ?1, ?2)",
                params![place.sequence.cast_signed(), place.count.cast_signed()],
            )?;
        }
        Ok(self.transaction.commit()?)
    }
}

pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), PartError> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    let (application, version): (i64, i64) = (pragma("application_id")?, pragma("user_version")?);
    if (application, version) != (APPLICATION_ID, FORMAT_VERSION) {
        return Err(PartError::Foreign(path.to_owned()));
    }
    Ok(())
}

/// Returns the name alerts with this end are listed under.
pub(super) fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Routed => "routed",
        Verdict::Suppressed(reason) => reason.kind().name(),
    }
}

/// Returns which group and notification a decision is about.
fn keys(kind: &DecisionKind) -> (Option<GroupId>, Option<NotificationId>) {
    match kind {
        DecisionKind::Notified(notified) => (Some(notified.group), Some(notified.notification)),
        DecisionKind::Delivered { notification, group, .. }
        | DecisionKind::DeadLettered { notification, group, .. } => {
            (Some(*group), Some(*notification))
        }
        DecisionKind::DeadLetterDropped { notification, .. }
        | DecisionKind::Replayed { notification, .. }
        | DecisionKind::Purged { notification, .. }
        | DecisionKind::Superseded { notification, .. }
        | DecisionKind::ReplayRefused { notification, .. } => (None, Some(*notification)),
        DecisionKind::Withheld(withheld) => (Some(withheld.group), None),
        DecisionKind::GroupClosed { group, .. } => (Some(*group), None),
        _ => (None, None),
    }
}
