//! Storms of processes: each is told, and what happens meanwhile and afterwards is too.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use alert::Alert;

use crate::{
    container::cgroup_roots,
    helper::{attack, done, mark},
    watch::{Watch, builtin, has_mark, shown},
};

/// Waits until so many alerts of a rule have the mark; returns how many processes they are about, and
/// those that may be missing: what is lost is counted.
#[track_caller]
fn told(watch: &Watch, rule: &str, mark: &str, count: usize) -> usize {
    let of_it = |alert: &Alert| alert.rule == rule && has_mark(alert, mark);
    let mut seen = 0;
    // Alerts are looked at in their order, and each once.
    let all = watch.wait(mark, |alert| {
        seen += usize::from(of_it(alert));
        seen == count
    });
    let lost = watch.lost() as usize;
    assert!(all.is_ok() || seen + lost >= count, "{seen} of {count}, {lost} lost");
    let marked = watch.marked(mark);
    let pids: BTreeSet<String> =
        marked.iter().filter(|alert| of_it(alert)).map(|alert| shown(alert, "proc.pid")).collect();
    pids.len() + if all.is_ok() { 0 } else { lost.min(count - seen) }
}

#[test]
fn each_of_two_thousand_programs_that_end_at_once_is_told() {
    const EACH: usize = 500;
    let Some(watch) = builtin() else { return };
    let mark = format!("shape-{}", mark());
    let script = format!("i=0; while [ $i -lt {EACH} ]; do /bin/true $MARK; i=$((i+1)); done");
    let mut shells: Vec<_> = (0..4)
        .map(|_| Command::new("sh").args(["-c", &script]).env("MARK", &mark).spawn().unwrap())
        .collect();
    for shell in &mut shells {
        assert!(shell.wait().unwrap().success());
    }
    // Pids come around no sooner than after some tens of thousands.
    assert_eq!(told(watch, "Shape run", &mark, 4 * EACH), 4 * EACH);
}

/// A group of processes of which there may be only so many.
struct Bounded(PathBuf);

impl Bounded {
    fn new(processes_max: usize) -> Self {
        let name = format!("saker-bomb-{}", std::process::id());
        let made = cgroup_roots().into_iter().filter_map(|root| {
            // In the unified hierarchy its root must hand the controller on.
            fs::write(root.join("cgroup.subtree_control"), "+pids").ok();
            let folder = root.join(&name);
            fs::create_dir(&folder).ok()?;
            match fs::write(folder.join("pids.max"), processes_max.to_string()) {
                Ok(()) => Some(folder),
                Err(_) => fs::remove_dir(&folder).ok().and(None),
            }
        });
        Self(made.into_iter().next().expect("a cgroup with the pids controller"))
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

#[test]
fn a_fork_bomb_hides_nothing_that_is_done_under_it() {
    let Some(watch) = builtin() else { return };
    let (mark, bounded) = (mark(), Bounded::new(300));
    let script = "echo $$ > $PROCS && exec $PROGRAM fork-bomb $MARK";
    let mut bomb = Command::new("sh");
    bomb.args(["-c", script]).env("PROCS", bounded.0.join("cgroup.procs"));
    bomb.env("PROGRAM", crate::helper::program()).env("MARK", format!("bomb-{mark}"));
    let mut bomb = bomb.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(bomb.stdout.take().unwrap()).read_line(&mut said).unwrap();
    // While all of them live:
    done(attack("open-at").args(["/etc", "shadow", &format!("{mark}-under")]));
    drop(bomb.stdin.take());
    assert!(bomb.wait().unwrap().success());
    let made: usize = said.trim().parse().unwrap();
    assert_eq!(made, 299, "as many as the group lets in beside the first");
    watch.alert("Password hashes read", &format!("{mark}-under"));
    assert_eq!(told(watch, "Shape fork", &format!("bomb-{mark}"), made), made);
}
