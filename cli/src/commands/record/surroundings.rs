//! Files of what is around moments: one, or a folder of them.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use agent::tap::Moment;
use anyhow::Context;

use crate::{
    exit::{Code, fail},
    print,
};

/// What an agent may send beyond what was asked for: it ends a recording after the chunk that fills it.
const BEYOND_BYTES: u64 = 64 << 20;

/// Returns whether a path means a folder: one that is there, or one written with a slash at its end.
pub(super) fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Writes a recording at a time.
pub(super) struct Files {
    path: PathBuf,
    folder: bool,
    open: Option<File>,
    whole: u64,
    bytes: u64,
    bytes_left: u64,
}

impl Files {
    pub(super) fn new(path: &Path, max: Option<u64>, bytes_max: u64) -> anyhow::Result<Self> {
        let folder = is_folder(path);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if folder {
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(path);
            made.with_context(|| format!("failed to make {}", path.display()))?;
        } else if max.is_some_and(|max| max > 1) {
            return Err(fail(
                Code::Invalid,
                "a file holds one recording: name a folder, `FOLDER/`",
            ));
        } else if parent.is_some_and(|parent| !parent.is_dir()) {
            return Err(fail(Code::Invalid, format!("there is no folder for {}", path.display())));
        }
        let bytes_left = bytes_max.saturating_add(BEYOND_BYTES);
        Ok(Self { path: path.to_owned(), folder, open: None, whole: 0, bytes: 0, bytes_left })
    }

    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    pub(super) fn begin(&mut self, moment: &Moment, from_ns: Option<u64>) -> anyhow::Result<()> {
        let path = match self.folder {
            true => self.path.join(name(moment)),
            false => self.path.clone(),
        };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match self.folder {
            true => options.create_new(true),
            false => options.create(true).truncate(true),
        };
        let file = options.open(&path);
        self.open = Some(file.with_context(|| format!("failed to write {}", path.display()))?);
        self.bytes = 0;
        print::note(told(moment, from_ns, &path));
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let file = self.open.as_mut().context("the agent sent a part of no recording")?;
        let length = bytes.len() as u64;
        self.bytes += length;
        let left = self.bytes_left.checked_sub(length);
        self.bytes_left = left.context("the agent sends more than was asked for")?;
        file.write_all(bytes).context("failed to write the recording")
    }

    pub(super) fn end(&mut self, events: u64) -> anyhow::Result<()> {
        let file = self.open.take().context("the agent ended a recording it did not begin")?;
        file.sync_all().context("failed to write the recording")?;
        self.whole += 1;
        let events = print::counted_u64(events, "event");
        print::note(format_args!("  {events}, {:.1} KiB", self.bytes as f64 / 1024.0));
        Ok(())
    }
}

/// Returns the name of a moment's file: its alert's id, or its time.
fn name(moment: &Moment) -> String {
    match moment.alert {
        Some(alert) => format!("{alert}.saker"),
        None => format!("{:.9}.saker", time(moment)).replace(':', "-"),
    }
}

fn time(moment: &Moment) -> jiff::Timestamp {
    let time = jiff::Timestamp::from_nanosecond(moment.time_ns.into());
    time.unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn told(moment: &Moment, from_ns: Option<u64>, path: &Path) -> String {
    let what = moment.rule.as_deref().map_or_else(|| "an event".to_owned(), print::plain);
    let before_ns = from_ns.map_or(0, |from| moment.time_ns.saturating_sub(from));
    let (time, before) = (time(moment), before_ns as f64 / 1e9);
    format!("{what} at {time:.3}: {}, from {before:.1} s before it", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment { time_ns: 1_700_000_000_123_456_789, rule: None, alert: None };

    #[test]
    fn a_file_is_named_by_the_alert_or_the_time_and_never_by_a_rule() {
        assert_eq!(name(&MOMENT), "2023-11-14T22-13-20.123456789Z.saker");
        let alert = alert::AlertId::from_u128(7);
        let of_rule = Moment { rule: Some("../../x".to_owned()), alert: Some(alert), ..MOMENT };
        assert_eq!(name(&of_rule), format!("{alert}.saker"));
    }

    #[test]
    fn a_folder_has_several_and_a_file_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("around/");
        assert!(Files::new(&folder.path().join("one.saker"), Some(2), 9).is_err());
        let mut files = Files::new(&path, Some(2), 9).unwrap();
        assert!(files.write(b"x").is_err(), "nothing was begun");
        for time_ns in [MOMENT.time_ns, MOMENT.time_ns + 1] {
            files.begin(&Moment { time_ns, ..MOMENT }, Some(time_ns)).unwrap();
            files.write(b"bytes").unwrap();
            files.end(1).unwrap();
        }
        assert_eq!((files.whole(), path.read_dir().unwrap().count()), (2, 2));
        files.begin(&Moment { time_ns: 3, ..MOMENT }, None).unwrap();
        let much = vec![0; 1 << 20];
        let full = (0..100).map(|_| files.write(&much)).find(Result::is_err);
        assert!(full.is_some(), "an agent can fill the disk");
    }
}
