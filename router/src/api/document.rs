//! The API's own description, as OpenAPI 3.1: paths from the handlers, bodies from their types.

mod answers;

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::header;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use service::problem::Problem;

pub(super) use self::answers::{Answer, Broken, Busy, Created, Missing, Unprocessable};
use super::types::{
    By, ChangesPage, DeadLetterView, Explanation, GroupView, InhibitionView, Ledger, List,
    NewSilence, NewWindow, OutputStatus, PastPage, Preview, PurgeAll, Purged, ReplayAll, ReplayOne,
    Replayed, SilenceView, SpanLedger, Status, Tail, WindowView,
};

/// Where the schemas are in the document.
const SCHEMAS: &str = "/components/schemas";

/// Which operations a problem is of.
enum Of {
    All,
    /// Those with parameters or a body.
    Reading,
    Bodies,
    Writes,
}

/// The problems that handlers share.
const PROBLEMS: [(&str, &str, Of); 7] = [
    ("400", "It is malformed.", Of::Reading),
    ("401", "There is no known token.", Of::All),
    ("403", "The token, or the web page that asks, may not.", Of::All),
    ("409", "A request with this key is under way.", Of::Writes),
    ("413", "The body has more than 64 KiB.", Of::Bodies),
    ("422", "The state does not allow it, or the key was used with another body.", Of::Writes),
    ("503", "The router stops, or the journal takes no records.", Of::All),
];

/// Returns the document as text.
pub(super) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let (_, document) = super::described().split_for_parts();
        let mut text = format!("{:#}", complete(document));
        text.push('\n');
        text
    })
}

/// The document this page is.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "router",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json")),
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
}

/// Adds what the handlers do not say: who may ask, the errors every path shares, and the types.
fn complete(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "Saker router",
        "description": "What operators ask of a running router. See docs/api.md.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        "version": env!("CARGO_PKG_VERSION"),
    });
    document["servers"] = json!([{ "url": "/api/v1" }]);
    document["security"] = json!([{}, { "token": [] }]);
    document["components"] = json!({
        "securitySchemes": { "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of `router.auth.tokens`; without any, none is needed. A viewer \
                            may read, an admin everything.",
        } },
        "schemas": schemas(),
        "parameters": { "once": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names this write: sent again with the same key it is answered as before, \
                            and done once. Answers are kept for a day, at most 4096 of them.",
            "schema": { "type": "string", "pattern": "^[!#-+.-:<-\\[\\]-~-]{1,128}$" },
            "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        } },
        "responses": PROBLEMS.iter().map(problem).collect::<Map<_, _>>(),
    });
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for (method, operation) in paths.filter_map(Value::as_object_mut).flatten() {
        let is_write = method != "get";
        if is_write {
            add_key(operation);
        }
        let has_body = operation.get("requestBody").is_some();
        let reads = has_body || operation.get("parameters").is_some();
        for (status, _, of) in PROBLEMS {
            let is_possible = match of {
                Of::All => true,
                Of::Reading => reads,
                Of::Bodies => has_body,
                Of::Writes => is_write,
            };
            if is_possible {
                let problem = json!({ "$ref": format!("#/components/responses/{status}") });
                operation["responses"][status] = problem;
            }
        }
    }
    document
}

/// Adds the header by which a write is done once.
fn add_key(operation: &mut Value) {
    let key = json!({ "$ref": "#/components/parameters/once" });
    if let Some(operation) = operation.as_object_mut()
        && let Value::Array(parameters) = operation.entry("parameters").or_insert_with(|| json!([]))
    {
        parameters.push(key);
    }
}

fn problem((status, description, _): &(&str, &str, Of)) -> (String, Value) {
    let schema = json!({ "$ref": format!("#{SCHEMAS}/{}", answers::name::<Problem>()) });
    let content = json!({ "application/problem+json": { "schema": schema } });
    ((*status).to_owned(), json!({ "description": description, "content": content }))
}

/// Returns the types of all bodies by their names.
fn schemas() -> Map<String, Value> {
    let mut answers = generator(Contract::Serialize, false);
    macro_rules! answer {
        ($($type:ty),* $(,)?) => {$(answers.subschema_for::<$type>();)*};
    }
    answer! {
        Problem, Status, List<OutputStatus>, Ledger, SpanLedger, PastPage, ChangesPage,
        List<GroupView>, List<alert::Finding>, alert::Notification, Explanation,
        List<DeadLetterView>, Purged, Replayed, List<SilenceView>, Preview, List<WindowView>,
        List<InhibitionView>, Tail,
    }
    let mut schemas = answers.take_definitions(true);
    macro_rules! taken {
        ($($type:ty),* $(,)?) => {$(
            // One generator each: what is in them is taken in another form than it is answered.
            let schema = generator(Contract::Deserialize, true).into_root_schema_for::<$type>();
            schemas.insert(answers::name::<$type>(), schema.to_value());
        )*};
    }
    taken!(By, ReplayOne, ReplayAll, PurgeAll, NewSilence, NewWindow);
    schemas.values_mut().for_each(unlink);
    schemas
}

/// Takes the links of code out of what is said about a type.
fn unlink(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(unlink),
        Value::Array(values) => values.iter_mut().for_each(unlink),
        Value::String(text) if text.contains("[`") => {
            *text = text.replace("[`crate::", "[`").replace("[`", "`").replace("`]", "`");
        }
        _ => {}
    }
}

fn generator(contract: Contract, inline: bool) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
        settings.contract = contract;
        settings.inline_subschemas = inline;
    });
    settings.into_generator()
}

#[cfg(test)]
mod tests;
