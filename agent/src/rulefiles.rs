//! The rule files in use: found, loaded, loaded again when they change.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rules::{Diagnostic, LoadOptions, Loaded, RuleSet, Source};
use serde::{Deserialize, Serialize};
use tracing::{debug, error, info, warn};

use crate::config::AgentConfig;

/// Diagnostics kept and logged of one loading; a broken file may have thousands.
const DIAGNOSTICS_MAX: usize = 20;
/// What is read of a file, one byte more than the loader takes: the loader says that it is too much.
const FILE_BYTES_MAX: u64 = (16 << 20) + 1;

/// Why rules could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("LOAD_ERR_FILE_READ: failed to read rules from `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}", printed(.0))]
    Invalid(Vec<Diagnostic>),
}

fn printed(diagnostics: &[Diagnostic]) -> String {
    let mut text: Vec<_> =
        diagnostics.iter().take(DIAGNOSTICS_MAX).map(ToString::to_string).collect();
    if diagnostics.len() > DIAGNOSTICS_MAX {
        text.push(format!("and {} more", diagnostics.len() - DIAGNOSTICS_MAX));
    }
    text.join("\n")
}

/// What is in force, and what became of the last change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RulesStatus {
    /// Rules in force.
    pub rules: usize,
    /// The files they come from.
    pub files: Vec<String>,
    pub loaded: Option<Timestamp>,
    pub warnings: usize,
    /// Why the last change was not taken; the rules before it are still in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The rules in force, shared with the detector.
#[derive(Debug)]
pub(crate) struct RuleFiles {
    paths: Vec<PathBuf>,
    builtin: bool,
    options: LoadOptions,
    current: Arc<ArcSwap<RuleSet>>,
    status: Mutex<RulesStatus>,
}

impl RuleFiles {
    /// Loads the rules the configuration names.
    pub(crate) fn load(config: &AgentConfig) -> Result<Self, RulesError> {
        let (paths, builtin) = (config.rules.clone(), config.builtin_rules);
        let options = config.load_options();
        let (loaded, files) = read(&paths, builtin, &options)?;
        let status = status_of(&loaded, files);
        let current = Arc::new(ArcSwap::new(loaded.rules));
        Ok(Self { paths, builtin, options, current, status: Mutex::new(status) })
    }

    pub(crate) fn current(&self) -> Arc<ArcSwap<RuleSet>> {
        Arc::clone(&self.current)
    }

    pub(crate) fn status(&self) -> RulesStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the files again, for [`put`](Self::put). If they are bad, says so: what is in force
    /// stays.
    pub(crate) fn read_again(&self) -> Option<Changed> {
        match read(&self.paths, self.builtin, &self.options) {
            Ok((loaded, files)) => Some(Changed { loaded, files }),
            Err(error) => {
                self.refuse(&error);
                None
            }
        }
    }

    /// Puts rules in force.
    pub(crate) fn put(&self, changed: Changed) {
        let new = status_of(&changed.loaded, changed.files);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        *status = new;
        self.current.store(changed.loaded.rules);
        info!(rules = status.rules, "rules were loaded again");
    }

    /// Says why changed rules are not put in force.
    pub(crate) fn refuse(&self, error: &dyn std::error::Error) {
        let error = service::ErrorChain(error).to_string();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        error!(%error, rules = status.rules, "changed rules are bad, the old ones stay in force");
        status.error = Some(error);
    }
}

/// Rules that are loaded and not in force.
#[derive(Debug)]
pub(crate) struct Changed {
    loaded: Loaded,
    files: Vec<String>,
}

impl Changed {
    pub(crate) fn rules(&self) -> &Arc<RuleSet> {
        &self.loaded.rules
    }
}

fn status_of(loaded: &Loaded, files: Vec<String>) -> RulesStatus {
    log_warnings(&loaded.warnings);
    if loaded.rules.rules().is_empty() {
        warn!("no rule is in force, nothing can raise an alert");
    }
    RulesStatus {
        rules: loaded.rules.rules().len(),
        files,
        loaded: Some(service::clock::now()),
        warnings: loaded.warnings.len(),
        error: None,
    }
}

/// Logs one line for each code; who wants all asks for `debug` or `saker rules check`.
fn log_warnings(warnings: &[Diagnostic]) {
    let mut by_code: BTreeMap<_, Vec<&Diagnostic>> = BTreeMap::new();
    for warning in warnings {
        by_code.entry(warning.code).or_default().push(warning);
    }
    for (code, warnings) in by_code {
        let first = warnings[0];
        let place = format!("{}:{}", first.file, first.line);
        warn!(
            code = code.name(),
            count = warnings.len(),
            first = %place,
            "rules were loaded with warnings, `saker rules check` shows them: {}",
            code.meaning()
        );
        for warning in warnings.into_iter().take(DIAGNOSTICS_MAX) {
            debug!(file = %warning.file, line = warning.line, code = code.name(), "{}", warning.message);
        }
    }
}

fn read(
    paths: &[PathBuf],
    builtin: bool,
    options: &LoadOptions,
) -> Result<(Loaded, Vec<String>), RulesError> {
    let mut sources = match builtin || paths.is_empty() {
        true => rules::builtin(),
        false => Vec::new(),
    };
    for path in paths {
        for file in files(path)? {
            let text =
                text_of(&file).map_err(|source| RulesError::Read { path: file.clone(), source })?;
            sources.push(Source { name: file.display().to_string(), text });
        }
    }
    let report = RuleSet::load_with(&sources, options);
    let loaded = report.into_result().map_err(RulesError::Invalid)?;
    Ok((loaded, sources.into_iter().map(|source| source.name).collect()))
}

fn text_of(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns a file itself, or a folder's YAML files by name.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, RulesError> {
    let failed = |source| RulesError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|end| end == "yaml" || end == "yml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
