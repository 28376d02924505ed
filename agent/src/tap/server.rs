//! Answers on the socket: one recording at a time.

use std::{io, sync::Arc, sync::atomic::Ordering, time::Duration};

use service::shutdown::Shutdown;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use super::{Answer, End, Refusal, Request, Socket, Tapped};
use crate::AgentHandle;

/// Time for a request, and for one line of an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one recording.
const BYTES_MAX: usize = 64 << 20;
/// Connections at a time; all but one are told that somebody records already.
const CONNECTIONS_MAX: usize = 8;

impl Socket {
    /// Answers until the agent stops.
    pub async fn serve(self, agent: AgentHandle, shutdown: Shutdown) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let recorders = Arc::new(Semaphore::new(1));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "failed to accept a recorder");
                    tokio::time::sleep(PATIENCE).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if Socket::is_allowed(peer.uid()) => {}
                Ok(peer) => {
                    warn!(user = peer.uid(), "somebody who may not asked for events");
                    continue;
                }
                Err(error) => {
                    warn!(%error, "somebody unknown asked for events");
                    continue;
                }
            }
            let (agent, recorders, watch) =
                (agent.clone(), Arc::clone(&recorders), shutdown.clone());
            shutdown.spawn("recorder", async move {
                let _open = permit;
                if let Err(error) = answer(stream, &agent, &recorders, &watch).await {
                    debug!(%error, "a recorder went away");
                }
            });
        }
    }
}

async fn answer(
    stream: UnixStream,
    agent: &AgentHandle,
    recorders: &Semaphore,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let (input, output) = stream.into_split();
    let mut lines = Lines { output, bytes: 0 };
    let mut line = String::new();
    let mut input = BufReader::new(input.take(Request::BYTES_MAX as u64));
    timeout(PATIENCE, input.read_line(&mut line)).await??;
    let request = match serde_json::from_str::<Request>(&line) {
        Ok(request) => request,
        Err(error) => return lines.refuse(Refusal::Wrong, format!("not a request: {error}")).await,
    };
    if let Some(fault) = request.fault() {
        return lines.refuse(Refusal::Wrong, fault).await;
    }
    let Ok(_alone) = recorders.try_acquire() else {
        let message = "somebody records already, one at a time can".to_owned();
        return lines.refuse(Refusal::Busy, message).await;
    };
    let (tapped, unwatched) = match agent.tap(&request.choice, request.events_max) {
        Ok(tapped) => tapped,
        Err(message) => return lines.refuse(Refusal::Wrong, message).await,
    };
    info!(events_max = request.events_max, "somebody records events");
    lines.send(&Answer::Started { unwatched }).await?;
    record(tapped, &request, &mut lines, &mut input, shutdown).await
}

async fn record(
    mut tapped: Tapped,
    request: &Request,
    lines: &mut Lines,
    input: &mut Input,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(request.seconds_max.into());
    let why = loop {
        let event = tokio::select! {
            event = tapped.events.recv() => event,
            () = sleep_until(end) => break End::Time,
            () = shutdown.cancelled() => break End::Stopped,
            // Nothing more is said to us: this ends when the other side is gone.
            gone = input.read_u8() => return gone.map(drop),
        };
        let Some(event) = event else { break End::Events };
        if lines.bytes > BYTES_MAX {
            break End::Bytes;
        }
        lines.send(&Answer::Event(Box::new(event))).await?;
    };
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let (seen, dropped) = (count(&tapped.counts.seen), count(&tapped.counts.dropped));
    info!(seen, dropped, "the recording of events ended");
    lines.send(&Answer::Ended { why, seen, dropped }).await
}

type Input = BufReader<Take<OwnedReadHalf>>;

struct Lines {
    output: OwnedWriteHalf,
    bytes: usize,
}

impl Lines {
    async fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        self.bytes += line.len();
        timeout(PATIENCE, self.output.write_all(&line)).await?
    }

    async fn refuse(&mut self, why: Refusal, message: String) -> io::Result<()> {
        self.send(&Answer::Refused { why, message }).await
    }
}
