//! The core's thread.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use alert::Alert;
use journal::{AppendError, Journal, ReadError, Reader};
use service::ErrorChain;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Appender, DecisionLog, OpenError, Options, Sink, ahead::CoreEnd, applied::Applied,
    decisions::DecisionWriter, handle::Question, snapshot, snapshots::Snapshots, tick::Tick,
};
use crate::{
    live::{Live, Tail},
    metrics::CoreMetrics,
    pipeline::{Decision, DecisionKind, Effect, Pipeline, PipelineConfig},
    record::Record,
};

/// Name of the journal cursor that keeps what the snapshots need.
pub(crate) const CURSOR: &str = "pipeline";
/// Records applied before questions are answered again. With fewer, a flood that is delivered has ever more
/// records wait behind its questions, and what is urgent among them.
const TURN_RECORDS_MAX: usize = 512;
/// Questions answered between two turns of records.
const TURN_QUESTIONS_MAX: usize = 16;
/// Records whose decisions are kept for whoever submitted them.
const ANSWERS_MAX: usize = 1024;
/// Longest sleep before the wall clock is read again: somebody may set it.
const CLOCK_CHECK: Duration = Duration::from_secs(5);

/// What questions are asked about.
#[derive(Debug)]
pub struct State {
    pub pipeline: Pipeline,
    /// Sequence of the next record to apply.
    pub position: u64,
    answers: VecDeque<(u64, Vec<Decision>)>,
}

impl State {
    /// Returns what was decided because of a record, if it was not long ago.
    pub(crate) fn answer(&self, sequence: u64) -> Vec<Decision> {
        let found = self.answers.binary_search_by_key(&sequence, |(sequence, _)| *sequence);
        found.map_or_else(|_| Vec::new(), |index| self.answers[index].1.clone())
    }
}

/// The pipeline and everything its thread owns.
#[derive(Debug)]
pub struct Core {
    state: State,
    appender: Appender,
    handed: CoreEnd,
    /// None while what is applied was handed over: it would keep files that are deleted.
    reader: Option<Reader>,
    decisions: DecisionWriter,
    options: Options,
    live: Live,
    metrics: Arc<CoreMetrics>,
    stop: CancellationToken,
    asked: mpsc::Receiver<Question>,
    applied: Applied,
    effects: Vec<Effect>,
    snapshots: Snapshots,
}

/// A started core.
#[derive(Debug)]
pub struct Started {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Started {
    /// Waits until the thread has ended: it was told to stop, or it cannot go on.
    pub async fn ended(self) {
        // An error says that the thread panicked.
        self.ended.await.ok();
        if self.thread.join().is_err() {
            error!("the core's thread panicked");
        }
    }
}

impl Core {
    pub(super) async fn restore(
        (appender, handed): (Appender, CoreEnd),
        options: Options,
        live: Live,
        metrics: Arc<CoreMetrics>,
        stop: CancellationToken,
        asked: mpsc::Receiver<Question>,
        applied: Applied,
    ) -> Result<Self, OpenError> {
        let journal = appender.journal();
        let cursor = journal.cursor(CURSOR)?;
        let decisions = DecisionWriter::open(&options)?;
        let (pipeline, sequence) =
            snapshot::restore(journal, &*options.machine.disk(), &options.data)?;
        let snapshots = Snapshots::new(options.clone(), Arc::clone(&metrics), cursor, sequence);
        let state = State { pipeline, position: sequence, answers: VecDeque::new() };
        let effects = Vec::new();
        let mut core = Self {
            state,
            appender,
            handed,
            reader: None,
            decisions,
            options,
            live,
            metrics,
            stop,
            asked,
            applied,
            effects,
            snapshots,
        };
        let until = core.journal().durable();
        while core.state.position < until {
            core.apply_turn(None).await?;
        }
        info!(snapshot = sequence, replayed = until - sequence, "restored the router's state");
        Ok(core)
    }

    fn journal(&self) -> &Journal {
        self.appender.journal()
    }

    pub(super) fn decision_log(&self) -> DecisionLog {
        self.decisions.log()
    }

    /// Returns the configuration the journal last held.
    pub fn config(&self) -> &PipelineConfig {
        self.state.pipeline.config()
    }

    /// Puts a configuration in force, if it is another than the one that is.
    pub async fn configure(&mut self, config: PipelineConfig) -> Result<(), OpenError> {
        if *self.config() == config {
            return Ok(());
        }
        let at = self.options.machine.now();
        let record = Record::Configured { at, config: Box::new(config) };
        let records: Arc<[Record]> = Arc::new([record]);
        let mut appended = self.appender.append(Arc::clone(&records), true, None).await;
        if let Err(AppendError::Full) = appended {
            self.snapshots.take(&self.state.pipeline, self.state.position, true);
            appended = self.appender.append(records, true, None).await;
        }
        let sequences = appended?;
        while self.state.position < sequences.end {
            self.apply_turn(None).await?;
        }
        Ok(())
    }

    /// Hands on what is still to be delivered, and from then on what follows from new records.
    pub fn start(self, sink: Arc<dyn Sink>) -> std::io::Result<Started> {
        let (ending, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new().name("core".to_owned()).spawn(move || {
            // Dropped when the thread ends, however it does.
            let _ending = ending;
            // The thread has nobody to yield to.
            runtime.block_on(tokio::task::unconstrained(self.run(&*sink)));
        })?;
        Ok(Started { thread, ended })
    }

    /// Does what [`Self::start`] has a thread do; returns when it was told to stop, or cannot go on.
    pub async fn run(mut self, sink: &dyn Sink) {
        for effect in self.state.pipeline.pending() {
            act(effect, sink);
        }
        if let Err(error) = self.serve(sink).await {
            let position = self.state.position;
            error!(position, error = %ErrorChain(&error), "cannot read the journal: stopping");
            return;
        }
        self.snapshots.finish(&self.state.pipeline, self.state.position).await;
    }

    async fn serve(&mut self, sink: &dyn Sink) -> Result<(), ReadError> {
        let stop = self.stop.clone();
        let mut durable = self.journal().watch();
        let mut tick = Tick::Idle;
        while !stop.is_cancelled() {
            self.apply_turn(Some(sink)).await?;
            self.answer_some();
            let State { pipeline, position, .. } = &self.state;
            self.snapshots.take_if_due(pipeline, *position, self.appender.journal());
            if *durable.borrow_and_update() > self.state.position {
                continue;
            }
            let due = self.due();
            if due.is_zero() && matches!(tick, Tick::Idle) {
                tick = Tick::append(self.appender.clone(), Arc::clone(&self.options.machine));
            }
            // A due tick is on its way and wakes the thread as a record.
            let wait = if due.is_zero() { CLOCK_CHECK } else { due.min(CLOCK_CHECK) };
            // Whichever comes first, all is looked at again: the order says nothing.
            tokio::select! {
                biased;
                () = tick.done(), if !matches!(tick, Tick::Idle) => tick = Tick::Idle,
                () = stop.cancelled() => {}
                Some(question) = self.asked.recv() => question(&self.state),
                // The journal cannot close before its last handle, which is ours, goes.
                _ = durable.changed() => {}
                () = self.options.machine.sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// Applies the next records there are, up to a bound. Without a sink it is a replay.
    async fn apply_turn(&mut self, sink: Option<&dyn Sink>) -> Result<(), ReadError> {
        let started = self.options.machine.instant();
        let mut count = 0;
        let durable = self.journal().durable();
        while count < TURN_RECORDS_MAX && self.state.position < durable {
            let sequence = self.state.position;
            match self.handed.next(sequence, durable) {
                Some(fresh) => {
                    self.reader = None;
                    self.apply(sequence, fresh.as_ref(), sink);
                }
                None if self.apply_read(sequence, sink)? => {}
                None => break,
            }
            self.state.position = sequence + 1;
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        if let Err((lost, error)) = self.decisions.flush().await {
            self.metrics.decisions_lost.inc_by(lost as u64);
            warn!(lost, %error, "failed to write decisions down; alerts are not affected");
        }
        self.metrics.turn(count, self.options.machine.instant() - started);
        self.handed.applied(self.state.position);
        self.applied.advance(self.state.position);
        Ok(())
    }

    /// Applies a record that the journal has to be asked for; returns whether it has it.
    fn apply_read(&mut self, sequence: u64, sink: Option<&dyn Sink>) -> Result<bool, ReadError> {
        let reader = match self.reader.take() {
            Some(reader) if reader.position() == sequence => reader,
            _ => self.journal().read(sequence)?,
        };
        let Some((_, bytes)) = self.reader.insert(reader).next()? else { return Ok(false) };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) => self.apply(sequence, &record, sink),
            Err(error) => {
                self.metrics.unreadable_records.inc();
                error!(sequence, %error, "a journal record is unreadable; it is passed over");
            }
        }
        Ok(true)
    }

    fn apply(&mut self, sequence: u64, record: &Record, sink: Option<&dyn Sink>) {
        self.state.pipeline.apply(sequence, record, &mut self.effects);
        let submitted = !matches!(record, Record::Alert(_) | Record::Tick { .. });
        let mut answer = Vec::new();
        let mut alert = match record {
            Record::Alert(alert) if sink.is_some() && self.live.watched() => Some(alert),
            _ => None,
        };
        for effect in self.effects.drain(..) {
            let Effect::Decided(decision) = effect else {
                if let Some(sink) = sink {
                    act(effect, sink);
                }
                continue;
            };
            if self.decisions.note(&decision) {
                self.metrics.decided(&decision);
            }
            if submitted && sink.is_some() {
                answer.push(decision);
            } else if matches!(decision.kind, DecisionKind::Alert(_))
                && let Some(alert) = alert.take()
            {
                self.live.show(Tail { alert: Alert::clone(alert), decision });
            }
        }
        if !answer.is_empty() {
            self.state.answers.push_back((sequence, answer));
            if self.state.answers.len() > ANSWERS_MAX {
                self.state.answers.pop_front();
            }
        }
    }

    fn answer_some(&mut self) {
        for _ in 0..TURN_QUESTIONS_MAX {
            let Ok(question) = self.asked.try_recv() else { return };
            question(&self.state);
        }
    }

    /// Returns how long until the pipeline wants to know the time; zero if it does now.
    fn due(&self) -> Duration {
        let Some(deadline) = self.state.pipeline.deadline() else { return Duration::MAX };
        let wait = deadline.duration_since(self.options.machine.now());
        Duration::try_from(wait).unwrap_or(Duration::ZERO)
    }
}

fn act(effect: Effect, sink: &dyn Sink) {
    match effect {
        Effect::Notify(notification) => sink.notify(notification),
        Effect::Withdraw { notification, output } => sink.withdraw(&output, notification),
        Effect::Decided(_) => {}
    }
}
