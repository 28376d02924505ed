//! What the configuration makes of rules. The keys are Falco's, but for `rule_selection`, which it
//! calls `rules`.

use std::collections::BTreeMap;

use rules::{AppendOutput, ExtraField, LoadOptions, Pick, Selection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AgentConfig;

/// Enables or disables rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionConfig {
    Enable(PickConfig),
    Disable(PickConfig),
}

/// Which rules are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PickConfig {
    /// A rule's name, in which `*` stands for any text.
    Rule(String),
    /// A tag.
    Tag(String),
}

/// What is appended to the outputs of some rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AppendOutputConfig {
    /// Which rules; all if absent.
    #[serde(rename = "match")]
    pub matches: OutputMatchConfig,
    /// A format, appended to the output behind a blank.
    pub extra_output: Option<String>,
    /// Fields that alerts have besides, which their text does not show.
    pub extra_fields: Vec<ExtraFieldConfig>,
    /// Append container and pod to the output.
    pub suggested_output: bool,
}

/// Which rules an output is appended to; all that is given must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutputMatchConfig {
    /// The name of the rule.
    pub rule: Option<String>,
    /// For example `syscall`.
    pub source: Option<String>,
    /// The rule has all of them.
    pub tags: Vec<String>,
}

/// A field of the event, or names with formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ExtraFieldConfig {
    Field(String),
    Formats(BTreeMap<String, String>),
}

impl AgentConfig {
    /// Returns what it makes of rules.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            selections: self.rule_selection.iter().map(SelectionConfig::selection).collect(),
            priority_min: Some(self.priority),
            append_output: self.append_output.iter().map(AppendOutputConfig::append).collect(),
            static_fields: self.static_fields.clone(),
        }
    }
}

impl SelectionConfig {
    fn selection(&self) -> Selection {
        let pick = |pick: &PickConfig| match pick {
            PickConfig::Rule(pattern) => Pick::Rule(pattern.clone()),
            PickConfig::Tag(tag) => Pick::Tag(tag.clone()),
        };
        match self {
            Self::Enable(picked) => Selection::Enable(pick(picked)),
            Self::Disable(picked) => Selection::Disable(pick(picked)),
        }
    }
}

impl AppendOutputConfig {
    fn append(&self) -> AppendOutput {
        let mut extra_fields = Vec::new();
        for field in &self.extra_fields {
            match field {
                ExtraFieldConfig::Field(name) => extra_fields.push(ExtraField::Field(name.clone())),
                ExtraFieldConfig::Formats(formats) => {
                    let formats = formats.iter().map(|(name, format)| ExtraField::Format {
                        name: name.clone(),
                        format: format.clone(),
                    });
                    extra_fields.extend(formats);
                }
            }
        }
        AppendOutput {
            rule: self.matches.rule.clone(),
            source: self.matches.source.clone(),
            tags: self.matches.tags.clone(),
            extra_output: self.extra_output.clone(),
            extra_fields,
            suggested_output: self.suggested_output,
        }
    }
}
