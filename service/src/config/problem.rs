//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a node was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Line and column from 1, and the number of characters to underline.
    File { line: usize, column: usize, width: usize },
    /// An environment variable.
    Variable(String),
}

/// A mistake, before it is known in which text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Path of keys, for example `outputs.soc.slack`.
    pub(super) path: String,
    pub(super) message: String,
    pub(super) place: Option<Place>,
    pub(super) hint: Option<String>,
}

/// The text of a configuration and what to call it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

/// A configuration that cannot be used. Prints where, what and the way out; never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ConfigError {
    text: String,
}

impl ConfigError {
    /// Returns an error that is not in any text.
    pub fn unplaced(message: impl Into<String>) -> Self {
        Self { text: message.into() }
    }
}

impl Source {
    pub(super) fn error(&self, problem: Problem) -> ConfigError {
        ConfigError { text: Shown { source: self, problem: &problem }.to_string() }
    }
}

struct Shown<'a> {
    source: &'a Source,
    problem: &'a Problem,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = self.problem;
        match &problem.place {
            Some(Place::File { line, column, .. }) => {
                write!(f, "{}:{line}:{column}: ", self.source.name)?
            }
            Some(Place::Variable(name)) => write!(f, "environment variable {name}: ")?,
            None => write!(f, "{}: ", self.source.name)?,
        }
        if !problem.path.is_empty() {
            write!(f, "{}: ", problem.path)?;
        }
        f.write_str(&problem.message)?;
        if let Some(Place::File { line, column, width }) = problem.place {
            self.snippet(f, line, column, width)?;
        }
        match &problem.hint {
            Some(hint) => write!(f, "\n  = {hint}"),
            None => Ok(()),
        }
    }
}

impl Shown<'_> {
    fn snippet(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: usize,
        column: usize,
        width: usize,
    ) -> fmt::Result {
        const SHOWN_MAX: usize = 160;
        let Some(text) = self.source.text.lines().nth(line.saturating_sub(1)) else {
            return Ok(());
        };
        let visible: String = text
            .chars()
            .take(SHOWN_MAX)
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let room = visible.chars().count().saturating_sub(column - 1);
        let carets = "^".repeat(width.min(room).max(1));
        let indent = " ".repeat(column.saturating_sub(1).min(SHOWN_MAX));
        write!(f, "\n{margin} |\n{number} | {visible}\n{margin} | {indent}{carets}")
    }
}

/// Returns the known word that `word` most likely was meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance in which a swap of neighbours counts once (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<_>>()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let change = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}
