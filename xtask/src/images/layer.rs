//! Packs a folder into a tar (ustar) of which every byte follows from names and contents: sorted,
//! one modification time, a fixed owner, two modes.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

const BLOCK: usize = 512;

/// Owner of every entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Writes a tar, entry by entry.
pub(crate) struct Tar<W> {
    out: W,
    owner: Owner,
    /// Seconds since 1970, of every entry.
    modified: u64,
}

/// One entry's head.
struct Head<'a> {
    path: &'a str,
    kind: u8,
    mode: u32,
    size: u64,
    link: &'a str,
}

impl<W: Write> Tar<W> {
    pub(crate) fn new(out: W, owner: Owner, modified: u64) -> Self {
        Self { out, owner, modified }
    }

    pub(crate) fn directory(&mut self, path: &str) -> anyhow::Result<()> {
        let path = format!("{}/", path.trim_end_matches('/'));
        self.head(&Head { path: &path, kind: b'5', mode: 0o755, size: 0, link: "" })
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> anyhow::Result<()> {
        self.head(&Head { path, kind: b'2', mode: 0o777, size: 0, link: target })
    }

    pub(crate) fn file(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        mut content: impl io::Read,
    ) -> anyhow::Result<()> {
        self.head(&Head { path, kind: b'0', mode, size, link: "" })?;
        let copied = io::copy(&mut content, &mut self.out)?;
        if copied != size {
            bail!("{path} changed its size while it was packed");
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.out.write_all(&[0; BLOCK][..usize::try_from(padding)?])?;
        Ok(())
    }

    /// Packs what is below `folder` as if it lay at `at`; `at` itself too, unless it is the root.
    pub(crate) fn tree(&mut self, folder: &Path, at: &str) -> anyhow::Result<()> {
        let at = at.trim_matches('/');
        if !at.is_empty() {
            self.directory(at)?;
        }
        for entry in sorted(folder)? {
            self.entry(&entry, at)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Path, at: &str) -> anyhow::Result<()> {
        let name = entry.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is not UTF-8", entry.display()))?;
        let path = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
        let metadata = fs::symlink_metadata(entry)?;
        if metadata.is_dir() {
            return self.tree(entry, &path);
        }
        if metadata.is_symlink() {
            let target = fs::read_link(entry)?;
            return self.symlink(&path, target.to_str().context("a link's target is not UTF-8")?);
        }
        // Two modes only: what else a umask left in the build folder is chance.
        let program = metadata.permissions().mode() & 0o111 != 0;
        let mode = if program { 0o755 } else { 0o644 };
        self.file(&path, mode, metadata.len(), fs::File::open(entry)?)
    }

    /// Ends the tar and returns what it was written to.
    pub(crate) fn finish(mut self) -> anyhow::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn head(&mut self, head: &Head<'_>) -> anyhow::Result<()> {
        let mut block = [0_u8; BLOCK];
        let (prefix, name) = split(head.path)?;
        put(&mut block[0..100], name.as_bytes());
        put(&mut block[345..500], prefix.as_bytes());
        if head.link.len() > 100 {
            bail!("the target of {} is too long for a tar", head.path);
        }
        put(&mut block[157..257], head.link.as_bytes());
        put(&mut block[100..108], format!("{:07o}", head.mode).as_bytes());
        put(&mut block[108..116], format!("{:07o}", self.owner.user).as_bytes());
        put(&mut block[116..124], format!("{:07o}", self.owner.group).as_bytes());
        put(&mut block[124..136], format!("{:011o}", head.size).as_bytes());
        put(&mut block[136..148], format!("{:011o}", self.modified).as_bytes());
        block[156] = head.kind;
        put(&mut block[257..265], b"ustar\x0000");
        // The sum is taken with spaces in its own place.
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
        self.out.write_all(&block)?;
        Ok(())
    }
}

fn put(field: &mut [u8], value: &[u8]) {
    field[..value.len()].copy_from_slice(value);
}

/// A path of more than 100 bytes is kept in two parts, cut at a slash.
fn split(path: &str) -> anyhow::Result<(&str, &str)> {
    if path.len() <= 100 {
        return Ok(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100 && !name.is_empty())
        .with_context(|| format!("{path} is too long for a tar"))
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut entries = Vec::new();
    for entry in listed {
        entries.push(entry?.path());
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_cut_at_a_slash_and_a_longer_one_refused() {
        let folder = "f".repeat(90);
        assert_eq!(split("a/b").unwrap(), ("", "a/b"));
        let long = format!("{folder}/name-of-a-file");
        assert_eq!(split(&long).unwrap(), (folder.as_str(), "name-of-a-file"));
        assert!(split(&"x".repeat(101)).is_err());
    }

    #[test]
    fn gnu_tar_reads_what_was_written() {
        let mut tar = Tar::new(Vec::new(), Owner { user: 65532, group: 65533 }, 86_400);
        tar.directory("etc").unwrap();
        tar.file("etc/motd", 0o644, 5, &b"hello"[..]).unwrap();
        tar.symlink("etc/link", "motd").unwrap();
        let bytes = tar.finish().unwrap();
        let mut gnu = std::process::Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--utc", "--full-time"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        gnu.stdin.take().unwrap().write_all(&bytes).unwrap();
        let listed = String::from_utf8(gnu.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<_> = listed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x 65532/65533 0 1970-01-02 00:00:00 etc/",
                "-rw-r--r-- 65532/65533 5 1970-01-02 00:00:00 etc/motd",
                "lrwxrwxrwx 65532/65533 0 1970-01-02 00:00:00 etc/link -> motd",
            ]
        );
    }
}
