//! Opens while another thread works against whoever looks.

use e2e::Report;

use crate::guests::{Backend, DESCRIPTOR_OPENS, reports};

/// Returns what each open of a race was, and as what it was seen: `p` the plain file, `o` the other.
fn race(report: &Report, backend: Backend, name: &str) -> (String, String) {
    let output = report.step(backend.name()).succeeded();
    let (_, race) = output.split_once(&format!("#race {name}\n")).expect("a race");
    let mut lines = race.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.next().unwrap())
}

#[test]
fn a_name_that_flips_under_the_call_never_hides_which_file_was_opened() {
    let Some(reports) = reports() else { return };
    for (kernel, report) in reports {
        for backend in Backend::ALL {
            let (opened, seen) = race(report, backend, "name");
            assert_eq!(opened.len(), backend.name_opens());
            assert!(opened.contains('o') && opened.contains('p'), "no race: {opened}");
            assert!(opened == seen, "{} on {}:\n{opened}\n{seen}", backend.name(), kernel.name);
        }
    }
}

#[test]
fn a_descriptor_that_is_replaced_at_once_hides_nothing_from_a_trampoline() {
    let Some(reports) = reports() else { return };
    for (kernel, report) in reports {
        let (_, seen) = race(report, Backend::Trampoline, "descriptor");
        let plain = seen.matches('p').count();
        let all = (DESCRIPTOR_OPENS, DESCRIPTOR_OPENS);
        assert_eq!((plain, seen.len()), all, "{}:\n{seen}", kernel.name);
    }
}
