//! Where the agent's alerts go.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use alert::Alert;
use crossbeam_channel::{Sender, TrySendError, bounded};
use tracing::warn;

/// Lines waiting for a slow reader of our output.
const STDOUT_LINES_MAX: usize = 8192;

/// Takes alerts from the thread that reads the kernel's rings, so it must not wait: whoever cannot
/// keep up counts what it refuses.
pub trait AlertSink: Send {
    fn alert(&mut self, alert: &Alert);
}

impl<F: FnMut(&Alert) + Send> AlertSink for F {
    fn alert(&mut self, alert: &Alert) {
        self(alert);
    }
}

/// Hands each alert to all its sinks.
#[derive(Default)]
pub struct Sinks(Vec<Box<dyn AlertSink>>);

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sinks").field(&self.0.len()).finish()
    }
}

impl Sinks {
    #[must_use]
    pub fn with(mut self, sink: impl AlertSink + 'static) -> Self {
        self.0.push(Box::new(sink));
        self
    }
}

impl AlertSink for Sinks {
    fn alert(&mut self, alert: &Alert) {
        for sink in &mut self.0 {
            sink.alert(alert);
        }
    }
}

/// Writes Falco's JSON lines, as `falco -r` does with `json_output`.
#[derive(Debug)]
pub struct Lines {
    lines: Option<Sender<Vec<u8>>>,
    refused: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Writes to `out` from a thread of its own.
    pub fn new(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = bounded::<Vec<u8>>(STDOUT_LINES_MAX);
        let thread = std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            for line in &waiting {
                let written = out.write_all(&line).and_then(|()| match waiting.is_empty() {
                    true => out.flush(),
                    false => Ok(()),
                });
                if let Err(error) = written {
                    // The reader went away, as with `| head`. Nothing will read later lines either.
                    warn!(%error, "failed to print alerts, printing no more");
                    return;
                }
            }
        })?;
        Ok(Self { lines: Some(lines), refused: Arc::default(), thread: Some(thread) })
    }

    /// Returns the count of alerts not printed because the reader was slow or gone.
    pub fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }
}

impl AlertSink for Lines {
    fn alert(&mut self, alert: &Alert) {
        let mut line = Vec::with_capacity(1024);
        alert::wire::write_falco(alert, &mut line);
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        let sent = self.lines.as_ref().map(|lines| lines.try_send(line));
        if let Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = sent {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Lines {
    /// Writes what waits.
    fn drop(&mut self) {
        self.lines = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that prints alerts panicked");
        }
    }
}
