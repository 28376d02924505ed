//! Eleven ways to do what rules are about without being seen by a sensor that compares names. Each is
//! really gone; the built-in rules see all of them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use alert::Alert;

use crate::{
    doer,
    helper::{self, Deed, attack, copy, done, mark, on_stage},
    watch::{builtin, shown},
};

const HASHES: &str = "Password hashes read";
const SHADOW: &str = "/etc/shadow";

/// Holds an alert to the file it is about: one that was opened under this name.
#[track_caller]
fn opened(alert: &Alert, name: &str) {
    assert_eq!(shown(alert, "fd.name"), name, "{}", alert.output);
    assert_eq!(shown(alert, "user.name"), "root", "{}", alert.output);
}

/// Removes what it names when it is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Does one deed on the stage, outside of containers.
#[track_caller]
fn stage(mark: &str, script: &str) {
    let deed = Deed { mark: mark.to_owned(), script: script.to_owned() };
    on_stage(Path::new("/dev/null"), &[deed]);
}

#[test]
fn an_open_through_io_uring() {
    let Some(watch) = builtin() else { return };
    let mark = mark();
    let (status, errors) = doer::run(attack("ring-open").args([SHADOW, &mark]));
    if status == "2" {
        return eprintln!("\n*** SKIPPED: this kernel has no io_uring\n");
    }
    assert_eq!(status, "0", "{errors}");
    opened(&watch.alert(HASHES, &mark), SHADOW);
}

#[test]
fn an_open_by_a_handle() {
    let Some(watch) = builtin() else { return };
    let mark = mark();
    done(attack("handle-open").args([SHADOW, &mark]));
    opened(&watch.alert(HASHES, &mark), SHADOW);
}

#[test]
fn a_path_through_a_process_s_own_root() {
    let Some(watch) = builtin() else { return };
    let (mark, path) = (mark(), "/proc/self/root/etc/shadow");
    done(attack("open-at").args(["/", path, &mark]));
    opened(&watch.alert(HASHES, &mark), path);
}

#[test]
fn a_symbolic_link_that_was_there() {
    let Some(watch) = builtin() else { return };
    let (mark, folder) = (mark(), tempfile::tempdir().unwrap());
    let link = folder.path().join("holiday-photos");
    symlink(SHADOW, &link).unwrap();
    done(attack("open-at").arg(folder.path()).args(["holiday-photos", &mark]));
    opened(&watch.alert(HASHES, &mark), link.to_str().unwrap());
}

#[test]
fn a_hard_link_that_was_there() {
    let Some(watch) = builtin() else { return };
    let mark = mark();
    let link = Removed(format!("/etc/{mark}-notes").into());
    fs::hard_link(SHADOW, &link.0).unwrap();
    done(attack("open-at").arg("/etc").arg(link.0.file_name().unwrap()).arg(&mark));
    opened(&watch.alert(HASHES, &mark), link.0.to_str().unwrap());
}

#[test]
fn a_mount_at_another_place() {
    let Some(watch) = builtin() else { return };
    let (mark, folder) = (mark(), tempfile::tempdir().unwrap());
    let at = folder.path().join("mounted");
    fs::create_dir(&at).unwrap();
    // The whole folder, the file alone, and the whole file system, which looks like any other.
    let script = "set -e
        mount --bind /etc $1
        $0 open-at $1 shadow $2-folder
        : > $1-file
        mount --bind /etc/shadow $1-file
        $0 open-at / $1-file $2-file
        mount --bind / $1
        $0 open-at $1/etc shadow $2-all";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "/bin/sh", "-c", script]);
    done(unshare.arg(helper::program()).arg(&at).arg(&mark));
    let at = at.to_str().unwrap();
    for (way, name) in [
        ("folder", format!("{at}/shadow")),
        ("file", format!("{at}-file")),
        ("all", format!("{at}/etc/shadow")),
    ] {
        opened(&watch.alert(HASHES, &format!("{mark}-{way}")), &name);
    }
}

#[test]
fn a_program_under_a_name_that_is_allowed() {
    let Some(watch) = builtin() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["systemd", "sshd", "sudo", "dpkg"] {
        let mark = mark();
        let program = folder.path().join(name);
        copy(helper::program(), &program);
        done(Command::new(&program).args(["open-at", "/etc", "shadow", &mark]));
        let alert = watch.alert(HASHES, &mark);
        opened(&alert, SHADOW);
        assert_eq!(shown(&alert, "proc.name"), name);
        assert_eq!(shown(&alert, "proc.exepath"), program.to_str().unwrap());
    }
}

#[test]
fn a_shell_that_reads_by_itself() {
    let Some(watch) = builtin() else { return };
    let mark = mark();
    done(Command::new("bash").args(["-c", "read -r line < /etc/shadow; : $0", &mark]));
    let alert = watch.alert(HASHES, &mark);
    opened(&alert, SHADOW);
    assert_eq!(shown(&alert, "proc.name"), "bash");
}

#[test]
fn a_program_in_shared_memory_run_by_the_loader_or_by_a_link() {
    let Some(watch) = builtin() else { return };
    let (mark, folder) = (mark(), tempfile::tempdir().unwrap());
    let program = Removed(format!("/dev/shm/{mark}").into());
    copy("/bin/true".as_ref(), &program.0);
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loader.into_iter().find(|path| Path::new(path).exists()).unwrap();
    done(Command::new(loader).arg(&program.0));
    let alert = watch.alert("Loader run by hand", &mark);
    assert_eq!(shown(&alert, "proc.exepath"), fs::canonicalize(loader).unwrap().to_str().unwrap());

    let link = folder.path().join("innocent");
    symlink(&program.0, &link).unwrap();
    done(&mut Command::new(&link));
    let alert = watch.alert("Program run from shared memory", &mark);
    assert_eq!(shown(&alert, "proc.exepath"), program.0.to_str().unwrap());
    assert_eq!(shown(&alert, "proc.name"), "innocent");
}

#[test]
fn a_log_emptied_by_its_path_or_its_descriptor() {
    let Some(watch) = builtin() else { return };
    for deed in ["truncate", "shorten"] {
        let mark = mark();
        stage(&mark, &format!("echo line > /var/log/auth.log; $A {deed} /var/log/auth.log $0-own"));
        let alert = watch.alert("System log cleared", &format!("{mark}-own"));
        cleared(&alert, "/attacks");
    }
}

/// Holds an alert to the log it is about, and to who did it.
#[track_caller]
fn cleared(alert: &Alert, program: &str) {
    assert!(shown(alert, "proc.exepath").ends_with(program), "{}", alert.output);
    assert!(alert.output.contains("/var/log/auth.log"), "{}", alert.output);
}

#[test]
fn a_log_deleted_or_moved_away() {
    let Some(watch) = builtin() else { return };
    for (deed, name) in [("rm auth.log /nothing/$0-own", "/rm"), ("mv auth.log $0-own", "/mv")] {
        let mark = mark();
        stage(&mark, &format!("cd /var/log; echo line > auth.log; {deed}"));
        let alert = watch.alert("System log cleared", &format!("{mark}-own"));
        cleared(&alert, name);
    }
}
