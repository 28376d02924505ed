//! Deserialises a tree, and gives every mistake the place and path of the node it is about.

use std::{cell::RefCell, fmt};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use super::{
    problem::{Place, Problem, nearest},
    tree::{Key, Node, Value},
};

/// Refuses keys of the document that are not among those `known`.
pub(super) fn check_keys(root: &Node, known: &'static [&'static str]) -> Result<(), Problem> {
    let Value::Mapping(entries) = &root.value else { return Ok(()) };
    match entries.iter().find(|(key, _)| !known.contains(&key.text.as_str())) {
        None => Ok(()),
        Some((key, _)) => {
            let mut error = unknown("key", &key.text, known);
            error.place = Some(key.place.clone());
            Err(error.into_problem())
        }
    }
}

/// Reads a value; a missing document is an empty mapping.
pub(super) fn deserialize<T: DeserializeOwned>(root: &Node) -> Result<T, Problem> {
    let first = First::default();
    let empty = Node { value: Value::Mapping(Vec::new()), place: root.place.clone() };
    let root = if root.is_null() { &empty } else { root };
    T::deserialize(Reader { node: root, path: String::new(), first: &first })
        .map_err(|error| first.locate(error, "", &root.place).into_problem())
}

/// The mistake as it was first located. A deserialiser between two of ours may keep nothing but
/// the text; by the text the place is found again.
type Located = RefCell<Option<ReadError>>;

#[derive(Default)]
struct First(Located);

impl First {
    fn locate(&self, mut error: ReadError, path: &str, place: &Place) -> ReadError {
        if error.place.is_some() {
            return error;
        }
        if let Some(first) = &*self.0.borrow()
            && first.message == error.message
        {
            return first.clone();
        }
        error.path = path.to_owned();
        error.place = Some(place.clone());
        *self.0.borrow_mut() = Some(error.clone());
        error
    }
}

#[derive(Clone, Debug)]
struct ReadError {
    message: String,
    path: String,
    place: Option<Place>,
    hint: Option<String>,
}

impl ReadError {
    fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), path: String::new(), place: None, hint: None }
    }

    fn into_problem(self) -> Problem {
        Problem { path: self.path, message: self.message, place: self.place, hint: self.hint }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown("key", field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        unknown("value", variant, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format_args!("key `{field}` is missing"))
    }
}

fn unknown(what: &str, word: &str, expected: &'static [&'static str]) -> ReadError {
    let known: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    let expected_text = match known.as_slice() {
        [] => "none is known here".to_owned(),
        [one] => format!("expected {one}"),
        many => format!("expected one of {}", many.join(", ")),
    };
    let mut error = ReadError::new(format_args!("unknown {what} `{word}`, {expected_text}"));
    error.hint =
        nearest(word, expected.iter().copied()).map(|name| format!("did you mean `{name}`?"));
    error
}

struct Reader<'a> {
    node: &'a Node,
    path: String,
    first: &'a First,
}

impl<'a> Reader<'a> {
    fn locate<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| self.first.locate(error, &self.path, &self.node.place))
    }

    fn unexpected(&self) -> Unexpected<'a> {
        match &self.node.value {
            Value::Scalar { replaced: true, .. } => {
                Unexpected::Other("a value from a file or the environment")
            }
            Value::Scalar { .. } if self.node.is_null() => Unexpected::Other("nothing"),
            Value::Scalar { text, .. } => Unexpected::Str(text),
            Value::Sequence(_) => Unexpected::Seq,
            Value::Mapping(_) => Unexpected::Map,
        }
    }

    fn mismatch(&self, expected: &dyn de::Expected) -> ReadError {
        de::Error::invalid_type(self.unexpected(), expected)
    }

    /// The text of a scalar that may stand for a number or boolean.
    fn plain(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, plain, replaced } if *plain || *replaced => Some(text),
            _ => None,
        }
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Scalar { .. } if self.node.is_null() => visitor.visit_unit(),
            Value::Scalar { text, plain, replaced } if *plain && !*replaced => guess(text, visitor),
            Value::Scalar { text, .. } => visitor.visit_str(text),
            Value::Sequence(items) => {
                visitor.visit_seq(Items { items, index: 0, path: &self.path, first: self.first })
            }
            Value::Mapping(entries) => visitor.visit_map(Entries {
                entries,
                index: 0,
                path: &self.path,
                first: self.first,
            }),
        }
    }
}

/// Reads a plain scalar by YAML 1.2's core schema.
fn guess<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, ReadError> {
    match text {
        "true" => return visitor.visit_bool(true),
        "false" => return visitor.visit_bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<u64>() {
        return visitor.visit_u64(number);
    }
    if let Ok(number) = text.parse::<i64>() {
        return visitor.visit_i64(number);
    }
    match text.parse::<f64>() {
        Ok(number) if text.contains(|letter: char| letter.is_ascii_digit()) => {
            visitor.visit_f64(number)
        }
        _ => visitor.visit_str(text),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.plain().map(str::parse::<$type>) {
                Some(Ok(number)) => self.locate(visitor.$visit(number)),
                _ => {
                    let error = self.mismatch(&stringify!($type));
                    self.locate(Err(error))
                }
            }
        })+
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.locate(self.any(visitor))
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match self.plain() {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => Err(self.mismatch(&"`true` or `false`")),
        };
        self.locate(result)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.node.value {
            Value::Scalar { .. } if self.node.is_null() => Err(self.mismatch(&"a text")),
            Value::Scalar { text, .. } => visitor.visit_str(text),
            _ => Err(self.mismatch(&visitor)),
        };
        self.locate(result)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.node.is_null() {
            return visitor.visit_none();
        }
        let (first, path, place) = (self.first, self.path.clone(), self.node.place.clone());
        visitor.visit_some(self).map_err(|error| first.locate(error, &path, &place))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let (first, path, place) = (self.first, self.path.clone(), self.node.place.clone());
        visitor.visit_newtype_struct(self).map_err(|error| first.locate(error, &path, &place))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.node.value {
            Value::Sequence(_) => self.any(visitor),
            _ => Err(self.mismatch(&"a list")),
        };
        self.locate(result)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.node.value {
            Value::Mapping(_) => self.any(visitor),
            Value::Scalar { .. } if self.node.is_null() => visitor.visit_map(Entries {
                entries: &[],
                index: 0,
                path: &self.path,
                first: self.first,
            }),
            _ => Err(self.mismatch(&"keys and values")),
        };
        self.locate(result)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Mapping(entries) => match entries.as_slice() {
                [(key, node)] => {
                    visitor.visit_enum(Variant { key, node, path: &self.path, first: self.first })
                }
                _ => Err(ReadError::new("expected exactly one key")),
            },
            _ => Err(self.mismatch(&visitor)),
        };
        self.locate(result)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple_struct identifier
    }
}

struct Items<'a> {
    items: &'a [Node],
    index: usize,
    path: &'a str,
    first: &'a First,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.items.get(self.index) else { return Ok(None) };
        let path = format!("{}[{}]", self.path, self.index);
        self.index += 1;
        let result = seed.deserialize(Reader { node, path: path.clone(), first: self.first });
        result.map(Some).map_err(|error| self.first.locate(error, &path, &node.place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.index)
    }
}

struct Entries<'a> {
    entries: &'a [(Key, Node)],
    index: usize,
    path: &'a str,
    first: &'a First,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((key, _)) = self.entries.get(self.index) else { return Ok(None) };
        self.index += 1;
        let name: de::value::StrDeserializer<'_, ReadError> = key.text.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|error| self.first.locate(error, self.path, &key.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.index.checked_sub(1).and_then(|index| self.entries.get(index))
        else {
            return Err(ReadError::new("a value was asked for before its key"));
        };
        let path = join(self.path, &key.text);
        let result = seed.deserialize(Reader { node, path: path.clone(), first: self.first });
        result.map_err(|error| self.first.locate(error, &path, &node.place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.index)
    }
}

struct Variant<'a> {
    key: &'a Key,
    node: &'a Node,
    path: &'a str,
    first: &'a First,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = ReadError;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a>), ReadError> {
        let name: de::value::StrDeserializer<'_, ReadError> =
            self.key.text.as_str().into_deserializer();
        let value = seed
            .deserialize(name)
            .map_err(|error| self.first.locate(error, self.path, &self.key.place))?;
        let path = join(self.path, &self.key.text);
        Ok((value, Content(Reader { node: self.node, path, first: self.first })))
    }
}

struct Content<'a>(Reader<'a>);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        if self.0.node.is_null() {
            return Ok(());
        }
        let error = self.0.mismatch(&"nothing");
        self.0.locate(Err(error))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ReadError> {
        de::Deserializer::deserialize_tuple(self.0, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        de::Deserializer::deserialize_struct(self.0, "", fields, visitor)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
