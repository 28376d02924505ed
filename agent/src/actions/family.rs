//! Who descends from a process now: by `/proc/PID/task/TID/children`, or where the kernel has no
//! such files, by the parents of all processes.

use std::{collections::HashSet, fs, sync::OnceLock};

use hashbrown::HashMap;

use crate::enrich::procfs;

/// Threads of one process whose children are asked for.
const THREADS_MAX: usize = 4096;

/// Returns the descendants of these processes, nearest first, without themselves, at most
/// `processes_max`. `enter` says whether a process counts; below one that does not, nobody is sought.
pub(super) fn descendants(
    of: &[i32],
    processes_max: usize,
    enter: &mut dyn FnMut(i32) -> bool,
) -> Vec<i32> {
    let by_parent = if has_children_files() { None } else { Some(by_parent()) };
    let children = |pid: i32| match &by_parent {
        Some(by_parent) => by_parent.get(&pid).cloned().unwrap_or_default(),
        None => children(pid),
    };
    let mut seen: HashSet<i32> = of.iter().copied().collect();
    let mut found: Vec<i32> = Vec::new();
    let mut next = 0;
    let mut above = of.to_vec();
    while next < above.len() {
        for child in children(above[next]) {
            if found.len() >= processes_max {
                return found;
            }
            if seen.insert(child) && enter(child) {
                found.push(child);
                above.push(child);
            }
        }
        next += 1;
    }
    found
}

/// Returns the processes above this one, its parent first, at most `processes_max`.
pub(crate) fn ancestors(of: i32, processes_max: usize) -> Vec<i32> {
    let parent = |pid: i32| procfs::stat(pid).map(|seen| seen.ppid).filter(|ppid| *ppid > 0);
    std::iter::successors(parent(of), |pid| parent(*pid)).take(processes_max).collect()
}

/// Returns the threads of a process.
pub(super) fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.take(THREADS_MAX).collect()
}

/// `CONFIG_PROC_CHILDREN` is asked of the kernel once.
fn has_children_files() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| fs::exists("/proc/thread-self/children").unwrap_or(false))
}

fn children(pid: i32) -> Vec<i32> {
    let mut children = Vec::new();
    for thread in threads(pid) {
        let list = procfs::read_file(pid, &format!("task/{thread}/children")).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    children
}

fn by_parent() -> HashMap<i32, Vec<i32>> {
    let mut by_parent: HashMap<i32, Vec<i32>> = HashMap::new();
    for seen in procfs::pids().into_iter().filter_map(procfs::stat) {
        by_parent.entry(seen.ppid).or_default().push(seen.pid);
    }
    by_parent
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_of_a_child_is_found_both_ways() {
        let script = "sleep 60 & echo; wait";
        let mut shell =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let (own, pid) = (std::process::id() as i32, shell.id() as i32);
        let found = descendants(&[own], 1000, &mut |_| true);
        let below = descendants(&[pid], 1000, &mut |_| true);
        assert_eq!(below.len(), 1);
        assert!(found.contains(&pid) && found.contains(&below[0]));
        let parents = by_parent();
        assert!(parents[&own].contains(&pid) && parents[&pid] == below);
        assert_eq!(ancestors(below[0], 2), [pid, own]);
        assert!(descendants(&[own], 1000, &mut |pid| pid == own).is_empty());
        let sleep = rustix::process::Pid::from_raw(below[0]).unwrap();
        rustix::process::kill_process(sleep, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
    }
}
