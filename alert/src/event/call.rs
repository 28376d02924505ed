//! What a system call was given, for the kinds of event that have no detail of their own.

use serde::{Deserialize, Serialize};

use super::{Descriptor, DescriptorKind};

/// The parameters of a call, and the open file it was about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// In the order of [`super::EventKind::parameters`]; absent where it is not known, or follows
    /// from the result or the descriptor.
    pub values: Box<[Option<ParameterValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
}

/// The value of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterValue {
    /// The bits of a number; the parameter says whether it has a sign.
    Number(i64),
    Text(Box<str>),
    /// A path as given, and in full.
    Path {
        raw: Box<str>,
        full: Box<str>,
    },
    Bytes(Box<[u8]>),
    List(Box<[Box<str>]>),
    /// The id of a user, a group or a process, with its name.
    Named {
        number: i64,
        name: Box<str>,
    },
    /// A descriptor other than the event's own, for example a directory.
    Descriptor {
        number: i64,
        kind: DescriptorKind,
        name: Box<str>,
    },
}
