//! Posts each finding as an alert to Prometheus Alertmanager (API v2), and resolves it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alert::{Finding, GroupState, Notification};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use templates::{Escape, builtin};

use service::config::{HumanDuration, SafeUrl};

use crate::{
    BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt,
    http::{Client, Secrets, Tls},
};

/// Prometheus Alertmanager, one or a cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// Base addresses of all members of the cluster, such as `http://alertmanager:9093`. Each gets
    /// every alert, as Alertmanager wants it; one that takes it is enough.
    urls: Vec<SafeUrl>,
    /// Alert fields that become labels, dots turned to `_`. Keep them few and stable: the labels
    /// are the alert's identity.
    #[serde(default = "default_fields")]
    label_fields: Vec<String>,
    /// Labels added to every alert.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// How long an alert stays active without news. Default 4h.
    #[serde(default = "default_active")]
    active_for: HumanDuration,
    #[serde(default)]
    tls: Tls,
}

fn default_fields() -> Vec<String> {
    ["k8s.ns.name", "k8s.pod.name", "container.name"].map(str::to_owned).into()
}

const fn default_active() -> HumanDuration {
    HumanDuration(Duration::from_secs(4 * 60 * 60))
}

const URLS_MAX: usize = 9;
const LABELS_MAX: usize = 20;
const LABEL_CHARS_MAX: usize = 200;
const ANNOTATION_CHARS_MAX: usize = 2_000;

impl Kind for Alertmanager {
    const NAME: &'static str = "alertmanager";
    const PARTS: &'static [Part] = &[Part {
        name: "summary",
        escape: Escape::Text,
        chars_max: ANNOTATION_CHARS_MAX,
        builtin: builtin!("alertmanager/summary.text.hbs"),
    }];
    const EXAMPLE: &'static str = "urls: [http://alertmanager.example.com:9093]";

    fn validate(&self) -> Result<(), String> {
        if self.urls.is_empty() || self.urls.len() > URLS_MAX {
            return Err(format!("`urls` needs 1 to {URLS_MAX} addresses"));
        }
        if self.labels.len() + self.label_fields.len() > LABELS_MAX {
            return Err(format!("`labels` and `label_fields` are more than {LABELS_MAX}"));
        }
        if let Some(name) = self.labels.keys().find(|name| label_name(name) != **name) {
            let fixed = label_name(name);
            return Err(format!("`labels`: `{name}` is no label name, for example `{fixed}` is"));
        }
        if self.active_for.0.is_zero() {
            return Err("`active_for` is zero".into());
        }
        self.tls.validate()
    }

    fn updates_in_place(&self) -> bool {
        true
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let secrets = self
            .urls
            .iter()
            .fold(Secrets::default(), |secrets, url| secrets.with_url(url.expose()));
        let urls = self.urls.iter().map(endpoint).collect::<Result<_, _>>();
        Ok(Arc::new(AlertmanagerOutput {
            http: Client::new(context, &self.tls, secrets)?,
            urls: urls.map_err(BuildError::new)?,
            active_for: SignedDuration::try_from(self.active_for.0)
                .map_err(|error| BuildError::caused("`active_for` is too long", error))?,
            label_fields: self.label_fields,
            labels: self.labels,
        }))
    }
}

struct AlertmanagerOutput {
    http: Client,
    urls: Vec<url::Url>,
    label_fields: Vec<String>,
    labels: BTreeMap<String, String>,
    active_for: SignedDuration,
}

/// Alertmanager's `postableAlert`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

#[async_trait]
impl Output for AlertmanagerOutput {
    fn reads_previous(&self) -> bool {
        false
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let notification = delivery.notification;
        let summary = delivery.parts.get("summary");
        let alerts: Vec<Postable> = notification
            .findings
            .iter()
            .map(|finding| self.postable(notification, finding, summary))
            .collect();
        let body = serde_json::to_vec(&alerts).map_err(|error| DeliveryError::Rejected {
            reason: format!("failed to write the alerts as JSON: {error}"),
        })?;
        // All at once: a member that hangs must not keep the alert from the others.
        let posts = self.urls.iter().map(|url| async {
            let request = self.http.request(Method::POST, url.clone());
            let request = request.header("content-type", "application/json").body(body.clone());
            self.http.deliver(request).await
        });
        let mut failure = None;
        for outcome in futures_util::future::join_all(posts).await {
            match outcome {
                Ok(_) => return Ok(Receipt::accepted()),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| DeliveryError::Denied { reason: "no `urls`".into() }))
    }
}

impl AlertmanagerOutput {
    fn postable(&self, notification: &Notification, finding: &Finding, summary: &str) -> Postable {
        let starts = go_time(finding.first_seen);
        let ends = match (finding.ended, notification.state) {
            (Some(ended), _) => Ok(ended),
            (None, GroupState::Open) => notification.created.saturating_add(self.active_for),
            (None, GroupState::Closed) => Ok(notification.created),
        };
        let ends = go_time(ends.unwrap_or(Timestamp::MAX));
        // Alertmanager refuses an alert that ends before it starts.
        let ends = ends.max(starts + SignedDuration::from_millis(1));
        Postable {
            labels: self.labels_of(finding),
            annotations: annotations(notification, finding, summary),
            starts_at: starts.to_string(),
            ends_at: ends.to_string(),
        }
    }

    /// Returns what identifies the finding. Alertmanager drops empty values.
    fn labels_of(&self, finding: &Finding) -> BTreeMap<String, String> {
        let sample = &finding.sample;
        let mut labels = BTreeMap::new();
        for name in &self.label_fields {
            let value = match sample.fields.get(name) {
                Some(serde_json::Value::String(text)) => text.clone(),
                None | Some(serde_json::Value::Null) => continue,
                Some(other) => other.to_string(),
            };
            labels.insert(label_name(name), label_value(&value));
        }
        labels.extend(self.labels.clone());
        labels.extend([
            ("alertname".into(), label_value(&sample.rule)),
            ("rule".into(), label_value(&sample.rule)),
            ("priority".into(), sample.priority.name().into()),
            ("source".into(), label_value(&sample.source)),
            ("hostname".into(), label_value(&sample.hostname)),
            ("fingerprint".into(), finding.fingerprint.to_string()),
        ]);
        labels.retain(|_, value| !value.is_empty());
        labels.entry("alertname".into()).or_insert_with(|| "unnamed".into());
        labels
    }
}

fn annotations(
    notification: &Notification,
    finding: &Finding,
    summary: &str,
) -> BTreeMap<&'static str, String> {
    let sample = &finding.sample;
    let mut annotations = BTreeMap::from([
        ("summary", summary.to_owned()),
        ("description", Escape::Text.apply_max(&sample.output, ANNOTATION_CHARS_MAX)),
        ("count", finding.count.to_string()),
        ("score", finding.score.to_string()),
        ("last_seen", finding.last_seen.to_string()),
        ("group", notification.group.to_string()),
        ("tags", Escape::Text.apply_max(&sample.tags.join(", "), ANNOTATION_CHARS_MAX)),
    ]);
    if let Some(command) = sample.text("proc.cmdline") {
        annotations.insert("command", Escape::Text.apply_max(command, ANNOTATION_CHARS_MAX));
    }
    annotations.retain(|_, value| !value.is_empty());
    annotations
}

/// Returns a Prometheus label name: letters, digits and `_`, not starting with a digit.
fn label_name(name: &str) -> String {
    let mut label: String = name
        .chars()
        .take(LABEL_CHARS_MAX)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if label.is_empty() || label.starts_with(|first: char| first.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

fn label_value(value: &str) -> String {
    Escape::Line.apply_max(value, LABEL_CHARS_MAX)
}

/// Go's RFC 3339 reads the years 0 to 9999 and rejects the rest.
fn go_time(time: Timestamp) -> Timestamp {
    let latest = Timestamp::constant(253_402_000_000, 0);
    time.clamp(Timestamp::UNIX_EPOCH, latest)
}

fn endpoint(url: &SafeUrl) -> Result<url::Url, String> {
    let mut url = url.expose().clone();
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}
