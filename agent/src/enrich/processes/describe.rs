//! What single records and `/proc` say of a process, put into its shape.

use std::sync::Arc;

use alert::{Leader, Memo, Process, ProcessExtra, ProcessKey, StandardStream};
use probe::layout::{Execve, Header, Stream};

use super::super::{process_tree::ProcessTree, procfs::Seen, user::Users};

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

/// Fills in who leads the session and the group of a process, where that is no ancestor; `before` is
/// the same process, or the one it is a copy of, from when the leader may still have lived.
pub(super) fn lead(tree: &ProcessTree, process: &mut Process, before: Option<&Process>) {
    let (sid, group) = (process.sid, process.extra.as_deref().and_then(|extra| extra.group_id));
    let known = before.and_then(|before| before.extra.as_deref());
    let known_session = known
        .filter(|_| before.is_some_and(|before| before.sid == sid))
        .and_then(|extra| extra.session_leader.clone());
    let known_group =
        known.filter(|extra| extra.group_id == group).and_then(|extra| extra.group_leader.clone());
    let session = leader(tree, process, sid).or(known_session);
    let of_group = group.and_then(|group| match group == sid {
        true => session.clone(),
        false => leader(tree, process, group).or(known_group),
    });
    let extra = process.extra.get_or_insert_default();
    (extra.session_leader, extra.group_leader) = (session, of_group);
}

/// Returns what is known of a leader beside the process's own line.
fn leader(tree: &ProcessTree, process: &Process, pid: i32) -> Option<Arc<Leader>> {
    let in_line = process.key.pid == pid || process.ancestors().any(|above| above.key.pid == pid);
    let found = tree.current(pid).filter(|_| !in_line)?;
    Some(Arc::new(Leader::from(&*found.process)))
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
        uid: header.uid,
        gid: header.gid,
        capabilities: header.capabilities,
        ..unknown(key, boot_epoch_ns)
    }
}

/// Returns what `/proc` told, but for the container.
pub(super) fn seen(seen: Seen, parent: Option<Arc<Process>>, boot_epoch_ns: u64) -> Process {
    let extra = ProcessExtra {
        group_id: Some(seen.group_id),
        virtual_group_id: Some(seen.virtual_group_id),
        permitted: Some(seen.permitted),
        inheritable: Some(seen.inheritable),
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
        memo: Memo::default(),
        ..unknown(ProcessKey { pid: seen.pid, start_boot_ns: seen.start_ns }, boot_epoch_ns)
    }
}

/// Returns whether the process could write to its own program file.
pub(super) fn is_writable(header: &Header, exec: &Execve) -> bool {
    let owner = header.uid == exec.owner && exec.mode & 0o200 != 0;
    let group = header.gid == exec.group && exec.mode & 0o020 != 0;
    let others = exec.mode & 0o002 != 0;
    let overrides = header.capabilities & CAP_DAC_OVERRIDE != 0;
    exec.read_only == 0 && (overrides || owner || group || others)
}

pub(super) fn standard_stream(stream: &Stream) -> Option<StandardStream> {
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
