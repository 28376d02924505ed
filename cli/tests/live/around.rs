//! `saker record --around` keeps what happened before an alert or an event, and after it.

use std::{collections::BTreeSet, fs, path::Path};

use crate::stage::{Agent, Asking, is_root, run, saker};

/// Returns the last arguments of the programs in a whole recording.
fn recorded(file: &Path) -> BTreeSet<String> {
    let output = ["events", "--output", "%proc.args", "--recording"];
    let shown = saker(&[&output[..], &[file.to_str().unwrap()]].concat());
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    let last = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
    text.lines().map(last).collect()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = match folder.read_dir() {
        Ok(files) => files.map(|file| file.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    files.sort();
    files
}

#[test]
fn a_folder_gets_a_file_for_each_alert_named_by_it_with_what_came_before() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-around";
    let agent = Agent::start(&format!("{mark}-alert"));
    let folder = agent.path("around");
    let kept = format!("evt.type = execve and proc.args contains {mark}");
    let path = format!("{}/", folder.display());
    let arguments = [
        "record",
        &kept,
        "--around",
        "1s",
        "--alert-rule",
        "Read by*",
        "--file",
        &path,
        "--max",
        "2",
    ];
    for place in [agent.here(), agent.elsewhere("watcher")] {
        let mut asking = Asking::start(&agent, "around", &arguments, &place);
        let asked = asking.until_it_ends(|| {
            run("/bin/true", &[&format!("{mark}-before")]);
            run("/bin/cat", &["/etc/hostname", &format!("{mark}-alert")]);
        });
        assert_eq!(asked.code, Some(0), "{}", asked.told);
        let end = "2 recordings (as many recordings as were asked for)\n";
        assert!(asked.told.contains(end), "{}", asked.told);
        let files = files(&folder);
        assert_eq!(files.len(), 2);
        let alerts: Vec<String> =
            agent.alerts().iter().map(|alert| alert["uuid"].as_str().unwrap().to_owned()).collect();
        for file in &files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            assert!(alerts.iter().any(|id| id == name), "{name} is no alert's");
        }
        // By the second alert the seconds before it had been watched.
        let both = [format!("{mark}-alert"), format!("{mark}-before")];
        assert_eq!(recorded(&files[1]), BTreeSet::from(both));
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn ctrl_c_completes_the_file_of_an_event_that_a_condition_chose() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-when";
    let agent = Agent::start(mark);
    let kept = format!("evt.type = execve and proc.args contains {mark}");
    let when = format!("evt.type in (unlink, unlinkat) and evt.args contains {mark}-removed");
    let removed = agent.path(&format!("{mark}-removed"));
    for (name, place) in
        [("here.saker", agent.here()), ("elsewhere.saker", agent.elsewhere("watcher"))]
    {
        let file = agent.path(name);
        let arguments =
            ["record", &kept, "--around", "60s", "--when", &when, "--file", file.to_str().unwrap()];
        let mut asking = Asking::start(&agent, name, &arguments, &place);
        asking.until(
            || file.exists(),
            || {
                fs::write(&removed, "").unwrap();
                run("/bin/rm", &[removed.to_str().unwrap()]);
            },
        );
        run("/bin/true", &[&format!("{mark}-after")]);
        let asked = asking.interrupt();
        assert_eq!(asked.code, Some(0), "{}", asked.told);
        assert!(asked.told.contains("1 recording (interrupted)\n"), "{}", asked.told);
        let recorded = recorded(&file);
        assert!(recorded.contains(removed.to_str().unwrap()), "{recorded:?}");
        assert!(recorded.contains(&format!("{mark}-after")), "{recorded:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anybody_waits() {
    let refused = |arguments: &[&str], expected: &str| {
        let asked = saker(&[&["record", "--socket", "/nothing"], arguments].concat());
        let told = String::from_utf8(asked.stderr).unwrap();
        assert_eq!(asked.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    };
    refused(&["--around", "5s", "--file", "x"], "--around needs --alert-rule or --when");
    refused(&["evt.type = execve", "--alert-rule", "x"], "take one of them");
    refused(&["--file", "x", "--from", "5s"], "choose a part of a --recording");
    let file = ["--around", "5s", "--alert-rule", "x", "--file", "x.saker", "--max", "2"];
    refused(&file, "a file holds one recording");
}
