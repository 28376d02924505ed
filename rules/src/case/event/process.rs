//! Builds the process of a test's event, and its ancestors.

use std::sync::Arc;

use alert::{
    ContainerProbe, Enforced, EnforcedOutcome, Executable, Process, ProcessExtra, ProcessKey,
    StandardStream, Usage, capabilities, capability_bit,
};

use super::{SECOND_NS, START_NS, container, given::Given, keys};
use crate::{
    diagnostic::Diagnostic,
    yaml::{Kind, Node},
};

/// Age of an executable, unless the test gives another.
const DAY_NS: u64 = 86_400 * SECOND_NS;

/// Processes a test may give.
const ANCESTORS_MAX: usize = 64;

/// Returns the process: what is left out is that of a plain process of the host.
pub(super) fn read(given: &Given<'_>) -> Result<Process, Diagnostic> {
    let name = given.text("proc.name")?.unwrap_or("program");
    let first = given.text("proc.exe")?.unwrap_or(name).into();
    let pid = given.number("proc.pid")?.unwrap_or(1000);
    let uid = given.number("user.uid")?.unwrap_or(0);
    let user = given.text("user.name")?.or((uid == 0).then_some("root"));
    let login_uid: Option<i64> = given.number("user.loginuid")?;
    let parent = parents(given)?;
    Ok(Process {
        key: ProcessKey { pid, start_boot_ns: SECOND_NS },
        ppid: parent.as_ref().map_or(1, |parent| parent.key.pid),
        vpid: given.number("proc.vpid")?.unwrap_or(pid),
        sid: given.number("proc.sid")?.unwrap_or(pid),
        start_ns: START_NS,
        name: name.into(),
        executable: executable(given, name)?,
        arguments: std::iter::once(first).chain(given.texts("proc.args")?).collect(),
        environment: given.texts("proc.env")?.into(),
        cwd: given.text("proc.cwd")?.unwrap_or("/").into(),
        tty: given.number("proc.tty")?.unwrap_or(0),
        uid,
        gid: given.number("group.gid")?.unwrap_or(uid),
        user: user.map(Into::into),
        group: given.boxed("group.name")?,
        login_uid: login_uid.and_then(|uid| u32::try_from(uid).ok()),
        login_user: given.boxed("user.loginname")?,
        capabilities: capability_set(given, "thread.cap_effective")?.unwrap_or(0),
        stdin: stream(given, "proc.stdin.type")?,
        stdout: stream(given, "proc.stdout.type")?,
        container: container::read(given)?.map(Arc::new),
        parent,
        extra: extra(given)?,
        ..Process::default()
    })
}

fn executable(given: &Given<'_>, name: &str) -> Result<Executable, Diagnostic> {
    let path = match given.boxed("proc.exepath")? {
        Some(path) => path,
        None => format!("/usr/bin/{name}").into(),
    };
    let age: u64 = given.number("proc.exe_ino.ctime_duration_proc_start")?.unwrap_or(DAY_NS);
    let ctime_ns = given.number("proc.exe_ino.ctime")?.unwrap_or(START_NS.saturating_sub(age));
    let flag = |key| given.flag(key).map(Option::unwrap_or_default);
    Ok(Executable {
        path,
        inode: given.number("proc.exe_ino")?.unwrap_or(1),
        ctime_ns,
        mtime_ns: given.number("proc.exe_ino.mtime")?.unwrap_or(ctime_ns),
        from_memfd: flag("proc.is_exe_from_memfd")?,
        upper_layer: flag("proc.is_exe_upper_layer")?,
        lower_layer: flag("proc.is_exe_lower_layer")?,
        writable: flag("proc.is_exe_writable")?,
        deleted: flag("proc.is_exe_deleted")?,
    })
}

/// Returns what is told of few processes, if the test gives any of it.
fn extra(given: &Given<'_>) -> Result<Option<Box<ProcessExtra>>, Diagnostic> {
    let namespace = match given.number("proc.pidns_init_start_ts")? {
        None => given.number("container.start_ts")?,
        some => some,
    };
    let extra = ProcessExtra {
        group_id: given.number("proc.pgid")?,
        virtual_group_id: given.number("proc.vpgid")?,
        permitted: capability_set(given, "thread.cap_permitted")?,
        inheritable: capability_set(given, "thread.cap_inheritable")?,
        home: given.boxed("user.homedir")?,
        shell: given.boxed("user.shell")?,
        cgroups: given.texts("thread.cgroups")?,
        namespace_start_ns: namespace,
        probe: probe(given)?,
        entered: given.flag("saker.proc.entered")?.unwrap_or_default(),
        usage: usage(given)?,
        enforced: enforced(given)?,
        ..ProcessExtra::default()
    };
    Ok((extra != ProcessExtra::default()).then(|| Box::new(extra)))
}

fn probe(given: &Given<'_>) -> Result<Option<ContainerProbe>, Diagnostic> {
    for (key, probe) in [
        ("proc.is_container_healthcheck", ContainerProbe::Health),
        ("proc.is_container_liveness_probe", ContainerProbe::Liveness),
        ("proc.is_container_readiness_probe", ContainerProbe::Readiness),
    ] {
        if given.flag(key)? == Some(true) {
            return Ok(Some(probe));
        }
    }
    Ok(None)
}

fn enforced(given: &Given<'_>) -> Result<Option<Enforced>, Diagnostic> {
    let names = EnforcedOutcome::ALL.map(EnforcedOutcome::name);
    let outcome = given.named("saker.enforced", &names, |name| {
        EnforcedOutcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    })?;
    let by = given.text("saker.enforced.by")?;
    Ok(outcome.map(|outcome| Enforced {
        outcome,
        rules: by.iter().flat_map(|by| by.split(", ")).map(Into::into).collect(),
    }))
}

fn usage(given: &Given<'_>) -> Result<Option<Usage>, Diagnostic> {
    let number = |key| given.number(key).map(Option::unwrap_or_default);
    let usage = Usage {
        files_max: number("proc.fdlimit")?,
        files: number("proc.fdopencount")?,
        threads: number("proc.nthreads")?,
        virtual_kib: number("proc.vmsize")?,
        resident_kib: number("proc.vmrss")?,
        swapped_kib: number("proc.vmswap")?,
        faults_major: number("thread.pfmajor")?,
        faults_minor: number("thread.pfminor")?,
    };
    Ok((usage != Usage::default()).then_some(usage))
}

/// Reads `parents`, the nearest first: names, or processes given by their fields.
fn parents(given: &Given<'_>) -> Result<Option<Arc<Process>>, Diagnostic> {
    let Some(node) = given.get("parents") else { return Ok(None) };
    let nodes = match &node.kind {
        Kind::Sequence(nodes) => &nodes[..],
        _ => std::slice::from_ref(node),
    };
    if nodes.len() > ANCESTORS_MAX {
        return Err(given.fault(node, format!("a process has at most {ANCESTORS_MAX} ancestors")));
    }
    let mut parent: Option<Arc<Process>> = None;
    for (distance, node) in nodes.iter().enumerate().rev() {
        let mut process = ancestor(given, node)?;
        if !is_given(node, "proc.pid") {
            process.key.pid = 999 - i32::try_from(distance).unwrap_or(0);
        }
        process.ppid = parent.as_ref().map_or(1, |parent| parent.key.pid);
        process.parent = parent;
        parent = Some(Arc::new(process));
    }
    Ok(parent)
}

fn ancestor(given: &Given<'_>, node: &Node) -> Result<Process, Diagnostic> {
    let Kind::Mapping(pairs) = &node.kind else {
        let Some(name) = node.str() else {
            return Err(given.fault(node, "a parent is a name, or given by its fields"));
        };
        let mut process = read(&Given { files: given.files, pairs: &[] })?;
        process.name = name.into();
        process.arguments = [name.into()].into();
        process.executable.path = format!("/usr/bin/{name}").into();
        return Ok(process);
    };
    let given = Given { files: given.files, pairs };
    super::check_keys(&given, keys::PROCESS)?;
    read(&given)
}

fn is_given(node: &Node, key: &str) -> bool {
    let Kind::Mapping(pairs) = &node.kind else { return false };
    pairs.iter().any(|(name, _)| name.str() == Some(key))
}

fn capability_set(given: &Given<'_>, key: &str) -> Result<Option<u64>, Diagnostic> {
    let Some(node) = given.get(key) else { return Ok(None) };
    let mut bits = 0;
    for name in given.texts(key)? {
        bits |= match capability_bit(&name) {
            Some(bit) => bit,
            None => {
                let known: Vec<_> = capabilities().collect();
                return Err(given.unknown(node, &name, &known));
            }
        };
    }
    Ok(Some(bits))
}

fn stream(given: &Given<'_>, key: &str) -> Result<Option<StandardStream>, Diagnostic> {
    use StandardStream::{File, Ipv4, Ipv6, Other, Pipe, Terminal, Unix};
    let known = [File, Terminal, Pipe, Ipv4, Ipv6, Unix, Other];
    let names = known.map(StandardStream::name);
    given.named(key, &names, |name| known.into_iter().find(|stream| stream.name() == name))
}
