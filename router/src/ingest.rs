//! Takes alerts over HTTP.
use crate::record::Record;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use std::sync::Arc;
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {}
#[derive(Debug)]
pub struct Ingest {
    journal: journal::Journal,
}
impl Ingest {
    pub fn new(
        journal: journal::Journal,
        _: IngestConfig,
        _: &prometheus::Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self { journal })
    }
}
pub fn routes(ingest: Arc<Ingest>) -> Router {
    Router::new().route("/", post(take)).with_state(ingest)
}
async fn take(State(ingest): State<Arc<Ingest>>, body: Bytes) -> (StatusCode, String) {
    let mut records = Vec::new();
    for line in body.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let v: serde_json::Value = match serde_json::from_slice(line) {
            Ok(v) => v,
            Err(e) => return (StatusCode::BAD_REQUEST, e.to_string()),
        };
        let now = service::clock::now();
        let alert = alert::Alert {
            id: v["uuid"]
                .as_str()
                .and_then(|s| s.parse().ok())
                .unwrap_or_else(alert::AlertId::random),
            time: now,
            received: now,
            rule: v["rule"].as_str().unwrap_or("").into(),
            priority: v["priority"]
                .as_str()
                .unwrap_or("debug")
                .parse()
                .unwrap_or(alert::Priority::Debug),
            source: "syscall".into(),
            hostname: v["hostname"].as_str().unwrap_or("").into(),
            output: v["output"].as_str().unwrap_or("").into(),
            tags: vec![],
            fields: serde_json::from_value(v["output_fields"].clone()).unwrap_or_default(),
        };
        records.push(crate::core::encode(&Record::Alert(Box::new(alert))));
    }
    match ingest.journal.append(records).await {
        Ok(_) => (StatusCode::OK, String::new()),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, e.to_string()),
    }
}
