//! How the simulated router is configured: small, so that every bound is met.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use journal::Sync;
use router::{
    core,
    dispatch::{QueueLimits, Rate, Retry, Send, Settings},
    pipeline::PipelineConfig,
};
use serde_json::{Value, json};
use service::config::HumanDuration;

use super::{
    hiding::INHIBITION,
    machine::{Shared, SimMachine},
    outside::{Destination, Outside},
};
use crate::chance::Chance;

pub(super) const OUTPUTS: [&str; 3] = ["chat", "mail", "stream"];

/// What does not change from start to start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) journal: journal::Options,
    pub(super) snapshot_records: u64,
    pub(super) backlog_records_max: usize,
    pub(super) queue_max: usize,
    pub(super) concurrency: usize,
    pub(super) retry: Retry,
    pub(super) send: Send,
    configs: Vec<Value>,
}

impl Plan {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let segment_bytes = 32 << 10;
        let concurrency = chance.within(1..=3) as usize;
        let rate = chance.percent(25).then_some(Rate { per_second: 0.5, burst: 2 });
        let retry = Retry {
            delay_min: HumanDuration(Duration::from_secs(1)),
            delay_max: HumanDuration(Duration::from_secs(40)),
            give_up_after: HumanDuration(Duration::from_secs(chance.one_of([120, 3600, 86_400]))),
            failures_max: chance.within(1..=5) as u32,
            retry_after_max: HumanDuration(Duration::from_secs(60)),
        };
        let send =
            Send { concurrency, attempt_timeout: HumanDuration(Duration::from_secs(10)), rate };
        Self {
            journal: journal::Options {
                segment_bytes,
                bytes_max: segment_bytes * chance.within(3..=20),
                ..journal::Options::default()
            }
            .reserve_percent(10),
            snapshot_records: chance.one_of([12, 40, 1000]),
            backlog_records_max: chance.one_of([1, 8, 1000]),
            queue_max: chance.within(1..=8) as usize,
            concurrency,
            retry,
            send,
            configs: configs(chance),
        }
    }

    /// Returns one of the configurations a person may have written.
    pub(super) fn pipeline(&self, chance: &mut Chance) -> PipelineConfig {
        let config = &self.configs[chance.below(self.configs.len() as u64) as usize];
        serde_json::from_value(config.clone()).expect("a configuration")
    }

    pub(super) fn core(&self, machine: &Shared) -> core::Options {
        core::Options {
            data: PathBuf::from("/data"),
            snapshot_records: self.snapshot_records,
            snapshot_interval: Duration::from_secs(60),
            check_interval: Duration::from_millis(1),
            backlog_records_max: self.backlog_records_max,
            decisions: journal::Options {
                segment_bytes: 16 << 10,
                bytes_max: 64 << 10,
                sync: Sync::None,
                ..journal::Options::default()
            },
            machine: Arc::new(machine.clone()),
        }
    }

    /// Makes the outputs of a configuration.
    pub(super) fn outputs(
        &self,
        names: &[String],
        machine: &Arc<SimMachine>,
        outside: &Arc<Outside>,
    ) -> BTreeMap<String, Settings> {
        let make = |name: &String| {
            let (machine, outside) = (Arc::clone(machine), Arc::clone(outside));
            let output = Arc::new(Destination { machine, outside });
            let engine = templates::Engine::new(&[], &[]).expect("no templates");
            let queue = QueueLimits { notifications_max: self.queue_max, ..QueueLimits::default() };
            let settings = Settings::new("simulated", output, engine, self.send);
            (name.clone(), settings.queue(queue).retry(self.retry))
        };
        names.iter().map(make).collect()
    }
}

/// Every route's interval is 30 seconds or more: the simulation checks that.
fn configs(chance: &mut Chance) -> Vec<Value> {
    let limits = json!({
        "findings_max": chance.within(3..=40), "groups_max": chance.within(2..=30),
        "pending_max": chance.one_of([2, 6, 100]), "dead_letters_max": chance.within(1..=8),
        "seen_alerts_max": 4000, "silences_max": 10,
    });
    let (source, target) = INHIBITION;
    let inhibitions = json!([{
        "name": "follows", "source": format!("rule = {source}"),
        "target": format!("rule = {target}"), "equal": ["k8s.ns.name"],
    }]);
    let storm = json!({"by": ["hostname"], "begin": chance.one_of([8, 25]), "within": "1m",
        "end": 3, "calm": "1m", "interval": "30s"});
    vec![
        json!({"outputs": OUTPUTS, "limits": limits, "inhibitions": inhibitions, "routes": [
            {"name": "all", "group_interval": "30s", "repeat_interval": "2m", "quiet": "90s"},
        ]}),
        json!({"outputs": OUTPUTS, "limits": limits, "outputs_updated_in_place": ["chat"],
            "storm": storm, "routes": [
            {"name": "loud", "match": "priority >= critical", "outputs": ["chat", "mail"],
             "continue": true, "notify_close": true, "group_interval": "30s", "quiet": "2m"},
            {"name": "rest", "group_by": ["k8s.ns.name"], "outputs": ["chat", "stream"],
             "group_wait": "10s", "group_interval": "45s", "repeat_interval": "1m", "quiet": "1m"},
        ]}),
        json!({"outputs": [OUTPUTS[0], OUTPUTS[2]], "limits": limits, "storm": storm,
            "inhibitions": inhibitions, "routes": [
            {"name": "debug", "match": "priority = debug", "outputs": []},
            {"name": "single", "group_by": ["fingerprint"], "group_interval": "1m",
             "quiet": "3m", "notify_close": true},
        ]}),
    ]
}
