//! Shapes that have fooled others: reused pids, other roots and namespaces, names with line ends and
//! escapes, arguments of some size.

use std::{fs, os::unix::ffi::OsStrExt, path::Path, process::Command};

use alert::Alert;

use crate::{
    helper::{attack, copy, done, mark, program},
    watch::{Watch, builtin, has_mark, shown},
};

const HASHES: &str = "Password hashes read";

/// Returns the run of a program that has these words in its command.
#[track_caller]
fn run_of(watch: &Watch, mark: &str, words: &str) -> Alert {
    let found = watch.wait(mark, |alert| {
        alert.rule == "Shape run"
            && has_mark(alert, mark)
            && shown(alert, "proc.cmdline").contains(words)
    });
    found.unwrap()
}

#[test]
fn a_reused_pid_is_another_process() {
    let Some(watch) = builtin() else { return };
    let mark = format!("shape-{}", mark());
    done(attack("reuse-pid").arg(&mark));
    let [first, second] = ["first", "second"].map(|which| run_of(watch, &mark, which));
    assert_eq!(shown(&first, "proc.pid"), shown(&second, "proc.pid"));
    assert_eq!(shown(&first, "proc.ppid"), shown(&second, "proc.ppid"));
    let start = |alert: &Alert| shown(alert, "proc.pid.ts").parse::<u64>().unwrap();
    assert!(start(&first) < start(&second), "{} {}", first.output, second.output);
}

#[test]
fn another_root_has_files_of_its_own_and_those_of_the_host_stay_known() {
    let Some(watch) = builtin() else { return };
    let (mark, root) = (mark(), tempfile::tempdir().unwrap());
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/shadow"), "x").unwrap();
    copy(program(), &root.path().join("reader"));
    let inside = format!("{mark}-inside");
    let mut chroot = Command::new("chroot");
    done(chroot.arg(root.path()).args(["/reader", "open-at", "/etc", "shadow", &inside]));
    // Its own, by the name it has in there.
    let alert = watch.alert(HASHES, &inside);
    assert_eq!(shown(&alert, "fd.name"), "/etc/shadow");
    assert_eq!(shown(&alert, "proc.exepath"), "/reader");

    // The host's, through a folder that was open before.
    let outside = format!("{mark}-outside");
    let mut open = attack("open-from-outside");
    done(open.arg(root.path()).args(["/etc", "shadow", &outside]));
    watch.alert(HASHES, &outside);
}

#[test]
fn namespaces_of_its_own_hide_neither_a_process_nor_its_files() {
    let Some(watch) = builtin() else { return };
    let mark = format!("shape-{}", mark());
    let own =
        ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net"];
    let mut unshare = Command::new("unshare");
    done(unshare.args(own).arg(program()).args(["open-at", "/etc", "shadow", &mark]));
    let alert = watch.alert(HASHES, &mark);
    assert_eq!(shown(&alert, "fd.name"), "/etc/shadow");
    let run = run_of(watch, &mark, "open-at");
    let run = match shown(&run, "proc.vpid").as_str() {
        "1" => run,
        _ => watch
            .wait(&mark, |alert| {
                alert.rule == "Shape run"
                    && has_mark(alert, &mark)
                    && shown(alert, "proc.vpid") == "1"
            })
            .unwrap(),
    };
    assert_ne!(shown(&run, "proc.pid"), "1");
    assert_eq!(shown(&run, "user.uid"), "0");
}

#[test]
fn line_ends_and_escapes_stay_what_they_are_and_end_no_line() {
    let Some(watch) = builtin() else { return };
    let (mark, folder) = (mark(), tempfile::tempdir().unwrap());
    let name = format!("a\n{{\"rule\":\"x\"}}\r\u{1b}]0;t\u{7}\u{1b}[2J\u{202e}shape-{mark}");
    let path = folder.path().join(std::ffi::OsStr::from_bytes(name.as_bytes()));
    fs::write(&path, "x").unwrap();
    done(Command::new("cat").arg(&path));
    let alert = watch.alert("Shape open", &mark);
    assert_eq!(Path::new(&shown(&alert, "fd.name")), path);
    assert_eq!(Path::new(&shown(&alert, "fd.resolved")), path);
    // The line that is printed, spooled and sent.
    let mut line = Vec::new();
    alert::wire::write_falco(&alert, &mut line);
    let line = String::from_utf8(line).unwrap();
    assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
    let back: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(back["rule"], "Shape open");
    assert_eq!(back["output_fields"]["fd.name"], path.to_str().unwrap());
}

#[test]
fn arguments_of_four_kilobytes_are_matched_to_their_end() {
    let Some(watch) = builtin() else { return };
    let mark = format!("shape-{}", mark());
    let long = format!("{}{mark}", "a".repeat(4096 - mark.len()));
    done(Command::new("/bin/true").arg(&long));
    let alert = watch.alert("Shape run", &mark);
    assert_eq!(shown(&alert, "proc.args"), long);
}
