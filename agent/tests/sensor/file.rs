//! Opening files.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use alert::{Detail, Event, EventKind, FileType, OpenFile};

use crate::{
    deed::{deed, run, run_status},
    watch::watch,
};

fn file(event: &Event) -> &OpenFile {
    let Detail::Open(file) = &event.detail else { panic!("{event:?}") };
    file
}

fn opens(event: &Event, path: &str) -> bool {
    matches!(&event.detail, Detail::Open(file) if &*file.path == path)
}

#[test]
fn reading_a_file_shows_what_was_opened() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, "x").unwrap();
    let pid = run(Command::new("cat").arg(&path));
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, path.to_str().unwrap()));
    let data = fs::metadata(&path).unwrap();
    let file = file(&event);
    assert!(event.result >= 3);
    assert_eq!(*event.process.name, *"cat");
    assert_eq!(Path::new(&*file.raw), path);
    assert_eq!(file.resolved.as_deref(), path.to_str());
    assert_eq!((file.inode, file.device), (data.ino(), data.dev()));
    assert_eq!(file.file_type, FileType::File);
    assert_eq!(file.flags & 3, 0);
    assert_eq!(event.tid, pid);
}

#[test]
fn a_relative_path_through_a_link_keeps_both_names() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(directory.path().join("target"), "x").unwrap();
    std::os::unix::fs::symlink("target", directory.path().join("link")).unwrap();
    let pid = run(Command::new("cat").arg("sub/..//./link").current_dir(&directory));
    let typed = directory.path().join("link");
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, typed.to_str().unwrap()));
    assert_eq!(*file(&event).raw, *"sub/..//./link");
    assert_eq!(
        Path::new(file(&event).resolved.as_deref().unwrap()),
        directory.path().join("target")
    );
}

#[test]
fn a_path_below_a_directory_descriptor_starts_there() {
    let Some(watch) = watch() else { return };
    let pid = run(deed("openat-in").args(["/etc", "hostname"]));
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, "/etc/hostname"));
    assert_eq!(*file(&event).raw, *"hostname");
    let directory = watch.of(pid, EventKind::OpenAt, |event| opens(event, "/etc"));
    assert_eq!(file(&directory).file_type, FileType::Directory);
}

#[test]
fn a_changed_directory_is_followed() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("sh").args(["-c", "cd /etc; : <hostname; :"]));
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, "/etc/hostname"));
    assert_eq!(*event.process.cwd, *"/etc");
}

#[test]
fn an_open_that_fails_shows_the_typed_path_and_the_error() {
    let Some(watch) = watch() else { return };
    let pid = run(Command::new("cat").arg("missing/file").current_dir("/etc"));
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, "/etc/missing/file"));
    assert_eq!(event.result, -2);
    assert_eq!(file(&event).resolved, None);
    assert_eq!(*file(&event).raw, *"missing/file");
}

#[test]
fn creating_calls_tell_flags_and_mode() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let pid = run(deed("creat").arg(&first));
    let event = watch.of(pid, EventKind::Creat, |_| true);
    assert_eq!(Path::new(&*file(&event).path), first);
    assert_eq!((file(&event).flags, file(&event).mode), (0o1101, 0o604));

    let pid = run(deed("openat2").arg(&second));
    let event = watch.of(pid, EventKind::OpenAt2, |_| true);
    assert_eq!(Path::new(&*file(&event).path), second);
    assert_eq!((file(&event).flags & 3, file(&event).mode), (2, 0o640));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_32_bit_way_in_is_no_way_past() {
    let Some(watch) = watch() else { return };
    let (pid, status) = run_status(deed("compat").arg("/etc/hostname"));
    if !status.success() {
        eprintln!("\n*** SKIPPED: this kernel has no 32-bit system calls\n");
        return;
    }
    let event = watch.of(pid, EventKind::Open, |event| opens(event, "/etc/hostname"));
    assert_eq!(file(&event).resolved.as_deref(), Some("/etc/hostname"));
}

#[test]
fn an_open_through_io_uring_is_seen() {
    let Some(watch) = watch() else { return };
    let (pid, status) = run_status(deed("ring-open").arg("hostname").current_dir("/etc"));
    if status.code() == Some(2) {
        eprintln!("\n*** SKIPPED: this kernel has no io_uring\n");
        return;
    }
    let event = watch.of(pid, EventKind::OpenAt, |event| event.via_io_uring);
    assert_eq!((&*file(&event).raw, &*file(&event).path), ("hostname", "/etc/hostname"));
    assert_eq!((file(&event).flags & 3, file(&event).mode), (2, 0o600));
    assert_eq!(file(&event).resolved, None);
}

#[test]
fn a_very_long_and_deep_path_arrives_whole() {
    let Some(watch) = watch() else { return };
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join(vec!["d"; 200].join("/"));
    let deep = deep.join("n".repeat(255)).join("m".repeat(255));
    fs::create_dir_all(&deep).unwrap();
    let path = deep.join("leaf");
    fs::write(&path, "").unwrap();
    let pid = run(Command::new("cat").arg(&path));
    let event = watch.of(pid, EventKind::OpenAt, |event| opens(event, path.to_str().unwrap()));
    assert_eq!(file(&event).resolved.as_deref(), path.to_str());
}
