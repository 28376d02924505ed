//! `saker config`: checks a configuration, prints its schema.

use std::{fs, path::Path};

use agent::AgentConfig;
use anyhow::Context;
use response::{action::Mode, config::ResponseConfig};
use router::config::Config;

use crate::{
    alertmanager,
    args::ConfigCommand,
    exit::{Code, fail},
    print,
};

pub(crate) fn execute(command: &ConfigCommand) -> anyhow::Result<Code> {
    match command {
        ConfigCommand::Check { file } => check(file),
        ConfigCommand::ImportAlertmanager { file } => import(file),
        ConfigCommand::Schema => {
            print::line(serde_json::to_string_pretty(&router::config::schema::<
                AgentConfig,
                ResponseConfig,
            >())?);
            Ok(Code::Success)
        }
    }
}

fn check(file: &Path) -> anyhow::Result<Code> {
    let config = load(Some(file))?;
    responds(file)?;
    let kinds: Vec<String> =
        config.outputs.iter().map(|(name, output)| format!("{name} ({})", output.kind())).collect();
    let outputs = if kinds.is_empty() { "no outputs".to_owned() } else { kinds.join(", ") };
    print::line(format_args!(
        "{} is valid: {outputs}; {} routes",
        file.display(),
        config.routes.len()
    ));
    Ok(Code::Success)
}

fn import(file: &Path) -> anyhow::Result<Code> {
    let text =
        fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let imported = alertmanager::import(&text)
        .map_err(|error| fail(Code::Invalid, format!("{}: {error}", file.display())))?;
    print::line(imported.text.trim_end());
    for remark in &imported.remarks {
        print::note(format_args!("{}: {}", file.display(), print::plain(remark)));
    }
    Ok(Code::Success)
}

/// Reads the whole file, the agent's part included.
pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Config<AgentConfig>> {
    Config::load(file).map_err(|error| fail(Code::Invalid, error.to_string()))
}

/// Reads the responder's part, which has checks of its own; returns whether it is to do anything.
pub(crate) fn responds(file: &Path) -> anyhow::Result<bool> {
    let loaded = ResponseConfig::load(Some(file));
    let (config, _) = loaded.map_err(|error| fail(Code::Invalid, error.to_string()))?;
    Ok(config.mode > Mode::Off)
}
