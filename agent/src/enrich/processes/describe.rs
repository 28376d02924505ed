//! What single records and `/proc` say of a process, put into its shape.

use std::sync::Arc;

use alert::{
    Container, Executable, Leader, Process, ProcessExtra, ProcessKey, StandardStream, Usage,
};
use probe::{
    Record,
    layout::{Execve, Header, Stream, flag, layer},
    texts,
};

use crate::enrich::{path::text, procfs::Seen, user::Users};

const CAP_DAC_OVERRIDE: u64 = 1 << 1;

/// Fills in the names of a process's users and group, with the home and shell of its user.
pub(super) fn name(users: &mut Users, process: &mut Process) {
    let container = process.container.as_ref().map(|container| container.key());
    let names = users.of(container.as_deref(), process.key.pid);
    let account = names.account(process.uid);
    process.user = account.map(|account| account.name().into());
    process.group = names.group(process.gid);
    process.login_user = process.login_uid.and_then(|uid| names.user(uid));
    let home = account.and_then(|account| account.home()).map(Into::into);
    let shell = account.and_then(|account| account.shell()).map(Into::into);
    let extra = process.extra.get_or_insert_default();
    (extra.home, extra.shell) = (home, shell);
}

/// Fills in who leads the session and the group of a process, where that is no ancestor. `find` knows
/// leaders; `before` is the same process from when one may still have lived.
pub(super) fn lead(
    process: &mut Process,
    before: Option<&Process>,
    find: &dyn Fn(i32) -> Option<Arc<Leader>>,
) {
    let (sid, group) = (process.sid, process.extra.as_deref().and_then(|extra| extra.group_id));
    let known = before.and_then(|before| Some((before.sid, before.extra.as_deref()?)));
    let known_session = known
        .filter(|(before, _)| *before == sid)
        .and_then(|(_, extra)| extra.session_leader.clone());
    let known_group = known
        .filter(|(_, extra)| extra.group_id == group)
        .and_then(|(_, extra)| extra.group_leader.clone());
    let elsewhere = |pid: i32| {
        let own = process.key.pid == pid || process.ancestors().any(|above| above.key.pid == pid);
        if own { None } else { find(pid) }
    };
    let session = elsewhere(sid).or(known_session);
    let of_group = group.and_then(|group| match group == sid {
        true => session.clone(),
        false => elsewhere(group).or(known_group),
    });
    let extra = process.extra.get_or_insert_default();
    (extra.session_leader, extra.group_leader) = (session, of_group);
}

/// Returns a process of which no more than its key is known.
pub(crate) fn unknown(key: ProcessKey, boot_epoch_ns: u64) -> Process {
    Process {
        key,
        vpid: key.pid,
        start_ns: boot_epoch_ns.saturating_add(key.start_boot_ns),
        ..Process::default()
    }
}

/// Returns what the head of a record tells of its process.
pub(super) fn told(header: &Header, boot_epoch_ns: u64) -> Process {
    let key = ProcessKey { pid: header.pid as i32, start_boot_ns: header.start_ns };
    Process {
        ppid: header.ppid as i32,
        vpid: header.vtid as i32,
        uid: header.uid,
        gid: header.gid,
        login_uid: login_uid(header),
        capabilities: header.capabilities,
        extra: Some(Box::new(ProcessExtra {
            permitted: Some(header.permitted),
            ..ProcessExtra::default()
        })),
        ..unknown(key, boot_epoch_ns)
    }
}

/// Returns who logged in, if anybody did.
pub(super) fn login_uid(header: &Header) -> Option<u32> {
    (header.login_uid != u32::MAX).then_some(header.login_uid)
}

/// Returns what a record tells of a process and its program, but for its parent and names.
pub(super) fn program(
    record: &Record<'_>,
    exec: &Execve,
    container: Option<Arc<Container>>,
    boot_epoch_ns: u64,
) -> Process {
    Process {
        sid: exec.sid as i32,
        name: text(record.name.unwrap_or_default()),
        executable: executable(record, exec),
        arguments: texts(record.arguments.unwrap_or_default()).map(text).collect(),
        environment: texts(record.environment.unwrap_or_default()).map(text).collect(),
        cwd: text(record.cwd.unwrap_or_default()),
        tty: exec.tty,
        stdin: standard_stream(&exec.input),
        stdout: standard_stream(&exec.output),
        container,
        extra: Some(Box::new(ProcessExtra {
            group_id: Some(exec.group_id as i32),
            virtual_group_id: Some(exec.virtual_group_id as i32),
            permitted: Some(record.header.permitted),
            inheritable: Some(exec.inheritable),
            namespace_start_ns: started(exec.namespace_start_ns, boot_epoch_ns),
            usage: Some(usage(exec)),
            ..ProcessExtra::default()
        })),
        ..told(&record.header, boot_epoch_ns)
    }
}

/// Returns a start since boot as one since 1970.
pub(super) fn started(start_ns: u64, boot_epoch_ns: u64) -> Option<u64> {
    (start_ns != 0).then(|| boot_epoch_ns.saturating_add(start_ns))
}

/// A thread of the kernel runs no program.
fn executable(record: &Record<'_>, exec: &Execve) -> Executable {
    if exec.inode == 0 {
        return Executable::default();
    }
    let path = text(record.path.unwrap_or_default());
    let from_memfd = record.has(flag::UNREACHABLE) && exec.links == 0 && path.starts_with("memfd:");
    Executable {
        path,
        inode: exec.inode,
        ctime_ns: u64::try_from(exec.ctime_ns).unwrap_or(0),
        mtime_ns: u64::try_from(exec.mtime_ns).unwrap_or(0),
        from_memfd,
        upper_layer: exec.layer == layer::UPPER,
        lower_layer: exec.layer == layer::LOWER,
        writable: is_writable(&record.header, exec),
        deleted: exec.links == 0 && !from_memfd,
    }
}

fn usage(exec: &Execve) -> Usage {
    let kib = |pages: u64| pages.saturating_mul(rustix::param::page_size() as u64) >> 10;
    Usage {
        files_max: exec.files_max,
        files: exec.files.into(),
        // An exec ends all threads but one.
        threads: 1,
        virtual_kib: kib(exec.virtual_pages),
        resident_kib: kib(exec.resident_pages),
        swapped_kib: kib(exec.swapped_pages),
        faults_major: exec.faults_major,
        faults_minor: exec.faults_minor,
    }
}

/// Returns what `/proc` told, but for the container.
pub(super) fn seen(seen: Seen, parent: Option<Arc<Process>>, boot_epoch_ns: u64) -> Process {
    let extra = ProcessExtra {
        group_id: Some(seen.group_id),
        virtual_group_id: Some(seen.virtual_group_id),
        permitted: Some(seen.permitted),
        inheritable: Some(seen.inheritable),
        namespace_start_ns: namespace_start(&seen, parent.as_deref(), boot_epoch_ns),
        ..ProcessExtra::default()
    };
    Process {
        ppid: seen.ppid,
        vpid: seen.vpid,
        sid: seen.sid,
        name: seen.name,
        executable: seen.executable,
        arguments: seen.arguments.into(),
        cwd: seen.cwd,
        tty: seen.tty,
        uid: seen.uid,
        gid: seen.gid,
        login_uid: seen.login_uid,
        capabilities: seen.capabilities,
        stdin: seen.stdin,
        stdout: seen.stdout,
        parent,
        extra: Some(Box::new(extra)),
        ..unknown(ProcessKey { pid: seen.pid, start_boot_ns: seen.start_ns }, boot_epoch_ns)
    }
}

/// The first process of a namespace has the number 1 there; its children are of the same namespace
/// unless they say otherwise.
fn namespace_start(seen: &Seen, parent: Option<&Process>, boot_epoch_ns: u64) -> Option<u64> {
    if seen.vpid == 1 {
        return started(seen.start_ns, boot_epoch_ns);
    }
    let parent = parent?;
    let nested = |pid: i32, vpid: i32| pid != vpid;
    let alike = nested(seen.pid, seen.vpid) == nested(parent.key.pid, parent.vpid);
    parent.extra.as_deref().filter(|_| alike)?.namespace_start_ns
}

/// Returns whether the process could write to its own program file.
fn is_writable(header: &Header, exec: &Execve) -> bool {
    let owner = header.uid == exec.owner && exec.mode & 0o200 != 0;
    let group = header.gid == exec.group && exec.mode & 0o020 != 0;
    let others = exec.mode & 0o002 != 0;
    let overrides = header.capabilities & CAP_DAC_OVERRIDE != 0;
    exec.read_only == 0 && (overrides || owner || group || others)
}

fn standard_stream(stream: &Stream) -> Option<StandardStream> {
    const AF_UNIX: u16 = 1;
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    let (major, minor) = (stream.device >> 20, stream.device & 0xfffff);
    Some(match stream.mode & 0o170_000 {
        0 => return None,
        0o100_000 => StandardStream::File,
        0o010_000 => StandardStream::Pipe,
        0o020_000 if (major, minor) == (1, 3) => StandardStream::Null,
        // tty, console, pseudo-terminals, serial lines.
        0o020_000 if matches!(major, 4 | 5 | 136..=143 | 204) => StandardStream::Terminal,
        0o140_000 => match stream.family {
            AF_UNIX => StandardStream::Unix,
            AF_INET => StandardStream::Ipv4,
            AF_INET6 => StandardStream::Ipv6,
            _ => StandardStream::Other,
        },
        _ => StandardStream::Other,
    })
}
