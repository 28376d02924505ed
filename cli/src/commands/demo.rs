//! `saker demo`: recorded events through rules, router and rendering; needs no root.

use std::{sync::Arc, time::Duration};

use agent::AgentConfig;
use alert::Alert;
use anyhow::Context;
use router::{api::types::Tail, config::Config};
use service::{
    shutdown::Shutdown,
    telemetry::{self, Logs},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{broadcast::Receiver, mpsc},
};

use super::rules::compile;
use crate::{args::DemoArgs, exit::Code, print, screen};

/// Events recorded on a machine on which the deeds of an intrusion were done.
const EVENTS: &[u8] = include_bytes!("../../demo/events.ndjson.zst");
/// Longest wait for the last message.
const PATIENCE: Duration = Duration::from_secs(20);
const REQUEST_BYTES_MAX: u64 = 1 << 20;

pub(crate) async fn execute(arguments: DemoArgs) -> anyhow::Result<Code> {
    let folder = Folder::make()?;
    let alerts = replay(&folder).context("failed to replay the recording")?;
    print::line(format_args!(
        "{} alerts from recorded events, as the router decides on them:\n",
        alerts.len()
    ));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (sender, mut messages) = mpsc::channel(64);
    let config = configure(&folder, listener.local_addr()?)?;
    tokio::spawn(receive(listener, sender));
    let logs = telemetry::init(&Logs { level: "warn".into(), ..Logs::default() })?;
    let shutdown = Shutdown::new();
    let running =
        router::start(config, shutdown.clone(), logs).await.context("the router cannot start")?;
    let mut decided = running.subscribe();
    let count = alerts.len();
    running.ingest("demo").append(alerts).await?;
    tokio::time::timeout(PATIENCE, show(&mut decided, count))
        .await
        .context("the router decided nothing")?;

    if !arguments.brief {
        print::line("\nWhat a Slack channel gets, one message for each group:\n");
        let first =
            tokio::time::timeout(PATIENCE, messages.recv()).await.context("no message came")?;
        let mut next = first;
        while let Some(message) = next {
            print::line(message);
            // Groups are told of within moments of each other; silence means that was all.
            next =
                tokio::time::timeout(Duration::from_secs(3), messages.recv()).await.unwrap_or(None);
        }
    }
    shutdown.cancel();
    shutdown.drain(Duration::from_secs(10)).await;
    print::line("\nThe same on this machine, live: `make run` as root, then `cat /etc/shadow`.");
    Ok(Code::Success)
}

/// A folder that is gone when the demo is.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("saker-demo-{}", std::process::id()));
        std::fs::create_dir(&folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left below the system's folder for such things is its to remove.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn replay(folder: &Folder) -> anyhow::Result<Vec<Alert>> {
    let file = folder.0.join("events.ndjson.zst");
    std::fs::write(&file, EVENTS)?;
    let mut alerts = Vec::new();
    let mut sink = |alert: &Alert| alerts.push(alert.clone());
    agent::replay(&file, agent::Selection::default(), &compile(&rules::builtin())?, &mut sink)?;
    Ok(alerts)
}

fn configure(
    folder: &Folder,
    receiver: std::net::SocketAddr,
) -> anyhow::Result<Config<AgentConfig>> {
    let text = serde_json::json!({
        "router": { "listen": "127.0.0.1:0", "api": "127.0.0.1:0", "data": folder.0.join("data") },
        "outputs": { "slack": { "slack": { "webhook_url": format!("http://{receiver}/") } } },
        "routes": [{ "name": "all", "outputs": ["slack"], "group_by": ["rule"], "group_wait": "1s" }],
    });
    Ok(Config::parse("demo", text.to_string(), &folder.0)?)
}

async fn show(decided: &mut Receiver<Arc<Tail>>, count: usize) {
    let color = screen::color();
    for _ in 0..count {
        match decided.recv().await {
            Ok(tail) => print::line(screen::tail_line(&tail, color)),
            Err(_) => return,
        }
    }
}

/// Takes what the Slack output posts, and hands on the text a channel would show.
async fn receive(listener: TcpListener, messages: mpsc::Sender<String>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let messages = messages.clone();
        tokio::spawn(async move {
            let mut request = Vec::new();
            let mut chunk = vec![0; 16 << 10];
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                request.extend_from_slice(&chunk[..count]);
                if request.len() as u64 > REQUEST_BYTES_MAX {
                    return;
                }
                let Some(body) = body(&request) else { continue };
                let text = message(&body);
                request.clear();
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
                let gone =
                    stream.write_all(answer).await.is_err() || messages.send(text).await.is_err();
                if gone {
                    return;
                }
            }
        });
    }
}

/// Returns a request's body once it is all there.
fn body(request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
    Some(request.get(end..end + length)?.to_vec())
}

/// Returns the texts of a message's blocks, one line for each field.
fn message(body: &[u8]) -> String {
    let message: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let mut lines = Vec::new();
    for block in message["blocks"].as_array().into_iter().flatten() {
        let parts = |key: &str| block[key].as_array().cloned().unwrap_or_default();
        lines.extend(shown(&block["text"]).lines().map(str::to_owned));
        lines.extend(parts("fields").iter().map(|field| shown(field).replacen('\n', " ", 1)));
        lines.extend(parts("elements").iter().map(shown));
    }
    if lines.is_empty() {
        lines.extend(message["text"].as_str().map(str::to_owned));
    }
    lines.iter().fold(String::new(), |text, line| text + "  │ " + line + "\n")
}

/// Returns a text as Slack shows it: dates in words, entities as characters.
fn shown(part: &serde_json::Value) -> String {
    let text = part["text"].as_str().unwrap_or_default();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("<!date^") {
        plain.push_str(&rest[..start]);
        let date = &rest[start..];
        let end = date.find('>').map_or(date.len(), |end| end + 1);
        let words = date[..end].trim_end_matches('>').rsplit('|').next();
        plain.push_str(words.unwrap_or_default());
        rest = &date[end..];
    }
    plain.push_str(rest);
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_a_channel_shows_it() {
        let body = serde_json::json!({ "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": "Critical: R" } },
            { "type": "section", "fields": [{ "type": "mrkdwn", "text": "*Seen*\n<!date^1^{date}|1970-01-01>" }] },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": "a &lt;b&gt; &amp;lt;" }] },
        ]});
        let text = message(body.to_string().as_bytes());
        assert_eq!(text, "  │ Critical: R\n  │ *Seen* 1970-01-01\n  │ a <b> &lt;\n");
    }
}
