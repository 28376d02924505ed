//! The items around the place of a diagnostic, as Falco's validator names them.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{File, Place};

macro_rules! item_types {
    ($($variant:ident $name:literal;)+) => {
        /// What an item of a rule file is; the names are Falco's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub(crate) enum ItemType { $(#[serde(rename = $name)] $variant,)+ }
    };
}

item_types! {
    RulesContent "rules content";
    RulesContentItem "rules content item";
    RequiredEngineVersion "required_engine_version";
    RequiredPluginVersions "required plugin versions";
    RequiredPluginVersionsEntry "required plugin versions entry";
    RequiredPluginVersionsAlternative "required plugin versions alternative";
    List "list";
    ListItem "list item";
    Macro "macro";
    MacroCondition "macro condition";
    Rule "rule";
    RuleCondition "rule condition";
    ConditionExpression "condition expression";
    RuleOutput "rule output";
    RuleOutputExpression "rule output expression";
    RulePriority "rule priority";
    Exceptions "exceptions";
    Exception "exception";
    ExceptionValues "exception values";
    ExceptionValue "exception value";
    Overrides "overrides";
    ValueFor "value for";
}

/// One item around a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) item_type: ItemType,
    pub(crate) item_name: String,
    file: String,
    /// From 0, as YAML readers count.
    line: usize,
    column: usize,
    offset: usize,
}

impl Location {
    pub(crate) fn new(item_type: ItemType, item_name: &str, place: &Place) -> Self {
        let (line, column) = place.file.position(place.span.start);
        Self {
            item_type,
            item_name: item_name.to_owned(),
            file: place.file.name.to_string(),
            line,
            column,
            offset: place.span.start,
        }
    }

    /// Returns the whole of a file.
    pub(crate) fn file(name: &str) -> Self {
        Self::new(ItemType::RulesContent, "", &Place { file: File::new(name, ""), span: 0..0 })
    }
}

#[derive(Serialize)]
struct Position<'a> {
    name: &'a str,
    line: usize,
    column: usize,
    offset: usize,
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut location = serializer.serialize_struct("Location", 3)?;
        location.serialize_field("item_type", &self.item_type)?;
        location.serialize_field("item_name", &self.item_name)?;
        let Self { line, column, offset, .. } = *self;
        let position = Position { name: &self.file, line, column, offset };
        location.serialize_field("position", &position)?;
        location.end()
    }
}
