//! What became of loading, as a person or a program reads it: Falco's result object.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    Diagnostic, Loaded, Rule, RuleSet, Severity,
    diagnostic::{Code, Location},
};

/// What became of loading: every problem of every file, and the rules if there was no error.
///
/// Serialises as Falco's validator prints its result, `{"falco_load_results": […]}`.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// `None` if any file has an error.
    pub rules: Option<Arc<RuleSet>>,
    /// Rules that compile and are switched off, by their files or by the options.
    pub disabled: Vec<Rule>,
    /// One for each file, in the order given.
    pub files: Vec<FileReport>,
}

/// What became of one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    pub name: String,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl FileReport {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Returns whether it has no error.
    pub fn successful(&self) -> bool {
        self.errors.is_empty()
    }
}

impl LoadReport {
    pub(crate) fn new(
        names: &[&str],
        rules: Option<Arc<RuleSet>>,
        disabled: Vec<Rule>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let files = names.iter().map(|name| FileReport::new(name)).collect();
        let mut report = Self { rules, disabled, files };
        diagnostics.sort_by_key(|found| (found.line, found.column));
        for mut diagnostic in diagnostics {
            diagnostic.inside(Location::file(&diagnostic.file));
            let file = report.file(&diagnostic.file);
            let list = match diagnostic.severity {
                Severity::Error => &mut file.errors,
                Severity::Warning => &mut file.warnings,
            };
            if list.last() != Some(&diagnostic) {
                list.push(diagnostic);
            }
        }
        report
    }

    fn file(&mut self, name: &str) -> &mut FileReport {
        let known = self.files.iter().position(|file| file.name == name);
        let index = known.unwrap_or_else(|| {
            self.files.push(FileReport::new(name));
            self.files.len() - 1
        });
        &mut self.files[index]
    }

    /// Adds a file that could not be read, so that no rules are taken.
    pub fn add_unreadable(&mut self, name: &str, reason: &std::io::Error) {
        self.rules = None;
        let mut diagnostic =
            Diagnostic::new(Code::FileRead, name, format!("the file cannot be read: {reason}"));
        diagnostic.inside(Location::file(name));
        self.file(name).errors.push(diagnostic);
    }

    /// Returns whether the rules may be taken.
    pub const fn successful(&self) -> bool {
        self.rules.is_some()
    }

    /// Returns the errors of all files.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.files.iter().flat_map(|file| &file.errors)
    }

    /// Returns the warnings of all files.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.files.iter().flat_map(|file| &file.warnings)
    }

    /// Returns the rules with all warnings, or else all errors.
    pub fn into_result(self) -> Result<Loaded, Vec<Diagnostic>> {
        match self.rules {
            Some(rules) => {
                let warnings = self.files.into_iter().flat_map(|file| file.warnings).collect();
                Ok(Loaded { rules, warnings })
            }
            None => Err(self.files.into_iter().flat_map(|file| file.errors).collect()),
        }
    }
}

impl Serialize for LoadReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("LoadReport", 1)?;
        report.serialize_field("falco_load_results", &self.files)?;
        report.end()
    }
}

impl Serialize for FileReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema: Vec<&Diagnostic> =
            self.errors.iter().chain(&self.warnings).filter(|found| is_schema(found)).collect();
        let schema_warnings: Vec<_> = schema.iter().map(|found| &found.message).collect();
        let entries = |found: &[Diagnostic]| found.iter().cloned().map(Entry).collect::<Vec<_>>();
        let mut report = serializer.serialize_struct("FileReport", 6)?;
        report.serialize_field("name", &self.name)?;
        report.serialize_field("successful", &self.successful())?;
        report.serialize_field("schema_valid", &schema.is_empty())?;
        report.serialize_field("schema_warnings", &schema_warnings)?;
        report.serialize_field("errors", &entries(&self.errors))?;
        report.serialize_field("warnings", &entries(&self.warnings))?;
        report.end()
    }
}

/// Returns whether a schema of the files would have told this.
const fn is_schema(found: &Diagnostic) -> bool {
    matches!(found.code, Code::YamlValidate | Code::UnknownItem | Code::UnknownKey)
}

/// One error or warning in Falco's shape.
struct Entry(Diagnostic);

#[derive(Serialize)]
struct Context<'a> {
    locations: &'a [Location],
    snippet: String,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(found) = self;
        let mut entry = serializer.serialize_struct("Entry", 4)?;
        entry.serialize_field("code", found.code.name())?;
        entry.serialize_field("codedesc", found.code.meaning())?;
        entry.serialize_field("message", &message(found))?;
        let context = Context { locations: &found.locations, snippet: found.snippet() };
        entry.serialize_field("context", &context)?;
        entry.end()
    }
}

/// Returns the message with its hints: Falco's shape has no place for these.
fn message(found: &Diagnostic) -> String {
    let mut message = found.message.clone();
    for hint in &found.hints {
        message.push_str("; ");
        message.push_str(hint);
    }
    message
}
