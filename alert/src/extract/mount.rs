//! Reads the mounts of a container, one by its number or by where it comes from.

use crate::{Argument, Container, Field, Mount, Value};

/// Returns all mounts, or `None` when there is none.
pub(super) fn all(container: &Container) -> Option<Value<'_>> {
    let texts: Vec<_> = container.mounts.iter().map(text).collect();
    (!texts.is_empty()).then(|| Value::Text(texts.join(",").into()))
}

/// Returns a mount, or a part of it.
pub(super) fn value<'a>(
    container: &'a Container,
    field: Field,
    argument: &Argument,
) -> Option<Value<'a>> {
    let mounts = &container.mounts;
    let mount = match argument {
        Argument::None => return None,
        Argument::Index(number) => mounts.get(*number as usize)?,
        Argument::Key(wanted) if field == Field::ContainerMountSource => {
            mounts.iter().find(|mount| fits(wanted, &mount.destination))?
        }
        Argument::Key(wanted) => mounts.iter().find(|mount| fits(wanted, &mount.source))?,
    };
    Some(match field {
        Field::ContainerMountSource => Value::text(&mount.source),
        Field::ContainerMountDest => Value::text(&mount.destination),
        Field::ContainerMountMode => Value::text(&mount.mode),
        Field::ContainerMountRdwr => Value::text(if mount.writable { "true" } else { "false" }),
        Field::ContainerMountPropagation => Value::text(&mount.propagation),
        _ => Value::Text(text(mount).into()),
    })
}

fn text(mount: &Mount) -> String {
    let Mount { source, destination, mode, writable, propagation } = mount;
    format!("{source}:{destination}:{mode}:{writable}:{propagation}")
}

/// Returns whether the whole of `path` fits a pattern of `*` and `?`: an argument cannot hold the
/// brackets of other patterns.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stands, and where in the path what it swallows ends.
    let mut star = None;
    while seen < path.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || path.get(seen) == Some(byte) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((before, swallowed)) = star else { return false };
                star = Some((before, swallowed + 1));
                (at, seen) = (before + 1, swallowed + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_a_pattern_of_its_source() {
        for (pattern, path, expected) in [
            ("/proc*", "/proc", true),
            ("/proc*", "/proc/sys", true),
            ("/proc", "/proc/sys", false),
            ("*/docker.sock", "/var/run/docker.sock", true),
            ("/var/*/*.sock", "/var/run/x/docker.sock", true),
            ("/va?", "/var", true),
            ("/va?", "/va", false),
            ("**", "", true),
            ("", "", true),
            ("", "/", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }
}
