//! Answers one request, whatever brings the lines to who asked.

use std::{future::Future, io, pin::pin, time::Duration};

use service::shutdown::Shutdown;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::{
    Answer, End, Refusal, Request, Tapped,
    stream::{self, Stream},
};
use crate::AgentHandle;

/// Time for one line of an answer to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is said how many events were left out, and a recording's open chunk is handed over.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Events taken at once.
const BATCH_EVENTS_MAX: usize = 256;

/// Takes lines to who asked. Each call ends within [`PATIENCE`].
pub(super) trait Lines {
    fn send(&mut self, line: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;
}

/// Answers until the end, or until `enough` says that nothing more is asked.
pub(super) async fn answer(
    request: &Request,
    agent: &AgentHandle,
    lines: &mut impl Lines,
    enough: impl Future<Output = ()>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    if let Some(fault) = request.fault() {
        return refuse(lines, Refusal::Wrong, fault).await;
    }
    let (asked, wanted) = (agent.clone(), request.clone());
    // A sensor takes a while to start.
    let tapped = tokio::task::spawn_blocking(move || asked.tap(&wanted));
    let (mut tapped, unwatched) = match tapped.await.map_err(io::Error::other)? {
        Ok(tapped) => tapped,
        Err((why, message)) => return refuse(lines, why, message).await,
    };
    info!(choice = ?request.choice, "somebody asks for events");
    say(lines, &Answer::Started { unwatched }).await?;
    let stream = stream::of(request, tapped.moments.take(), agent.hostname())?;
    let mut sending = Sending { tapped, stream, told: (0, 0) };
    sending.run(request, lines, enough, shutdown).await
}

pub(super) async fn refuse(
    lines: &mut impl Lines,
    why: Refusal,
    message: String,
) -> io::Result<()> {
    say(lines, &Answer::Refused { why, message }).await
}

pub(super) async fn say(lines: &mut impl Lines, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    lines.send(line).await
}

struct Sending {
    tapped: Tapped,
    stream: Box<dyn Stream>,
    /// How many were dropped and limited when it was last told.
    told: (u64, u64),
}

impl Sending {
    async fn run(
        &mut self,
        request: &Request,
        lines: &mut impl Lines,
        enough: impl Future<Output = ()>,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        let mut enough = pin!(enough);
        let end = Instant::now() + Duration::from_secs(request.seconds_max.into());
        let mut tell = Instant::now() + TELL_EVERY;
        let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
        let why = loop {
            batch.clear();
            let taken = tokio::select! {
                taken = self.tapped.events.recv_many(&mut batch, BATCH_EVENTS_MAX) => Some(taken),
                () = sleep_until(tell) => None,
                () = sleep_until(end) => break End::Time,
                () = &mut enough => break End::Enough,
                () = shutdown.cancelled() => break End::Stopped,
            };
            if taken == Some(0) {
                break End::Events;
            }
            for answer in self.stream.events(&mut batch)? {
                say(lines, &answer).await?;
            }
            if taken.is_none() {
                tell = Instant::now() + TELL_EVERY;
                self.tell(lines).await?;
            }
            if let Some(end) = self.stream.full() {
                break end;
            }
        };
        self.finish(why, lines).await
    }

    /// Says what was left out, if that grew, and hands over what was gathered.
    async fn tell(&mut self, lines: &mut impl Lines) -> io::Result<()> {
        let (_, dropped, limited) = self.tapped.counts();
        if self.told != (dropped, limited) {
            self.told = (dropped, limited);
            say(lines, &Answer::Behind { dropped, limited }).await?;
        }
        for answer in self.stream.gathered()? {
            say(lines, &answer).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, why: End, lines: &mut impl Lines) -> io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
        // What happened in time is handed over, if there is room for it.
        while self.stream.full().is_none()
            && self.tapped.rest(&mut batch, BATCH_EVENTS_MAX).await > 0
        {
            for answer in self.stream.events(&mut batch)? {
                say(lines, &answer).await?;
            }
        }
        for answer in self.stream.finish()? {
            say(lines, &answer).await?;
        }
        let (seen, dropped, limited) = self.tapped.counts();
        info!(seen, dropped, limited, "nobody asks for these events any more");
        say(lines, &Answer::Ended { why, seen, dropped, limited }).await
    }
}
