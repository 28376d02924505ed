//! The configurations in rendered ConfigMaps, checked by the product itself.

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::Value;

use super::{call, objects::name_of};

/// Where the chart mounts what a configuration refers to, in every pod.
const MOUNTED: &str = "/etc/saker/";
/// What stands in for the content of a mounted Secret: an address and a token alike.
const SECRET: &str = "https://hooks.example.com/services/one-that-is-long-enough";

/// Has `saker` look at each file the components start with.
pub(super) fn check(
    objects: &[Value],
    saker: Option<&Path>,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    let folder = std::path::absolute("target/chart")?;
    fs::create_dir_all(&folder).context("failed to make target/chart")?;
    for object in objects.iter().filter(|object| object["kind"] == "ConfigMap") {
        let data = object["data"].as_object().into_iter().flatten();
        let files: Vec<(&String, &str)> =
            data.filter_map(|(name, text)| Some((name, text.as_str()?))).collect();
        for component in ["agent", "router", "responder"] {
            let file = format!("{component}.yaml");
            let Some((_, text)) = files.iter().find(|(name, _)| **name == file) else { continue };
            // Templates are beside the configuration.
            for (name, text) in &files {
                fs::write(folder.join(name), text)?;
            }
            let path = folder.join(file);
            fs::write(&path, with_mounts_in(&folder, text)?)?;
            let arguments: &[&str] = match component {
                "responder" => &["responder", "--check", "--config"],
                _ => &["config", "check"],
            };
            let output = call(saker, arguments)
                .arg(&path)
                .env("NODE_NAME", "node-1")
                .output()
                .context("failed to run saker")?;
            if !output.status.success() {
                problems.push(format!(
                    "{}: {}",
                    name_of(object),
                    String::from_utf8_lossy(&output.stderr)
                ));
            }
        }
    }
    Ok(())
}

/// Returns the text with the mounted folders moved to `folder`, where the files it takes values from are made.
fn with_mounts_in(folder: &Path, text: &str) -> anyhow::Result<String> {
    let moved = text.replace(MOUNTED, &format!("{}/", folder.display()));
    for file in moved.split("${file:").skip(1).filter_map(|rest| rest.split('}').next()) {
        let file = Path::new(file);
        if let Some(parent) = file.parent().filter(|parent| parent.starts_with(folder)) {
            fs::create_dir_all(parent)?;
            fs::write(file, SECRET)?;
        }
    }
    Ok(moved)
}
