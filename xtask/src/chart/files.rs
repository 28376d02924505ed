//! The chart's copies of `dashboards/`: Helm reads no file outside its chart.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::CHART;
use crate::run::say;

/// Where the originals are, how their names end, and where in the chart the copies are.
const COPIES: &[(&str, &str, &str)] = &[
    ("dashboards", ".json", "files/dashboards"),
    ("dashboards/prometheus", "rules.yaml", "files/prometheus"),
];

/// Copies the originals, and removes copies that have none.
pub(crate) fn copy() -> anyhow::Result<()> {
    for (from, ending, to) in COPIES {
        let to = Path::new(CHART).join(to);
        fs::remove_dir_all(&to).or_else(ignore_absent)?;
        for (name, text) in read(Path::new(from), ending)? {
            fs::create_dir_all(&to)?;
            fs::write(to.join(name), text)?;
        }
        say(&format!("copied {from}/*{ending} to {}", to.display()));
    }
    Ok(())
}

pub(super) fn check() -> anyhow::Result<()> {
    for (from, ending, to) in COPIES {
        let to = Path::new(CHART).join(to);
        if read(Path::new(from), ending)? != read(&to, ending)? {
            bail!(
                "{} is not a copy of {from}/*{ending}: run `cargo xtask chart-files`",
                to.display()
            );
        }
    }
    Ok(())
}

/// Returns the files of a folder by name; none if there is no folder.
fn read(folder: &Path, ending: &str) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(files) };
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            let text =
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            files.insert(path.file_name().map(PathBuf::from).unwrap_or_default(), text);
        }
    }
    Ok(files)
}

fn ignore_absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
