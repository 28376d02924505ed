//! Checks the Helm chart: that it renders, that what it renders holds what the documents promise, and that
//! what it configures is a configuration.

mod config;
mod files;
mod objects;
mod rights;
mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run::{cache, cached_tool, cargo, run, say};

pub(crate) use files::copy as copy_files;

const CHART: &str = "deploy/helm/saker";
/// Values to render with, one file each.
const VALUE_SETS: &str = "deploy/helm/ci";
/// Values that must be refused; the comment in their first line is part of the reason.
const REFUSED_SETS: &str = "deploy/helm/ci/refused";
/// A Helm built from its module takes itself for one of Kubernetes 1.20 when it asks no cluster.
const KUBERNETES: &str = "1.34.4";

/// Writes the schema of the values anew. `saker` is the command, if it was built already.
pub(crate) fn write_schema(saker: Option<&Path>) -> anyhow::Result<()> {
    fs::write(schema::FILE, schema::make(&product_schema(saker)?)?)?;
    say(&format!("wrote {}", schema::FILE));
    Ok(())
}

/// Checks everything about the chart that needs no cluster.
pub(crate) fn check(saker: Option<&Path>) -> anyhow::Result<()> {
    let product = product_schema(saker)?;
    if fs::read_to_string(schema::FILE).unwrap_or_default() != schema::make(&product)? {
        bail!(
            "{} is not what its frame and the configuration make: run `cargo xtask chart-schema`",
            schema::FILE
        );
    }
    files::check()?;
    let Some(helm) = helm()? else { return Ok(()) };
    let sets = value_sets(VALUE_SETS)?;
    for set in &sets {
        let mut lint = Command::new(&helm);
        lint.args(["lint", "--strict", "--quiet", CHART, "--kube-version", KUBERNETES, "--values"])
            .arg(set);
        run(&format!("helm lint, {}", set.display()), &mut lint)?;
        let rendered = render(&helm, &["--values", &set.display().to_string()])?;
        let mut problems = objects::problems(&rendered);
        problems.extend(rights::forbidden(&rendered));
        config::check(&rendered, saker, &mut problems)?;
        if !problems.is_empty() {
            bail!("{} renders what it must not:\n  {}", set.display(), problems.join("\n  "));
        }
    }
    for set in value_sets(REFUSED_SETS)? {
        check_refused(&helm, &set)?;
    }
    rights::compare_with_table(&|set| {
        render(&helm, &set.iter().flat_map(|value| ["--set", *value]).collect::<Vec<_>>())
    })?;
    say(&format!("chart: ok, {} value sets", sets.len()));
    Ok(())
}

/// Returns Helm, which the tests' cluster brings along; nothing where it may be absent.
fn helm() -> anyhow::Result<Option<PathBuf>> {
    let own = cached_tool("helm");
    let found = fs::read_dir(cache()?.join("cluster")).into_iter().flatten().flatten();
    let mut of_cluster: Vec<PathBuf> = found
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("helm-"))
        .map(|entry| entry.path().join("helm"))
        .filter(|helm| helm.exists())
        .collect();
    of_cluster.sort();
    match own.or_else(|error| of_cluster.pop().ok_or(error)) {
        Ok(helm) => Ok(Some(helm)),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(_) => {
            say(
                "chart: SKIPPED rendering, there is no helm: `make install-test` makes one, with Go",
            );
            Ok(None)
        }
    }
}

fn check_refused(helm: &Path, set: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(set)?;
    let reason = text.lines().next().unwrap_or_default().trim_start_matches("# ");
    match render(helm, &["--values", &set.display().to_string()]) {
        Ok(_) => bail!("{} is not refused", set.display()),
        Err(error) if format!("{error:#}").contains(reason) => Ok(()),
        Err(error) => bail!("{} is refused for another reason: {error:#}", set.display()),
    }
}

fn value_sets(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut sets = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {folder}"))? {
        let path = entry?.path();
        if path.is_file() {
            sets.push(path);
        }
    }
    sets.sort();
    Ok(sets)
}

/// Returns the objects the chart makes, as Helm would send them.
fn render(helm: &Path, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let output = Command::new(helm)
        .args(["template", "saker", CHART, "--namespace", "saker", "--kube-version", KUBERNETES])
        .args(arguments)
        .output()
        .context("failed to run helm")?;
    if !output.status.success() {
        bail!("helm template {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout).context("helm wrote what is not UTF-8")?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).context("failed to parse what helm rendered")?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Returns a call of `saker`: of the one given, or of one built anew.
fn call(saker: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = match saker {
        Some(saker) => Command::new(saker),
        None => cargo(&["run", "--quiet", "--locked", "--package", "cli", "--"]),
    };
    command.args(arguments);
    command
}

fn product_schema(saker: Option<&Path>) -> anyhow::Result<Value> {
    let output =
        call(saker, &["config", "schema"]).output().context("failed to run saker config schema")?;
    if !output.status.success() {
        bail!("saker config schema failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("failed to parse the configuration's schema")
}
