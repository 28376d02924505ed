//! What a program needs to be started: its loader and, recursively, its shared libraries.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, bail};

/// What one file asks the loader for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Path of the loader, in programs.
    pub(crate) loader: Option<String>,
    /// Names of shared libraries.
    pub(crate) libraries: BTreeSet<String>,
}

/// Returns what `file`, a program or a shared library, asks for.
pub(crate) fn needs(file: &Path) -> anyhow::Result<Needs> {
    let output = Command::new("readelf")
        .args(["--wide", "--dynamic", "--program-headers"])
        .arg(file)
        .env("LC_ALL", "C")
        .output()
        .context("failed to start readelf (package binutils)")?;
    if !output.status.success() {
        bail!("{} is not a program: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
}

fn read(readelf: &str) -> Needs {
    let mut needs = Needs::default();
    for line in readelf.lines() {
        let between = |open, close| {
            let (_, rest) = line.split_once(open)?;
            Some(rest.split_once(close)?.0.trim().to_owned())
        };
        if line.contains("(NEEDED)") {
            needs.libraries.extend(between("[", "]"));
        } else if line.contains("program interpreter") {
            needs.loader = between("interpreter:", "]");
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_and_libraries_are_read_from_readelf() {
        let text = "      [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]\n \
                    0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n \
                    0x000000000000000e (SONAME)             Library soname: [libx.so]\n";
        let needs = read(text);
        assert_eq!(needs.loader.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(needs.libraries, BTreeSet::from(["libc.so.6".to_owned()]));
    }
}
