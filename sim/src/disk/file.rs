//! One file's bytes: as they are read, as they are on the disk, and what lies between.

use std::io;

use crate::chance::Chance;

/// What a disk writes whole or not at all, mostly.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// In the order they were made.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Inode {
    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let start = offset as usize;
        let Some(found) = self.bytes.get(start..start + into.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        into.copy_from_slice(found);
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let offset = offset as usize;
        put(&mut self.bytes, offset, bytes);
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.bytes.resize(length as usize, 0);
        self.unsynced.push(Change::Length(length as usize));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { offset, bytes } => put(&mut self.durable, offset, &bytes),
                Change::Length(length) => self.durable.resize(length, 0),
            }
        }
    }

    /// A sync failed: what was to be written is dropped in part, though it is still read, and no
    /// later sync will write it.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        self.settle(chance, 500);
    }

    /// The power went: of what was not synced, about `kept` out of a thousand is on the disk.
    pub(super) fn crash(&mut self, chance: &mut Chance, kept: u64) {
        self.settle(chance, kept);
        self.bytes.clone_from(&self.durable);
    }

    fn settle(&mut self, chance: &mut Chance, kept: u64) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Length(length) => {
                    if chance.per_mille(kept) {
                        self.durable.resize(length, 0);
                    }
                }
                Change::Write { offset, bytes } => self.tear(chance, kept, offset, &bytes),
            }
        }
    }

    /// Each sector is kept or lost for itself; now and then one is cut in the middle.
    fn tear(&mut self, chance: &mut Chance, kept: u64, offset: usize, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES);
            let piece = &bytes[at..end];
            if chance.per_mille(kept) {
                put(&mut self.durable, offset + at, piece);
            } else if kept > 0 && chance.percent(20) {
                let cut = chance.below(piece.len() as u64) as usize;
                put(&mut self.durable, offset + at, &piece[..cut]);
            }
            at = end;
        }
    }
}

fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[offset..end].copy_from_slice(bytes);
}
