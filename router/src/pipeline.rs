//! Decides what becomes of every alert. A value without I/O.

use serde::{Deserialize, Serialize};

/// Everything that shapes decisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PipelineConfig {}

/// Names one silence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SilenceId(pub String);

/// Hides alerts from people for a bounded time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub id: SilenceId,
}
