//! Tells who came into a container with a program of the host: what container runtimes do there before
//! the container's own program runs.

use std::sync::Arc;

use alert::{Container, Process};

/// Puts a process into the container it is found in.
pub(super) fn put(process: &mut Process, container: Option<Arc<Container>>) {
    let entered = enters(process, container.as_deref());
    process.extra.get_or_insert_default().entered = entered;
    process.container = container;
}

/// Returns whether a program that came into a container goes on there as a copy of itself in memory,
/// as runc does (CVE-2019-5736). Before it is in the container's pid namespace nothing of the container
/// has run in it.
pub(super) fn copies_itself(before: &Process, now: &Process) -> bool {
    enters(before, now.container.as_deref()) && now.executable.from_memfd && now.vpid == now.key.pid
}

/// Returns whether the process, with the program it runs, comes into this container, or did before.
fn enters(process: &Process, container: Option<&Container>) -> bool {
    match (process.container.as_deref(), container) {
        (None, Some(_)) => true,
        // Into another container, even one inside, what runs in a container can move too.
        (Some(before), Some(now)) => before.key() == now.key() && has_entered(process),
        (_, None) => false,
    }
}

fn has_entered(process: &Process) -> bool {
    process.extra.as_deref().is_some_and(|extra| extra.entered)
}

#[cfg(test)]
mod tests {
    use alert::{Executable, ProcessKey};

    use super::*;

    fn container(id: &str) -> Option<Arc<Container>> {
        Some(Arc::new(Container { id: id.into(), ..Container::default() }))
    }

    /// A process of the host that runs a runtime.
    fn runtime() -> Process {
        Process { key: ProcessKey { pid: 900, start_boot_ns: 1 }, vpid: 900, ..Process::default() }
    }

    /// The same, after it began to run a program in memory.
    fn in_memory(of: &Process, vpid: i32) -> Process {
        let executable = Executable { from_memfd: true, ..Executable::default() };
        Process { executable, vpid, ..of.clone() }
    }

    #[test]
    fn who_comes_from_the_host_has_entered_and_stays_so_as_long_as_it_is_in_there() {
        let mut process = runtime();
        put(&mut process, container("a"));
        assert!(has_entered(&process));
        // What is known of the container now is more.
        let more =
            Container { name: Some("web".into()), ..Container::clone(&container("a").unwrap()) };
        put(&mut process, Some(Arc::new(more)));
        assert!(has_entered(&process));
        put(&mut process, None);
        assert!(!has_entered(&process));
    }

    #[test]
    fn who_moves_from_one_container_into_another_has_not_entered_it() {
        let mut process = Process { container: container("a"), ..runtime() };
        let inner =
            Container { outer_id: Some("a".into()), ..Container::clone(&container("b").unwrap()) };
        put(&mut process, Some(Arc::new(inner)));
        assert!(!has_entered(&process));
        // Nor one that entered the first.
        let mut process = runtime();
        put(&mut process, container("a"));
        put(&mut process, container("b"));
        assert!(!has_entered(&process));
    }

    #[test]
    fn a_runtime_goes_on_as_its_copy_and_nothing_else_does() {
        let mut entered = runtime();
        put(&mut entered, container("a"));
        assert!(copies_itself(&entered, &in_memory(&entered, 900)));
        // The record of the copy is the first that is told of it in there.
        let inside = Process { container: container("a"), ..runtime() };
        assert!(copies_itself(&runtime(), &in_memory(&inside, 900)));
        // A program of the container, whatever it calls its memory.
        assert!(!copies_itself(&inside, &in_memory(&inside, 900)));
        // In the container's pid namespace its own program may be any.
        assert!(!copies_itself(&entered, &in_memory(&entered, 7)));
        assert!(!copies_itself(&entered, &entered));
        let elsewhere = Process { container: container("b"), ..entered.clone() };
        assert!(!copies_itself(&entered, &in_memory(&elsewhere, 900)));
        // On the host there is nothing to enter.
        assert!(!copies_itself(&runtime(), &in_memory(&runtime(), 900)));
    }
}
