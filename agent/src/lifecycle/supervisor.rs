//! The thread that looks after the others: rates, metrics, alerts about the agent, changed rules.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alert::EventKind;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use rules::{KernelFilter, RuleSet};
use service::ErrorChain;
use tracing::warn;

use super::{
    Command, Shared, locked,
    watch::{Watch, Work},
};
use crate::{
    AgentConfig,
    metrics::Metrics,
    sensor::KindCounters,
    status::{KindRates, Rate},
};

const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Source {
    Kernel(Watch, Box<AgentConfig>),
    Recording(JoinHandle<()>),
    Gone,
}

/// The thread that looks after the others, once a second and when told to.
pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) work: Arc<Mutex<Work>>,
    pub(super) source: Source,
    pub(super) inbox: Receiver<Command>,
    pub(super) metrics: Metrics,
    /// The rules whose costs were published last.
    pub(super) counted: Option<Arc<RuleSet>>,
    /// The rules whose kernel filter was made last, and it.
    pub(super) compiled: Option<(Arc<RuleSet>, Arc<KernelFilter>)>,
}

impl Supervisor {
    pub(super) fn run(mut self) {
        loop {
            match self.inbox.recv_timeout(TICK) {
                Ok(Command::Reload) => self.reload(),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.shared.finished.cancel();
        match std::mem::replace(&mut self.source, Source::Gone) {
            Source::Kernel(watch, _) => watch.stop(&self.shared),
            Source::Recording(thread) => drop(thread.join()),
            Source::Gone => {}
        }
        self.tick();
        locked(&self.work).end_recording();
        let around = locked(&self.work).around.take();
        if let Some(around) = around {
            around.stop();
        }
    }

    fn tick(&mut self) {
        let now = service::clock::now();
        let lost = self.shared.counted(|counters| counters.lost);
        let limited = self.shared.counted(|counters| counters.limited);
        let refused = self.shared.uplink.as_ref().map_or(0, |(gauge, _)| gauge.refused());
        {
            let mut work = locked(&self.work);
            let Work { detector, sinks, .. } = &mut *work;
            detector.tick(now, &lost, refused, sinks);
            detector.limited(now, &limited, || self.shared.noisy(), sinks);
        }
        self.tend_filter();
        self.shared.look_for_files(None);
        self.measure();
        self.metrics.update(&self.shared.status(), &self.shared.counts);
        let rules = self.shared.rules.current().load_full();
        let changed = self.counted.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &rules));
        self.metrics.update_names(&self.shared.resolver.totals());
        self.metrics.update_rules(&rules.costs(), changed);
        self.counted = Some(rules);
    }

    fn measure(&self) {
        let mut rates = locked(&self.shared.rates);
        let seconds = rates.since.elapsed().as_secs_f64();
        if seconds < TICK.as_secs_f64() / 2.0 {
            return;
        }
        let next = |rate: Rate, total: u64| Rate {
            total,
            per_second: total.saturating_sub(rate.total) as f64 / seconds,
        };
        rates.events = next(rates.events, self.shared.counts.events.load(Ordering::Relaxed));
        rates.alerts = next(rates.alerts, self.shared.counts.alerts_total());
        rates.kinds = self.kind_rates(&rates.kinds, seconds);
        rates.since = Instant::now();
    }

    fn kind_rates(
        &self,
        before: &[(EventKind, KindCounters, KindRates)],
        seconds: f64,
    ) -> Vec<(EventKind, KindCounters, KindRates)> {
        let status = locked(&self.shared.sensor).status.clone();
        let counters = status.iter().flat_map(|status| status.counters());
        let rates = counters.map(|(kind, now)| {
            let before = before.iter().find(|(known, ..)| *known == kind);
            let before = before.map_or(now, |(_, before, _)| *before);
            (kind, now, KindRates::between(&before, &now, seconds))
        });
        rates.collect()
    }

    /// Keeps the kernel's filter to the rules in force; a recording is for rules yet to be written.
    fn tend_filter(&mut self) {
        let Source::Kernel(_, config) = &self.source else { return };
        if !config.sensor.filter || locked(&self.work).recorder.is_some() {
            return self.shared.put_filter(None);
        }
        let rules = self.shared.rules.current().load_full();
        let filter = match &self.compiled {
            Some((of, filter)) if Arc::ptr_eq(of, &rules) => Arc::clone(filter),
            _ => rules.kernel_filter(),
        };
        self.compiled = Some((rules, Arc::clone(&filter)));
        self.shared.put_filter(Some(filter));
    }

    /// Puts changed rules in force: what they need is watched first, what only those before needed is
    /// let go last, and the sensor goes on meanwhile. Rules that cannot be watched are not taken.
    fn reload(&mut self) {
        // What only the new rules want is let through before they can miss it; the next tick ends that.
        self.shared.put_filter(None);
        let Some(loaded) = self.shared.rules.read_again() else { return };
        let rules = Arc::clone(loaded.rules());
        let Source::Kernel(watch, _) = &self.source else {
            return self.shared.rules.put(loaded);
        };
        if let Err(error) = watch.add(&self.shared, &rules, &self.work) {
            return self.shared.rules.refuse(&error);
        }
        let needed = rules.requirements();
        self.shared.resolver.want(needed.address_names);
        self.shared.look_for_files(Some(needed.files));
        {
            // No event is judged by the one and acted on by the other.
            let _work = locked(&self.work);
            self.shared.rules.put(loaded);
            if let Some(enforcer) = &self.shared.enforcer {
                enforcer.replan(&rules);
            }
        }
        if let Err(error) = watch.keep(&rules, &self.work) {
            warn!(error = %ErrorChain(&error), "more is watched than the rules need");
        }
    }
}
