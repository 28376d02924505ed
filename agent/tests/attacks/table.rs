//! Tables of deeds and what is told of them.

use std::time::Instant;

use crate::{
    container::Container,
    helper::{Deed, mark, on_stage},
    watch::{PATIENCE, Watch, has_mark, shown},
};

/// A deed, in a script as [`on_stage`] takes them, and what its alert says.
pub(crate) struct Row {
    pub(crate) rule: &'static str,
    script: &'static str,
    /// Fields of the alert and their values; `*` at an end stands for any text.
    says: &'static [(&'static str, &'static str)],
}

pub(crate) const fn row(
    rule: &'static str,
    script: &'static str,
    says: &'static [(&'static str, &'static str)],
) -> Row {
    Row { rule, script, says }
}

/// Does the deeds of all rows on the host, and looks for the alert of each.
pub(crate) fn on_host(watch: &Watch, rows: &[Row]) {
    let deeds: Vec<Deed> = rows.iter().map(deed).collect();
    on_stage("/dev/null".as_ref(), &deeds);
    look(watch, rows, &deeds);
}

/// Does them in a container of an engine that calls it privileged.
pub(crate) fn in_container(watch: &Watch, rows: &[Row]) {
    let container = Container::new(watch);
    let deeds: Vec<Deed> = rows.iter().map(deed).collect();
    on_stage(&container.procs(), &deeds);
    look(watch, rows, &deeds);
}

fn deed(row: &Row) -> Deed {
    Deed { mark: mark(), script: row.script.to_owned() }
}

fn look(watch: &Watch, rows: &[Row], deeds: &[Deed]) {
    let deadline = Instant::now() + PATIENCE;
    let missed = |(row, deed): (&Row, &Deed)| miss(watch, row, &deed.mark, deadline);
    let missed = rows.iter().zip(deeds).filter_map(missed);
    let missed: Vec<String> = missed.collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Returns how a row's alerts differ from what there should be.
fn miss(watch: &Watch, row: &Row, mark: &str, deadline: Instant) -> Option<String> {
    let found = watch.wait_until(deadline, mark, |alert| {
        alert.rule == row.rule
            && has_mark(alert, mark)
            && row.says.iter().all(|(field, value)| is(&shown(alert, field), value))
    });
    found.err().map(|told| format!("no alert of {:?} with {:?}; {told}", row.rule, row.says))
}

/// Returns whether a value is like the expected one.
fn is(value: &str, expected: &str) -> bool {
    match (expected.strip_prefix('*'), expected.strip_suffix('*')) {
        (Some(end), _) => value.ends_with(end),
        (_, Some(start)) => value.starts_with(start),
        _ => value == expected,
    }
}
