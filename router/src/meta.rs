//! Tells of what is wrong with Saker itself: outputs that fail, notifications that wait, senders that
//! are silent or lose alerts, a disk that is nearly full, a clock that jumped, a configuration that was refused.
//!
//! Each is an ordinary alert of the source `saker`: it comes in by the journal, is repeated while its
//! cause goes on, ends with it, and routes take it like any other. An output is not told of its own
//! trouble while there is another one. The heartbeat takes the same way, so that whoever waits for it
//! outside hears the silence of a router that does not accept, decide or deliver.

mod alerts;
mod clock;
mod look;
mod losses;
mod room;
mod trouble;

use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use alert::Alert;
use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{ErrorChain, config::HumanDuration, shutdown::Shutdown};
use tracing::{debug, warn};

use self::{
    clock::Clock,
    look::Past,
    losses::Losses,
    room::Room,
    trouble::{Kind, Step, Troubles},
};
use crate::{
    api::Api,
    core::{Handle, SubmitError},
    ingest::Ingest,
    metrics::registered,
    pipeline::Route,
    record::Record,
};

pub(crate) use self::alerts::META;

/// Wait between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Nobody is expected sooner whose rhythm is only learnt.
const LEARNT_MIN: Duration = Duration::from_secs(60);
/// Alerts about silences that are passed on with one look.
const NOTICES_AT_ONCE: usize = 100;
/// The heartbeat's route, as `explain` shows it.
const HEARTBEAT_ROUTE: &str = "saker-heartbeat";

/// When people are told of trouble of Saker itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetaConfig {
    /// Trouble is told once it lasted this long; at most 10m.
    pub hold: HumanDuration,
    /// Age at which a notification that waits is trouble of its output.
    pub queue_age: HumanDuration,
    /// Share of the data folder's disk that is free, below which it is nearly full.
    pub disk_free_percent_min: u8,
    /// A step of the wall clock that is told of.
    pub clock_jump: HumanDuration,
    /// Senders by name, as `saker.sender` has it, and the longest time each is silent.
    pub senders: BTreeMap<String, HumanDuration>,
    /// Other senders are expected too, once they were heard often enough: within ten times the median of
    /// their last gaps, but no sooner than after this. Not at all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub senders_learnt: Option<HumanDuration>,
    /// Says that the router works, to whoever notices when it no longer does.
    pub heartbeat: Option<HeartbeatConfig>,
}

/// A dead-man's switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Who is told, by the names of outputs.
    pub outputs: Vec<String>,
    /// At least 5s.
    #[serde(default = "default_interval")]
    pub interval: HumanDuration,
}

const fn default_interval() -> HumanDuration {
    HumanDuration(Duration::from_secs(60))
}

impl Default for MetaConfig {
    fn default() -> Self {
        Self {
            hold: HumanDuration(Duration::from_secs(300)),
            queue_age: HumanDuration(Duration::from_secs(900)),
            disk_free_percent_min: 5,
            clock_jump: HumanDuration(Duration::from_secs(60)),
            senders: BTreeMap::new(),
            senders_learnt: None,
            heartbeat: None,
        }
    }
}

impl MetaConfig {
    /// Returns the first thing that is wrong with it: the key, what, and a way out.
    pub(crate) fn check(&self, outputs: &[&str]) -> Result<(), (String, String, Option<String>)> {
        if self.hold.0 > trouble::HOLD_MAX {
            return Err(("hold".to_owned(), "at most 10m".to_owned(), None));
        }
        if self.disk_free_percent_min > 90 {
            return Err(("disk_free_percent_min".to_owned(), "at most 90".to_owned(), None));
        }
        for (name, interval) in &self.senders {
            if interval.0 < LOOK_INTERVAL {
                return Err((format!("senders.{name}"), "at least 5s".to_owned(), None));
            }
        }
        if self.senders_learnt.is_some_and(|floor| floor.0 < LEARNT_MIN) {
            return Err(("senders_learnt".to_owned(), "at least 1m".to_owned(), None));
        }
        let Some(heartbeat) = &self.heartbeat else { return Ok(()) };
        if heartbeat.interval.0 < LOOK_INTERVAL {
            return Err(("heartbeat.interval".to_owned(), "at least 5s".to_owned(), None));
        }
        if heartbeat.outputs.is_empty() {
            let hint = Some("name the output of whoever notices its absence".to_owned());
            return Err(("heartbeat.outputs".to_owned(), "nobody is told".to_owned(), hint));
        }
        for (index, name) in heartbeat.outputs.iter().enumerate() {
            if !outputs.contains(&name.as_str()) {
                let hint = Some(format!("outputs are {}", outputs.join(", ")));
                let path = format!("heartbeat.outputs[{index}]");
                return Err((path, format!("there is no output `{name}`"), hint));
            }
        }
        Ok(())
    }

    /// Returns the route of the heartbeat: each beat is told at once, and again with the next.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let Some(HeartbeatConfig { outputs, interval }) = &self.heartbeat else {
            return Vec::new();
        };
        let half = HumanDuration(interval.0 / 2);
        let route = Route {
            name: Some(HEARTBEAT_ROUTE.to_owned()),
            condition: alerts::heartbeat_condition(),
            outputs: Some(outputs.clone()),
            group_by: Some(vec!["rule".to_owned()]),
            group_wait: Some(HumanDuration(Duration::ZERO)),
            group_interval: Some(HumanDuration(Duration::from_secs(1))),
            repeat_interval: Some(half),
            quiet: Some(HumanDuration(interval.0 * 10)),
            storm: Some(false),
            ..Route::default()
        };
        vec![route]
    }
}

/// What is counted of it.
#[derive(Debug)]
struct Metrics {
    troubles: IntGaugeVec,
    alerts: IntCounterVec,
    heartbeats: IntCounter,
}

impl Metrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let troubles = Opts::new(
            "saker_router_meta_troubles",
            "What is wrong with Saker itself now, and told of, by rule.",
        );
        let alerts = Opts::new(
            "saker_router_meta_alerts_total",
            "Alerts of what is wrong with Saker itself, repeats and ends included, by rule.",
        );
        let metrics = Self {
            troubles: registered(registry, IntGaugeVec::new(troubles, &["rule"]))?,
            alerts: registered(registry, IntCounterVec::new(alerts, &["rule"]))?,
            heartbeats: registered(
                registry,
                IntCounter::new(
                    "saker_router_meta_heartbeats_total",
                    "Heartbeats that were accepted and decided upon.",
                ),
            )?,
        };
        for kind in Kind::ALL {
            metrics.troubles.with_label_values(&[kind.rule()]).set(0);
            metrics.alerts.with_label_values(&[kind.rule()]);
        }
        Ok(metrics)
    }
}

/// Who looks after the router.
#[derive(Debug)]
pub(crate) struct Meta {
    config: ArcSwap<MetaConfig>,
    core: Handle,
    api: Arc<Api>,
    ingest: Arc<Ingest>,
    data: PathBuf,
    hostname: String,
    metrics: Metrics,
}

impl Meta {
    /// Starts to look. It ends with `shutdown`.
    pub(crate) fn start(
        config: MetaConfig,
        core: Handle,
        api: Arc<Api>,
        ingest: Arc<Ingest>,
        data: PathBuf,
        registry: &Registry,
        shutdown: &Shutdown,
    ) -> prometheus::Result<Arc<Self>> {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let metrics = Metrics::register(registry)?;
        let config = ArcSwap::from_pointee(config);
        let meta = Arc::new(Self { config, core, api, ingest, data, hostname, metrics });
        let run = Arc::clone(&meta).run();
        let run = shutdown.token().clone().run_until_cancelled_owned(run);
        shutdown.spawn("meta", async move {
            run.await;
        });
        Ok(meta)
    }

    /// Puts another configuration in force.
    pub(crate) fn configure(&self, config: MetaConfig) {
        self.config.store(Arc::new(config));
    }

    async fn run(self: Arc<Self>) {
        let machine = Arc::clone(self.core.machine());
        let mut troubles = Troubles::default();
        let (losses, room) = (Losses::default(), Room::default());
        let mut past = Past { clock: Clock::new(&*machine), losses, room };
        let mut beat = machine.instant();
        loop {
            let config = self.config.load_full();
            let now = machine.instant();
            let seen = self.look(&config, &mut past).await;
            for step in troubles.observe(now, &seen) {
                self.tell(&step).await;
            }
            self.pass_on_notices().await;
            for kind in Kind::ALL {
                let count = i64::try_from(troubles.told(kind)).unwrap_or(i64::MAX);
                self.metrics.troubles.with_label_values(&[kind.rule()]).set(count);
            }
            let mut next = now + LOOK_INTERVAL;
            if let Some(heartbeat) = &config.heartbeat {
                if beat <= now {
                    self.beat().await;
                    beat = now + heartbeat.interval.0;
                }
                beat = beat.min(now + heartbeat.interval.0);
                next = next.min(beat);
            }
            machine.sleep_until(next).await;
        }
    }

    async fn tell(&self, step: &Step) {
        let rule = step.trouble.kind.rule();
        if let Step { is_first: true, is_over, trouble } = step {
            warn!(rule, subject = trouble.subject, over = is_over, "{}", trouble.summary);
        }
        let alert = alerts::of_trouble(step, &self.hostname, &**self.core.machine());
        if self.append(alert).await {
            self.metrics.alerts.with_label_values(&[rule]).inc();
        }
    }

    /// Has what is to be told of silences come in by the journal, like all else.
    async fn pass_on_notices(&self) {
        let notices = self.core.ask(|state| state.pipeline.notices(NOTICES_AT_ONCE)).await;
        for notice in notices.unwrap_or_default() {
            let received = self.core.machine().now();
            if !self.append(Alert { received, ..notice }).await {
                return;
            }
        }
    }

    /// A beat counts once it is durable and decided upon; its output proves the rest.
    async fn beat(&self) {
        let alert = alerts::heartbeat(&self.hostname, &**self.core.machine());
        // It is to fail where the alerts of senders do, so it does not use the reserve.
        let record = Record::Alert(Box::new(alert));
        if self.is_taken(self.core.append_common(&record).await) {
            self.metrics.heartbeats.inc();
        }
    }

    /// Returns whether the alert is durable and decided upon.
    async fn append(&self, alert: Alert) -> bool {
        self.is_taken(self.core.append(&[Record::Alert(Box::new(alert))]).await)
    }

    fn is_taken(&self, appended: Result<Range<u64>, SubmitError>) -> bool {
        if let Err(error) = &appended {
            debug!(error = %ErrorChain(error), "the journal does not take an alert of our own");
        }
        appended.is_ok()
    }
}
