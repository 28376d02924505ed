//! Counts since the beginning.

use serde::{Deserialize, Serialize};

use super::ReasonKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    /// By reason, in the order of [`ReasonKind::ALL`].
    pub(super) suppressed: [u64; ReasonKind::ALL.len()],
    pub(super) routed: u64,
    pub(super) notifications: u64,
    pub(super) findings_evicted: u64,
    pub(super) groups_evicted: u64,
    pub(super) dead_letters_dropped: u64,
}
