//! What a key may hold: a text, tags, fields.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    DEPTH_MAX, FIELDS_MAX, NAME_BYTES_MAX, TAGS_MAX, cut,
    value::{State, ValueSeed},
};
use crate::Fields;

/// A text, nothing, or the name of what stands there instead.
pub(super) enum Scalar {
    Text(String),
    Null,
    Other(&'static str),
}

macro_rules! other_kinds {
    ($($method:ident $type:ty => $kind:literal;)+) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::other($kind))
        })+

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::other("an object"))
        }
    };
}

pub(super) struct ScalarVisitor;

impl ScalarVisitor {
    fn other(kind: &'static str) -> Scalar {
        Scalar::Other(kind)
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    other_kinds! {
        visit_bool bool => "a boolean";
        visit_i64 i64 => "a number";
        visit_u64 u64 => "a number";
        visit_f64 f64 => "a number";
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

pub(super) enum Tags {
    Ok(Vec<String>),
    Wrong(String),
}

pub(super) struct TagsVisitor;

impl TagsVisitor {
    fn other(kind: &'static str) -> Tags {
        Tags::Wrong(format!("expected an array of texts, found {kind}"))
    }
}

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tags, E> {
        Ok(Tags::Ok(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Tags, E> {
        Ok(Self::other("a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tags, A::Error> {
        let mut tags = Vec::new();
        let mut reason = None;
        while let Some(item) = items.next_element()? {
            match item {
                Scalar::Text(tag) if tags.len() < TAGS_MAX => tags.push(cut(tag, NAME_BYTES_MAX)),
                Scalar::Text(_) => reason = Some(format!("has more than {TAGS_MAX} tags")),
                Scalar::Null => {}
                Scalar::Other(kind) => reason = Some(format!("expected texts, found {kind}")),
            }
        }
        Ok(reason.map_or(Tags::Ok(tags), Tags::Wrong))
    }

    other_kinds! {
        visit_bool bool => "a boolean";
        visit_i64 i64 => "a number";
        visit_u64 u64 => "a number";
        visit_f64 f64 => "a number";
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagsVisitor)
    }
}

pub(super) enum FieldMap {
    Ok(Fields),
    Wrong(String),
}

pub(super) struct FieldMapVisitor<'s>(pub(super) &'s State);

impl FieldMapVisitor<'_> {
    fn other(kind: &'static str) -> FieldMap {
        FieldMap::Wrong(format!("expected an object, found {kind}"))
    }
}

impl<'de> Visitor<'de> for FieldMapVisitor<'_> {
    type Value = FieldMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<FieldMap, E> {
        Ok(FieldMap::Ok(Fields::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<FieldMap, E> {
        Ok(Self::other("a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<FieldMap, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldMap, A::Error> {
        let mut fields = Fields::new();
        let mut too_many = false;
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(ValueSeed::new(self.0))?;
            if fields.len() < FIELDS_MAX || fields.contains_key(&name) {
                fields.insert(cut(name, NAME_BYTES_MAX), value);
            } else {
                too_many = true;
            }
        }
        Ok(if self.0.is_too_deep() {
            FieldMap::Wrong(format!("is nested more than {DEPTH_MAX} deep"))
        } else if too_many {
            FieldMap::Wrong(format!("has more than {FIELDS_MAX} fields"))
        } else {
            FieldMap::Ok(fields)
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<FieldMap, E> {
        Ok(Self::other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<FieldMap, E> {
        Ok(Self::other("a number"))
    }
}

impl<'de> DeserializeSeed<'de> for FieldMapVisitor<'_> {
    type Value = FieldMap;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldMap, D::Error> {
        deserializer.deserialize_any(self)
    }
}
