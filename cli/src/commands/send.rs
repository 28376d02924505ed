//! `saker send`: hands alerts to a router, from the command line or from Falco's output.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use alert::{Alert, AlertId, Fields, wire};
use anyhow::Context;

use crate::{
    args::{AlertArgs, SendArgs},
    client::read_token,
    exit::{Code, fail},
    print,
};

/// A body holds at most this many alerts and about this many bytes.
const BATCH_ALERTS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// A line of a file is at most this long.
const LINE_BYTES_MAX: u64 = 1 << 20;

pub(crate) async fn execute(arguments: SendArgs) -> anyhow::Result<Code> {
    let target = Target::new(&arguments)?;
    let sent = match &arguments.file {
        Some(file) => send_lines(&target, open(file)?).await?,
        None => {
            let mut body = Vec::new();
            wire::write_falco(&compose(&arguments.alert)?, &mut body);
            target.post(body).await?;
            1
        }
    };
    print::note(format_args!("{sent} accepted"));
    Ok(Code::Success)
}

struct Target {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Target {
    fn new(arguments: &SendArgs) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?,
            url: arguments.router.clone(),
            token: arguments.token.as_deref().map(read_token).transpose()?,
        })
    }

    /// Returns once the router has the alerts on disk.
    async fn post(&self, body: Vec<u8>) -> anyhow::Result<()> {
        let mut request =
            self.http.post(&self.url).header("content-type", "application/x-ndjson").body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| {
            let cause = service::ErrorChain(&error).to_string();
            fail(Code::Unreachable, format!("cannot reach the router at {}: {cause}", self.url))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let code = if status.is_client_error() { Code::Invalid } else { Code::Failure };
        let answer = response.text().await.unwrap_or_default();
        Err(fail(code, format!("the router answered {status}: {}", answer.trim())))
    }
}

/// Opens a file of alerts; `-` is the standard input.
pub(super) fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead + Send>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("failed to open {}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Hands on each line of a file that is not empty. An error is told with the line's number.
pub(super) fn each_line(
    file: &Path,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lines = open(file)?;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.with_context(|| format!("failed to read {}", file.display()))? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = |error: anyhow::Error| {
            fail(Code::Invalid, format!("{}:{number}: {error:#}", file.display()))
        };
        take(&line).map_err(place)?;
    }
    Ok(())
}

async fn send_lines(target: &Target, mut lines: Box<dyn BufRead + Send>) -> anyhow::Result<usize> {
    let (mut body, mut alerts, mut sent) = (Vec::new(), 0, 0);
    loop {
        let start = body.len();
        let ended = lines.read_until(b'\n', &mut body).context("failed to read alerts")? == 0;
        if body[start..].iter().all(u8::is_ascii_whitespace) {
            body.truncate(start);
        } else {
            alerts += 1;
        }
        let full = alerts == BATCH_ALERTS_MAX || body.len() >= BATCH_BYTES_MAX;
        if alerts > 0 && (ended || full) {
            target
                .post(std::mem::take(&mut body))
                .await
                .with_context(|| format!("after {sent} alerts"))?;
            sent += std::mem::take(&mut alerts);
        }
        if ended {
            return Ok(sent);
        }
    }
}

/// Makes the alert that was typed.
pub(super) fn compose(arguments: &AlertArgs) -> anyhow::Result<Alert> {
    let mut fields = Fields::new();
    for field in &arguments.field {
        let (name, value) = field
            .split_once('=')
            .ok_or_else(|| fail(Code::Invalid, format!("--field {field}: expected NAME=VALUE")))?;
        fields.insert(name.to_owned(), value.into());
    }
    let now = service::clock::now();
    Ok(Alert {
        id: AlertId::random(),
        time: now,
        received: now,
        rule: arguments.rule.clone().unwrap_or_default(),
        priority: arguments.priority,
        source: arguments.source.clone(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        output: arguments.output.clone(),
        tags: arguments.tag.clone(),
        fields,
        ends: None,
    })
}
