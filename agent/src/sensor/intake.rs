//! Makes finished events of records: those of a container that is not known yet wait here.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use alert::{Event, EventKind, Missing, Process};

use super::{
    HoldEnd, SensorStatus, known::Names, needs::Shared, observer::Outcome, probe_kind,
    ring::boot_ns,
};
use crate::{
    decode::Decoder,
    enrich::{container::Word, hold::Hold, processes::Processes},
};

/// The way from a record to an event with all that is known about it.
pub(super) struct Intake {
    pub(super) decoder: Decoder,
    pub(super) hold: Hold,
    pub(super) status: Arc<SensorStatus>,
    pub(super) needs: Arc<Shared>,
}

impl Intake {
    /// Takes a record in; its event is reported now or by a later [`release`](Self::release). Returns
    /// what came of it now.
    pub(super) fn take(
        &mut self,
        record: &[u8],
        on_event: &mut dyn FnMut(Event) -> Outcome,
    ) -> Outcome {
        let decoded = self.decoder.decode(record);
        self.tell(&mut |event| _ = on_event(event));
        match decoded {
            Ok(Some(event)) if self.is_wanted(event.kind) => return self.report(event, on_event),
            Ok(_) => {}
            Err(error) => {
                if self.status.malformed.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, bytes = record.len(), "a record cannot be read");
                }
            }
        }
        Outcome::Open
    }

    /// Leaves out a record whose event comes to nothing.
    pub(super) fn pass_over(&mut self) {
        self.decoder.pass_over();
    }

    /// Returns by which names files are told now.
    pub(super) fn file_names(&self) -> Arc<Names> {
        self.decoder.files().current()
    }

    /// Reports containers that came or went.
    fn tell(&mut self, on_event: &mut dyn FnMut(Event)) {
        while let Some(event) = self.decoder.notice(boot_ns) {
            self.status.told.count(event.kind);
            on_event(event);
        }
    }

    fn is_wanted(&self, kind: EventKind) -> bool {
        probe_kind(kind).is_some_and(|kind| self.needs.reports(kind))
    }

    /// Lets go of all that wait.
    pub(super) fn end(&mut self, on_event: &mut dyn FnMut(Event)) {
        while let Some(key) = self.hold.due(None) {
            self.give_up(&key, Missing::Timeout, on_event);
        }
    }

    /// Returns when the next wait ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.hold.deadline()
    }

    pub(super) fn held(&self) -> usize {
        self.hold.len()
    }

    pub(super) fn processes(&self) -> &Processes {
        self.decoder.processes()
    }

    pub(super) fn processes_mut(&mut self) -> &mut Processes {
        self.decoder.processes_mut()
    }

    /// Lets go of the events whose container is known now, and of those that waited too long.
    pub(super) fn release(&mut self, on_event: &mut dyn FnMut(Event)) {
        self.tell(on_event);
        while let Some(answer) = self.decoder.processes().containers().answer() {
            let key = answer.key.clone();
            let end = match answer.result {
                Ok(_) => HoldEnd::Enriched,
                Err(_) => HoldEnd::Timeout,
            };
            let word = self.decoder.processes_mut().learn(answer);
            self.tell(on_event);
            self.hand_out(&key, word.as_ref(), end, on_event);
        }
        if self.hold.len() > 0 {
            let now = Instant::now();
            while let Some(key) = self.hold.due(Some(now)) {
                self.give_up(&key, Missing::Timeout, on_event);
            }
        }
    }

    fn give_up(&mut self, key: &str, reason: Missing, on_event: &mut dyn FnMut(Event)) {
        let end = match reason {
            Missing::HoldFull => HoldEnd::Full,
            _ => HoldEnd::Timeout,
        };
        let word = self.decoder.processes_mut().give_up(key, reason);
        self.tell(on_event);
        self.hand_out(key, word.as_ref(), end, on_event);
    }

    /// Reports the events that wait for a container, with what is known of it now.
    fn hand_out(
        &mut self,
        key: &str,
        word: Option<&Word>,
        end: HoldEnd,
        on_event: &mut dyn FnMut(Event),
    ) {
        let mut last: Option<(Arc<Process>, Arc<Process>)> = None;
        for mut event in self.hold.take(key) {
            if let Some(word) = word {
                let process = match last.take() {
                    // Several events of one process go on sharing it.
                    Some((before, after)) if Arc::ptr_eq(&before, &event.process) => after,
                    _ => {
                        let mut process = Process::clone(&event.process);
                        process.container = word.container.clone();
                        Arc::new(process)
                    }
                };
                let before = std::mem::replace(&mut event.process, Arc::clone(&process));
                last = Some((before, process));
            }
            self.status.hold_ends[end as usize].fetch_add(1, Ordering::Relaxed);
            on_event(event);
        }
    }

    /// Reports an event now, or once its container is known.
    fn report(&mut self, event: Event, on_event: &mut dyn FnMut(Event) -> Outcome) -> Outcome {
        let containers = self.decoder.processes().containers();
        if !containers.awaits(event.process.container.as_ref()) {
            return on_event(event);
        }
        let key = event.process.container.as_ref().map(|container| container.key().into_owned());
        let key = key.unwrap_or_default();
        if let Err(event) = self.hold.push(Instant::now(), &key, event) {
            // Those of this container that wait go first: order is kept.
            self.give_up(&key, Missing::HoldFull, &mut |event| _ = on_event(event));
            let mut event = *event;
            if let Some(word) = self.decoder.processes().containers().known(&key) {
                Arc::make_mut(&mut event.process).container = word.container;
            }
            self.status.hold_ends[HoldEnd::Full as usize].fetch_add(1, Ordering::Relaxed);
            on_event(event);
        }
        Outcome::Open
    }
}
