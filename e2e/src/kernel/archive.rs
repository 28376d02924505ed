//! The archive a kernel unpacks into its first file system: cpio in the "newc" form
//! (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";
const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
const DEVICE: u32 = 0o020_600;

/// An archive that grows file by file; folders come by themselves.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    pub(super) fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return;
        }
        self.parents(path);
        self.entry(path, DIRECTORY, (0, 0), &[]);
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.parents(path);
        self.entry(path, FILE | mode, (0, 0), content);
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entry(path, LINK, (0, 0), target.as_bytes());
    }

    /// A character device.
    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(path, DEVICE, (major, minor), &[]);
    }

    /// Returns the finished archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, (0, 0), &[]);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        if let Some((above, _)) = path.trim_matches('/').rsplit_once('/') {
            self.folder(above);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        let path = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("a file below 4 GiB");
        let name_bytes = u32::try_from(path.len() + 1).expect("a short name");
        // Inode, mode, owner, group, links, time, size, device, device of a node, name, checksum.
        let numbers = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_bytes, 0];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for number in numbers {
            self.bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents start at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o644, b"text");
        archive.file("/a/b/d", 0o755, b"");
        let bytes = archive.finish();
        let at = |name: &[u8]| {
            let found: Vec<_> = bytes
                .windows(name.len() + 1)
                .enumerate()
                .filter(|(_, window)| window[..name.len()] == *name && window[name.len()] == 0)
                .map(|(at, _)| at)
                .collect();
            assert_eq!(found.len(), 1, "{found:?}");
            found[0]
        };
        let order = [at(b"a/b"), at(b"a/b/c"), at(b"a/b/d"), at(TRAILER.as_bytes())];
        assert!(order.is_sorted(), "{order:?}");
        assert!(bytes.len().is_multiple_of(4));
    }

    #[test]
    fn a_header_has_thirteen_numbers_of_eight_digits() {
        let mut archive = Archive::default();
        archive.file("f", 0o644, b"12345");
        let header = String::from_utf8(archive.bytes[..110].to_vec()).expect("text");
        assert_eq!(&header[..6], MAGIC);
        assert_eq!(&header[14..22], "000081A4");
        assert_eq!(&header[54..62], "00000005");
        assert_eq!(&header[94..102], "00000002");
    }
}
