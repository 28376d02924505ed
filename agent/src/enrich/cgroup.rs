//! What a cgroup path tells: the container, what it is in, its pod, and the pod's class of service.
//!
//! Runtimes name the cgroup after the container: `docker-ID.scope`, `kubepods/.../podUID/ID`,
//! `...:cri-containerd:ID`. Only forms that a runtime alone makes count, above all a name of exactly
//! 64 hex digits, so a process of the host never becomes one of a container by a guess.

mod pod;
#[cfg(test)]
mod tests;

pub(super) use self::pod::Pod;
use self::pod::pod_above;

const ID_DIGITS: usize = 64;
/// Build steps of BuildKit are named by 25 digits of base 36.
const BUILD_DIGITS: usize = 25;
/// Names of machines are names of hosts.
const NAME_BYTES_MAX: usize = 64;

/// What a cgroup path tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    /// The innermost container.
    pub(super) id: &'a str,
    pub(super) runtime: Option<&'static str>,
    /// Whether a runtime can be asked about it; the name of any other is its id.
    pub(super) asked: bool,
    /// The container it is in.
    pub(super) outer: Option<&'a str>,
    /// The user, other than root, below whose own part of the tree it is: anybody may make cgroups
    /// of any name there.
    pub(super) user: Option<u32>,
    pub(super) pod: Option<Pod>,
    /// Whether the cgroup is the container's own, not one inside it.
    pub(super) whole: bool,
}

/// Returns what is known of the innermost container of a path.
pub(super) fn identify(path: &str) -> Option<Identity<'_>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let named_parts = (0..parts.len()).filter_map(|index| Some((index, named(&parts, index)?)));
    let (mut found, mut outer): (Option<(usize, Named<'_>)>, _) = (None, None);
    for next in named_parts {
        // `crio-ID.scope/ID` is one container.
        if found.is_none_or(|(_, before)| before.id != next.1.id) {
            outer = found.replace(next);
        }
    }
    let (index, named) = found?;
    let above = parts.get(..index)?;
    let inside_outer = outer.map_or(0, |(index, _)| index + 1);
    Some(Identity {
        id: named.id,
        runtime: named.runtime.or_else(|| runtime_above(above.get(inside_outer..)?)),
        asked: named.asked,
        outer: outer.map(|(_, outer)| outer.id),
        user: user_above(above),
        pod: pod_above(parts.get(..=index)?),
        whole: parts.len() == index + 1,
    })
}

/// Returns the containerd namespace and the name of what may be a container that a person named: of
/// `ctr run IMAGE web` the cgroup is `/default/web`. Only containerd can tell whether it is.
pub(super) fn candidate(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    (is_identifier(namespace) && is_identifier(name)).then_some((namespace, name))
}

/// Returns whether containerd would take it for a name. What systemd and the kubelet make is none.
fn is_identifier(part: &str) -> bool {
    const OF_OTHERS: [&str; 4] = [".slice", ".scope", ".service", ".mount"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=76).contains(&part.len())
        && part.bytes().all(plain)
        && !OF_OTHERS.iter().any(|end| part.ends_with(end))
        && !matches!(part, "kubepods" | "docker" | "lxc" | "libpod_parent" | "init")
}

/// A container's name in a path.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    id: &'a str,
    runtime: Option<&'static str>,
    asked: bool,
}

/// Returns the container that the part at `index` names.
fn named<'a>(parts: &[&'a str], index: usize) -> Option<Named<'a>> {
    let part = *parts.get(index)?;
    let before = index.checked_sub(1).and_then(|index| parts.get(index)).copied();
    if let Some((id, runtime)) = container_id(part) {
        return Some(Named { id, runtime, asked: true });
    }
    let unasked = |id, runtime| Some(Named { id, runtime: Some(runtime), asked: false });
    if before == Some("buildkit") && is_build(part) {
        return unasked(part, "buildkit");
    }
    // LXC 4 and later, 3, and 2.
    let lxc = match part.strip_prefix("lxc.payload.") {
        Some(name) => Some(name),
        None if before == Some("lxc.payload") => Some(part),
        None if before == Some("lxc") && index == 1 => Some(part),
        None => None,
    };
    if let Some(name) = lxc.filter(|name| is_name(name)) {
        return unasked(name, "lxc");
    }
    // Only what is below `payload` runs inside: nspawn itself is beside it.
    let unit = before.filter(|_| part == "payload")?;
    let name = match unit.strip_prefix("systemd-nspawn@") {
        Some(rest) => rest.strip_suffix(".service")?,
        None => unit.strip_prefix("machine-")?.strip_suffix(".scope")?,
    };
    is_name(name).then_some(())?;
    unasked(name, "systemd-nspawn")
}

/// Returns the id of 64 digits in one part of a path, with the runtime its name tells.
fn container_id(part: &str) -> Option<(&str, Option<&'static str>)> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    // `SLICE:cri-containerd:ID` is the systemd driver of containerd without systemd support.
    let (prefix, id) = match part.rfind([':', '-']) {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => ("", part),
    };
    if id.len() != ID_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let prefix = prefix.rsplit(':').next().unwrap_or(prefix);
    let runtime = match prefix {
        "docker" => Some("docker"),
        "cri-containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("cri-o"),
        "libpod" | "libpod-payload" => Some("podman"),
        // The monitor of a container runs on the host.
        "crio-conmon" | "libpod-conmon" => return None,
        _ => None,
    };
    Some((id, runtime))
}

fn is_build(part: &str) -> bool {
    part.len() == BUILD_DIGITS
        && part.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

/// systemd writes a `-` inside a name as `\x2d`.
fn is_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'\\');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
}

/// Returns the runtime named by a folder above: `/docker/ID`, `/libpod_parent/ID`.
fn runtime_above(parts: &[&str]) -> Option<&'static str> {
    parts.iter().rev().find_map(|part| match *part {
        "docker" => Some("docker"),
        "libpod_parent" | "machine.slice" => Some("podman"),
        "containerd" | "containerd.service" => Some("containerd"),
        _ => None,
    })
}

/// Returns the user whose session or service manager is above.
fn user_above(parts: &[&str]) -> Option<u32> {
    let user = parts.iter().find_map(|part| {
        let number = match part.strip_prefix("user@") {
            Some(rest) => rest.strip_suffix(".service")?,
            None => part.strip_prefix("user-")?.strip_suffix(".slice")?,
        };
        number.parse().ok()
    });
    user.filter(|user| *user != 0)
}
