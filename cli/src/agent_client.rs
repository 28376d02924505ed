//! Asks a running agent for events: on this machine over its socket, elsewhere over mutual TLS.

use std::{io, ops::ControlFlow, path::Path, time::Duration};

use agent::tap::{Answer, Refusal, Request};
use alert::AlertId;
use anyhow::Context;
use reqwest::StatusCode;
use service::client::Files;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    args::AgentPlace,
    exit::{Code, fail},
    print,
};

/// Time for the agent's last word, beyond the time that was asked for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line of an answer: an event with its whole ancestry.
const LINE_BYTES_MAX: usize = 32 << 20;

/// What goes on with each answer.
pub(crate) type OnAnswer<'a> = &'a mut dyn FnMut(Answer) -> anyhow::Result<ControlFlow<()>>;

/// Asks for events and hands every answer to `on_answer` until it has enough or the agent ends.
/// Ctrl-C asks the agent for its last words; the second does without.
pub(crate) async fn ask(
    place: &AgentPlace,
    request: &Request,
    on_answer: OnAnswer<'_>,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(request.seconds_max.into()) + PATIENCE;
    let asked = async {
        match &place.agent {
            Some(url) => remote(place, url, request, on_answer).await,
            None => local(place, request, on_answer).await,
        }
    };
    let late = |_| fail(Code::Failure, "the agent says nothing any more");
    timeout(time, asked).await.map_err(late)?
}

async fn local(
    place: &AgentPlace,
    request: &Request,
    on_answer: OnAnswer<'_>,
) -> anyhow::Result<()> {
    let socket = place.socket.clone().or_else(agent::tap::default_path);
    let socket = socket.ok_or_else(|| fail(Code::Invalid, "name the agent's --socket"))?;
    let stream =
        UnixStream::connect(&socket).await.map_err(|error| unreachable(&socket, &error))?;
    let (input, mut output) = stream.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    output.write_all(&line).await.context("the agent went away")?;
    let mut input = BufReader::new(input);
    let mut lines = Lines::default();
    let mut interrupts = Interrupts::new()?;
    loop {
        let read = tokio::select! {
            read = input.fill_buf() => read.context("the agent went away")?,
            first = interrupts.next() => {
                first?;
                // Nothing more is asked: the agent sums up and ends.
                output.shutdown().await.context("the agent went away")?;
                continue;
            }
        };
        if read.is_empty() {
            return Err(fail(Code::Failure, "the agent went away before the end"));
        }
        let taken = read.len();
        let flow = lines.push(read, on_answer)?;
        input.consume(taken);
        if flow.is_break() {
            return Ok(());
        }
    }
}

/// Ctrl-C and its like.
struct Interrupts {
    signals: [Signal; 2],
    came: bool,
}

impl Interrupts {
    fn new() -> io::Result<Self> {
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        Ok(Self { signals, came: false })
    }

    /// Waits for the first; the second is an error. May be dropped and called again.
    async fn next(&mut self) -> anyhow::Result<()> {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        match std::mem::replace(&mut self.came, true) {
            false => Ok(()),
            true => Err(fail(Code::Failure, "interrupted before the agent had its last word")),
        }
    }
}

/// Returns why there is no agent on a socket.
pub(crate) fn unreachable(socket: &Path, error: &io::Error) -> anyhow::Error {
    let cause = match error.kind() {
        io::ErrorKind::PermissionDenied => "only root and the agent's own user may ask".to_owned(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "none listens there; `saker run` or `saker agent` starts one, --socket names another place"
                .to_owned()
        }
        _ => error.to_string(),
    };
    fail(Code::Unreachable, format!("cannot reach an agent at {}: {cause}", socket.display()))
}

async fn remote(
    place: &AgentPlace,
    url: &str,
    request: &Request,
    on_answer: OnAnswer<'_>,
) -> anyhow::Result<()> {
    let files = Files {
        authorities: place.ca.clone(),
        certificate: place.certificate.clone(),
        key: place.key.clone(),
    };
    let time = Duration::from_secs(request.seconds_max.into()) + PATIENCE;
    let http = files.read().map(|identity| identity.client(time));
    let http =
        http.map_err(|error| fail(Code::Invalid, service::ErrorChain(&error).to_string()))?;
    let http = http.context("failed to set up the client")?.build()?;
    let url = format!("{}/v1/events", url.trim_end_matches('/'));
    let sent = http.post(&url).json(request).send().await.map_err(|error| {
        let cause = print::root(&error);
        fail(Code::Unreachable, format!("cannot reach an agent at {url}: {cause}"))
    });
    let mut response = sent?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let mut lines = Lines::default();
    let mut interrupts = Interrupts::new()?;
    loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk.context("the agent went away")?,
            first = interrupts.next() => {
                first?;
                let Some(id) = lines.called else {
                    return Err(fail(Code::Failure, "interrupted before the agent listened"));
                };
                let ended = http.delete(format!("{url}/{id}")).timeout(PATIENCE).send().await;
                ended.context("the agent went away")?;
                continue;
            }
        };
        let Some(chunk) = chunk else {
            return Err(fail(Code::Failure, "the agent went away before the end"));
        };
        if lines.push(&chunk, on_answer)?.is_break() {
            return Ok(());
        }
    }
}

async fn refused(response: reqwest::Response) -> anyhow::Error {
    let status = response.status();
    let problem: serde_json::Value = response.json().await.unwrap_or_default();
    let detail = problem["detail"].as_str().or(problem["title"].as_str());
    let code = if status == StatusCode::BAD_REQUEST { Code::Invalid } else { Code::Failure };
    fail(code, detail.map_or_else(|| format!("the agent answered {status}"), str::to_owned))
}

/// Puts lines together of pieces.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    /// How the agent calls what was asked.
    called: Option<AlertId>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], on_answer: OnAnswer<'_>) -> anyhow::Result<ControlFlow<()>> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            anyhow::ensure!(self.rest.len() <= LINE_BYTES_MAX, "the agent sent an endless line");
            if self.rest.last() != Some(&b'\n') {
                continue;
            }
            let answer = serde_json::from_slice(&self.rest)
                .context("the agent's answer is not what this version of saker expects")?;
            self.rest.clear();
            let flow = match answer {
                Answer::Refused { why, message } => return Err(fail(code(why), message)),
                Answer::Called(id) => {
                    self.called = Some(id);
                    continue;
                }
                answer => on_answer(answer)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

const fn code(why: Refusal) -> Code {
    match why {
        Refusal::Busy => Code::Failure,
        Refusal::Wrong => Code::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_however_they_are_cut() {
        let one = serde_json::to_string(&Answer::Behind { dropped: 1, limited: 2 }).unwrap();
        let text = format!("{one}\n{one}\n");
        for size in 1..text.len() {
            let (mut lines, mut count) = (Lines::default(), 0);
            for piece in text.as_bytes().chunks(size) {
                let mut on_answer = |answer| {
                    assert_eq!(answer, Answer::Behind { dropped: 1, limited: 2 });
                    count += 1;
                    Ok(ControlFlow::Continue(()))
                };
                assert!(lines.push(piece, &mut on_answer).unwrap().is_continue());
            }
            assert_eq!(count, 2);
        }
    }
}
