//! Sources of events that rules are about.

/// Sources whose events this version reads.
const SOURCES: [&str; 1] = ["syscall"];

/// Returns whether rules of a source are compiled here.
pub(super) fn is_known(source: &str) -> bool {
    SOURCES.contains(&source)
}
