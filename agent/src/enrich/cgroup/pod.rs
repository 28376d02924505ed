//! The pod in a cgroup path, as the kubelet names it.

use alert::PodQos;

/// A pod as the path names it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::enrich) struct Pod {
    pub(in crate::enrich) uid: String,
    pub(in crate::enrich) qos: PodQos,
}

/// Returns the innermost pod around a container, whose own part, the last, may name it as well.
pub(super) fn pod_above(parts: &[&str]) -> Option<Pod> {
    let mut above = "";
    let mut found = None;
    for part in parts {
        if let Some(uid) = pod_uid(part) {
            // The systemd driver says it in the slice's name, the cgroupfs driver in the folder
            // above; the guaranteed class has neither.
            let slice = part.rfind("-pod").map_or("", |at| &part[..at]);
            let qos = if above == "burstable" || slice.ends_with("-burstable") {
                PodQos::Burstable
            } else if above == "besteffort" || slice.ends_with("-besteffort") {
                PodQos::BestEffort
            } else {
                PodQos::Guaranteed
            };
            found = Some(Pod { uid, qos });
        }
        above = part;
    }
    found
}

/// Returns the pod's uid in one part of a path: `podUID`, or a slice name with `_` for `-`.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match part.strip_prefix("pod") {
        Some(uid) => uid,
        // The kubelet's own root comes first in the name: `kubelet-kubepods-pod…`.
        None if part.contains("kubepods") => &part[part.rfind("-pod")? + 4..],
        None => return None,
    };
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let separators = uid.bytes().filter(|byte| matches!(byte, b'-' | b'_')).count();
    // A static pod has the hash of its manifest: 32 digits without separators.
    (digits == 32 && digits + separators == uid.len()).then(|| uid.replace('_', "-"))
}
