//! What outlives a part that is deleted.

use std::time::Instant;

use jiff::Timestamp;

use super::IndexError;
use crate::history::{
    QUERY_TIME_MAX,
    account::Owed,
    folder::File,
    part::{Part, PartError},
    reader::PartReader,
};

/// Takes what was owed at the end of a file over into the next one, so that sums need it no more.
pub(in crate::history) fn carry(file: &File, next: &File) -> Result<(), IndexError> {
    let failed = |file: &File, source| IndexError::Part { path: file.path.clone(), source };
    let Some((since, owed)) = owed_after(file).map_err(|source| failed(file, source))? else {
        return Ok(());
    };
    anchor_at(next, since, &owed).map_err(|source| failed(next, source))
}

/// Returns what was owed at the end of a file, and when that was.
fn owed_after(file: &File) -> Result<Option<(Timestamp, Owed)>, PartError> {
    let reader = PartReader::open(&file.path, Instant::now() + QUERY_TIME_MAX)?;
    let Some((since, mut owed)) = reader.anchor()? else { return Ok(None) };
    reader.account(i64::MIN..i64::MAX, |line, alerts| owed.add(&line, alerts))?;
    let since = reader.last_decided()?.map_or(since, |last| last.max(since));
    Ok(Some((since, owed)))
}

/// Lets sums begin at a file, unless they do so anyway.
fn anchor_at(file: &File, since: Timestamp, owed: &Owed) -> Result<(), PartError> {
    if PartReader::open(&file.path, Instant::now() + QUERY_TIME_MAX)?.anchor()?.is_some() {
        return Ok(());
    }
    let mut part = Part::open(&file.path)?;
    let mut batch = part.batch()?;
    batch.anchor(since, owed)?;
    batch.commit()
}
