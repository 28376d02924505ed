//! Tells people, through the router and so through every output there is, what waits for them and how
//! responses ended. What cannot be told stays in the audit; a plan that waits is told again after a
//! restart, under the same id, which the router knows for the same alert.

use std::{sync::Arc, time::Duration};

use alert::{Alert, AlertId, Fields, Priority};
use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{Url, header::CONTENT_TYPE};
use serde_json::json;
use service::{
    ErrorChain,
    client::{Answer, ClientError, Files, RenewedClient},
    retry::Delays,
    shutdown::Shutdown,
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    book::{Response, State},
    config::TellConfig,
    entry::{Entry, ResultKind},
    metrics::Metrics,
};

/// `source` of the alerts: they are about responses, and none is ever made because of them.
pub const SOURCE: &str = "saker_response";
/// Rule of the alert that says a plan waits for a person.
pub const AWAITS: &str = "Saker: a response awaits approval";
/// Rule of the alert that says how a response ended.
pub const ENDED: &str = "Saker: a response ended";
/// Rule of the alert that says a label or an isolation could not be taken back.
pub const UNDO_FAILED: &str = "Saker: a response could not be undone";
/// Rule of the alert that says a person stopped all responses, or let them go on.
pub const SWITCHED: &str = "Saker: responses were switched";

/// Alerts that wait for the router; what comes beyond is counted and stays in the audit.
const QUEUE_MAX: usize = 1024;
const DELAYS: Delays = Delays { min: Duration::from_millis(500), max: Duration::from_secs(30) };

/// Takes what is to be told; never waits.
#[derive(Clone, Debug)]
pub struct Teller {
    news: mpsc::Sender<Alert>,
    metrics: Metrics,
    hostname: Arc<str>,
}

impl Teller {
    /// Prepares the way to the router; a task of `shutdown` brings what is told there.
    pub fn start(
        config: &TellConfig,
        metrics: &Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, ClientError> {
        let files = Files {
            authorities: config.ca.clone(),
            certificate: config.certificate.clone(),
            key: config.key.clone(),
        };
        let client = RenewedClient::new(files, config.timeout.0, |client| client)?;
        let (news, inbox) = mpsc::channel(QUEUE_MAX);
        let token = config.token.as_ref().map(|token| token.expose().to_owned());
        let bringer = Bringer { client, url: config.url.expose().clone(), token };
        let (stop, counts) = (shutdown.clone(), metrics.clone());
        shutdown.spawn("telling people", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = bringer.run(inbox, &counts) => {}
            }
        });
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self { news, metrics: metrics.clone(), hostname: hostname.into() })
    }

    /// Tells what people should hear of an entry.
    pub(crate) fn tell(&self, entry: &Entry, response: Option<&Response>) {
        if let Some(alert) = self.alert_of(entry, response)
            && self.news.try_send(alert).is_err()
        {
            self.metrics.told("lost");
        }
    }

    /// Tells again of a plan that waits, after a restart.
    pub(crate) fn remind(&self, response: &Response) {
        if matches!(response.state, State::Awaiting { .. })
            && self.news.try_send(self.awaits(response)).is_err()
        {
            self.metrics.told("lost");
        }
    }

    fn alert_of(&self, entry: &Entry, response: Option<&Response>) -> Option<Alert> {
        let now = service::clock::now();
        match (entry, response) {
            (Entry::Judged { .. }, Some(response)) => {
                matches!(response.state, State::Awaiting { .. }).then(|| self.awaits(response))
            }
            (Entry::Ended { outcome, .. }, Some(response)) => {
                let priority = match outcome.result {
                    ResultKind::Done | ResultKind::Noop => Priority::Notice,
                    ResultKind::NotVerified => Priority::Warning,
                    ResultKind::Failed | ResultKind::Unknown => Priority::Error,
                };
                let text = format!("{}: {}", outcome.result.name(), outcome.detail);
                Some(self.about(response, ENDED, priority, &text))
            }
            (Entry::UndoFailed { reason, .. }, Some(response)) => {
                Some(self.about(response, UNDO_FAILED, Priority::Error, reason))
            }
            (Entry::Switched { stopped, by, reason }, _) => {
                let word = if *stopped { "stopped" } else { "resumed" };
                let output = format!("Responses {word} by {by}: {reason}");
                let id = id_of(&[SWITCHED, word, &now.to_string()]);
                let fields = [("saker.by", json!(by)), ("saker.reason", json!(reason))];
                let fields = fields.map(|(name, value)| (name.to_owned(), value));
                Some(self.alert(id, SWITCHED, Priority::Warning, output, fields.into()))
            }
            _ => None,
        }
    }

    fn awaits(&self, response: &Response) -> Alert {
        let until = match &response.state {
            State::Awaiting { expires, .. } => format!("until {expires:.0}"),
            _ => String::new(),
        };
        let text = format!(
            "waits {until}; look with `saker responses show {0}`, then `saker responses approve {0}`",
            response.id
        );
        self.about(response, AWAITS, Priority::Critical, &text)
    }

    fn about(&self, response: &Response, rule: &str, priority: Priority, text: &str) -> Alert {
        let (plan, resolved) = (&response.plan, &response.resolved);
        let mut fields = Fields::new();
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        };
        let pod = plan.target.pod.as_ref();
        let process = plan.target.process.as_ref();
        add("saker.response.id", Some(&response.id.to_string()));
        add("saker.response.action", Some(plan.action.name()));
        add("saker.response.rule", Some(&plan.rule));
        add("saker.response.state", Some(response.state.name()));
        add("saker.response.plan_hash", Some(&response.plan_hash));
        add("saker.response.alert", Some(&plan.cause.alert.to_string()));
        add("saker.response.cause", Some(&plan.cause.rule));
        add("k8s.ns.name", pod.map(|pod| &*pod.namespace));
        add("k8s.pod.name", pod.map(|pod| &*pod.name));
        add("k8s.pod.uid", resolved.pod.as_ref().map(|pod| &*pod.uid));
        add("k8s.node.name", resolved.node.as_deref());
        add("container.name", resolved.container.as_ref().map(|(name, _)| &**name));
        add("proc.name", process.map(|process| &*process.name));
        if let Some((kind, name)) =
            resolved.workload.as_ref().and_then(|workload| workload.split_once('/'))
        {
            add("k8s.workload.kind", Some(kind));
            add("k8s.workload.name", Some(name));
        }
        let target = match (pod, process.filter(|_| plan.action.on_process())) {
            (Some(pod), Some(process)) => {
                format!("{} in {}/{}", process.name, pod.namespace, pod.name)
            }
            (Some(pod), None) => format!("{}/{}", pod.namespace, pod.name),
            (None, Some(process)) => format!("{} on {}", process.name, plan.target.hostname),
            (None, None) => plan.target.hostname.clone(),
        };
        let (id, action, cause) = (response.id, plan.action, &plan.cause.rule);
        let output = format!("Response {id}, {action} of {target} because of {cause}: {text}");
        let alert = plan.cause.alert.to_string();
        let own = id_of(&[rule, &id.to_string(), &alert, &plan.rule, response.state.name()]);
        self.alert(own, rule, priority, output, fields)
    }

    fn alert(
        &self,
        id: AlertId,
        rule: &str,
        priority: Priority,
        output: String,
        fields: Fields,
    ) -> Alert {
        let now = service::clock::now();
        Alert {
            id,
            time: now,
            received: now,
            rule: rule.to_owned(),
            priority,
            source: SOURCE.to_owned(),
            hostname: self.hostname.to_string(),
            output,
            tags: vec!["saker".to_owned(), "response".to_owned()],
            fields,
            ends: None,
        }
    }
}

/// Returns the id of what is told: the same news has the same one.
fn id_of(parts: &[&str]) -> AlertId {
    let digest = digest(&SHA256, parts.join("\n").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    AlertId::from_u128(u128::from_be_bytes(bytes))
}

/// Brings alerts to the router, each until it is taken.
struct Bringer {
    client: RenewedClient,
    url: Url,
    token: Option<String>,
}

impl Bringer {
    async fn run(self, mut inbox: mpsc::Receiver<Alert>, metrics: &Metrics) {
        while let Some(alert) = inbox.recv().await {
            let mut line = Vec::new();
            alert::wire::write_falco(&alert, &mut line);
            let mut failures = 0;
            loop {
                let wait = match self.post(&line).await {
                    Ok(answer) if answer.status.is_success() => {
                        metrics.told("sent");
                        if failures > 0 {
                            info!(attempts = failures + 1, "the router is told of responses again");
                        }
                        break;
                    }
                    Ok(answer) if answer.blames_request() => {
                        warn!(status = %answer.status, reason = answer.text, "the router refuses news");
                        metrics.told("lost");
                        break;
                    }
                    Ok(answer) => {
                        note(failures, &format!("{}: {}", answer.status, answer.text));
                        answer.retry_after
                    }
                    Err(error) => {
                        self.client.renew();
                        // The address may hold a password.
                        note(failures, &ErrorChain(&error.without_url()).to_string());
                        None
                    }
                };
                failures += 1;
                tokio::time::sleep(wait.unwrap_or_else(|| DELAYS.after(failures))).await;
            }
        }
    }

    async fn post(&self, line: &[u8]) -> reqwest::Result<Answer> {
        let request = self.client.post(self.url.clone()).body(line.to_vec());
        let mut request = request.header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Ok(Answer::read(request.send().await?).await)
    }
}

/// Once when it begins, then now and then.
fn note(failures: u32, why: &str) {
    if failures.is_multiple_of(20) {
        warn!(failures, error = why, "the router cannot be told of responses, will retry");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_news_has_the_same_id_and_other_news_another() {
        assert_eq!(id_of(&["a", "R-7"]), id_of(&["a", "R-7"]));
        assert_ne!(id_of(&["a", "R-7"]), id_of(&["a", "R-8"]));
    }
}
