//! What the API server knows of a pod, taken before the pod is touched: bounded, and without the
//! secrets that people keep in it.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    link::{Link, Pieces},
    names, pod_path,
};
use crate::cluster::{ClusterError, Document, PodRef};

/// Most lines of a log that are asked for.
const LOG_LINES: &str = "20000";

/// How much of a log may be sent for each byte that is kept: `limitBytes` cuts the end off, and the
/// end is what is wanted.
const LOG_BYTES_PER_KEPT: usize = 8;

/// Most events that are looked at.
const EVENTS_MAX: usize = 2000;

/// Words in an annotation's name that tell of a secret, or of a whole manifest in its value.
const SECRET_WORDS: [&str; 6] =
    ["last-applied", "secret", "token", "password", "credential", "private-key"];

const LEFT_OUT: &str = "(left out)";

pub(super) async fn manifest(
    link: &Link,
    pod: &PodRef,
    bytes_max: usize,
) -> Result<Document, ClusterError> {
    let mut found = read(link, pod).await?;
    redact(&mut found);
    let text = format!("{found:#}\n");
    let truncated = text.len() > bytes_max;
    let text = &text[..text.floor_char_boundary(bytes_max)];
    Ok(Document { bytes: text.as_bytes().to_vec(), truncated })
}

/// Returns the newest events that fit, as a JSON array, the newest first.
pub(super) async fn events(
    link: &Link,
    pod: &PodRef,
    bytes_max: usize,
) -> Result<Document, ClusterError> {
    let path = format!("/api/v1/namespaces/{}/events", names::check(&pod.namespace)?);
    let about = format!("involvedObject.uid={}", pod.uid);
    let mut found: Vec<Value> = Vec::new();
    let mut truncated = false;
    let take = |event: Value| {
        truncated = found.len() == EVENTS_MAX;
        if !truncated {
            found.push(told(&event));
        }
        !truncated
    };
    link.list(&path, &[("fieldSelector", &about)], take).await?;
    // RFC 3339 in UTC sorts as text, to the second.
    found.sort_by(|one, other| other["time"].as_str().cmp(&one["time"].as_str()));
    let mut text = "[".to_owned();
    for event in found {
        let separator = if text.len() > 1 { ",\n" } else { "\n" };
        let piece = format!("{separator}{event}");
        if text.len() + piece.len() + "\n]\n".len() > bytes_max {
            truncated = true;
            break;
        }
        text += &piece;
    }
    text += "\n]\n";
    Ok(Document { bytes: text.into_bytes(), truncated })
}

/// Returns the last bytes of the log of one container.
///
/// A log is asked for by the pod's name. The UID is looked at afterwards: UIDs of a name never come
/// back, so a log that ended before the pod was seen to be the one meant is that pod's.
pub(super) async fn logs(
    link: &Link,
    pod: &PodRef,
    container: &str,
    previous: bool,
    bytes_max: usize,
) -> Result<Document, ClusterError> {
    let sent_max = bytes_max.saturating_mul(LOG_BYTES_PER_KEPT).max(1);
    let limit = sent_max.to_string();
    let query = [
        ("container", names::check(container)?),
        ("previous", if previous { "true" } else { "false" }),
        ("timestamps", "true"),
        ("tailLines", LOG_LINES),
        ("limitBytes", &limit),
    ];
    let path = format!("{}/log", pod_path(&pod.namespace, &pod.name)?);
    let mut log = Tail { bytes: Vec::new(), bytes_max, sent: 0, cut: false };
    match link.open(&path, &query).await {
        Ok(pieces) => log.follow(pieces, sent_max).await?,
        // The API server's 400 for a container that never ran, or ran only once.
        Err(ClusterError::Refused { status, .. }) if status == StatusCode::BAD_REQUEST => {
            read(link, pod).await?;
            return Err(ClusterError::NotFound);
        }
        Err(error) => return Err(error),
    }
    read(link, pod).await?;
    Ok(log.into_document(sent_max))
}

/// The end of a stream.
struct Tail {
    bytes: Vec<u8>,
    bytes_max: usize,
    sent: usize,
    cut: bool,
}

impl Tail {
    async fn follow(&mut self, mut pieces: Pieces, sent_max: usize) -> Result<(), ClusterError> {
        while self.sent < sent_max {
            let piece = match pieces.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                // Half a log is evidence too.
                Err(_) if self.sent > 0 => {
                    self.cut = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            self.sent += piece.len();
            self.bytes.extend_from_slice(&piece);
            if self.bytes.len() > self.bytes_max.saturating_mul(2) {
                self.trim();
            }
        }
        Ok(())
    }

    fn trim(&mut self) {
        let surplus = self.bytes.len().saturating_sub(self.bytes_max);
        self.cut |= surplus > 0;
        self.bytes.drain(..surplus);
    }

    fn into_document(mut self, sent_max: usize) -> Document {
        self.trim();
        Document { truncated: self.cut || self.sent >= sent_max, bytes: self.bytes }
    }
}

/// Reads the pod and sees to it that it is the one meant.
async fn read(link: &Link, pod: &PodRef) -> Result<Value, ClusterError> {
    let found: Value = link.get(&pod_path(&pod.namespace, &pod.name)?, &[]).await?;
    if found["metadata"]["uid"] == json!(pod.uid) {
        return Ok(found);
    }
    Err(ClusterError::Conflict("the pod of that name has another UID".to_owned()))
}

/// Leaves out what may be secret: values of variables and of probes' headers, telling annotations.
fn redact(pod: &mut Value) {
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, value| !may_be_secret(name, value));
        }
    }
    redact_values(&mut pod["spec"]);
}

fn may_be_secret(name: &str, value: &Value) -> bool {
    let name = name.to_ascii_lowercase();
    // Other tools keep a copy of the manifest under names of their own.
    let manifest = value.as_str().is_some_and(|value| value.contains("\"env\""));
    manifest || SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn redact_values(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact_values),
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner {
                    Value::Array(items) if name == "env" || name == "httpHeaders" => {
                        items.iter_mut().filter_map(Value::as_object_mut).for_each(leave_out);
                    }
                    inner => redact_values(inner),
                }
            }
        }
        _ => {}
    }
}

/// A reference to a secret may stay: it names where, not what.
fn leave_out(entry: &mut Map<String, Value>) {
    if let Some(value) = entry.get_mut("value") {
        *value = json!(LEFT_OUT);
    }
}

/// Returns what an event tells, with the time it was last seen.
fn told(event: &Value) -> Value {
    let times = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ];
    let time = times.into_iter().find(|time| time.is_string());
    let source = match &event["source"]["component"] {
        Value::String(component) if !component.is_empty() => component,
        _ => event["reportingComponent"].as_str().unwrap_or_default(),
    };
    json!({
        "time": time,
        "type": event["type"],
        "reason": event["reason"],
        "message": event["message"],
        "count": event["count"],
        "container": event["involvedObject"]["fieldPath"],
        "source": source,
    })
}
