//! What a test's event can be given, and what to give in place of what follows from it.

/// Of the event itself. Its parameters are given as `evt.arg.NAME`.
pub(super) const EVENT: &[&str] = &[
    "evt.type",
    "evt.rawres",
    "evt.res",
    "evt.num",
    "evt.time",
    "evt.via",
    "evt.buffer",
    "thread.tid",
    "thread.vtid",
    "evt.cpu",
    "parents",
];

/// Of the file or socket the event is about.
pub(super) const DESCRIPTOR: &[&str] = &[
    "fd.num",
    "fd.name",
    "fd.nameraw",
    "fd.resolved",
    "fd.type",
    "fd.ino",
    "fd.dev",
    "fd.rip",
    "fd.rport",
    "fd.lip",
    "fd.lport",
    "fd.cip",
    "fd.cport",
    "fd.sip",
    "fd.sport",
    "fd.l4proto",
    "fd.is_server",
    "fd.connected",
    "fd.name_changed",
    "fd.rip.name",
    "fd.lip.name",
    "fd.cip.name",
    "fd.sip.name",
];

/// Of the process, and of each of `parents`.
pub(super) const PROCESS: &[&str] = &[
    "proc.name",
    "proc.exe",
    "proc.exepath",
    "proc.args",
    "proc.env",
    "proc.cwd",
    "proc.tty",
    "proc.pid",
    "proc.vpid",
    "proc.sid",
    "proc.pgid",
    "proc.vpgid",
    "proc.duration",
    "proc.stdin.type",
    "proc.stdout.type",
    "proc.is_exe_writable",
    "proc.is_exe_upper_layer",
    "proc.is_exe_lower_layer",
    "proc.is_exe_from_memfd",
    "proc.is_exe_deleted",
    "proc.exe_ino",
    "proc.exe_ino.ctime",
    "proc.exe_ino.mtime",
    "proc.exe_ino.ctime_duration_proc_start",
    "proc.is_container_healthcheck",
    "proc.is_container_liveness_probe",
    "proc.is_container_readiness_probe",
    "proc.pidns_init_start_ts",
    "proc.fdlimit",
    "proc.fdopencount",
    "proc.nthreads",
    "proc.vmsize",
    "proc.vmrss",
    "proc.vmswap",
    "thread.pfmajor",
    "thread.pfminor",
    "thread.cap_effective",
    "thread.cap_permitted",
    "thread.cap_inheritable",
    "thread.cgroups",
    "user.name",
    "user.uid",
    "user.loginuid",
    "user.loginname",
    "user.homedir",
    "user.shell",
    "group.name",
    "group.gid",
    "container.id",
    "container.name",
    "container.type",
    "container.image",
    "container.image.id",
    "container.image.digest",
    "container.image.repository",
    "container.image.tag",
    "container.privileged",
    "container.mounts",
    "container.start_ts",
    "container.host_pid",
    "container.host_network",
    "container.host_ipc",
    "container.healthcheck",
    "container.liveness_probe",
    "container.readiness_probe",
    "container.cni.json",
    "container.labels",
    "k8s.ns.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.pod.ip",
    "k8s.pod.labels",
    "k8s.pod.full_sandbox_id",
    "saker.proc.entered",
    "saker.enforced",
    "saker.enforced.by",
];

/// Fields that follow from others, with what to give in their place.
const FOLLOW: &[(&str, &str)] = &[
    ("proc.cmdline", "`proc.name` and `proc.args`"),
    ("proc.exeline", "`proc.exe` and `proc.args`"),
    ("proc.pname", "`parents: [NAME]`"),
    ("proc.pexe", "`parents: [{proc.name: NAME, proc.exe: TEXT}]`"),
    ("proc.pexepath", "`parents: [{proc.name: NAME, proc.exepath: PATH}]`"),
    ("proc.pcmdline", "`parents: [{proc.name: NAME, proc.args: TEXT}]`"),
    ("proc.ppid", "`parents: [{proc.name: NAME, proc.pid: NUMBER}]`"),
    ("proc.sname", "`proc.sid` and `parents`"),
    ("proc.is_sid_leader", "`proc.sid` and `proc.pid`"),
    ("proc.is_vpgid_leader", "`proc.vpgid` and `proc.vpid`"),
    ("proc.is_pgid_leader", "`proc.pgid` and `proc.pid`"),
    ("fd.directory", "`fd.name`"),
    ("fd.filename", "`fd.name`"),
    ("fd.typechar", "`fd.type`"),
    ("fd.sockfamily", "`fd.type`, or the ends of the socket"),
    ("fd.ip", "`fd.lip` and `fd.rip`"),
    ("fd.port", "`fd.lport` and `fd.rport`"),
    ("evt.is_open_read", "`evt.arg.flags: O_RDONLY`"),
    ("evt.is_open_write", "`evt.arg.flags: O_WRONLY`"),
    ("evt.is_open_exec", "`evt.arg.flags: O_CREAT` and `evt.arg.mode`"),
    ("evt.is_open_create", "`evt.arg.flags: O_CREAT`"),
    ("evt.failed", "`evt.rawres`"),
    ("evt.args", "the parameters, as in `evt.arg.flags`"),
    ("evt.arg.res", "`evt.rawres`"),
    ("container.full_id", "`container.id`"),
    ("k8s.pod.id", "`k8s.pod.uid`"),
    ("container.ip", "`k8s.pod.ip`"),
];

/// Returns what to give in place of a field that follows from others.
pub(super) fn instead_of(key: &str) -> Option<&'static str> {
    let name = key.split('[').next().unwrap_or(key);
    if let Some((_, instead)) = FOLLOW.iter().find(|(field, _)| *field == name) {
        return Some(instead);
    }
    match name {
        _ if name.starts_with("proc.a") => Some("`parents`, the nearest first"),
        _ if name.starts_with("container.mount") => Some("`container.mounts`"),
        _ if name.starts_with("container.label") => Some("`container.labels: {NAME: VALUE}`"),
        _ if name.starts_with("k8s.pod.label") => Some("`k8s.pod.labels: {NAME: VALUE}`"),
        _ => None,
    }
}

/// Returns all keys of an event but for its parameters.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    [EVENT, DESCRIPTOR, PROCESS].into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use alert::Field;

    use super::*;

    #[test]
    fn every_key_but_parents_is_a_field() {
        for key in all().filter(|key| *key != "parents") {
            assert!(Field::resolve(key, None).is_ok(), "{key}");
        }
        for (key, _) in FOLLOW {
            assert!(Field::resolve(key, None).is_ok(), "{key}");
            assert!(!all().any(|other| other == *key), "{key}");
        }
    }
}
