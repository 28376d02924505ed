//! Compiles the programs in `bpf/` with clang into the objects that the agent carries.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

const PACKAGES: &str = "on Debian: apt-get install clang-19 libbpf-dev linux-libc-dev";

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["bpf", "include", "build.rs"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=SAKER_CLANG");
    let clang = find_clang()?;
    for name in ["probe", "iterator"] {
        let object = PathBuf::from(env::var("OUT_DIR")?).join(format!("{name}.o"));
        compile(&clang, name, &object)?;
        strip(&clang, &object);
    }
    Ok(())
}

/// Returns the first compiler that can be run: `SAKER_CLANG`, else `clang-19`, `clang-18` or `clang`.
fn find_clang() -> Result<String, String> {
    let named = env::var("SAKER_CLANG").ok();
    let candidates = match &named {
        Some(named) => vec![named.as_str()],
        None => vec!["clang-19", "clang-18", "clang"],
    };
    for candidate in &candidates {
        if Command::new(candidate).arg("--version").output().is_ok_and(|run| run.status.success()) {
            return Ok((*candidate).to_owned());
        }
    }
    Err(format!("the probe needs clang, and none of {candidates:?} can be run ({PACKAGES})"))
}

fn compile(clang: &str, name: &str, object: &Path) -> Result<(), Box<dyn Error>> {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let target = match architecture.as_str() {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => return Err(format!("the probe does not know the architecture `{other}`").into()),
    };
    let output = Command::new(clang)
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"])
        .arg(format!("-D__TARGET_ARCH_{target}"))
        .arg(format!("-I/usr/include/{architecture}-linux-gnu"))
        .args(["-c", &format!("bpf/{name}.bpf.c"), "-o"])
        .arg(object)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    if message.contains("file not found") {
        return Err(format!(
            "the probe needs the headers of libbpf and Linux ({PACKAGES}):\n{message}"
        )
        .into());
    }
    Err(format!("{clang} could not compile the probe:\n{message}").into())
}

/// Drops the debug sections, of which the loader needs only BTF. A larger object works as well, so a
/// missing tool is no error.
fn strip(clang: &str, object: &Path) {
    let run = |tool: &str| {
        let stripped = Command::new(tool).arg("-g").arg(object).status();
        stripped.is_ok_and(|status| status.success())
    };
    // The package of one version of clang may come without the tool of that version.
    if !run(&clang.replace("clang", "llvm-strip")) && !run("llvm-strip") {
        println!("cargo::warning=the probe keeps its debug sections: llvm-strip was not found");
    }
}
