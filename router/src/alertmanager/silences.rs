//! `/api/v2/silences`: ours, in Alertmanager's form.
//!
//! A matcher is about a label. What one of ours asks for beside labels is named `saker:FIELD` there,
//! and a condition `saker:match`, so that a silence that is read and written back stays what it was.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
};
use jiff::Timestamp;
use rules::Condition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::access::Caller;
use uuid::Uuid;

use super::{
    Reading,
    answer::Refusal,
    filter::{Filter, Parameters},
};
use crate::{
    pipeline::{Comparison, Matcher, Silence, SilenceId, SilencePhase, SilenceView},
    silences,
};

const LABEL: &str = "label.";
/// What stands before the name of a field that is no label.
const OWN: &str = "saker:";
const CONDITION: &str = "saker:match";
/// Who ends a silence, for the record.
const AUTHOR: &str = "Alertmanager's API";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comparing {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Alertmanager's `postableSilence`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<Comparing>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    created_by: String,
    comment: String,
}

/// Alertmanager's `gettableSilence`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gettable {
    id: SilenceId,
    status: Life,
    updated_at: Timestamp,
    comment: String,
    created_by: String,
    ends_at: Timestamp,
    starts_at: Timestamp,
    matchers: Vec<Comparing>,
}

#[derive(Debug, Serialize)]
struct Life {
    state: SilencePhase,
}

pub(super) async fn list(
    State(reading): State<Arc<Reading>>,
    parameters: Parameters,
) -> Result<Json<Vec<Gettable>>, Refusal> {
    let filter = Filter::read(parameters)?;
    let all = silences::all(&reading.api.core).await?;
    let shown = all.into_iter().map(gettable).filter(|silence| {
        let compared = silence.matchers.iter();
        let values: BTreeMap<String, String> =
            compared.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect();
        filter.takes(&values)
    });
    Ok(Json(shown.collect()))
}

pub(super) async fn show(
    State(reading): State<Arc<Reading>>,
    Path(id): Path<String>,
) -> Result<Json<Gettable>, Refusal> {
    let view = silences::find(&reading.api.core, &SilenceId(id)).await?;
    Ok(Json(gettable(view)))
}

/// Adds a silence, or changes the one whose id is given.
pub(super) async fn put(
    State(reading): State<Arc<Reading>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refusal> {
    let new: Postable = serde_json::from_slice(&body?)
        .map_err(|error| Refusal::invalid(format!("no silence: {error}")))?;
    let id = new.id.filter(|id| !id.is_empty()).map(SilenceId);
    let known = match &id {
        Some(id) => Some(silences::find(&reading.api.core, id).await?.silence),
        None => None,
    };
    let (condition, matchers) = read(&new.matchers)?;
    let silence = Silence {
        id: id.unwrap_or_else(|| SilenceId(Uuid::now_v7().to_string())),
        condition,
        matchers,
        times: known.map(|known| known.times).unwrap_or_default(),
        starts: Some(new.starts_at),
        ends: new.ends_at,
        author: caller.author(&new.created_by).map_err(Refusal::invalid)?,
        comment: new.comment,
    };
    let view = silences::put(&reading.api.core, silence).await?;
    Ok(Json(json!({ "silenceID": view.silence.id })))
}

pub(super) async fn end(
    State(reading): State<Arc<Reading>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let by = caller.author(AUTHOR).map_err(Refusal::invalid)?;
    silences::end(&reading.api.core, SilenceId(id), by).await?;
    Ok(StatusCode::OK)
}

/// Reads what a silence is about: a condition, or matchers.
fn read(compared: &[Comparing]) -> Result<(Option<Condition>, Vec<Matcher>), Refusal> {
    if let [Comparing { name, value, is_regex: false, is_equal: true }] = compared
        && name == CONDITION
    {
        let condition =
            Condition::parse(value).map_err(|error| Refusal::invalid(error.to_string()));
        return Ok((Some(condition?), Vec::new()));
    }
    let matchers = compared.iter().map(|matcher| {
        let name = match matcher.name.strip_prefix(OWN) {
            Some(own) => own.to_owned(),
            None => format!("{LABEL}{}", matcher.name),
        };
        let comparison = match (matcher.is_regex, matcher.is_equal) {
            (false, true) => Comparison::Equal,
            (false, false) => Comparison::NotEqual,
            (true, true) => Comparison::Regex,
            (true, false) => Comparison::NotRegex,
        };
        Matcher::new(&name, comparison, &matcher.value).map_err(Refusal::invalid)
    });
    Ok((None, matchers.collect::<Result<_, _>>()?))
}

fn gettable(view: SilenceView) -> Gettable {
    let silence = view.silence;
    let mut matchers: Vec<Comparing> = silence.matchers.iter().map(comparing).collect();
    matchers.extend(silence.condition.map(|condition| Comparing {
        name: CONDITION.to_owned(),
        value: condition.to_string(),
        is_regex: false,
        is_equal: true,
    }));
    // One that began at once does not say when that was; its id does.
    let made = silence.id.0.parse().ok().and_then(made_at).unwrap_or(Timestamp::UNIX_EPOCH);
    Gettable {
        status: Life { state: view.phase },
        updated_at: view.history.last().map_or(made, |former| former.until),
        comment: silence.comment,
        created_by: silence.author,
        ends_at: view.ended.map_or(silence.ends, |ended| ended.min(silence.ends)),
        starts_at: silence.starts.unwrap_or(made),
        matchers,
        id: silence.id,
    }
}

fn comparing(matcher: &Matcher) -> Comparing {
    let name = match matcher.name().strip_prefix(LABEL) {
        Some(label) => label.to_owned(),
        None => format!("{OWN}{}", matcher.name()),
    };
    let (is_regex, is_equal) = match matcher.comparison() {
        Comparison::Equal => (false, true),
        Comparison::NotEqual => (false, false),
        Comparison::Regex => (true, true),
        Comparison::NotRegex => (true, false),
    };
    Comparing { name, value: matcher.value().to_owned(), is_regex, is_equal }
}

fn made_at(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}
