//! One agent for each set of rules, and waiting for their alerts.

use std::{
    fs,
    path::PathBuf,
    sync::{Condvar, Mutex, OnceLock},
    time::{Duration, Instant},
};

use agent::{Agent, AgentConfig, Setup, Sinks};
use alert::Alert;
use serde_json::Value;
use service::config::HumanBytes;
use tokio::runtime::Runtime;

use crate::{container, doer};

/// Nothing that is waited for takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An agent at work and all it has told.
pub(crate) struct Watch {
    told: &'static Told,
    agent: Agent,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Told {
    alerts: Mutex<Vec<Alert>>,
    more: Condvar,
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must run these as root");
        eprintln!("\n*** SKIPPED, nothing was tested: watching the kernel needs root\n");
    }
    root
}

/// Returns the agent with the built-in rules and those of `shapes.yaml`; `None` without the rights for
/// one.
pub(crate) fn builtin() -> Option<&'static Watch> {
    static WATCH: OnceLock<Option<Watch>> = OnceLock::new();
    let start = || is_root().then(|| Watch::start("builtin", include_str!("shapes.yaml"), true));
    WATCH.get_or_init(start).as_ref()
}

/// Returns the agent with Falco's stable rules; `None` also where they are not here.
pub(crate) fn stable() -> Option<&'static Watch> {
    static WATCH: OnceLock<Option<Watch>> = OnceLock::new();
    let start = || Some(Watch::start("stable", &crate::stable::official()?, false));
    WATCH.get_or_init(|| if is_root() { start() } else { None }).as_ref()
}

impl Watch {
    fn start(name: &str, rules: &str, builtin_rules: bool) -> Self {
        doer::start();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, rules).unwrap();
        let known = folder.path().join("known.yaml");
        fs::write(&known, include_str!("known.yaml")).unwrap();
        let runtime = Runtime::new().unwrap();
        let mut config =
            AgentConfig { rules: vec![file, known], builtin_rules, ..AgentConfig::default() };
        config.hostname = Some(name.to_owned());
        config.containers.sockets = vec![container::engine()];
        config.containers.storages = Vec::new();
        config.containers.users = PathBuf::new();
        // Storms of others on this machine are to lose nothing here.
        config.sensor.prio_ring_bytes = HumanBytes(32 << 20);
        config.limits.rule_alerts_per_second_max = 100_000;
        config.limits.rule_alerts_burst_max = 100_000;
        let told: &'static Told = Box::leak(Box::default());
        let sinks = Sinks::default().with(|alert: &Alert| {
            told.alerts.lock().unwrap().push(alert.clone());
            told.more.notify_all();
        });
        let setup = Setup { sinks, ..Setup::default() };
        let inside = runtime.enter();
        // The look-up of the API server's name is the agent's own: it finds it in files of its own.
        let agent = container::with_hosts(folder.path(), || {
            Agent::start(&config, setup, &prometheus::Registry::new()).unwrap()
        });
        drop(inside);
        Self { told, agent, _runtime: runtime, _folder: folder }
    }

    /// Returns the first alert that fits, waiting for it; `Err` with those that have the mark.
    pub(crate) fn wait(
        &self,
        mark: &str,
        fits: impl FnMut(&Alert) -> bool,
    ) -> Result<Alert, String> {
        self.wait_until(Instant::now() + PATIENCE, mark, fits)
    }

    /// The same up to a deadline, for several that are waited for at once.
    pub(crate) fn wait_until(
        &self,
        deadline: Instant,
        mark: &str,
        mut fits: impl FnMut(&Alert) -> bool,
    ) -> Result<Alert, String> {
        let mut alerts = self.told.alerts.lock().unwrap();
        let mut looked_at = 0;
        loop {
            if let Some(alert) = alerts[looked_at..].iter().find(|alert| fits(alert)) {
                return Ok(alert.clone());
            }
            looked_at = alerts.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let marked = alerts.iter().filter(|alert| has_mark(alert, mark));
                let marked: Vec<String> = marked.map(|alert| alert.output.clone()).collect();
                let sensor = self.agent.handle().status().sensor;
                let lost: Vec<_> =
                    sensor.kinds.iter().filter(|kind| kind.counters.lost > 0).collect();
                return Err(format!("of {mark}: {marked:#?}; lost: {lost:?}"));
            }
            alerts = self.told.more.wait_timeout(alerts, left).unwrap().0;
        }
    }

    /// Returns the alert of a rule about the deed with a mark.
    #[track_caller]
    pub(crate) fn alert(&self, rule: &str, mark: &str) -> Alert {
        let found = self.wait(mark, |alert| alert.rule == rule && has_mark(alert, mark));
        found.unwrap_or_else(|told| panic!("no alert of {rule:?}; {told}"))
    }

    /// Returns how many events were lost, whoever made them.
    pub(crate) fn lost(&self) -> u64 {
        self.agent.handle().status().sensor.kinds.iter().map(|kind| kind.counters.lost).sum()
    }

    /// Returns all alerts so far that have the mark.
    pub(crate) fn marked(&self, mark: &str) -> Vec<Alert> {
        let alerts = self.told.alerts.lock().unwrap();
        alerts.iter().filter(|alert| has_mark(alert, mark)).cloned().collect()
    }
}

/// Returns whether an alert is about the deed with this mark: its command, that of its parent, or its
/// file has it.
pub(crate) fn has_mark(alert: &Alert, mark: &str) -> bool {
    alert.fields.values().any(|value| value.as_str().is_some_and(|text| text.contains(mark)))
}

/// Returns the text of a field, `<none>` where there is no value.
pub(crate) fn shown(alert: &Alert, field: &str) -> String {
    match alert.fields.get(field) {
        None | Some(Value::Null) => "<none>".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
