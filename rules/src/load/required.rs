//! What a rule file requires: versions of the engine and of plugins.

use hashbrown::HashSet;

use super::{
    inside,
    value::{get, text, unknown_key},
};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    text::Files,
    yaml::{Kind, Node},
};

type Version = (u64, u64, u64);

/// Falco's engine version whose language this is.
const ENGINE_VERSION: Version = (0, 63, 0);

/// Plugins whose fields are built in here.
const PLUGINS: [(&str, Version); 3] =
    [("container", (0, 7, 0)), ("k8saudit", (0, 18, 0)), ("json", (0, 7, 5))];

/// Reads `major.minor.patch`, with or without a pre-release or build behind it.
fn version(text: &str) -> Option<Version> {
    let mut parts = text.split(['-', '+']).next()?.split('.');
    let mut part = || -> Option<u64> {
        let part = parts.next()?;
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse().ok() } else { None }
    };
    let version = (part()?, part()?, part()?);
    parts.next().is_none().then_some(version)
}

fn printed((major, minor, patch): Version) -> String {
    format!("{major}.{minor}.{patch}")
}

/// Returns whether `available` serves what was written for `required`.
fn is_compatible(available: Version, required: Version) -> bool {
    available.0 == required.0 && available >= required
}

/// Checks `required_engine_version`: a number N stands for 0.N.0.
pub(super) fn engine_version(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(written) = text(files, node, "required_engine_version", found) else { return };
    let written = written.as_str();
    let number = written.parse::<u32>().map(|minor| (0, minor.into(), 0));
    let Some(required) = number.ok().or_else(|| version(written)) else {
        let message = "expected a version such as 0.57.0, or a number";
        found.push(node.error(files, Code::YamlValidate, message));
        return;
    };
    if !is_compatible(ENGINE_VERSION, required) {
        let message = match required.0 == ENGINE_VERSION.0 {
            true => format!("the file needs a newer engine than {}", printed(ENGINE_VERSION)),
            false => format!("the file is not for the engine {}", printed(ENGINE_VERSION)),
        };
        found.push(node.error(files, Code::Validate, message));
    }
}

/// Checks `required_plugin_versions`: of each entry, the first plugin that is built in.
pub(super) fn plugin_versions(files: &Files, node: &Node, found: &mut Vec<Diagnostic>) {
    let Kind::Sequence(entries) = &node.kind else {
        let message = format!("expected a list of plugins, found {}", node.what());
        found.push(node.error(files, Code::YamlValidate, message));
        return;
    };
    for entry in entries.iter() {
        let kind = ItemType::RequiredPluginVersionsEntry;
        inside(files, found, kind, name_of(entry), entry, |found| plugin(files, entry, found));
    }
}

fn name_of(entry: &Node) -> &str {
    let Kind::Mapping(pairs) = &entry.kind else { return "" };
    get(pairs, "name").and_then(Node::str).unwrap_or_default()
}

fn plugin(files: &Files, entry: &Node, found: &mut Vec<Diagnostic>) -> Option<()> {
    const KEYS: &[&str] = &["name", "version", "alternatives"];
    let mut wanted = vec![requirement(files, entry, KEYS, found)?];
    if let Kind::Mapping(pairs) = &entry.kind
        && let Some(node) = get(pairs, "alternatives")
    {
        let Kind::Sequence(nodes) = &node.kind else {
            let message = format!("`alternatives` must be a list, found {}", node.what());
            found.push(node.error(files, Code::YamlValidate, message));
            return None;
        };
        for node in nodes.iter() {
            let kind = ItemType::RequiredPluginVersionsAlternative;
            wanted.push(inside(files, found, kind, name_of(node), node, |found| {
                requirement(files, node, &KEYS[..2], found)
            })?);
        }
    }
    let mut seen = HashSet::new();
    if let Some((name, _)) = wanted.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        let message = format!("the plugin `{name}` stands twice among the alternatives");
        found.push(entry.error(files, Code::Validate, message));
        return None;
    }
    let loaded = |name: &str| PLUGINS.iter().find(|(known, _)| *known == name);
    let first = wanted.iter().find_map(|(name, required)| Some((name, *required, loaded(name)?.1)));
    match first {
        None => {
            let message =
                format!("the plugin `{}` is not available, its rules are skipped", wanted[0].0);
            found.push(entry.error(files, Code::UnknownSource, message));
        }
        Some((name, required, available)) if !is_compatible(available, required) => {
            let message = format!("`{name}` is built in as version {}", printed(available));
            found.push(entry.error(files, Code::Validate, message));
        }
        Some(_) => {}
    }
    Some(())
}

/// Reads the name and version of a plugin.
fn requirement(
    files: &Files,
    entry: &Node,
    keys: &[&str],
    found: &mut Vec<Diagnostic>,
) -> Option<(String, Version)> {
    let Kind::Mapping(pairs) = &entry.kind else {
        let message = "expected `name` and `version`, such as 0.4.0";
        found.push(entry.error(files, Code::YamlValidate, message));
        return None;
    };
    for (key, _) in pairs.iter().filter(|(key, _)| !keys.contains(&key.str().unwrap_or_default())) {
        found.push(unknown_key(files, key, "plugin", keys));
    }
    let mut value = |key: &str| match get(pairs, key) {
        Some(node) => text(files, node, key, found).map(|text| (node, text)),
        None => {
            let message = format!("the plugin has no `{key}`");
            found.push(entry.error(files, Code::YamlValidate, message));
            None
        }
    };
    let (name, version_text) = (value("name"), value("version"));
    let ((_, name), (node, text)) = (name?, version_text?);
    let Some(version) = version(text.as_str()) else {
        let message = format!("`{}` is no version such as 0.4.0", text.as_str());
        found.push(node.error(files, Code::Validate, message));
        return None;
    };
    Some((name.as_str().to_owned(), version))
}
