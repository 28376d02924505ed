//! Appends to a local file: JSON lines for machines, or a line per finding for people.

mod log;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use templates::{Escape, builtin};

use self::log::{Log, Rotation};
use service::config::{HumanBytes, HumanDuration};

use crate::{
    BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt,
    lines::{Format, Lines, Zone},
};

/// A file on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file; its folder must exist. It is created with mode 0600, and never through a
    /// symbolic link.
    path: PathBuf,
    /// `json` (default): one notification a line. `human`: one finding a line.
    #[serde(default = "json")]
    format: Format,
    /// Time zone of human lines: `local` (default) or `UTC`.
    #[serde(default)]
    time_zone: Zone,
    /// Whether each notification is on disk before it counts as delivered. Default false.
    #[serde(default)]
    fsync: bool,
    /// Rename the file to `<path>.1` when it would grow beyond this. Default 100MiB.
    #[serde(default = "default_bytes")]
    rotate_bytes_max: HumanBytes,
    /// Rename the file when it is older than this. Default: never.
    #[serde(default)]
    rotate_age_max: Option<HumanDuration>,
    /// How many renamed files are kept. Default 5.
    #[serde(default = "default_keep")]
    keep_files_max: u32,
}

const fn json() -> Format {
    Format::Json
}

const fn default_bytes() -> HumanBytes {
    HumanBytes(100 << 20)
}

const fn default_keep() -> u32 {
    5
}

/// Longest line of a template.
const LINE_CHARS_MAX: usize = 16_000;
const KEEP_FILES_MAX: u32 = 1_000;

impl Kind for File {
    const NAME: &'static str = "file";
    /// Without a template a line per finding is printed.
    const PARTS: &'static [Part] = &[Part {
        name: "line",
        escape: Escape::Line,
        chars_max: LINE_CHARS_MAX,
        builtin: builtin!("file/line.line.hbs"),
    }];
    const EXAMPLE: &'static str = "path: /var/log/saker/alerts.jsonl";

    fn validate(&self) -> Result<(), String> {
        if self.path.file_name().is_none() {
            return Err("`path` names no file".into());
        }
        if self.rotate_bytes_max.0 == 0 {
            return Err("`rotate_bytes_max` is zero".into());
        }
        if self.keep_files_max > KEEP_FILES_MAX {
            return Err(format!("`keep_files_max` is more than {KEEP_FILES_MAX}"));
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let path = context.directory.join(&self.path);
        let rotation = Rotation {
            bytes_max: self.rotate_bytes_max.0,
            age_max: self.rotate_age_max.map(|age| age.0),
            keep_max: self.keep_files_max,
        };
        let log = Log::open(&path, rotation, self.fsync).map_err(|error| {
            BuildError::caused(format!("failed to open {}", path.display()), error)
        })?;
        Ok(Arc::new(FileOutput {
            lines: Lines::to_file(self.format, self.time_zone),
            log: Arc::new(Mutex::new(log)),
        }))
    }
}

struct FileOutput {
    lines: Lines,
    log: Arc<Mutex<Log>>,
}

#[async_trait]
impl Output for FileOutput {
    fn reads_previous(&self) -> bool {
        false
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let text = self.lines.print(delivery)?;
        let log = Arc::clone(&self.log);
        // A dropped future lets the write end: whole lines are written, or none.
        let written = tokio::task::spawn_blocking(move || {
            log.lock().unwrap_or_else(PoisonError::into_inner).append(&text)
        });
        match written.await {
            Ok(Ok(())) => Ok(Receipt::accepted()),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        let log = Arc::clone(&self.log);
        let opened = tokio::task::spawn_blocking(move || {
            log.lock().unwrap_or_else(PoisonError::into_inner).reopen_if_moved()
        });
        match opened.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }
}

fn unavailable(reason: String) -> DeliveryError {
    DeliveryError::Unavailable { reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use templates::samples;

    use super::*;
    use crate::peer::{Configured, parse};

    #[tokio::test]
    async fn each_notification_is_one_json_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let output = Configured::new("file", &json!({ "path": path, "fsync": true }));
        for (_, sample) in samples::all() {
            output.deliver(&sample, None).await.unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let ids: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["notification"]["id"].clone())
            .collect();
        assert_eq!(ids.len(), samples::all().len());
    }

    #[tokio::test]
    async fn a_folder_that_went_away_is_unavailable_until_it_is_back() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logs");
        std::fs::create_dir(&folder).unwrap();
        let output = Configured::new("file", &json!({ "path": folder.join("alerts") }));
        std::fs::remove_dir_all(&folder).unwrap();
        let error = output.deliver(&samples::typical(), None).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error}");
        assert!(output.output.check().await.is_err());
        std::fs::create_dir(&folder).unwrap();
        output.deliver(&samples::typical(), None).await.unwrap();
    }

    #[test]
    fn a_configuration_that_cannot_work_says_why() {
        let check = |config: Value, expect: &str| {
            let error = parse("file", &config).err().expect(expect).to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(json!({ "path": "/" }), "`path` names no file");
        check(json!({ "path": "a", "rotate_bytes_max": "0B" }), "`rotate_bytes_max` is zero");
        check(
            json!({ "path": "a", "keep_files_max": 1_001 }),
            "`keep_files_max` is more than 1000",
        );
    }
}
