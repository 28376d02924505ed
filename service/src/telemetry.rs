//! Logs: short lines for people, JSON for machines, both on standard error.

use std::io::IsTerminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; also per crate: `info,router=debug`.
    pub level: String,
}

impl Default for Logs {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The level is not understood.
#[derive(Debug, thiserror::Error)]
#[error("unknown log level `{level}`: write for example `info` or `info,router=debug`")]
pub struct LevelError {
    level: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Changes the level of a running program.
#[derive(Clone, Debug, Default)]
pub struct LevelHandle(Option<reload::Handle<EnvFilter, Registry>>);

impl LevelHandle {
    /// Sets the level; from the next line on it holds.
    pub fn set(&self, level: &str) -> Result<(), LevelError> {
        let filter = filter(level)?;
        let Some(handle) = &self.0 else { return Ok(()) };
        handle
            .reload(filter)
            .map_err(|error| LevelError { level: level.to_owned(), source: Some(error.into()) })
    }

    /// Returns the level in force.
    pub fn get(&self) -> String {
        let level = self.0.as_ref().map(|handle| handle.with_current(ToString::to_string));
        level.and_then(Result::ok).unwrap_or_else(|| "off".to_owned())
    }
}

/// Starts logging. A second call in one process changes nothing and returns a handle without
/// effect, so that tests may call it freely.
pub fn init(logs: &Logs) -> Result<LevelHandle, LevelError> {
    let (filter, handle) = reload::Layer::new(filter(&logs.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match logs.format {
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_target(true)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Text => {
            let color = std::io::stderr().is_terminal();
            let layer = fmt::layer()
                .compact()
                .with_target(false)
                .with_ansi(color)
                .with_writer(std::io::stderr);
            registry.with(layer).try_init()
        }
    };
    Ok(LevelHandle(started.is_ok().then_some(handle)))
}

fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    // `EnvFilter` takes any word for the name of a crate; a single word must be a level.
    let is_list = level.contains([',', '=']);
    if !is_list && level.parse::<tracing_subscriber::filter::LevelFilter>().is_err() {
        return Err(LevelError { level: level.to_owned(), source: None });
    }
    level.parse().map_err(|error: tracing_subscriber::filter::ParseError| LevelError {
        level: level.to_owned(),
        source: Some(error.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_level_or_a_list_of_them() {
        for level in ["info", "warn,router=debug", "off"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["loud", "router=loud"] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
