//! Comments that silence a lint: `# saker-lint: ignore NAME, NAME`, in an item or above it.

use super::{Finding, LINTS, reading::Subject};
use crate::diagnostic::Place;

const MARK: &str = "# saker-lint: ignore ";

/// One name in a comment, for one item.
#[derive(Debug)]
struct Silence {
    name: String,
    place: Place,
    /// The item it is for.
    item: Option<Place>,
    used: bool,
}

#[derive(Debug)]
pub(super) struct Silences(Vec<Silence>);

/// The lint of silences itself is answered after all the others.
pub(super) const fn nothing(_: &Subject) -> Vec<Finding> {
    Vec::new()
}

/// Returns the silences of all files.
pub(super) fn read(subject: &Subject) -> Silences {
    let mut silences = Vec::new();
    for whole in subject.files.wholes() {
        let text = &whole.file.text;
        let items = subject.items.iter().filter(|item| item.file.is_same(&whole.file));
        let items: Vec<&Place> = items.collect();
        for (mark, _) in text.match_indices(MARK) {
            let start = mark + MARK.len();
            let line = text[start..].lines().next().unwrap_or_default();
            let item = items
                .iter()
                .find(|item| item.span.contains(&mark))
                .or_else(|| items.iter().find(|item| item.span.start > mark));
            let names = line.split('(').next().unwrap_or_default();
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                silences.push(Silence {
                    name: name.to_owned(),
                    place: Place { file: whole.file.clone(), span: mark..start + line.len() },
                    item: item.map(|item| (*item).clone()),
                    used: false,
                });
            }
        }
    }
    Silences(silences)
}

impl Silences {
    /// Returns whether a finding is silenced, and remembers which silence did it.
    pub(super) fn cover(&mut self, lint: &str, finding: &Finding) -> bool {
        let mut covered = false;
        for silence in self.0.iter_mut().filter(|silence| silence.name == lint) {
            let Some(item) = &silence.item else { continue };
            let holds = |place: &Place| {
                place.file.is_same(&item.file)
                    && item.span.start <= place.span.start
                    && place.span.start <= item.span.end
            };
            if holds(&finding.place) || finding.item.as_ref().is_some_and(holds) {
                silence.used = true;
                covered = true;
            }
        }
        covered
    }

    /// Takes the silences of a lint that does not run for used: nobody can tell.
    pub(super) fn spare(&mut self, lint: &str) {
        for silence in self.0.iter_mut().filter(|silence| silence.name == lint) {
            silence.used = true;
        }
    }

    /// Returns the silences that silenced nothing.
    pub(super) fn unused(&self) -> Vec<Finding> {
        let unused = self.0.iter().filter(|silence| !silence.used);
        let finding = |silence: &Silence| {
            let known = LINTS.iter().any(|lint| lint.name == silence.name);
            let (message, hint) = match known {
                true => (
                    format!("`{}` finds nothing here", silence.name),
                    "remove the name from the comment".to_owned(),
                ),
                false => {
                    let names = LINTS.iter().map(|lint| lint.name);
                    let hint = match crate::ir::nearest(&silence.name, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "docs/rules/lint/README.md lists the lints".to_owned(),
                    };
                    (format!("there is no lint `{}`", silence.name), hint)
                }
            };
            Finding { place: silence.place.clone(), item: None, message, hint }
        };
        unused.map(finding).collect()
    }
}
