//! Reads a field's value: bounded in depth, its texts cut, its numbers exact.

use std::{cell::Cell, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, value::RawValue};

use super::{DEPTH_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, cut};

/// How numbers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As the parser gives them; a doubtful one is reported.
    #[default]
    Typed,
    /// By their digits; one that no type holds becomes text.
    Exact,
}

/// What reading the fields of one alert found out.
#[derive(Debug, Default)]
pub(super) struct State {
    numbers: Numbers,
    doubtful: Cell<bool>,
    too_deep: Cell<bool>,
}

impl State {
    pub(super) fn new(numbers: Numbers) -> Self {
        Self { numbers, ..Self::default() }
    }

    /// Returns whether a number may differ from its digits.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.get()
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep.get()
    }
}

/// Returns whether the parser gave up on a number such as `1e400`.
pub(super) fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.is_syntax() && error.to_string().starts_with("number out of range")
}

#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'s> {
    state: &'s State,
    /// Levels that may still be entered.
    depth_left: usize,
}

impl<'s> ValueSeed<'s> {
    pub(super) fn new(state: &'s State) -> Self {
        Self { state, depth_left: DEPTH_MAX }
    }

    /// Returns the seed of the next level; `None` when there is none.
    fn deeper(self) -> Option<Self> {
        let depth_left = self.depth_left.checked_sub(1);
        if depth_left.is_none() {
            self.state.too_deep.set(true);
        }
        depth_left.map(|depth_left| Self { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.state.too_deep.get() {
            return IgnoredAny::deserialize(deserializer).map(|_| Value::Null);
        }
        if self.state.numbers == Numbers::Typed {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Ok(exact(raw));
        }
        serde_json::Deserializer::from_str(raw).deserialize_any(self).map_err(D::Error::custom)
    }
}

/// Returns the number, or its digits as text when no number type holds it.
fn exact(digits: &str) -> Value {
    let is_integer = !digits.contains(['.', 'e', 'E']);
    match serde_json::from_str::<Number>(digits) {
        Ok(number) if !is_integer || !number.is_f64() => Value::Number(number),
        _ => Value::String(cut(digits.to_owned(), NAME_BYTES_MAX)),
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // An integer of more than 64 bits arrives as the double next to it.
        if value.abs() >= 9e18 {
            self.state.doubtful.set(true);
        }
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(cut(text.to_owned(), TEXT_BYTES_MAX)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(deeper) = self.deeper() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(deeper)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some(deeper) = self.deeper() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(deeper)?;
            object.insert(cut(name, NAME_BYTES_MAX), value);
        }
        Ok(Value::Object(object))
    }
}
