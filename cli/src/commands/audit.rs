//! `saker audit`: whether the responder's audit is whole, and what it holds.

use std::path::Path;

use response::audit::{self, Checkpoint, VerifyError};
use service::ErrorChain;

use crate::{
    args::{AuditCommand, Format},
    exit::{Code, fail},
    print,
};

pub(crate) fn execute(command: &AuditCommand) -> anyhow::Result<Code> {
    match command {
        AuditCommand::Verify { folder, checkpoint } => verify(folder, checkpoint),
        AuditCommand::Show { folder, response, format } => {
            let mut shown = Ok(());
            let wanted = |line: &audit::Line| {
                response.is_none() || line.entry.id().is_some_and(|id| Some(id) == *response)
            };
            let read = audit::verify(folder, &[], |line| {
                if shown.is_ok() && wanted(&line) {
                    shown = show(&line, *format);
                }
            });
            shown?;
            read.map_err(broken)?;
            Ok(Code::Success)
        }
    }
}

fn verify(folder: &Path, checkpoints: &[Checkpoint]) -> anyhow::Result<Code> {
    let report = audit::verify(folder, checkpoints, |_| {}).map_err(broken)?;
    print::line(format_args!(
        "the audit is whole: {} entries in {} file(s)\ncheckpoint {}:{}",
        report.head.sequence, report.files, report.head.sequence, report.head.hash
    ));
    Ok(Code::Success)
}

fn broken(error: VerifyError) -> anyhow::Error {
    fail(Code::Failure, ErrorChain(&error).to_string())
}

fn show(line: &audit::Line, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return print::json(line);
    }
    let entry = serde_json::to_value(&line.entry)?;
    let kind = entry["kind"].as_str().unwrap_or("entry").to_owned();
    let id = line.entry.id().map(|id| id.to_string()).unwrap_or_default();
    let mut rest = entry;
    if let Some(fields) = rest.as_object_mut() {
        fields.remove("kind");
        fields.remove("id");
    }
    let text = format!("{} {:.3} {id:<6} {kind:<14} {rest}", line.sequence, line.time);
    print::line(print::plain(&text));
    Ok(())
}
