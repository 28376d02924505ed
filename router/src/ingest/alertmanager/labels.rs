//! Labels and annotations as fields: `label.NAME` and `annotation.NAME`, so that no name a sender
//! chooses can pass for another field.

use std::collections::BTreeMap;

use alert::{Fields, wire::cut};
use serde::Deserialize;

const NAME_BYTES_MAX: usize = 512;
/// Labels are the alert's identity, so that a longer one is refused rather than cut.
const LABEL_BYTES_MAX: usize = 16 << 10;
const ANNOTATION_BYTES_MAX: usize = 64 << 10;
/// Labels, and annotations, of one alert.
const NUMBER_MAX: usize = 256;

/// Names and texts. A text that is not there is an empty one.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Texts(BTreeMap<String, Option<String>>);

impl Texts {
    /// Returns a text that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref().filter(|text| !text.is_empty())
    }

    fn filled(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().filter_map(|name| Some((name.as_str(), self.get(name)?)))
    }
}

/// Adds labels as fields; those that are empty are as good as absent.
pub(super) fn add_labels(labels: &Texts, fields: &mut Fields) -> Result<(), String> {
    let mut number = 0;
    for (name, text) in labels.filled() {
        check_name("label", name)?;
        if text.len() > LABEL_BYTES_MAX {
            let name = shown(name);
            return Err(format!("label `{name}` is longer than {LABEL_BYTES_MAX} bytes"));
        }
        number += 1;
        fields.insert(format!("label.{name}"), text.into());
    }
    match number {
        0 => Err("at least one label pair required".to_owned()),
        _ if number > NUMBER_MAX => Err(format!("more than {NUMBER_MAX} labels")),
        _ => Ok(()),
    }
}

/// Adds annotations as fields; long ones are cut.
pub(super) fn add_annotations(annotations: &Texts, fields: &mut Fields) -> Result<(), String> {
    let mut number = 0;
    for (name, text) in annotations.filled() {
        check_name("annotation", name)?;
        number += 1;
        let text = cut(text.to_owned(), ANNOTATION_BYTES_MAX);
        fields.insert(format!("annotation.{name}"), text.into());
    }
    if number > NUMBER_MAX {
        return Err(format!("more than {NUMBER_MAX} annotations"));
    }
    Ok(())
}

/// Later versions of Prometheus take any text as a name.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let name = shown(name);
        return Err(format!(
            "invalid name of a {what}, `{name}`: 1 to {NAME_BYTES_MAX} bytes without control \
             characters"
        ));
    }
    Ok(())
}

/// Returns a name as it may be printed.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
