//! The structure `ARCHITECTURE.md` promises, checked: who may use whom, and what every crate and
//! file has in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::run::say;

/// Which of our crates each may depend on. A crate that is not listed fails the check.
const MAY_USE: &[(&str, &[&str])] = &[
    ("alert", &[]),
    ("journal", &[]),
    ("rules", &["alert"]),
    ("probe", &[]),
    ("templates", &["alert"]),
    ("service", &[]),
    ("agent", &["alert", "journal", "probe", "rules", "service"]),
    ("outputs", &["alert", "service", "templates"]),
    ("router", &["alert", "journal", "outputs", "rules", "service", "templates"]),
    ("response", &["alert", "rules", "service"]),
    (
        "cli",
        &[
            "agent",
            "alert",
            "journal",
            "outputs",
            "response",
            "router",
            "rules",
            "service",
            "templates",
        ],
    ),
    ("bench", &["agent", "alert", "journal", "router", "rules", "service"]),
    ("e2e", &["agent", "alert", "outputs", "response", "rules", "service", "templates"]),
    ("sim", &["alert", "journal", "outputs", "router", "rules", "service", "templates"]),
    ("fuzz", &["alert", "journal", "router", "rules", "service", "sim", "templates"]),
    ("xtask", &[]),
];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    publish: Option<Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
    /// `dev` for what only tests use.
    kind: Option<String>,
}

impl Dependency {
    /// Returns whether it is the real servers, for tests.
    fn is_for_tests(&self) -> bool {
        self.name == "e2e" && self.kind.as_deref() == Some("dev")
    }
}

/// Reports every breach, then fails if there was one.
pub(crate) fn tidy() -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let packages = packages()?;
    check_directions(&packages, &mut problems);
    check_manifests(&packages, &mut problems)?;
    check_files(&mut problems)?;
    if problems.is_empty() {
        say(&format!("tidy: ok, {} crates", packages.len()));
        return Ok(());
    }
    bail!("tidy found {} problem(s):\n  {}", problems.len(), problems.join("\n  "));
}

/// Returns the example configurations, which `saker config check` must accept.
pub(crate) fn example_configs() -> anyhow::Result<Vec<String>> {
    let mut examples: Vec<String> =
        ["router", "agent"].map(|part| format!("deploy/compose/{part}.yaml")).into();
    for entry in fs::read_dir("docs/examples").context("failed to list docs/examples")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            examples.push(path.display().to_string());
        }
    }
    examples.sort();
    Ok(examples)
}

/// Returns the environment variables an example refers to, each with a value that any key accepts.
pub(crate) fn secrets_named_in(example: &str) -> anyhow::Result<Vec<(String, &'static str)>> {
    // A Standard Webhooks secret: a prefix and base64.
    const SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRl";
    let text = fs::read_to_string(example)?;
    let names = text.split("${env:").skip(1).filter_map(|rest| rest.split('}').next());
    Ok(names.map(|name| (name.to_owned(), SECRET)).collect())
}

fn packages() -> anyhow::Result<Vec<Package>> {
    let output = crate::run::cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()
        .context("failed to run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    Ok(metadata.packages)
}

fn check_directions(packages: &[Package], problems: &mut Vec<String>) {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    for package in packages {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            problems.push(format!(
                "{}: not in the table of crate directions (xtask/src/tidy.rs)",
                package.name
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some())
        {
            if !allowed.contains(dependency.name.as_str()) && !dependency.is_for_tests() {
                problems.push(format!("{} must not use {}", package.name, dependency.name));
            }
        }
    }
}

fn check_manifests(packages: &[Package], problems: &mut Vec<String>) -> anyhow::Result<()> {
    for package in packages {
        let manifest = fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!("{}: does not inherit the workspace's lints", package.name));
        }
        if package.publish.as_ref().is_none_or(|registries| !registries.is_empty()) {
            problems.push(format!("{}: could be published", package.name));
        }
        let folder = package.manifest_path.trim_end_matches("/Cargo.toml");
        if !folder.ends_with(&format!("/{}", package.name)) {
            problems.push(format!("{}: lives in a folder of another name", package.name));
        }
    }
    Ok(())
}

/// Looks at every file git tracks.
fn check_files(problems: &mut Vec<String>) -> anyhow::Result<()> {
    let listed =
        Command::new("git").args(["ls-files", "-z"]).output().context("failed to run git")?;
    for file in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|file| !file.is_empty())
    {
        // What is not text, or was removed and not yet committed, has nothing to check.
        let Ok(text) = fs::read_to_string(file) else { continue };
        if file.ends_with(".rs") {
            check_source(file, &text, problems);
        }
        if file.ends_with(".md") {
            check_links(file, &text, problems);
        }
    }
    Ok(())
}

fn check_source(file: &str, text: &str, problems: &mut Vec<String>) {
    let opens_with_doc = text.starts_with("//!") || text.starts_with("#![");
    if !opens_with_doc {
        problems.push(format!("{file}: does not open with a sentence (`//! …`)"));
    }
    for (number, line) in text.lines().enumerate() {
        for mark in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("] {
            let quoted = file == "xtask/src/tidy.rs";
            if !quoted && line.contains(mark) {
                problems.push(format!("{file}:{}: {mark}", number + 1));
            }
        }
    }
}

/// Relative links must lead to a file.
fn check_links(file: &str, text: &str, problems: &mut Vec<String>) {
    let folder = std::path::Path::new(file).parent().unwrap_or_else(|| std::path::Path::new(""));
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let target = link.split('#').next().unwrap_or_default();
        let elsewhere =
            target.is_empty() || target.contains("://") || target.starts_with("mailto:");
        let path_like = target.contains('.') || target.contains('/');
        if !elsewhere && path_like && !target.contains(' ') && !folder.join(target).exists() {
            problems.push(format!("{file}: link to {target}, which is not there"));
        }
    }
}
