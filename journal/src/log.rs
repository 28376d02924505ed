//! The state all handles share: segments, cursors, and what was made of the disk's errors.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    Access, CursorError, Disk, DiskFile, Lock, OpenError, Options, ReadError, Recovery, cursor,
    locked,
    reserve::{self, Room},
    scan,
    segment::{self, Active, Place, Segment},
    walk::Walk,
};

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) state: Mutex<State>,
    /// Held while cursor files change; `None` once the journal is closed. Keeps other processes out.
    pub(crate) lock: Mutex<Option<Lock>>,
    /// Held while segments are deleted, so that the oldest always goes first. Taken before `state`.
    retention: Mutex<()>,
}

/// A segment, and its file as a reader opened it.
pub(crate) type OpenSegment = (Arc<Segment>, Arc<dyn DiskFile>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    pub(crate) cursors: BTreeMap<String, u64>,
    /// The reserve's file is there.
    pub(crate) has_spare: bool,
    pub(crate) commits: u64,
    pub(crate) full: bool,
    pub(crate) exhausted: bool,
    pub(crate) failure: Option<String>,
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes()).sum()
    }

    /// Returns the sequence below which no cursor needs a record.
    fn needed(&self) -> Option<u64> {
        self.cursors.values().copied().min()
    }
}

/// The files of a journal's folder.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// With the sequences in their names, in order.
    pub(crate) segments: Vec<(u64, PathBuf)>,
    /// With the cursors' names, in order.
    pub(crate) cursors: Vec<(String, PathBuf)>,
    /// What a crash left of a file being made.
    unfinished: Vec<PathBuf>,
}

impl Files {
    pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { action: "list", path: dir.to_owned(), source };
        let mut files = Self::default();
        for path in disk.list(dir).map_err(failed)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(first) = segment::first_of(name) {
                files.segments.push((first, path));
            } else if let Some(name) = cursor::name_of(name) {
                files.cursors.push((name.to_owned(), path));
            } else if name.ends_with(".tmp") {
                files.unfinished.push(path);
            }
        }
        files.segments.sort_unstable();
        files.cursors.sort_unstable();
        Ok(files)
    }
}

/// Makes the folder of a new journal, durably, with those above it: what is synced in it must not
/// vanish with it. An earlier start may have made them and got no further.
fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.make_dir(dir)?;
    for above in dir.ancestors().skip(1) {
        // A relative path's first folder is made in this one.
        let above = if above == Path::new("") { Path::new(".") } else { above };
        match disk.sync_dir(above) {
            // Whoever may not look into a folder has made nothing in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced?,
        }
    }
    Ok(())
}

impl Log {
    /// Reads the directory and makes good what a crash left.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        options.check().map_err(OpenError::Options)?;
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { action, path, source }
        };
        let is_new = Files::list(&*disk, dir).map_or(true, |files| files.segments.is_empty());
        if is_new {
            make_dir(&*disk, dir).map_err(failed("make", dir))?;
        }
        let lock_path = dir.join("lock");
        let Some(lock) = disk.lock(&lock_path).map_err(failed("lock", &lock_path))? else {
            return Err(OpenError::Locked(dir.to_owned()));
        };

        let files = Files::list(&*disk, dir)?;
        // What is built upon from here on must not be another after a power cut.
        disk.sync_dir(dir).map_err(failed("sync", dir))?;
        for path in &files.unfinished {
            disk.remove(path).map_err(failed("remove", path))?;
        }
        let has_spare = reserve::find(&*disk, dir, options.spare_bytes())
            .map_err(failed("look after", &reserve::path_of(dir)))?;
        let mut cursors = BTreeMap::new();
        for (name, path) in files.cursors {
            cursors.insert(name, cursor::load(&*disk, &path)?);
        }
        let firsts = files.segments;

        let mut segments = VecDeque::with_capacity(firsts.len());
        let (mut torn_bytes, mut next) = (0, None);
        for (index, (first, path)) in firsts.iter().enumerate() {
            if next.is_some_and(|next| next != *first) {
                return Err(scan::damaged(path, 0, "records before it are missing"));
            }
            let place = if index + 1 == firsts.len() { Place::Last } else { Place::Earlier };
            let (segment, torn) = segment::recover(&*disk, path, *first, place)?;
            torn_bytes += torn;
            next = Some(segment.next());
            segments.push_back(Arc::new(segment));
        }
        let next = next.unwrap_or(0);
        for (name, position) in &mut cursors {
            if *position > next && options.sync == crate::Sync::None {
                *position = next;
            } else if *position > next {
                return Err(cursor::ahead(&cursor::path_of(dir, name), *position, next));
            }
        }

        let first = segments.front().map_or(next, |segment| segment.first);
        if torn_bytes > 0 {
            info!(dir = %dir.display(), torn_bytes, "cut an unfinished commit from the journal");
        }
        let log = Self {
            disk,
            dir: dir.to_owned(),
            options,
            durable: watch::Sender::new(next),
            state: Mutex::new(State { segments, cursors, has_spare, ..State::default() }),
            lock: Mutex::new(Some(lock)),
            retention: Mutex::new(()),
        };
        Ok((log, Recovery { records: first..next, torn_bytes }))
    }

    pub(crate) fn next(&self) -> u64 {
        *self.durable.borrow()
    }

    pub(crate) fn first(&self) -> u64 {
        locked(&self.state).segments.front().map_or(0, |segment| segment.first)
    }

    /// Returns the segment that holds, or will hold, record `sequence`, and its open file.
    pub(crate) fn locate(&self, sequence: u64) -> Result<Option<OpenSegment>, ReadError> {
        // The lock is held until the file is open: retention cannot delete it in between.
        let state = locked(&self.state);
        let after = state.segments.partition_point(|segment| segment.first <= sequence);
        let Some(segment) = after.checked_sub(1).and_then(|index| state.segments.get(index)) else {
            return match state.segments.front() {
                Some(front) => Err(ReadError::Deleted { sequence, first: front.first }),
                None => Ok(None),
            };
        };
        self.open_segment(segment).map(Some)
    }

    fn open_segment(&self, segment: &Arc<Segment>) -> Result<OpenSegment, ReadError> {
        let file = self
            .disk
            .open(&segment.path, Access::Read)
            .map_err(|source| ReadError::Io { path: segment.path.clone(), source })?;
        Ok((Arc::clone(segment), file))
    }

    pub(crate) fn written_since(&self, time_ms: u64) -> Result<u64, ReadError> {
        let durable = self.next();
        let found = {
            let mut state = locked(&self.state);
            let index = segment::written_since(state.segments.make_contiguous(), time_ms);
            // As in `locate`, the file is open before the lock is given back.
            index.map(|index| self.open_segment(&state.segments[index])).transpose()?
        };
        let Some((segment, file)) = found else { return Ok(durable) };
        Ok(Walk::written_since(segment, file, time_ms)?.unwrap_or(durable))
    }

    /// Adds the segment just made. An empty one of the same name was replaced by it.
    pub(crate) fn push(&self, segment: &Arc<Segment>) {
        let mut state = locked(&self.state);
        if state.segments.back().is_some_and(|last| last.first == segment.first) {
            state.segments.pop_back();
        }
        state.segments.push_back(Arc::clone(segment));
    }

    /// Deletes what no cursor needs until `bytes` more fit; returns whether they do. A journal
    /// without cursors needs nothing but its last segment.
    pub(crate) fn make_room(&self, bytes: u64, room: Room) -> bool {
        let taken = |state: &State| match room {
            Room::Common => state.bytes() + bytes + self.options.reserve_bytes,
            Room::Reserve if state.has_spare => state.bytes() + bytes + self.options.spare_bytes(),
            Room::Reserve => state.bytes() + bytes,
        };
        self.delete_while(|state| taken(state) > self.options.bytes_max);
        taken(&locked(&self.state)) <= self.options.bytes_max
    }

    /// Makes the reserve whole again if it can be; returns whether it is.
    pub(crate) fn restore_reserve(&self) -> io::Result<bool> {
        let bytes = self.options.spare_bytes();
        if !self.make_room(0, Room::Common) {
            return Ok(false);
        }
        if bytes == 0 || locked(&self.state).has_spare {
            return Ok(true);
        }
        match reserve::make(&*self.disk, &self.dir, bytes) {
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => {
                locked(&self.state).has_spare = true;
                Ok(true)
            }
        }
    }

    /// Has the reserve's file become the segment from `first` on, if it is there.
    pub(crate) fn spend_spare(&self, first: u64) -> io::Result<Option<Active>> {
        if !locked(&self.state).has_spare {
            return Ok(None);
        }
        let spare = reserve::path_of(&self.dir);
        let made = Active::create_from(&*self.disk, &self.dir, first, &spare);
        if !self.disk.exists(&spare) {
            locked(&self.state).has_spare = false;
        }
        made.map(Some)
    }

    /// Deletes the segments every cursor has passed.
    pub(crate) fn delete_passed(&self) {
        self.delete_while(|state| !state.cursors.is_empty());
    }

    pub(crate) fn delete_while(&self, mut wanted: impl FnMut(&State) -> bool) {
        let _retention = locked(&self.retention);
        loop {
            let segment = {
                let mut state = locked(&self.state);
                let free = state.segments.len() > 1
                    && state.segments.front().is_some_and(|oldest| {
                        state.needed().is_none_or(|needed| oldest.next() <= needed)
                    });
                if !free || !wanted(&state) {
                    return;
                }
                let Some(segment) = state.segments.pop_front() else { return };
                segment
            };
            if let Err(error) = self.remove(&segment.path) {
                warn!(file = %segment.path.display(), %error, "failed to delete a journal segment");
                if self.disk.exists(&segment.path) {
                    locked(&self.state).segments.push_front(segment);
                }
                return;
            }
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)?;
        self.disk.sync_dir(&self.dir)
    }

    /// Stops the journal for good: after a failed write or sync nobody knows what the disk holds.
    pub(crate) fn fail(&self, what: &str, error: &io::Error) {
        error!(dir = %self.dir.display(), %error, "{what}; the journal takes no more records");
        locked(&self.state).failure = Some(format!("{what}: {error}"));
    }

    pub(crate) fn set_full(&self, full: bool, why: &str) {
        let mut state = locked(&self.state);
        if full && !state.full {
            warn!(dir = %self.dir.display(), why, "journal is full for all but urgent records");
        } else if !full && state.full {
            info!(dir = %self.dir.display(), "journal has space again");
        }
        state.full = full;
    }

    /// Runs `change` on the cursor files, which no other process then touches.
    pub(crate) fn with_cursor_files<T>(
        &self,
        change: impl FnOnce() -> Result<T, CursorError>,
    ) -> Result<T, CursorError> {
        let lock = locked(&self.lock);
        if lock.is_none() {
            return Err(CursorError::Closed);
        }
        change()
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
