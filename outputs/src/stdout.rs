//! Prints to the standard output: coloured lines on a terminal, plain ones or JSON in a pipe.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use templates::{Escape, builtin};

use crate::{
    BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt,
    human::{Date, Line},
    lines::{Format, Lines, Zone},
};

/// The standard output of the process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stdout {
    /// `human` (default): one finding a line. `json`: one notification a line.
    #[serde(default = "human")]
    format: Format,
    /// Time zone of human lines: `local` (default) or `UTC`.
    #[serde(default)]
    time_zone: Zone,
    /// `auto` (default): colours on a terminal, unless `NO_COLOR` is set.
    #[serde(default)]
    color: Color,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

const fn human() -> Format {
    Format::Human
}

/// Longest line of a template.
const LINE_CHARS_MAX: usize = 16_000;

impl Kind for Stdout {
    const NAME: &'static str = "stdout";
    /// Without a template a line per finding is printed.
    const PARTS: &'static [Part] = &[Part {
        name: "line",
        escape: Escape::Line,
        chars_max: LINE_CHARS_MAX,
        builtin: builtin!("stdout/line.line.hbs"),
    }];
    const EXAMPLE: &'static str = "format: human";

    fn build(self, _: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        };
        let line =
            Line { color, width_max: None, zone: self.time_zone.time_zone(), date: Date::Without };
        Ok(Arc::new(StdoutOutput { lines: Arc::new(Lines { format: self.format, line }) }))
    }
}

struct StdoutOutput {
    lines: Arc<Lines>,
}

#[async_trait]
impl Output for StdoutOutput {
    fn reads_previous(&self) -> bool {
        false
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let text = self.lines.print(delivery)?;
        // A pipe nobody reads blocks: not on a thread that others need.
        let written = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&text).and_then(|()| stdout.flush())
        });
        match written.await {
            Ok(Ok(())) => Ok(Receipt::accepted()),
            // Nobody will read it again.
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(DeliveryError::Denied { reason: "the standard output is closed".into() })
            }
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }
}

fn unavailable(reason: String) -> DeliveryError {
    DeliveryError::Unavailable { reason, retry_after: None }
}
