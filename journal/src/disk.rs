//! The disk under a journal: a handful of calls, so that a simulated one can take its place.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::fs::{FallocateFlags, fallocate};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is there, and only read.
    Read,
    /// It is there, and changed.
    Write,
    /// It is made, or emptied if it is there.
    Create,
}

/// A file system. Each call does what the system call of its name does, and promises as little.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a folder and those above it; one that is there is no error.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Returns the paths of what a folder holds, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    fn exists(&self, path: &Path) -> bool;

    /// Renames a file, in place of another of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which files a folder holds.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a file and locks it for this process; `None` when another one holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;

    /// Returns a number that nobody can foresee.
    fn salt(&self) -> u64;

    /// Returns the clock's time, in milliseconds since 1970. It may be set back.
    fn time_ms(&self) -> u64;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    fn length(&self) -> io::Result<u64>;

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Takes the space up to this length, so that writing to it later cannot find the disk full.
    fn reserve(&self, length: u64) -> io::Result<()>;

    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes durable, and the length if they need it.
    fn sync_data(&self) -> io::Result<()>;

    fn sync_all(&self) -> io::Result<()>;
}

/// Keeps others out of a folder until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: Box<dyn fmt::Debug + Send>,
}

impl Lock {
    /// Returns a lock that dropping `held` gives back.
    pub fn new(held: impl fmt::Debug + Send + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => {}
            Access::Write => _ = options.write(true),
            Access::Create => _ = options.write(true).create(true).truncate(true),
        }
        Ok(Arc::new(options.open(path)?))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock::new(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn salt(&self) -> u64 {
        RandomState::new().hash_one(0)
    }

    fn time_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < length {
            let step = (length - at).min(zeros.len() as u64);
            FileExt::write_all_at(self, &zeros[..step as usize], at)?;
            at += step;
        }
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}
