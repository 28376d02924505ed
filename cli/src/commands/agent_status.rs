//! `saker agent status`: what a running agent watches, and what it cannot.

use std::{io::IsTerminal, path::Path, time::Duration};

use agent::AgentStatus;
use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use crate::{
    agent_client::unreachable,
    args::{AgentStatusArgs, Format},
    exit::{Code, fail},
    print,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Looks come no closer than this, so that looking costs nothing.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// To the upper left corner, and everything away.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(crate) async fn execute(arguments: AgentStatusArgs) -> anyhow::Result<Code> {
    loop {
        let look = timeout(PATIENCE, look(&arguments)).await;
        let status = look.map_err(|_| fail(Code::Unreachable, "the agent does not answer"))??;
        show(&arguments, &status)?;
        if !arguments.watch {
            let good = status.rules.error.is_none();
            return Ok(if good { Code::Success } else { Code::Failure });
        }
        tokio::time::sleep(arguments.interval.0.max(INTERVAL_MIN)).await;
    }
}

fn show(arguments: &AgentStatusArgs, status: &AgentStatus) -> anyhow::Result<()> {
    match arguments.format {
        Format::Json => print::json(status),
        Format::Text => {
            let screen = arguments.watch && std::io::stdout().is_terminal();
            // Names of rules and reasons of the kernel may hold anything.
            let text = status.to_string();
            let lines: Vec<String> = text.lines().map(print::plain).collect();
            print::line(format_args!("{}{}", if screen { CLEAR } else { "" }, lines.join("\n")));
            Ok(())
        }
    }
}

async fn look(arguments: &AgentStatusArgs) -> anyhow::Result<AgentStatus> {
    let text = match &arguments.socket {
        Some(path) => on_socket(path.as_deref()).await?,
        None => over_http(&arguments.agent).await?,
    };
    serde_json::from_slice(&text)
        .context("the agent's answer is not what this version of saker expects")
}

async fn on_socket(path: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let socket = path.map(Path::to_owned).or_else(agent::tap::default_path);
    let socket = socket.ok_or_else(|| fail(Code::Invalid, "name the agent's --socket"))?;
    let mut stream =
        UnixStream::connect(&socket).await.map_err(|error| unreachable(&socket, &error))?;
    stream.write_all(b"status\n").await.context("the agent went away")?;
    let mut text = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut text).await.context("the agent went away")?;
    Ok(text)
}

async fn over_http(agent: &str) -> anyhow::Result<Vec<u8>> {
    let url = format!("{}/status", agent.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let sent = http.get(&url).send().await;
    let answered = sent.and_then(reqwest::Response::error_for_status);
    let mut response = answered.map_err(|error| {
        let cause = print::root(&error);
        let hint = "`saker run` or `saker agent` starts one, --socket asks it without HTTP";
        fail(Code::Unreachable, format!("cannot reach an agent at {url}: {cause}; {hint}"))
    })?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.context("the agent went away")? {
        text.extend_from_slice(&chunk);
        anyhow::ensure!(text.len() as u64 <= ANSWER_BYTES_MAX, "the agent's answer is endless");
    }
    Ok(text)
}
