//! How the words whose text is written by hand look in JSON, for the documents of an API.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{Fingerprint, GroupId, NotificationId, Priority};

macro_rules! text {
    ($($type:ident: $schema:tt),* $(,)?) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

text! {
    Fingerprint: {
        "description": "Identity of a finding.",
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
    },
    GroupId: {
        "description": "Names a group, as long as it is open.",
        "type": "string",
        "pattern": "^[0-9a-f]{16}$",
    },
    NotificationId: {
        "description": "Names a notification.",
        "type": "string",
        "pattern": "^[0-9a-f]{16}$",
    },
    Priority: {
        "description": "Falco's eight levels.",
        "type": "string",
        "enum": Priority::ALL.map(Priority::name),
    },
}
