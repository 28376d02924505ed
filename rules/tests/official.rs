//! Falco's stable rules load unmodified.

use std::path::PathBuf;

use rules::{RuleSet, Source};

/// The file is data we test against and do not ship: it is named by `SAKER_FALCO_RULES`, or lies
/// in a folder `shared` beside the worktree.
fn official() -> Option<String> {
    let named = std::env::var_os("SAKER_FALCO_RULES").map(PathBuf::from);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let near = here.ancestors().map(|folder| folder.join("shared/rules/falco_rules.yaml"));
    let path = named.into_iter().chain(near).find(|path| path.is_file())?;
    Some(std::fs::read_to_string(&path).expect("the file is readable"))
}

#[test]
fn the_official_rules_load_unmodified() {
    let Some(text) = official() else {
        eprintln!("NOT TESTED: falco_rules.yaml is not here; set SAKER_FALCO_RULES to its path");
        return;
    };
    let source = Source { name: "falco_rules.yaml".to_owned(), text };
    match RuleSet::load(&[source]) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            assert_eq!(loaded.rules.rules().len(), 25);
            eprintln!("{:?}", loaded.rules.requirements());
        }
        Err(errors) => {
            for error in &errors {
                eprintln!("{error}");
            }
            panic!("{} errors", errors.len());
        }
    }
}
