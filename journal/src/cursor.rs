//! Named places in the journal, each a small checksummed file replaced as a whole.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Access, CursorError, Disk, OpenError, locked, log::Log};

const SUFFIX: &str = ".cursor";
const MAGIC: [u8; 8] = *b"SAKERCUR";
const FILE_BYTES: usize = 20;
const NAME_BYTES_MAX: usize = 64;

/// A place in the journal that survives a restart and keeps the records after it.
///
/// All cursors of one name are the same cursor.
#[derive(Clone, Debug)]
pub struct Cursor {
    log: Arc<Log>,
    name: String,
}

impl Cursor {
    pub(crate) fn open(log: &Arc<Log>, name: &str) -> Result<Self, CursorError> {
        check_name(name)?;
        log.with_cursor_files(|| {
            if locked(&log.state).cursors.contains_key(name) {
                return Ok(());
            }
            // Held back from the start: what is there now must not be deleted under it.
            let first = log.first();
            locked(&log.state).cursors.insert(name.to_owned(), first);
            store(&*log.disk, &log.dir, name, first).inspect_err(|_| {
                locked(&log.state).cursors.remove(name);
            })
        })?;
        Ok(Self { log: Arc::clone(log), name: name.to_owned() })
    }

    pub(crate) fn remove(log: &Log, name: &str) -> Result<(), CursorError> {
        check_name(name)?;
        log.with_cursor_files(|| {
            let path = path_of(&log.dir, name);
            if locked(&log.state).cursors.remove(name).is_none() {
                return Ok(());
            }
            log.disk
                .remove(&path)
                .and_then(|()| log.disk.sync_dir(&log.dir))
                .map_err(|source| CursorError::Io { action: "remove", path, source })
        })?;
        log.delete_passed();
        Ok(())
    }

    /// Returns the sequence of the next record to handle.
    pub fn position(&self) -> u64 {
        locked(&self.log.state).cursors.get(&self.name).copied().unwrap_or_default()
    }

    /// Moves the cursor to `sequence`: everything before it is done and may be deleted. The move is
    /// on the disk when this returns; it blocks for as long as that takes.
    pub fn commit(&self, sequence: u64) -> Result<(), CursorError> {
        self.log.with_cursor_files(|| {
            let (position, end) = (self.position(), self.log.next());
            if !(position..=end).contains(&sequence) {
                let name = self.name.clone();
                return Err(CursorError::Range { name, to: sequence, position, end });
            }
            if sequence == position {
                return Ok(());
            }
            store(&*self.log.disk, &self.log.dir, &self.name, sequence)?;
            locked(&self.log.state).cursors.insert(self.name.clone(), sequence);
            Ok(())
        })?;
        self.log.delete_passed();
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), CursorError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(CursorError::Name(name.chars().take(NAME_BYTES_MAX).collect()));
    }
    Ok(())
}

/// Returns the cursor a file holds, or `None` for another file.
pub(crate) fn name_of(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(SUFFIX).filter(|name| check_name(name).is_ok())
}

pub(crate) fn path_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{SUFFIX}"))
}

fn encode(position: u64) -> [u8; FILE_BYTES] {
    let mut bytes = [0; FILE_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&position.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(crate) fn load(disk: &dyn Disk, path: &Path) -> Result<u64, OpenError> {
    let mut bytes = [0; FILE_BYTES];
    let mut read = || -> io::Result<bool> {
        let file = disk.open(path, Access::Read)?;
        if file.length()? != FILE_BYTES as u64 {
            return Ok(false);
        }
        file.read_exact_at(&mut bytes, 0).map(|()| true)
    };
    let is_whole =
        read().map_err(|source| OpenError::Io { action: "read", path: path.to_owned(), source })?;
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8..16]);
    let position = u64::from_le_bytes(word);
    if !is_whole || bytes != encode(position) {
        return Err(OpenError::Damaged {
            file: path.to_owned(),
            offset: 0,
            reason: "it is not a cursor, or its checksum does not match".to_owned(),
        });
    }
    Ok(position)
}

/// Returns what is wrong with a cursor behind the last record.
pub(crate) fn ahead(path: &Path, position: u64, end: u64) -> OpenError {
    OpenError::Damaged {
        file: path.to_owned(),
        offset: 0,
        reason: format!("it is at {position}, but the records end at {end}"),
    }
}

fn store(disk: &dyn Disk, dir: &Path, name: &str, position: u64) -> Result<(), CursorError> {
    let path = path_of(dir, name);
    let temporary = dir.join(format!("{name}{SUFFIX}.tmp"));
    let write = || -> io::Result<()> {
        let file = disk.open(&temporary, Access::Create)?;
        file.write_all_at(&encode(position), 0)?;
        file.sync_all()?;
        disk.rename(&temporary, &path)?;
        disk.sync_dir(dir)
    };
    write().map_err(|source| CursorError::Io { action: "write", path: path.clone(), source })
}
