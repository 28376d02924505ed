//! Our own rules, compiled into the program.

use crate::Source;

macro_rules! files {
    ($folder:literal, $($name:literal,)+) => {
        [$((concat!($folder, $name), include_str!(concat!("../", $folder, $name))),)+]
    };
}

/// Returns our own rules. The first file holds the words that the others use.
pub fn builtin() -> Vec<Source> {
    sources(&files![
        "builtin/",
        "00-words.yaml",
        "credentials.yaml",
        "execution.yaml",
        "persistence.yaml",
        "privilege.yaml",
        "evasion.yaml",
        "defence.yaml",
        "containers.yaml",
        "kubernetes.yaml",
        "network.yaml",
        "lateral.yaml",
        "supplychain.yaml",
    ])
}

/// Returns the cases of our own rules: events each must and must not match.
pub fn builtin_cases() -> Vec<Source> {
    sources(&files![
        "builtin/tests/",
        "credentials.yaml",
        "execution.yaml",
        "persistence.yaml",
        "privilege.yaml",
        "evasion.yaml",
        "defence.yaml",
        "containers.yaml",
        "kubernetes.yaml",
        "network.yaml",
        "lateral.yaml",
        "supplychain.yaml",
    ])
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let source =
        |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    files.iter().map(source).collect()
}
