//! Exit codes, the same for every command.

use std::{fmt, process::ExitCode};

/// How a command ended. Documented in `saker --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Success,
    /// It was tried and failed, or the answer is no.
    Failure,
    /// Wrong usage, configuration or rules: nothing was started.
    Invalid,
    /// No such alert, silence or dead letter.
    NotFound,
    /// The router could not be reached.
    Unreachable,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Success => 0,
            Code::Failure => 1,
            Code::Invalid => 2,
            Code::NotFound => 3,
            Code::Unreachable => 4,
        })
    }
}

/// An error that knows its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Returns an error that ends the command with `code`.
pub(crate) fn fail(code: Code, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { code, message: message.into() })
}

impl Code {
    /// Returns the code an error ends the command with.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        error
            .chain()
            .find_map(|cause| cause.downcast_ref::<Failure>())
            .map_or(Self::Failure, |failure| failure.code)
    }
}
