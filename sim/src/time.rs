//! Time that passes only when nothing is left to do: then it leaps to the next thing that waits.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The clock. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Time {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    sleepers: u64,
    /// By the moment they wake, then by the order they came.
    sleeping: BTreeMap<(Duration, u64), Waker>,
}

/// Ends at a moment.
#[derive(Debug)]
pub struct Sleep {
    time: Time,
    until: Duration,
    number: Option<u64>,
}

impl Time {
    /// Returns the time since the beginning of the simulation.
    pub fn now(&self) -> Duration {
        self.state().now
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.now().saturating_add(duration);
        Sleep { time: self.clone(), until, number: None }
    }

    /// Leaps to the next moment something waits for, and wakes it.
    pub fn leap(&self) {
        let waker = {
            let mut state = self.state();
            let ((until, _), waker) =
                state.sleeping.pop_first().expect("nothing is left to do, and nothing waits");
            state.now = state.now.max(until);
            waker
        };
        waker.wake();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut state = time.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.sleepers += 1;
            state.sleepers
        });
        state.sleeping.insert((self.until, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.time.state().sleeping.remove(&(self.until, number));
        }
    }
}
