//! Counts since the beginning.

use serde::{Deserialize, Deserializer, Serialize};

use super::ReasonKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    /// By reason, in the order of [`ReasonKind::ALL`].
    #[serde(deserialize_with = "by_reason")]
    pub(super) suppressed: [u64; ReasonKind::ALL.len()],
    pub(super) routed: u64,
    pub(super) notifications: u64,
    pub(super) findings_evicted: u64,
    pub(super) groups_evicted: u64,
    pub(super) dead_letters_dropped: u64,
    /// Sources of inhibitions there was no room for.
    #[serde(default)]
    pub(super) sources_refused: u64,
}

/// Reads counts of which earlier versions had fewer.
fn by_reason<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u64; ReasonKind::ALL.len()], D::Error> {
    let read = Vec::<u64>::deserialize(deserializer)?;
    let mut counts = [0; ReasonKind::ALL.len()];
    counts.iter_mut().zip(read).for_each(|(count, read)| *count = read);
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_an_earlier_version_are_read() {
        let text = r#"{"accepted":9,"suppressed":[1,2,3,4,5],"routed":4,"notifications":1,
            "findings_evicted":0,"groups_evicted":0,"dead_letters_dropped":0}"#;
        let totals: Totals = serde_json::from_str(text).unwrap();
        assert_eq!(totals.suppressed, [1, 2, 3, 4, 5, 0, 0, 0, 0, 0]);
    }
}
