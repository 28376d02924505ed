//! Takes out of texts what differs between two runs of the same thing.

/// Appends a command line with numbers, hexadecimal, UUIDs and temporary names replaced and blanks
/// folded. `curl -o /tmp/tmp.Xk3b9A -r 15-20` becomes `curl -o /tmp/* -r #-#`.
pub(super) fn command_line(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if let Some(length) = temporary_name(rest, out) {
            out.push(b'*');
            at += length;
        } else if rest[0].is_ascii_alphanumeric() {
            at += word(rest, out);
        } else if rest[0].is_ascii_whitespace() {
            if out.last().is_some_and(|last| *last != b' ') {
                out.push(b' ');
            }
            at += 1;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
}

/// Appends one run of letters and digits; returns how many bytes of `rest` it was.
fn word(rest: &[u8], out: &mut Vec<u8>) -> usize {
    if is_uuid(rest) {
        out.push(b'#');
        return 36;
    }
    let length = run(rest, u8::is_ascii_alphanumeric);
    let word = &rest[..length];
    let hexadecimal = word.strip_prefix(b"0x").unwrap_or(word);
    let is_hexadecimal = hexadecimal.iter().all(u8::is_ascii_hexdigit)
        && (hexadecimal.len() < length
            || length >= 8 && hexadecimal.iter().any(u8::is_ascii_digit));
    if is_hexadecimal {
        out.push(b'#');
        return length;
    }
    let mut in_number = false;
    for byte in word {
        if !byte.is_ascii_digit() {
            out.push(*byte);
        } else if !in_number {
            out.push(b'#');
        }
        in_number = byte.is_ascii_digit();
    }
    length
}

/// Returns the length of a generated file name at the start of `rest`, when what was written so far
/// ends in a directory for temporary files.
fn temporary_name(rest: &[u8], before: &[u8]) -> Option<usize> {
    if !(before.ends_with(b"/tmp/") || before.ends_with(b"/dev/shm/")) {
        return None;
    }
    let length =
        run(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~'));
    let name = &rest[..length];
    let stem = name.split(|byte| *byte == b'.').rev().find(|part| part.len() >= 6).unwrap_or(name);
    let is_generated = stem.len() >= 6
        && (name.starts_with(b"tmp")
            || stem.iter().any(u8::is_ascii_digit) && stem.iter().any(u8::is_ascii_alphabetic));
    is_generated.then_some(length)
}

fn run(rest: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len())
}

fn is_uuid(rest: &[u8]) -> bool {
    let Some(text) = rest.get(..36) else { return false };
    text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    }) && !rest.get(36).is_some_and(u8::is_ascii_alphanumeric)
}

/// Returns the name of what owns a pod: `web` of `web-7d4b9c6f5d-x2x4z` (replica set), `agent-k8vzp`
/// (daemon set), `web-0` (stateful set) or `web-28391820-x2x4z` (cron job).
pub(super) fn pod_owner(pod: &str) -> &str {
    match pod.rsplit_once('-') {
        Some((owner, suffix)) if suffix.len() == 5 && is_generated(suffix) => replica_owner(owner),
        Some((owner, suffix))
            if (1..=4).contains(&suffix.len()) && suffix.bytes().all(|c| c.is_ascii_digit()) =>
        {
            owner
        }
        _ => pod,
    }
}

/// Returns the name of what owns a replica set or a job of a cron job.
pub(super) fn replica_owner(replica_set: &str) -> &str {
    match replica_set.rsplit_once('-') {
        Some((owner, suffix))
            if (6..=10).contains(&suffix.len())
                && (is_generated(suffix) || suffix.bytes().all(|c| c.is_ascii_digit())) =>
        {
            owner
        }
        _ => replica_set,
    }
}

/// Kubernetes generates names of these letters only, so that they form no words.
fn is_generated(suffix: &str) -> bool {
    suffix.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let mut out = Vec::new();
        command_line(text, &mut out);
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
    }

    #[test]
    fn numbers_and_hexadecimal_are_one_sign() {
        check("kill -9 12345", expect!["kill -# #"]);
        check("ssh 10.0.0.12 -p2222", expect!["ssh #.#.#.# -p#"]);
        check("run 0xDEADBEEF deadbeefcafe01 facade", expect!["run # # facade"]);
        check("docker rm 9f86d081884c7d65", expect!["docker rm #"]);
    }

    #[test]
    fn uuids_are_one_sign() {
        check("x 123e4567-e89b-12d3-a456-426614174000/y", expect!["x #/y"]);
    }

    #[test]
    fn temporary_names_are_a_star_and_chosen_names_stay() {
        check("sh /tmp/tmp.Xk3b9A /tmp/evil.sh", expect!["sh /tmp/* /tmp/evil.sh"]);
        check("/var/tmp/tmpa8f_xyz/run /dev/shm/x9k2m4q7", expect!["/var/tmp/*/run /dev/shm/*"]);
    }

    #[test]
    fn blanks_fold_and_other_scripts_stay() {
        check("  echo\t \n ключ  é", expect!["echo ключ é"]);
    }

    #[test]
    fn a_pod_is_named_after_its_owner() {
        for (pod, owner) in [
            ("web-7d4b9c6f5d-x2x4z", "web"),
            ("agent-k8vzp", "agent"),
            ("db-0", "db"),
            ("backup-28391820-x2x4z", "backup"),
            ("my-redis", "my-redis"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(pod_owner(pod), owner, "{pod}");
        }
        assert_eq!(replica_owner("web-7d4b9c6f5d"), "web");
    }
}
