//! Puts environment variables and files into text leaves, after parsing: a value can never change
//! the structure around it.

use std::path::Path;

use super::{
    problem::Problem,
    tree::{Node, Value},
};

/// Largest file that `${file:…}` reads.
const FILE_BYTES_MAX: u64 = 64 << 10;

pub(super) fn interpolate(
    node: &mut Node,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Problem> {
    walk(node, "", &|text| replace(text, directory, variable))
}

type Replace<'a> = dyn Fn(&str) -> Result<Option<String>, String> + 'a;

fn walk(node: &mut Node, path: &str, replace: &Replace<'_>) -> Result<(), Problem> {
    match &mut node.value {
        Value::Scalar { text, plain, replaced } => match replace(text) {
            Ok(None) => {}
            Ok(Some(new)) => {
                *text = new;
                *plain = false;
                *replaced = true;
            }
            Err(message) => {
                let place = Some(node.place.clone());
                return Err(Problem { path: path.to_owned(), message, place, hint: None });
            }
        },
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), replace)?;
            }
        }
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let path =
                    if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
                walk(value, &path, replace)?;
            }
        }
    }
    Ok(())
}

/// Returns the text with its references replaced, or `None` when it has none.
fn replace(
    text: &str,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(kept) = rest[..start].strip_suffix('$') {
            result.push_str(kept);
            result.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        result.push_str(&rest[..start]);
        let reference = &rest[start + 2..];
        let end = reference.find('}').ok_or("`${` without `}`; write `$${` for a literal one")?;
        result.push_str(&resolve(&reference[..end], directory, variable)?);
        rest = &reference[end + 1..];
    }
    result.push_str(rest);
    Ok(Some(result))
}

fn resolve(
    reference: &str,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => {
            variable(name).ok_or_else(|| format!("the environment variable {name} is not set"))
        }
        Some(("file", file)) => read_file(&directory.join(file)),
        _ => Err(format!("`${{{reference}}}` is neither `${{env:NAME}}` nor `${{file:PATH}}`")),
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let fail = |reason: String| format!("failed to read {}: {reason}", path.display());
    let length = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(fail(format!("it has {length} bytes, more than {FILE_BYTES_MAX}")));
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
