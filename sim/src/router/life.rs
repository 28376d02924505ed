//! One life of the router's process, put together as `router::start` does it, without sockets and
//! threads.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alert::{Notification, NotificationId};
use jiff::Timestamp;
use journal::{Cursor, Journal, OpenError as JournalError};
use prometheus::Registry;
use router::{
    core::{self, Core, Handle, OpenError, Sink},
    dispatch::{BreakerState, Dispatcher},
    ingest::{self, Ingest, IngestConfig, Stamp},
    live::Live,
    machine::Machine,
    metrics::{CoreMetrics, DispatchMetrics},
    pipeline::Decision,
    record::Record,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    World,
    machine::Shared,
    observer::Observer,
    outside::{Event, Outside},
    plan::Plan,
};

const JOURNAL: &str = "/data/journal";
/// Ends that may be on their way to the journal, per output.
const SETTLING_MAX: usize = 64;

pub(super) struct Life {
    pub(super) journal: Journal,
    pub(super) door: axum::Router,
    pub(super) core: JoinHandle<()>,
    /// Keeps records until the observer has read them, as that of a responder would.
    pub(super) cursor: Cursor,
    machine: Shared,
    handle: Handle,
    dispatcher: Arc<Dispatcher>,
    registry: Registry,
    stop: CancellationToken,
}

/// Notes what the pipeline hands over, and hands it on.
struct Tap {
    dispatcher: Arc<Dispatcher>,
    outside: Arc<Outside>,
}

impl Sink for Tap {
    fn notify(&self, notification: Arc<Notification>) {
        self.outside.note(Event::Handed {
            output: notification.output.clone(),
            id: notification.id,
            group: notification.group,
            number: notification.sequence,
            priority: notification.priority,
        });
        self.dispatcher.notify(notification);
    }

    fn withdraw(&self, output: &str, id: NotificationId) {
        self.outside.note(Event::Withdrawn { output: output.to_owned(), id });
        self.dispatcher.withdraw(output, id);
    }
}

impl Life {
    /// Starts a router; `None` when the disk does not let it.
    pub(super) async fn start(world: &mut World) -> Option<Self> {
        let machine = Shared(Arc::clone(&world.machine));
        let journal = match machine.open_journal(Path::new(JOURNAL), world.plan.journal.clone()) {
            Ok((journal, recovery)) => {
                world.say(format_args!("started, {recovery:?}"));
                journal
            }
            Err(JournalError::Io { source, .. }) => {
                world.say(format_args!("does not start: {source}"));
                world.count("starts that failed");
                return None;
            }
            Err(error) => panic!("the journal is refused: {error}"),
        };
        let Ok(cursor) = journal.cursor("observer") else {
            world.say(format_args!("does not start: no cursor"));
            world.count("starts that failed");
            return None;
        };
        let said = world.observer.opened(&journal);
        world.compare(said);
        world.receipts.begin(&world.observer);
        let registry = Registry::new();
        let stop = CancellationToken::new();
        let (core, handle) = match Self::open(world, &machine, &journal, &registry, &stop).await {
            Ok(opened) => opened,
            Err(error) => {
                world.say(format_args!("does not start: {error}"));
                world.count("starts that failed");
                return None;
            }
        };
        let metrics = DispatchMetrics::register(&registry).expect("metrics");
        let dispatcher = Arc::new(Dispatcher::new(handle.clone(), metrics));
        dispatcher.add(world.plan.outputs(&core.config().outputs, &world.machine, &world.outside));
        let tap = Tap { dispatcher: Arc::clone(&dispatcher), outside: Arc::clone(&world.outside) };
        let core = tokio::spawn(async move { core.run(&tap).await });
        let stamp = Stamp::on(Arc::new(machine.clone()));
        let ingest =
            Ingest::new(handle.appender().clone(), IngestConfig::default(), stamp, &registry);
        let door = ingest::routes(Arc::new(ingest.expect("metrics")));
        Some(Self { journal, door, core, cursor, machine, handle, dispatcher, registry, stop })
    }

    /// Comes to the state the journal describes. Panics when the files are refused: only a disk that
    /// fails or is full may keep the router from starting.
    async fn open(
        world: &mut World,
        machine: &Shared,
        journal: &Journal,
        registry: &Registry,
        stop: &CancellationToken,
    ) -> Result<(Core, Handle), OpenError> {
        let metrics = CoreMetrics::register(registry).expect("metrics");
        let options = world.plan.core(machine);
        let opened = core::open(journal.clone(), options, Live::new(), metrics, stop.clone()).await;
        let refused = |error: &OpenError| match error {
            OpenError::Decisions(error) => !matches!(error, JournalError::Io { .. }),
            OpenError::Snapshot(error) => !error.to_string().starts_with("failed to"),
            OpenError::Restore { .. }
            | OpenError::NoSnapshot { .. }
            | OpenError::SnapshotAhead { .. } => true,
            _ => false,
        };
        let (mut core, handle) = opened.inspect_err(|error| {
            assert!(!refused(error), "the files are refused: {error:?}");
        })?;
        core.configure(world.plan.pipeline(&mut world.chance)).await?;
        Ok((core, handle))
    }

    /// Returns what the clock shows.
    pub(super) fn now(&self) -> Timestamp {
        self.machine.now()
    }

    /// Returns what speaks to the core.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Asks for a dead letter again; nobody waits for the answer.
    pub(super) fn replay(&self, notification: NotificationId) {
        let handle = self.handle.clone();
        let at: Timestamp = self.machine.now();
        let record = Record::Replayed { at, notification, by: "ann".to_owned(), to: None };
        tokio::spawn(async move {
            handle.submit(&record).await.ok();
        });
    }

    /// Everything is within its bounds. Returns what is worth counting.
    pub(super) fn check_bounds(&self, plan: &Plan, observer: &Observer) -> Vec<&'static str> {
        let mut worth_counting = Vec::new();
        for output in self.dispatcher.status() {
            if output.breaker == BreakerState::Disabled {
                worth_counting.push("looks at a disabled output");
            }
            // What was under way comes back to its place, also into a queue that filled meanwhile.
            assert!(output.queued <= plan.queue_max + plan.concurrency, "{output:?}");
            assert!(output.under_way <= plan.concurrency + SETTLING_MAX, "{output:?}");
        }
        let stat = self.journal.stat();
        assert!(stat.bytes <= stat.bytes_max, "{stat:?}");
        let (counts, limits) = (observer.shadow.counts(), &observer.shadow.config().limits);
        assert!(counts.findings <= limits.findings_max as u64, "{counts:?}");
        assert!(counts.groups <= limits.groups_max as u64, "{counts:?}");
        assert!(counts.pending <= limits.pending_max as u64, "{counts:?}");
        assert!(counts.dead_letters <= limits.dead_letters_max as u64, "{counts:?}");
        assert!(counts.timers <= 2 * counts.groups + 2 * counts.findings + 40, "{counts:?}");
        let checks = self.state_checks();
        assert_eq!(checks.get("differs"), Some(&0), "a replay comes to another state");
        if checks.get("same").is_some_and(|same| *same > 0) {
            worth_counting.push("looks after a snapshot was checked");
        }
        worth_counting
    }

    /// Returns how the router's own checks of its state ended.
    fn state_checks(&self) -> BTreeMap<String, u64> {
        let families = self.registry.gather();
        let checks =
            families.iter().filter(|family| family.name() == "saker_core_state_checks_total");
        let ends = checks.flat_map(|family| family.get_metric()).map(|metric| {
            let end = metric.get_label().first().map(|label| label.value().to_owned());
            (end.unwrap_or_default(), metric.get_counter().get_value() as u64)
        });
        ends.collect()
    }

    /// The log that `explain` reads says what was decided, each decision once, in their order; some
    /// may be missing, as it is not synced and its disk may be full.
    pub(super) fn check_log(&self, observer: &Observer) {
        let log = self.handle.decisions();
        let Ok(mut reader) = log.read(log.range().start) else { return };
        let mut decided = observer.decisions.iter();
        while let Ok(Some(bytes)) = reader.next_bytes() {
            let decision: Decision = serde_json::from_slice(&bytes).expect("a decision");
            if decision.sequence >= observer.position() {
                break;
            }
            assert!(decided.any(|known| *known == decision), "nobody decided {decision:?}");
        }
    }

    /// The state is a function of the journal's records: what was restored and gone on with is what
    /// a pipeline comes to that saw them all.
    pub(super) async fn check_state(&self, observer: &Observer) {
        let asked = self.handle.ask(|state| {
            let mut bytes = Vec::new();
            state.pipeline.snapshot(&mut bytes);
            (state.position, bytes)
        });
        let Ok((position, state)) = asked.await else { return };
        if position == observer.position() && !self.machine.0.disk.is_off() {
            let text = |bytes| String::from_utf8(bytes).expect("text");
            assert_eq!(text(state), text(observer.state()), "another state at {position}");
        }
    }

    /// Stops in order: deliveries, then the core, then the journal.
    pub(super) async fn stop(&mut self, world: &mut World) {
        let bound = Duration::from_secs(20);
        let unfinished = self.dispatcher.drain(bound).await;
        world.say(format_args!("drained, save {unfinished:?}"));
        world.observe_outside();
        self.stop.cancel();
        (&mut self.core).await.expect("the core ends in order");
        self.journal.clone().close();
        // The writers of the journals end.
        world.machine.time.sleep(Duration::from_secs(10)).await;
        world.observe_outside();
        if world.machine.disk.is_off() {
            return;
        }
        let said = world.observer.follow(&self.journal);
        world.compare(said);
        world.say(format_args!("stopped"));
        world.count("orderly stops");
    }
}
