//! What happens as maintenance windows come, open, close and go.

use alert::Alert;
use rules::Subject;

use super::{
    DecisionKind, Effect, Pipeline, Reason,
    timer::Timer,
    window::{self, Entry, Window, WindowEffect, WindowView, Windows},
};

impl Pipeline {
    /// Takes the windows of a configuration over.
    pub(super) fn take_over_windows(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let windows = self.config.windows.clone();
        let configured = self.windows.all().filter(|entry| entry.configured);
        let gone = configured.map(|entry| entry.window.name.clone());
        let gone: Vec<String> =
            gone.filter(|name| windows.iter().all(|window| window.name != *name)).collect();
        for name in gone {
            self.remove_window(sequence, &name, Some("configuration"), effects);
        }
        for window in windows {
            let known = self.windows.get(&window.name);
            if known.is_none_or(|entry| entry.window != window || !entry.configured) {
                self.add_window(sequence, window, "configuration", true, effects);
            }
        }
    }

    /// Adds a window, or says why not.
    pub(super) fn add_window(
        &mut self,
        sequence: u64,
        window: Window,
        by: &str,
        configured: bool,
        effects: &mut Vec<Effect>,
    ) {
        let (name, by) = (window.name.clone(), by.to_owned());
        let known = self.windows.get(&name);
        let reason = match window.check() {
            Err(reason) => Some(reason),
            Ok(()) if known.is_some_and(|entry| entry.configured) && !configured => {
                Some("a window of the configuration has this name".to_owned())
            }
            Ok(()) if known.is_none() && self.windows.len() >= window::WINDOWS_MAX => {
                Some(format!("there are {} windows already", window::WINDOWS_MAX))
            }
            Ok(()) => None,
        };
        if let Some(reason) = reason {
            let refused = DecisionKind::WindowRefused { window: name, by, reason };
            self.decide(sequence, refused, effects);
            return;
        }
        self.unschedule_window(&name);
        self.windows.add(window, configured, self.wall());
        let added = DecisionKind::WindowAdded { window: name.clone(), by };
        self.decide(sequence, added, effects);
        self.turn_window(sequence, &name, effects);
        // It may have taken the place of one that hid more.
        self.reconsider(&Reason::Window(name.as_str().into()));
    }

    /// Removes a window; nothing happens when it is not there.
    pub(super) fn remove_window(
        &mut self,
        sequence: u64,
        name: &str,
        by: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        self.unschedule_window(name);
        let Some(entry) = self.windows.remove(name) else { return };
        let (window, by) = (name.to_owned(), by.map(str::to_owned));
        self.reconsider(&Reason::Window(name.into()));
        let removed = DecisionKind::WindowRemoved { window, hits: entry.hits, by };
        self.decide(sequence, removed, effects);
    }

    /// Notes that a window opened or closed, if it did, and waits for the next time. One that was
    /// added by a person and will not open again goes.
    pub(super) fn turn_window(&mut self, sequence: u64, name: &str, effects: &mut Vec<Effect>) {
        let Some(entry) = self.windows.get_mut(name) else { return };
        let (is_open, changes) = (entry.is_open(), entry.changes());
        let was_open = std::mem::replace(&mut entry.was_open, is_open);
        let (hits, configured) = (entry.hits, entry.configured);
        entry.timer = Windows::deadline(entry, &self.clock);
        if let Some(at) = entry.timer {
            self.timers.set(at, Timer::Window(name.into()));
        }
        let window = name.to_owned();
        if is_open != was_open {
            let turned = match is_open {
                true => DecisionKind::WindowOpened { window, until: changes },
                false => DecisionKind::WindowClosed { window, hits },
            };
            self.decide(sequence, turned, effects);
        }
        if !is_open {
            self.reconsider(&Reason::Window(name.into()));
        }
        if !is_open && changes.is_none() && !configured {
            self.remove_window(sequence, name, None, effects);
        }
    }

    fn unschedule_window(&mut self, name: &str) {
        if let Some(at) = self.windows.get_mut(name).and_then(|entry| entry.timer.take()) {
            self.timers.clear(at, Timer::Window(name.into()));
        }
    }

    /// Notes which window marks a finding, if one does, and counts its alert.
    pub(super) fn mark(&mut self, slot: u32, subject: &Subject<'_>) {
        let marked = self.windows.find(subject, WindowEffect::Mark);
        if let Some(name) = &marked {
            self.windows.count(name, 1);
        }
        if let Some(live) = self.findings.get_mut(slot) {
            live.marked = marked;
        }
    }

    /// Returns all windows, by name.
    pub fn windows(&self) -> Vec<WindowView> {
        self.windows.all().map(Entry::view).collect()
    }

    /// Returns one window.
    pub fn window(&self, name: &str) -> Option<WindowView> {
        self.windows.get(name).map(Entry::view)
    }
}

/// The field of a finding's sample that names the window it is marked by.
const MARK: &str = "saker.window";

/// Names the window in a sample that people are shown.
pub(super) fn mark_sample(sample: &mut Alert, window: Option<&str>) {
    if let Some(window) = window {
        sample.fields.insert(MARK.to_owned(), window.into());
    }
}
