//! The probe for the machine these tests do not run on.

#![expect(clippy::unwrap_used, reason = "tests panic where something is wrong")]

use std::process::Command;

use aya_obj::Object;

/// As the build finds it.
fn clang() -> String {
    let named = std::env::var("SAKER_CLANG").into_iter();
    let mut candidates = named.chain(["clang-19", "clang-18", "clang"].map(str::to_owned));
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok();
    candidates.find(runs).unwrap()
}

/// Returns the names of an object's programs.
fn programs(object: &[u8]) -> Vec<String> {
    let mut names: Vec<_> = Object::parse(object).unwrap().programs.into_keys().collect();
    names.sort();
    names
}

/// Compiles a source for arm64 and compares its programs with those of this machine's object.
fn compile(source: &str, own: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("probe.o");
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let compiled = Command::new(clang())
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"])
        .args(["-D__TARGET_ARCH_arm64", "-I", &headers, "-c", source, "-o"])
        .arg(&object)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    assert_eq!(programs(&std::fs::read(object).unwrap()), programs(own));
}

#[test]
fn the_objects_for_arm64_are_compiled_and_can_be_read() {
    compile("bpf/probe.bpf.c", probe::OBJECT);
    compile("bpf/iterator.bpf.c", probe::ITERATOR);
}
