//! `saker rules parse`: the syntax of one condition, for editors and scripts.

use std::io::Read;

use anyhow::Context;
use rules::{ConditionFault, parse_condition};

use crate::{
    args::{Format, ParseArgs},
    exit::Code,
    print,
};

/// More than any condition may have, so that the reader says what is too long.
const TEXT_BYTES_MAX: u64 = 64 << 20;

pub(super) fn execute(arguments: &ParseArgs) -> anyhow::Result<Code> {
    let mut text = String::new();
    std::io::stdin()
        .take(TEXT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("failed to read the condition from standard input")?;
    match (parse_condition(&text), arguments.format) {
        (Ok(tree), Format::Json) => print::json(&tree)?,
        (Ok(tree), Format::Text) => print::line(&tree),
        (Err(fault), Format::Json) => {
            print::json(&serde_json::json!({ "error": fault }))?;
            return Ok(Code::Failure);
        }
        (Err(fault), Format::Text) => {
            for fault in std::iter::once(&fault).chain(&fault.others) {
                print::note(told(fault));
            }
            return Ok(Code::Failure);
        }
    }
    Ok(Code::Success)
}

fn told(fault: &ConditionFault) -> String {
    let ConditionFault { line, column, message, hint, .. } = fault;
    let hint = hint.as_deref().map(|hint| format!(" ({})", print::plain(hint))).unwrap_or_default();
    format!("{line}:{column}: {}{hint}", print::plain(message))
}
