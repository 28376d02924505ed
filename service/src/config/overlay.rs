//! Lets environment variables override single keys: `SAKER_ROUTER__LISTEN` is `router.listen`.

use super::{
    problem::{Place, Problem},
    tree::{Key, Node, Value},
};

pub(super) fn overlay(
    root: &mut Node,
    prefix: &str,
    variables: &[(String, String)],
) -> Result<(), Problem> {
    for (name, value) in variables {
        let Some(path) = name.strip_prefix(prefix) else { continue };
        // Every key at the top holds keys: `SAKER_TOKEN` and its like belong to commands.
        if !path.contains("__") {
            continue;
        }
        let steps: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        if steps.iter().any(String::is_empty) {
            return Err(Problem {
                path: String::new(),
                message: format!("{name} names no key: write for example {prefix}ROUTER__LISTEN"),
                place: Some(Place::Variable(name.clone())),
                hint: None,
            });
        }
        set(root, &steps, name, value);
    }
    Ok(())
}

/// Sets a leaf, making the mappings above it. A scalar in the way is replaced.
fn set(node: &mut Node, steps: &[String], name: &str, value: &str) {
    let place = Place::Variable(name.to_owned());
    let Some((step, rest)) = steps.split_first() else {
        let value = Value::Scalar { text: value.to_owned(), plain: true, replaced: true };
        *node = Node { value, place };
        return;
    };
    if !matches!(node.value, Value::Mapping(_)) {
        *node = Node { value: Value::Mapping(Vec::new()), place: place.clone() };
    }
    let Value::Mapping(entries) = &mut node.value else { return };
    let index = match entries.iter().position(|(key, _)| key.text == *step) {
        Some(index) => index,
        None => {
            entries.push((
                Key { text: step.clone(), place: place.clone() },
                Node { place, ..Node::null() },
            ));
            entries.len() - 1
        }
    };
    set(&mut entries[index].1, rest, name, value);
}
