//! What is wrong in a rule file or a condition, and where.

mod excerpt;
mod location;

use std::{fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use excerpt::Excerpt;
pub(crate) use location::{ItemType, Location};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Error,
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $doc:literal;)+) => {
        /// The kind of a [`Diagnostic`]; the names are those of Falco's validator where it has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Code { $(#[doc = $doc] #[serde(rename = $name)] $variant,)+ }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns what it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }

            /// Returns the printed name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns how bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    FileRead "LOAD_ERR_FILE_READ" Error "The file cannot be read.";
    YamlParse "LOAD_ERR_YAML_PARSE" Error "The text is not YAML.";
    YamlValidate "LOAD_ERR_YAML_VALIDATE" Error "A key is missing, empty or of the wrong type.";
    CompileCondition "LOAD_ERR_COMPILE_CONDITION" Error "A condition cannot be compiled.";
    CompileOutput "LOAD_ERR_COMPILE_OUTPUT" Error "An output format cannot be compiled.";
    Validate "LOAD_ERR_VALIDATE" Error "Items do not fit together.";
    Extension "LOAD_ERR_EXTENSION" Error "An extension's item is wrong; reserved, never given here.";
    UnknownSource "LOAD_UNKNOWN_SOURCE" Warning "The rule's source is not read here; the rule is skipped.";
    UnsafeNaCheck "LOAD_UNSAFE_NA_CHECK" Warning "A field that is never `<NA>` is compared with `<NA>`.";
    NoEventType "LOAD_NO_EVTTYPE" Warning "The rule restricts no event type.";
    UnknownFilter "LOAD_UNKNOWN_FILTER" Warning "The rule uses what this version does not know and is skipped.";
    UnusedMacro "LOAD_UNUSED_MACRO" Warning "A macro is never used.";
    UnusedList "LOAD_UNUSED_LIST" Warning "A list is never used.";
    UnknownItem "LOAD_UNKNOWN_ITEM" Warning "An item is none of the known ones.";
    UnknownKey "LOAD_UNKNOWN_KEY" Warning "A key is not known.";
    DeprecatedItem "LOAD_DEPRECATED_ITEM" Warning "Something deprecated is used.";
    WarningExtension "LOAD_WARNING_EXTENSION" Warning "An extension's item is odd; reserved, never given here.";
    AppendNoValues "LOAD_APPEND_NO_VALUES" Warning "An exception is appended without values.";
    ExceptionNameNotUnique "LOAD_EXCEPTION_NAME_NOT_UNIQUE" Warning "Two exceptions have one name.";
    InvalidMacroName "LOAD_INVALID_MACRO_NAME" Warning "A macro's name has unusual letters.";
    InvalidListName "LOAD_INVALID_LIST_NAME" Warning "A list's name has unusual letters.";
    Suspicious "LOAD_COMPILE_CONDITION" Warning "A condition is valid but hardly what was meant.";
    Unobservable "SAKER_UNOBSERVABLE" Warning "The rule needs an event that no sensor reports yet.";
    FieldUnsupplied "SAKER_FIELD_UNSUPPLIED" Warning "The rule reads a field that nothing supplies yet.";
    SelectionUnused "SAKER_SELECTION_UNUSED" Warning "A choice of rules in the configuration matches none.";
    CaseFailed "SAKER_CASE_FAILED" Error "A rule's test case does not hold.";
    LintNeverTrue "SAKER_LINT_NEVER_TRUE" Warning "A condition can never be true.";
    LintDeadBranch "SAKER_LINT_DEAD_BRANCH" Warning "An alternative of an `or` can never be true.";
    LintAlwaysTrue "SAKER_LINT_ALWAYS_TRUE" Warning "An `or` is true of every value.";
    LintImpossibleValue "SAKER_LINT_IMPOSSIBLE_VALUE" Warning "A field is compared with a value it never has.";
    LintDeadKind "SAKER_LINT_DEAD_KIND" Warning "A rule names a kind of event that it can never match.";
    LintUnrestrictedBranch "SAKER_LINT_UNRESTRICTED_BRANCH" Warning "An alternative of an `or` names no kind of event, others do.";
    LintRedundant "SAKER_LINT_REDUNDANT" Warning "A part of a condition changes nothing.";
    LintShadowedRule "SAKER_LINT_SHADOWED_RULE" Warning "A rule matches only what an earlier one matches.";
    LintForgeableException "SAKER_LINT_FORGEABLE_EXCEPTION" Warning "An exception depends only on what a program says of itself.";
    LintWildcardAsText "SAKER_LINT_WILDCARD_AS_TEXT" Warning "A `*` stands where it is no wildcard.";
    LintPlainPattern "SAKER_LINT_PLAIN_PATTERN" Warning "A pattern that another operator says plainly.";
    LintUnclosedBracket "SAKER_LINT_UNCLOSED_BRACKET" Warning "A `[` in a pattern is never closed.";
    LintEmptyText "SAKER_LINT_EMPTY_TEXT" Warning "A comparison that every value satisfies.";
    LintSeveralNetworks "SAKER_LINT_SEVERAL_NETWORKS" Warning "`fd.net in` names several networks, of which Falco tests one.";
    LintNanoseconds "SAKER_LINT_NANOSECONDS" Warning "A duration is compared as if it counted seconds.";
    LintDuplicateValue "SAKER_LINT_DUPLICATE_VALUE" Warning "A value stands twice in a list.";
    LintOutputWithoutValue "SAKER_LINT_OUTPUT_WITHOUT_VALUE" Warning "An output names a field that the rule's events never have.";
    LintOutputWithoutFields "SAKER_LINT_OUTPUT_WITHOUT_FIELDS" Warning "An output names no field.";
    LintUnusedSilence "SAKER_LINT_UNUSED_SILENCE" Warning "A comment silences a lint that finds nothing there.";
    LintMetadataOnlyNegated "SAKER_LINT_METADATA_ONLY_NEGATED" Warning "Container metadata is read only to except.";
    LintRuleWithoutTechnique "SAKER_LINT_RULE_WITHOUT_TECHNIQUE" Warning "A rule names no ATT&CK technique.";
    LintRuleWithoutTest "SAKER_LINT_RULE_WITHOUT_TEST" Warning "A rule has no test.";
}

/// One fault or warning, pointing into the user's file. Prints as an annotated snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub message: String,
    pub file: String,
    /// From 1; 0 when no place is known.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub hints: Vec<String>,
    #[serde(skip)]
    excerpt: Option<Box<Excerpt>>,
    /// The items around the place, the outermost first.
    #[serde(skip)]
    pub(crate) locations: Vec<Location>,
}

/// A text with its file's name, shared by the diagnostics about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Where each line begins.
    lines: Arc<[usize]>,
}

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { name: name.into(), text: text.into(), lines }
    }
}

impl File {
    /// Returns whether both are the same text of the same load.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }
}

/// A byte range in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: File,
    pub(crate) span: Range<usize>,
}

impl Diagnostic {
    /// Returns a diagnostic without a place.
    pub(crate) fn new(code: Code, file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            message: printable(&message.into()),
            file: file.to_owned(),
            line: 0,
            column: 0,
            hints: Vec::new(),
            excerpt: None,
            locations: Vec::new(),
        }
    }

    /// Returns a diagnostic that points at a place.
    pub(crate) fn at(code: Code, place: &Place, message: impl Into<String>) -> Self {
        let mut diagnostic = Self::new(code, &place.file.name, message);
        let (line, column) = place.file.position(place.span.start);
        (diagnostic.line, diagnostic.column) = (line + 1, column + 1);
        diagnostic.excerpt = Some(Box::new(place.file.excerpt(place.span.clone(), line)));
        diagnostic
    }

    /// Returns whether it points into a place.
    pub(crate) fn is_in(&self, place: &Place) -> bool {
        let at = (self.line.wrapping_sub(1), self.column.wrapping_sub(1));
        let (start, end) =
            (place.file.position(place.span.start), place.file.position(place.span.end));
        *self.file == *place.file.name && start <= at && at <= end
    }

    /// Notes the item around the place, or around the items noted before.
    pub(crate) fn inside(&mut self, location: Location) {
        self.locations.insert(0, location);
    }

    /// Returns the name of the rule it is about, if it is about one.
    pub fn rule(&self) -> Option<&str> {
        let rule = self.locations.iter().find(|location| location.item_type == ItemType::Rule);
        rule.map(|location| location.item_name.as_str())
    }

    /// Returns the faulty line with a caret under the place, without its surroundings.
    pub(crate) fn snippet(&self) -> String {
        self.excerpt.as_deref().map(Excerpt::snippet).unwrap_or_default()
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(printable(&hint.into()));
        self
    }

    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints.into_iter().map(|hint| printable(&hint)));
        self
    }

    /// Returns the snippet with its caret, with terminal colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&*self.message).id(self.code.name());
        let mut group = match &self.excerpt {
            Some(excerpt) => {
                let annotation = AnnotationKind::Primary.span(excerpt.span.clone());
                title.element(
                    Snippet::source(&*excerpt.text)
                        .line_start(excerpt.first_line)
                        .path(&*self.file)
                        .fold(false)
                        .annotation(annotation),
                )
            }
            None => title.element(Level::NOTE.message(format!("in {}", printable(&self.file)))),
        };
        for hint in &self.hints {
            group = group.element(Level::HELP.message(&**hint));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// Escapes what a terminal would obey: a rule file may come from a stranger.
fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => printed.push(' '),
            other if other.is_control() => printed.extend(other.escape_default()),
            other => printed.push(other),
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, needle: &str, expect: Expect) {
        let start = text.find(needle).unwrap();
        let file = File::new("my.yaml", text);
        let place = Place { file, span: start..start + needle.len() };
        let diagnostic =
            Diagnostic::at(Code::CompileCondition, &place, "no such field").hint("try");
        expect.assert_eq(&diagnostic.to_string());
    }

    #[test]
    fn it_points_at_the_place() {
        check(
            "- rule: a\n  condition: proc.nmae = x\n  output: y\n",
            "proc.nmae",
            expect![[r#"
                error[LOAD_ERR_COMPILE_CONDITION]: no such field
                 --> my.yaml:2:14
                  |
                1 | - rule: a
                2 |   condition: proc.nmae = x
                  |              ^^^^^^^^^
                3 |   output: y
                  |
                  = help: try"#]],
        );
    }

    #[test]
    fn no_place_in_any_text_panics() {
        for text in ["", "\n", "é\nü\n", "\u{1b}[31mx", &"x".repeat(5000)] {
            for start in 0..=text.len().min(40) {
                for end in start..=text.len().min(40) {
                    let file = File::new("f", text);
                    let place = Place { file, span: start..end };
                    let printed = Diagnostic::at(Code::Validate, &place, text).to_string();
                    assert!(!printed.contains('\u{1b}'));
                }
            }
        }
    }
}
