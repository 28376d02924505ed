//! What the handlers say of their answers and of the bodies they take.

use std::{collections::BTreeMap, marker::PhantomData};

use schemars::JsonSchema;
use service::problem::Problem;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, schema::ObjectBuilder,
    },
};

use crate::api::types::{By, NewSilence, NewWindow, PurgeAll, ReplayAll, ReplayOne};

type Responses = BTreeMap<String, RefOr<Response>>;

/// 200 with this in the body.
pub(crate) struct Answer<T>(PhantomData<T>);
/// 201 with this in the body.
pub(crate) struct Created<T>(PhantomData<T>);

impl<T: JsonSchema> IntoResponses for Answer<T> {
    fn responses() -> Responses {
        one::<T>("200", "As asked.", "application/json")
    }
}

impl<T: JsonSchema> IntoResponses for Created<T> {
    fn responses() -> Responses {
        one::<T>("201", "It was added.", "application/json")
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $status:literal, $description:literal;)*) => {
        $($(#[$doc])* pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                one::<Problem>($status, $description, "application/problem+json")
            }
        })*
    };
}

problems! {
    Missing: "404", "There is no such thing.";
    Unprocessable: "422", "The router's state does not allow it.";
    Busy: "429", "Others ask too much at once.";
    Broken: "500", "The decision log or the history cannot be read.";
}

/// Types that are taken as the body of a request. Their schemas are added with those of the answers.
macro_rules! taken {
    ($($type:ty),*) => {
        $(impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().into()
            }
        }

        impl ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                name::<Self>().into()
            }
        })*
    };
}

taken!(By, ReplayOne, ReplayAll, PurgeAll, NewSilence, NewWindow);

/// Returns the name of a type's schema.
pub(super) fn name<T: JsonSchema>() -> String {
    T::schema_name().into_owned()
}

fn one<T: JsonSchema>(status: &str, description: &str, content: &str) -> Responses {
    let schema = Ref::from_schema_name(name::<T>());
    let content_of = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description).content(content, content_of);
    BTreeMap::from([(status.to_owned(), response.build().into())])
}
