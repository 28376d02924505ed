//! Reads one file of the history.

use std::{ops::Range, path::Path, time::Instant};

use alert::{AlertId, GroupId, NotificationId, Priority};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    account::{Kind, Line, Owed},
    part::{PartError, Place, check},
};
use crate::pipeline::Decision;

/// Steps of SQLite's machine between two looks at the deadline.
const STEPS_BETWEEN_LOOKS: i32 = 4096;
/// Largest alert or decision that is read back.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Times that one alert is told to have come.
const SAME_ALERT_MAX: u32 = 20;
/// Decisions about one group or notification that are read from one file.
const DECISIONS_OF_ONE_MAX: usize = 10_000;

/// A row of `alerts`, read back.
#[derive(Clone, Debug)]
pub(super) struct AlertRow {
    pub(super) sequence: u64,
    pub(super) decision: Decision,
    /// The journal's record, if it was still there when the decision was taken up.
    pub(super) record: Option<Vec<u8>>,
}

/// Which alerts; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlertFilter {
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) rule: Option<String>,
    pub(crate) priority_min: Option<Priority>,
    pub(crate) source: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) verdict: Option<String>,
    pub(crate) fingerprint: Option<u128>,
    /// Only alerts before this one.
    pub(crate) before: Option<u64>,
}

/// Which changes; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangeFilter {
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) by: Option<String>,
    /// Only changes before this one.
    pub(crate) before: Option<Place>,
}

impl AlertFilter {
    /// Returns what must hold in SQL, and the values of its parameters.
    fn conditions(&self) -> (String, Vec<Value>) {
        let text = |text: &Option<String>| text.clone().map(Value::Text);
        let time = |time: Option<Timestamp>| time.map(|time| time.as_microsecond().into());
        // Rows are found in the order of their sequence; the times only bound where to look. The
        // clock may have been set, so that each row's own time is looked at too.
        let parts: [(&str, Option<Value>); 11] = [
            ("sequence >= (SELECT min(sequence) FROM alerts WHERE decided >= ?)", time(self.from)),
            ("+decided >= ?", time(self.from)),
            ("sequence <= (SELECT max(sequence) FROM alerts WHERE decided < ?)", time(self.until)),
            ("+decided < ?", time(self.until)),
            ("rule = ?", text(&self.rule)),
            ("priority >= ?", self.priority_min.map(|priority| i64::from(priority as u8).into())),
            ("source = ?", text(&self.source)),
            ("hostname = ?", text(&self.hostname)),
            ("verdict = ?", text(&self.verdict)),
            ("fingerprint = ?", self.fingerprint.map(|it| Value::Blob(it.to_be_bytes().into()))),
            ("sequence < ?", self.before.map(|before| before.cast_signed().into())),
        ];
        let (mut conditions, mut values) = (String::from("1"), Vec::new());
        for (condition, value) in parts {
            if let Some(value) = value {
                conditions.push_str(" AND ");
                conditions.push_str(condition);
                values.push(value);
            }
        }
        (conditions, values)
    }
}

/// An open file that is read.
#[derive(Debug)]
pub(super) struct PartReader {
    connection: Connection,
}

impl PartReader {
    /// Opens a file; whatever is asked of it ends at the deadline.
    pub(super) fn open(path: &Path, deadline: Instant) -> Result<Self, PartError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() > deadline))?;
        check(&connection, path)?;
        Ok(Self { connection })
    }

    /// Returns the last decision in it.
    pub(super) fn place(&self) -> Result<Option<Place>, PartError> {
        let place = self.connection.query_row("SELECT sequence, count FROM place", [], |row| {
            let (sequence, count): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Place { sequence: sequence.cast_unsigned(), count: count.cast_unsigned() })
        });
        Ok(place.optional()?)
    }

    /// Returns every decision about an alert when it came, the first one first.
    pub(super) fn alert(&self, id: AlertId) -> Result<Vec<AlertRow>, PartError> {
        let mut select = self.connection.prepare_cached(
            "SELECT sequence, decision, bodies.alert FROM alerts LEFT JOIN bodies USING (sequence) \
             WHERE id = ?1 ORDER BY sequence LIMIT ?2",
        )?;
        let rows = select.query(params![id.as_u128().to_be_bytes(), SAME_ALERT_MAX])?;
        alert_rows(rows)
    }

    /// Returns alerts, the newest first.
    pub(super) fn alerts(
        &self,
        filter: &AlertFilter,
        limit: usize,
    ) -> Result<Vec<AlertRow>, PartError> {
        let (conditions, mut values) = filter.conditions();
        let mut select = self.connection.prepare(&format!(
            "SELECT sequence, decision, bodies.alert FROM alerts LEFT JOIN bodies USING (sequence) \
             WHERE {conditions} ORDER BY sequence DESC LIMIT ?"
        ))?;
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        alert_rows(select.query(params_from_iter(values))?)
    }

    /// Returns the decisions about a group or a notification from a sequence on.
    pub(super) fn decisions(
        &self,
        about: About,
        from: u64,
    ) -> Result<Vec<(Place, Decision)>, PartError> {
        let (column, key) = match about {
            About::Group(group) => ("grp", group.0),
            About::Notification(notification) => ("notification", notification.0),
        };
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT sequence, count, decision FROM decisions WHERE {column} = ?1 AND sequence >= ?2 \
             ORDER BY sequence, count LIMIT {DECISIONS_OF_ONE_MAX}"
        ))?;
        placed(select.query([key.cast_signed(), from.cast_signed()])?)
    }

    /// Returns changes that people made, the newest first.
    pub(super) fn changes(
        &self,
        filter: &ChangeFilter,
        limit: usize,
    ) -> Result<Vec<(Place, Decision)>, PartError> {
        let before = filter.before.unwrap_or(Place { sequence: i64::MAX as u64, count: 0 });
        let time = |time: Option<Timestamp>, or| time.map_or(or, Timestamp::as_microsecond);
        let mut select = self.connection.prepare_cached(
            "SELECT sequence, count, decision FROM decisions WHERE changed_by IS NOT NULL \
             AND (?1 IS NULL OR changed_by = ?1) AND decided >= ?2 AND decided < ?3 \
             AND (sequence, count) < (?4, ?5) ORDER BY sequence DESC, count DESC LIMIT ?6",
        )?;
        let rows = select.query(params![
            filter.by,
            time(filter.from, i64::MIN),
            time(filter.until, i64::MAX),
            before.sequence.cast_signed(),
            before.count.cast_signed(),
            i64::try_from(limit).unwrap_or(i64::MAX),
        ])?;
        placed(rows)
    }

    /// Calls back with the sum of each line of the account in these minutes.
    pub(super) fn account(
        &self,
        minutes: Range<i64>,
        mut each: impl FnMut(Line, u64),
    ) -> Result<(), PartError> {
        let mut select = self.connection.prepare_cached(
            "SELECT kind, source, name, sum(alerts) FROM account \
             WHERE minute >= ?1 AND minute < ?2 GROUP BY kind, source, name",
        )?;
        let mut rows = select.query([minutes.start, minutes.end])?;
        while let Some(row) = rows.next()? {
            let kind: u8 = row.get(0)?;
            let Some(kind) = Kind::ALL.get(usize::from(kind)).copied() else { continue };
            let alerts: i64 = row.get(3)?;
            each(Line { kind, source: row.get(1)?, name: row.get(2)? }, alerts.cast_unsigned());
        }
        Ok(())
    }

    /// Returns when the last decision in it was made.
    pub(super) fn last_decided(&self) -> Result<Option<Timestamp>, PartError> {
        let sql = "SELECT max(decided) FROM \
                   (SELECT decided FROM alerts UNION ALL SELECT decided FROM decisions)";
        time(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Returns the first alert in it: its sequence, and when it was decided upon.
    pub(super) fn first_alert(&self) -> Result<Option<(u64, Timestamp)>, PartError> {
        let sql = "SELECT sequence, decided FROM alerts ORDER BY sequence LIMIT 1";
        let row = self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((sequence, decided)) = row.optional()? else { return Ok(None) };
        let sequence: i64 = sequence;
        Ok(time(Some(decided))?.map(|decided| (sequence.cast_unsigned(), decided)))
    }

    /// Returns the last anchor, and what was owed there.
    pub(super) fn anchor(&self) -> Result<Option<(Timestamp, Owed)>, PartError> {
        let mut select = self.connection.prepare_cached(
            "SELECT since, output, pending FROM anchors WHERE since = (SELECT max(since) FROM anchors)",
        )?;
        let mut rows = select.query([])?;
        let mut anchor = None;
        while let Some(row) = rows.next()? {
            let Some(since) = time(row.get(0)?)? else { continue };
            let (_, owed) = anchor.get_or_insert_with(|| (since, Owed::default()));
            let (output, pending): (String, i64) = (row.get(1)?, row.get(2)?);
            if !output.is_empty() {
                owed.by_output.insert(output, pending.cast_unsigned());
            }
        }
        Ok(anchor)
    }
}

/// What decisions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    Group(GroupId),
    Notification(NotificationId),
}

fn placed(mut rows: rusqlite::Rows<'_>) -> Result<Vec<(Place, Decision)>, PartError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (sequence, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        let place = Place { sequence: sequence.cast_unsigned(), count: count.cast_unsigned() };
        found.push((place, unpack_decision(row.get_ref(2)?.as_blob()?)?));
    }
    Ok(found)
}

fn alert_rows(mut rows: rusqlite::Rows<'_>) -> Result<Vec<AlertRow>, PartError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let record = row.get_ref(2)?.as_blob_or_null()?.map(unpack).transpose()?;
        let decision = unpack_decision(row.get_ref(1)?.as_blob()?)?;
        found.push(AlertRow { sequence: sequence.cast_unsigned(), decision, record });
    }
    Ok(found)
}

fn time(microsecond: Option<i64>) -> Result<Option<Timestamp>, PartError> {
    let damaged = |error: jiff::Error| PartError::Damaged(error.to_string());
    microsecond.map(Timestamp::from_microsecond).transpose().map_err(damaged)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, PartError> {
    let damaged = |error: std::io::Error| PartError::Damaged(error.to_string());
    zstd::bulk::decompress(packed, DOCUMENT_BYTES_MAX).map_err(damaged)
}

fn unpack_decision(packed: &[u8]) -> Result<Decision, PartError> {
    serde_json::from_slice(&unpack(packed)?).map_err(|error| PartError::Damaged(error.to_string()))
}
