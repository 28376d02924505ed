//! Our own rules, compiled into the program.

use crate::Source;

macro_rules! files {
    ($($path:literal,)+) => {
        [$((concat!("builtin/", $path), include_str!(concat!("../builtin/", $path))),)+]
    };
}

/// Returns our own rules. The first file holds the words that the others use.
pub fn builtin() -> Vec<Source> {
    sources(&files![
        "00-words.yaml",
        "credentials.yaml",
        "execution.yaml",
        "persistence.yaml",
        "evasion.yaml",
        "containers.yaml",
        "network.yaml",
    ])
}

/// Returns the cases of our own rules: events each must and must not match.
pub fn builtin_cases() -> Vec<Source> {
    sources(&files![
        "tests/credentials.yaml",
        "tests/execution.yaml",
        "tests/persistence.yaml",
        "tests/evasion.yaml",
        "tests/containers.yaml",
        "tests/network.yaml",
    ])
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let source =
        |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    files.iter().map(source).collect()
}
