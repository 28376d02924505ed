//! `saker tail`: alerts as they are decided.

use anyhow::Context;
use router::api::types::Tail;

use crate::{
    args::{Format, TailArgs},
    client::Client,
    exit::Code,
    print, screen,
};

/// Longest line of the stream.
const LINE_BYTES_MAX: usize = 4 << 20;

pub(crate) async fn execute(arguments: TailArgs) -> anyhow::Result<Code> {
    let client = Client::new(&arguments.api)?;
    let query: Vec<(&str, &str)> = arguments
        .condition
        .as_deref()
        .map(|condition| ("condition", condition))
        .into_iter()
        .collect();
    let mut response = client.stream("/api/v1/tail", &query).await?;
    let color = screen::color();
    let mut stream = Stream::default();
    while let Some(chunk) = response.chunk().await.context("the router ended the stream")? {
        for (event, data) in stream.push(&chunk)? {
            show(&event, &data, arguments.api.format, color)?;
        }
    }
    print::note("the router stopped");
    Ok(Code::Success)
}

fn show(event: &str, data: &str, format: Format, color: bool) -> anyhow::Result<()> {
    match (event, format) {
        ("alert", Format::Json) => print::line(data),
        ("alert", Format::Text) => {
            let tail: Tail =
                serde_json::from_str(data).context("unexpected event from the router")?;
            print::line(screen::tail_line(&tail, color));
        }
        ("dropped", _) => {
            print::note(format_args!("this tail could not keep up and missed alerts: {data}"))
        }
        _ => {}
    }
    Ok(())
}

/// Cuts a stream of server-sent events (WHATWG HTML, section 9.2) into events.
#[derive(Debug, Default)]
struct Stream {
    rest: Vec<u8>,
    event: String,
    data: String,
}

impl Stream {
    fn push(&mut self, chunk: &[u8]) -> anyhow::Result<Vec<(String, String)>> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            events.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
        }
        anyhow::ensure!(self.rest.len() <= LINE_BYTES_MAX, "the router sent a line without an end");
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<(String, String)> {
        if let Some(event) = line.strip_prefix("event:") {
            event.trim_start().clone_into(&mut self.event);
        } else if let Some(data) = line.strip_prefix("data:") {
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        } else if line.is_empty() && !self.data.is_empty() {
            return Some((std::mem::take(&mut self.event), std::mem::take(&mut self.data)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_stream_is_cut() {
        let text =
            b"event: alert\ndata: {\"a\":1}\n\n: keep-alive\n\nevent: dropped\r\ndata: 2\r\n\r\n";
        for size in 1..text.len() {
            let mut stream = Stream::default();
            let events: Vec<_> =
                text.chunks(size).flat_map(|chunk| stream.push(chunk).unwrap()).collect();
            assert_eq!(
                events,
                [("alert".into(), "{\"a\":1}".into()), ("dropped".into(), "2".into())]
            );
        }
    }
}
