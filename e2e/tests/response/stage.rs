//! A responder on a stage: a namespace of its own, a proxy before the API server, and what became of
//! the alerts it was given.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use alert::{Alert, AlertId, Priority};
use e2e::{Responder, Seen};
use jiff::Timestamp;
use response::{
    audit::{Line, verify},
    book::{Response, State},
    cluster::Pod,
    entry::{Entry, Outcome, ResultKind},
    gate::Judgement,
};
use serde_json::{Value, json};

use crate::world::Place;

/// The machine all pods of these tests are on.
pub(crate) const NODE: &str = "node";

/// A responder in `auto` mode for `kill_pod`, unless a test says otherwise.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) responder: Responder,
    http: reqwest::Client,
}

/// Returns `response` of the configuration, with these changes to its top level.
pub(crate) fn settings(place: &Place, user: &str, changes: &Value) -> Value {
    let mut settings = json!({
        "mode": "auto",
        "kubernetes": {
            "kubeconfig": place.kubeconfig_at(user, &place.proxy.url()),
            "timeout": "4s",
            "namespace": "saker",
        },
        "actions": { "kill_pod": { "mode": "auto", "namespaces": [place.namespace] } },
        "responses": [rule("kill_pod", &json!({}))],
    });
    for (key, value) in changes.as_object().unwrap() {
        settings[key] = value.clone();
    }
    // Nothing said is not the same as nothing.
    settings.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    settings
}

/// Returns a rule for the alerts of these tests: without evidence, for pods without a controller.
pub(crate) fn rule(action: &str, changes: &Value) -> Value {
    let mut rule = json!({
        "name": action, "match": "rule = shell", "action": action, "evidence": "none",
        "allow_standalone": true,
    });
    for (key, value) in changes.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

impl Stage {
    /// Starts with these changes to the configuration; `None`, said loudly, without Kubernetes.
    pub(crate) async fn with(changes: impl FnOnce(&Place) -> Value) -> Option<Self> {
        Self::as_user(e2e::ApiServer::ADMIN, changes).await
    }

    pub(crate) async fn as_user(user: &str, changes: impl FnOnce(&Place) -> Value) -> Option<Self> {
        let place = Place::new().await?;
        let settings = settings(&place, user, &changes(&place));
        let responder =
            tokio::task::spawn_blocking(move || Responder::start(&settings)).await.unwrap();
        let http = reqwest::Client::builder().timeout(e2e::patience()).no_proxy().build().unwrap();
        Some(Self { place, responder, http })
    }

    pub(crate) async fn new() -> Option<Self> {
        Self::with(|_| json!({})).await
    }

    /// Makes a ready pod that goes at once when it is evicted: nobody here gives it a grace.
    pub(crate) async fn pod(&self, name: &str) -> Pod {
        self.pod_with(name, &json!({})).await
    }

    pub(crate) async fn pod_with(&self, name: &str, changes: &Value) -> Pod {
        let mut pod = json!({ "spec": { "terminationGracePeriodSeconds": 0 } });
        crate::world::merge(&mut pod, changes);
        self.place.pod_with(name, &pod).await
    }

    /// Brings alerts as the router does; returns the status of the answer.
    pub(crate) async fn send(&self, alerts: &[Alert]) -> u16 {
        let lines: String = alerts
            .iter()
            .map(|alert| json!({ "sequence": 1, "alert": alert, "silenced": null }))
            .map(|line| format!("{line}\n"))
            .collect();
        self.send_lines(lines).await
    }

    pub(crate) async fn send_lines(&self, lines: String) -> u16 {
        let url = format!("http://{}/v1/alerts", self.responder.intake.address());
        self.http.post(url).body(lines).send().await.unwrap().status().as_u16()
    }

    /// Brings one alert; returns how the response it led to ended, or where it waits.
    pub(crate) async fn respond(&self, alert: Alert) -> Response {
        let known = self.newest().await;
        assert_eq!(self.send(&[alert]).await, 200);
        self.settled(known + 1).await
    }

    async fn newest(&self) -> u64 {
        let list = self.get("/api/v1/responses?limit=1").await;
        let items: Vec<Response> = serde_json::from_value(list["items"].clone()).unwrap();
        items.first().map_or(0, |response| response.id.0)
    }

    /// Waits until a response has ended, or waits for a person.
    pub(crate) async fn settled(&self, number: u64) -> Response {
        self.response(number, |response| {
            let waits = matches!(response.state, State::Awaiting { .. });
            waits || !response.state.is_open()
        })
        .await
    }

    pub(crate) async fn response(
        &self,
        number: u64,
        wanted: impl Fn(&Response) -> bool,
    ) -> Response {
        let path = format!("/api/v1/responses/R-{number}");
        until(&format!("R-{number}"), async || {
            let found = serde_json::from_value::<Response>(self.get(&path).await);
            let found = found.map_err(|error| error.to_string())?;
            if wanted(&found) { Ok(found) } else { Err(format!("{:?}", found.state)) }
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.responder.api.address());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn status_of(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.responder.api.address());
        self.http.get(url).send().await.unwrap().status().as_u16()
    }

    /// Says a word to the API; returns status and answer.
    pub(crate) fn say(
        &self,
        path: &str,
        body: &Value,
    ) -> impl Future<Output = (u16, Value)> + use<> {
        let url = format!("http://{}{path}", self.responder.api.address());
        let request = self.http.post(url).body(body.to_string());
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap())
        }
    }

    pub(crate) fn approve(
        &self,
        response: &Response,
        by: &str,
    ) -> impl Future<Output = (u16, Value)> + use<> {
        let path = format!("/api/v1/responses/{}/approve", response.id);
        self.say(&path, &json!({ "plan_hash": response.plan_hash, "by": by }))
    }

    /// Returns the audit, held against its own chain.
    pub(crate) fn audit(&self) -> Vec<Line> {
        e2e::eventually("a whole audit", || {
            // A line may be half written while it is read.
            let mut lines = Vec::new();
            let folder = self.responder.data().join("audit");
            verify(&folder, &[], |line| lines.push(line)).map(|_| lines)
        })
    }

    /// Returns the audit's lines about a response, in words.
    pub(crate) fn story(&self, number: u64) -> Vec<String> {
        let lines = self.audit();
        let about = lines.iter().filter(|line| line.entry.id().is_some_and(|id| id.0 == number));
        about.map(|line| words(&line.entry)).collect()
    }

    /// Returns the evictions and deletions that were sent to be carried out.
    pub(crate) fn kills(&self) -> Vec<Seen> {
        let mut kills = self.place.proxy.seen("POST", "*/eviction");
        kills.extend(self.place.proxy.seen("DELETE", "*/pods/*"));
        kills.retain(|seen| !seen.path.contains("dryRun"));
        kills
    }

    /// Returns everything sent that would change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        let writes = self.place.proxy.writes();
        let for_real = writes.iter().filter(|seen| !seen.path.contains("dryRun"));
        for_real.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    pub(crate) async fn is_there(&self, pod: &Pod) -> bool {
        self.place.look_at_pod(&pod.reference.name).await["metadata"]["uid"]
            == json!(pod.reference.uid)
    }

    /// What must hold of every denial: it is in the audit, and nothing came to the API server.
    #[track_caller]
    pub(crate) fn denied(&self, response: &Response, gate: &str, reason: &str) {
        let denied = State::Denied { gate: gate.to_owned(), reason: reason.to_owned() };
        assert_eq!(response.state, denied, "{:#?}", response.verdicts);
        let told = ["proposed".to_owned(), format!("denied {gate}/{reason}")];
        assert_eq!(self.story(response.id.0), told);
        assert_eq!(self.changes(), [] as [&str; 0]);
    }
}

/// Returns an entry in a few words.
fn words(entry: &Entry) -> String {
    let name = |value: Value| value.as_str().unwrap_or_default().to_owned();
    match entry {
        Entry::Proposed { .. } => "proposed".into(),
        Entry::Judged { judgement, .. } => match judgement {
            Judgement::Denied { gate, reason } => format!("denied {gate}/{reason}"),
            Judgement::DryRun { would_act } => format!("dry run: {would_act}"),
            Judgement::Awaits { because, .. } => format!("awaits {because}"),
            Judgement::Goes => "goes".into(),
        },
        Entry::Decided { approved: true, by, .. } => format!("approved by {by}"),
        Entry::Decided { by, .. } => format!("refused by {by}"),
        Entry::Expired { .. } => "expired".into(),
        Entry::Evidence { failures, .. } => format!("evidence, {} missing", failures.len()),
        Entry::Intent { step, .. } => format!("intent {}", name(json!(step))),
        Entry::Answered { step, answer, .. } => {
            let short = answer.split(':').next().unwrap_or_default();
            format!("answer {}: {short}", name(json!(step)))
        }
        Entry::Ended { outcome, .. } => format!("ended {}", outcome.result.name()),
        Entry::UndoIntended { .. } => "undo intended".into(),
        Entry::Undone { .. } => "undone".into(),
        Entry::UndoFailed { .. } => "undo failed".into(),
        other => format!("{other:?}"),
    }
}

pub(crate) fn outcome(response: &Response) -> &Outcome {
    response.outcome.as_ref().unwrap_or_else(|| panic!("{:?}", response.state))
}

pub(crate) fn result(response: &Response) -> ResultKind {
    outcome(response).result
}

/// Returns an alert of just now about a pod, as agent and router make it.
pub(crate) fn alert(pod: &Pod) -> Alert {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let reference = &pod.reference;
    let container = pod.containers[0].id.clone();
    let fields = json!({
        "k8s.ns.name": reference.namespace,
        "k8s.pod.name": reference.name,
        "k8s.pod.uid": reference.uid,
        "container.full_id": container,
        "proc.name": "sh",
        "proc.pid": 4711,
        "saker.proc.start_boot_ns": 99,
        "saker.sender": "saker-agent",
    });
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Alert {
        id: AlertId::from_u128(u128::from(number)),
        time: Timestamp::now(),
        received: Timestamp::now(),
        rule: "shell".into(),
        priority: Priority::Critical,
        source: "syscall".into(),
        hostname: NODE.into(),
        output: "a shell".into(),
        tags: Vec::new(),
        fields: serde_json::from_value(fields).unwrap(),
        ends: None,
    }
}

pub(crate) fn with(mut alert: Alert, field: &str, value: Value) -> Alert {
    alert.fields.insert(field.to_owned(), value);
    alert
}

/// Looks until something is there, not for ever.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let complaint = match look().await {
            Ok(found) => return found,
            Err(complaint) => complaint,
        };
        assert!(start.elapsed() < 2 * e2e::patience(), "{what}: {complaint}");
        // Between two looks at another program.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
