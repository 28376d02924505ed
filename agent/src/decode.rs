//! Turns raw records of the probe into events.

mod call;
mod descriptor;
mod socket;

use std::sync::Arc;

use alert::{
    Call, Container, Detail, Enforced, Event, EventKind, FileType, OpenFile, ParameterValue,
    Process, ProcessKey,
};
use probe::{
    Body, Malformed, Record,
    layout::{Open, flag},
};

use crate::{
    enforce::Enforcer,
    enrich::{
        path::{absolute, text},
        processes::Processes,
    },
    sensor::{FileNames, event_kind},
};

const O_ACCMODE: u32 = 0o3;
const O_PATH: u32 = 0o10_000_000;

/// The id of no process, and of none of its kind.
const NOBODY: i32 = -1;

/// Makes events, numbered from 1.
#[derive(Debug)]
pub(crate) struct Decoder {
    processes: Processes,
    number: u64,
    enforcer: Option<Arc<Enforcer>>,
    files: FileNames,
}

impl Decoder {
    pub(crate) fn new(processes: Processes) -> Self {
        Self { processes, number: 0, enforcer: None, files: FileNames::default() }
    }

    /// Says in events what the probe did to programs for this enforcer.
    pub(crate) fn enforcing(mut self, enforcer: Option<Arc<Enforcer>>) -> Self {
        self.enforcer = enforcer;
        self
    }

    /// Tells files by the paths that rules name them by, whatever they were opened as.
    pub(crate) fn knowing(mut self, files: FileNames) -> Self {
        self.files = files;
        self
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    pub(crate) fn processes_mut(&mut self) -> &mut Processes {
        &mut self.processes
    }

    pub(crate) fn files(&self) -> &FileNames {
        &self.files
    }

    /// Counts an event that is not made.
    pub(crate) fn pass_over(&mut self) {
        self.number += 1;
    }

    /// Returns the next event that tells of a container rather than of what a process did; `clock` says
    /// when that is, in nanoseconds since boot.
    pub(crate) fn notice(&mut self, clock: fn() -> u64) -> Option<Event> {
        let notice = self.processes.notice()?;
        self.number += 1;
        let time_ns = self.processes.boot_epoch_ns().saturating_add(clock());
        let json = ParameterValue::Text(notice.json());
        let call = Call { values: Box::new([Some(json)]), descriptor: None };
        Some(Event {
            number: self.number,
            time_ns,
            kind: notice.kind,
            result: 0,
            tid: NOBODY,
            vtid: None,
            cpu: None,
            via_io_uring: false,
            process: Arc::new(nobody(notice.container, time_ns)),
            detail: Detail::Call(call),
        })
    }

    /// Returns the event in `bytes`; `None` where the record only tells of a cgroup, or of an end that was
    /// told before. Processes and containers are taken in and let go on the way.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Option<Event>, Malformed> {
        let record = Record::read(bytes)?;
        let header = &record.header;
        let Some(kind) = event_kind(record.kind) else {
            self.processes.cgroup(&record);
            return Ok(None);
        };
        let (process, detail) = match &record.body {
            Body::Execve(exec) => {
                let mut process = self.processes.exec(&record, exec);
                if let Some(enforced) = self.enforced(&record) {
                    // The event's own: a child of a program that was spared is another's matter.
                    let extra = Arc::make_mut(&mut process).extra.get_or_insert_default();
                    extra.enforced = Some(enforced);
                }
                (process, Detail::Exec { filename: text(record.raw.unwrap_or_default()) })
            }
            Body::Fork(fork) => {
                (self.processes.fork(header, fork), Detail::Clone { flags: fork.flags })
            }
            Body::ProcExit(exit) => {
                let Some(process) = self.processes.exit(header) else { return Ok(None) };
                (process, Detail::Exit { status: exit.status })
            }
            body => {
                if let Some(cwd) = cwd(&record) {
                    self.processes.works_in(header, &text(cwd));
                }
                let process = self.processes.of(header);
                let mut detail = detail(&record, kind, body, &process.cwd);
                if let Detail::Open(file) = &mut detail {
                    self.files.tell(file);
                }
                (process, detail)
            }
        };
        self.number += 1;
        Ok(Some(Event {
            number: self.number,
            time_ns: self.processes.boot_epoch_ns().saturating_add(header.time_ns),
            kind,
            result: header.result,
            tid: header.tid as i32,
            vtid: (header.tid != header.pid).then_some(header.vtid as i32),
            cpu: Some(header.cpu),
            via_io_uring: record.has(flag::IO_URING),
            process,
            detail,
        }))
    }

    fn enforced(&self, record: &Record<'_>) -> Option<Enforced> {
        let decision = probe::enforce::Enforced::read(record.enforced?)?;
        self.enforcer.as_ref()?.name(decision)
    }
}

/// Returns who does what nobody does: what is told of a container is no process's deed, and above
/// all not root's.
fn nobody(container: Arc<Container>, time_ns: u64) -> Process {
    Process {
        key: ProcessKey { pid: NOBODY, start_boot_ns: 0 },
        ppid: NOBODY,
        vpid: NOBODY,
        sid: NOBODY,
        uid: u32::MAX,
        gid: u32::MAX,
        start_ns: time_ns,
        container: Some(container),
        ..Process::default()
    }
}

/// Returns the working directory, where the record has it.
fn cwd<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    match record.has(flag::BASE_IS_CWD) {
        true => record.base,
        false => record.cwd,
    }
}

/// Returns the detail of what is not process life.
fn detail(record: &Record<'_>, kind: EventKind, body: &Body, cwd: &str) -> Detail {
    match body {
        Body::Open(open) => Detail::Open(open_file(record, open, cwd)),
        Body::Connect(connect) => Detail::Connect(socket::connection(record, connect)),
        Body::Call(call) => call::detail(record, kind, call, cwd),
        Body::Execve(_) | Body::Fork(_) | Body::ProcExit(_) | Body::Cgroup(_) => {
            unreachable!("told apart before")
        }
    }
}

/// Returns the path as typed and in full.
fn typed_path(record: &Record<'_>, cwd: &str) -> (Box<str>, Box<str>) {
    let Some(raw) = record.raw else { return ("".into(), "".into()) };
    let raw = text(raw);
    let path = match record.base {
        Some(base) => absolute(&text(base), &raw),
        None => absolute(cwd, &raw),
    };
    (raw, path)
}

fn open_file(record: &Record<'_>, open: &Open, cwd: &str) -> OpenFile {
    let (raw, mut path) = typed_path(record, cwd);
    let resolved = record.path.map(text);
    if record.raw.is_none()
        && let Some(resolved) = &resolved
    {
        path = resolved.clone();
    }
    let flags = flags(record, open.flags, open.opened_flags);
    OpenFile {
        raw,
        path,
        resolved,
        flags,
        mode: open.create_mode,
        file_type: file_type(open.mode),
        inode: open.inode,
        device: open.device.into(),
    }
}

/// How it was opened is the kernel's word, not that of memory another thread can change.
fn flags(record: &Record<'_>, asked: u32, opened: u32) -> u32 {
    match record.header.result >= 0 && !record.has(flag::NO_FILE) {
        true => asked & !O_ACCMODE | opened & (O_ACCMODE | O_PATH),
        false => asked,
    }
}

fn file_type(mode: u16) -> FileType {
    match mode & 0o170_000 {
        0 | 0o100_000 => FileType::File,
        0o040_000 => FileType::Directory,
        0o020_000 => FileType::Character,
        0o060_000 => FileType::Block,
        0o010_000 => FileType::Pipe,
        0o140_000 => FileType::Socket,
        0o120_000 => FileType::Link,
        _ => FileType::Other,
    }
}

#[cfg(test)]
mod tests {
    use probe::layout::{Header, Kind, field};

    use super::*;
    use crate::enrich::container::Containers;

    const HEAD_BYTES: usize = size_of::<Header>();

    /// A record of one kind, with zeroes in its fixed part but for what the tests need.
    fn record(kind: u16, body_bytes: usize, fields: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_BYTES + body_bytes];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        // A pid nobody has.
        bytes[32..36].copy_from_slice(&0x7fff_fff0_u32.to_ne_bytes());
        for (kind, value) in fields {
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_ne_bytes());
            bytes.extend_from_slice(value);
        }
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Event {
        let processes = Processes::new(16, Containers::default(), 1000);
        Decoder::new(processes).decode(bytes).unwrap().unwrap()
    }

    const OPENAT: u16 = Kind::OpenAt as u16;
    const OPEN_BYTES: usize = 32;

    #[test]
    fn an_event_of_a_process_that_is_gone_keeps_what_its_record_tells() {
        let bytes = record(OPENAT, OPEN_BYTES, &[(2, b"x"), (3, b"/base"), (1, b"/real/x")]);
        let event = decode(&bytes);
        assert_eq!(event.process.key.pid, 0x7fff_fff0);
        assert_eq!(*event.process.name, *"");
        let Detail::Open(file) = event.detail else { panic!() };
        assert_eq!((&*file.raw, &*file.path), ("x", "/base/x"));
        assert_eq!(file.resolved.as_deref(), Some("/real/x"));
    }

    #[test]
    fn the_way_of_opening_is_the_kernel_s_word() {
        let mut bytes = record(OPENAT, OPEN_BYTES, &[]);
        let body = HEAD_BYTES;
        // Asked for: write, create. Opened: read and write.
        bytes[body + 12..body + 16].copy_from_slice(&0o101_u32.to_ne_bytes());
        bytes[body + 20..body + 24].copy_from_slice(&0o2_u32.to_ne_bytes());
        let Detail::Open(file) = decode(&bytes).detail else { panic!() };
        assert_eq!(file.flags, 0o102);
    }

    /// Writes numbers of 64 bits into a record, from the first argument of its call on.
    fn set_arguments(bytes: &mut [u8], arguments: &[u64]) {
        for (place, argument) in bytes[HEAD_BYTES..].chunks_exact_mut(8).zip(arguments) {
            place.copy_from_slice(&argument.to_ne_bytes());
        }
    }

    const CALL_BYTES: usize = 48;

    fn argument(event: &Event, name: &str) -> String {
        let value = event.value(alert::Field::EvtArg, &alert::Argument::Key(name.into()));
        value.map_or_else(String::new, |value| value.to_string())
    }

    #[test]
    fn a_rename_has_each_path_with_its_own_directory() {
        let of = |kind: u16, argument: u16| kind | (argument + 1) << 8;
        let fields: [(u16, &[u8]); 4] = [
            (of(field::RAW, 1), b"old"),
            (of(field::BASE, 1), b"/from"),
            (of(field::RAW, 3), b"/to/./new"),
            (of(field::PATH, 5), b"/of/no/argument"),
        ];
        let mut bytes = record(Kind::RenameAt2 as u16, CALL_BYTES, &fields);
        // Only the lower half of a register is a descriptor or a flag.
        set_arguments(&mut bytes, &[0xdead_0000_0007, 0, -100_i64 as u64, 0, 0xdead_0000_0001]);
        let event = decode(&bytes);
        assert_eq!(argument(&event, "oldpath"), "/from/old");
        assert_eq!(argument(&event, "olddirfd"), "<d>/from");
        assert_eq!(argument(&event, "newpath"), "/to/new");
        assert_eq!(argument(&event, "newdirfd"), "AT_FDCWD");
        assert_eq!(argument(&event, "flags"), "RENAME_NOREPLACE");
    }

    #[test]
    fn a_call_whose_memory_could_not_be_read_has_its_numbers_all_the_same() {
        let mut bytes = record(Kind::Mount as u16, CALL_BYTES, &[]);
        set_arguments(&mut bytes, &[0, 0, 0, 0xc0ed_0001]);
        let event = decode(&bytes);
        assert_eq!(argument(&event, "dir"), "");
        assert_eq!(argument(&event, "flags"), "RDONLY");
        // A structure that is cut short has no numbers.
        let cut: [(u16, &[u8]); 1] = [(field::STRUCTURE | 2 << 8, b"abc")];
        let event = decode(&record(Kind::CapSet as u16, CALL_BYTES, &cut));
        assert_eq!(argument(&event, "cap_effective"), "");
    }

    #[test]
    fn an_end_that_two_threads_tell_is_one_event() {
        let mut decoder = Decoder::new(Processes::new(16, Containers::default(), 1000));
        let bytes = record(Kind::ProcExit as u16, 8, &[]);
        assert!(decoder.decode(&bytes).unwrap().is_some());
        assert!(decoder.decode(&bytes).unwrap().is_none());
    }

    #[test]
    fn a_start_that_failed_is_an_event_of_who_asked() {
        let raw: [(u16, &[u8]); 1] = [(field::RAW | 1 << 8, b"./missing")];
        let mut bytes = record(Kind::Execve as u16, CALL_BYTES, &raw);
        bytes[72..80].copy_from_slice(&(-2_i64).to_ne_bytes());
        let event = decode(&bytes);
        assert_eq!(event.result, -2);
        assert!(matches!(&event.detail, Detail::Exec { filename } if **filename == *"./missing"));
    }
}
