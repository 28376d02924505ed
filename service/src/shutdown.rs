//! Ends a daemon in order: everyone is told, work is tracked, and what still runs is named.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Signals this close together are one.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// Tells everyone that holds a clone when to stop, and knows who has not yet.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<u64, String>>>,
    next: Arc<AtomicU64>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels on SIGTERM or SIGINT. One more, not of the same moment, ends the process at once:
    /// `timeout` and terminals signal a process and its group, which is no impatience.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let mut first = None;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                match first {
                    None => {
                        tracing::info!(signal = name, "shutting down");
                        first = Some(Instant::now());
                        shutdown.cancel();
                    }
                    Some(first) if first.elapsed() > SAME_MOMENT => {
                        tracing::warn!(signal = name, "signalled again, ending at once");
                        std::process::exit(130);
                    }
                    Some(_) => {}
                }
            }
        });
        Ok(())
    }

    pub fn cancel(&self) {
        self.token.cancel();
    }

    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns when it is time to stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Runs a task that [`Shutdown::drain`] waits for. The task itself watches for the end.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry =
            Entry { id: self.next.fetch_add(1, Ordering::Relaxed), running: self.running.clone() };
        lock(&self.running).insert(entry.id, name.into());
        self.tracker.spawn(async move {
            let _entry = entry;
            task.await
        })
    }

    /// Waits until all tasks have ended, at most for `limit`. Returns the names of those that have
    /// not.
    pub async fn drain(&self, limit: Duration) -> Vec<String> {
        self.tracker.close();
        match tokio::time::timeout(limit, self.tracker.wait()).await {
            Ok(()) => Vec::new(),
            Err(_) => lock(&self.running).values().cloned().collect(),
        }
    }
}

/// Takes a task off the list however it ends.
struct Entry {
    id: u64,
    running: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.id);
    }
}

fn lock(
    running: &Mutex<BTreeMap<u64, String>>,
) -> std::sync::MutexGuard<'_, BTreeMap<u64, String>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drain_waits_for_the_obedient_and_names_the_others() {
        let shutdown = Shutdown::new();
        let token = shutdown.clone();
        shutdown.spawn("obedient", async move { token.cancelled().await });
        shutdown.spawn("stubborn", std::future::pending::<()>());
        shutdown.cancel();
        assert_eq!(shutdown.drain(Duration::from_millis(200)).await, ["stubborn"]);
    }
}
