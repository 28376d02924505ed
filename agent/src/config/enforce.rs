//! What the configuration says about ending processes by rules.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules that end the process they match. Off by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnforceConfig {
    pub mode: EnforceMode,
    /// Which rules, and what they do; the first entry that names a rule counts.
    pub rules: Vec<EnforceRuleConfig>,
    /// Executables that are never ended beside the node's own: a path, a folder (with a slash at its
    /// end), or a beginning of paths (with `*` at its end).
    #[schemars(with = "Vec<PathBuf>")]
    pub protect: Vec<String>,
    /// When more would be ended within a minute, nothing is ended any more until the agent is
    /// started anew, and an alert says so.
    pub kills_per_minute_max: u32,
}

impl Default for EnforceConfig {
    fn default() -> Self {
        Self {
            mode: EnforceMode::Off,
            rules: Vec::new(),
            protect: Vec::new(),
            kills_per_minute_max: 60,
        }
    }
}

/// Whether anything is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforceMode {
    #[default]
    Off,
    /// Only tell and count what would have been ended.
    Monitor,
    Enforce,
}

impl EnforceMode {
    /// Returns its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

/// What a rule does beside its alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnforceRuleConfig {
    /// A rule's name, in which `*` stands for any text.
    pub rule: String,
    pub action: EnforceAction,
}

/// What is done to the process that a rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforceAction {
    /// The process gets SIGKILL: before its first instruction where the kernel can decide the rule,
    /// else after the match.
    Kill,
}
