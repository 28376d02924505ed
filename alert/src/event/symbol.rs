//! Names of flags and numbers, as rules write them, and the numbers of names.

pub(crate) mod flags;
mod numbers;

use std::borrow::Cow;

pub(crate) use flags::*;
use numbers::{CAPABILITIES, ERRORS, SIGNALS};

/// A name and its number.
pub type Symbol = (&'static str, u64);

const ACCESS_BITS: u32 = 0o3;
const ACCESS: [(&str, u32); 3] = [("O_RDONLY", 0), ("O_WRONLY", 1), ("O_RDWR", 2)];

/// Returns the names of `O_*` flags, joined by `|`.
pub fn open_flags(flags: u32) -> String {
    let set = |(_, bits): &(&str, u32)| flags & bits == *bits;
    let access = match flags & ACCESS_BITS {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        _ => "O_RDWR",
    };
    let before = OPEN_FLAGS.into_iter().filter(set).map(|(name, _)| name);
    let after = OPEN_FLAGS_LAST.into_iter().filter(set).map(|(name, _)| name);
    join(before.chain(std::iter::once(access)).chain(after))
}

/// Returns the `O_*` flag of this name; `O_RDONLY` is 0.
pub fn open_flag(name: &str) -> Option<u32> {
    let all = ACCESS.iter().chain(&OPEN_FLAGS).chain(&OPEN_FLAGS_LAST);
    all.into_iter().find(|(known, _)| *known == name).map(|(_, bits)| *bits)
}

/// Returns the names of the bits in `value`, joined by `|`; the number where no bit has a name. A
/// bit is named once.
pub(crate) fn flag_names(table: &[Symbol], value: u64) -> Option<String> {
    let mut left = value;
    let mut names = Vec::new();
    for (name, bits) in table {
        let matches = if *bits == 0 { value == 0 } else { left & bits == *bits };
        if matches {
            names.push(*name);
            left &= !bits;
        }
    }
    (!names.is_empty()).then(|| join(names.into_iter()))
}

/// Returns the names of exactly this number, joined by `|`.
pub(crate) fn choice_names(table: &[Symbol], value: u64) -> Option<Cow<'static, str>> {
    let mut names = table.iter().filter(|(_, number)| *number == value).map(|(name, _)| *name);
    let first = names.next()?;
    Some(match names.next() {
        None => first.into(),
        Some(second) => join([first, second].into_iter().chain(names)).into(),
    })
}

/// Returns the number of a name.
pub fn number_of(table: &[Symbol], name: &str) -> Option<u64> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Returns the names of permission bits, joined by `|`; the number where there is none.
pub(crate) fn mode_names(mode: u32) -> String {
    flag_names(MODE_BITS, mode.into()).unwrap_or_else(|| mode.to_string())
}

/// Returns the permission bit of this name.
pub fn mode_bit(name: &str) -> Option<u32> {
    number_of(MODE_BITS, name).and_then(|bit| u32::try_from(bit).ok())
}

/// Returns the name of a request of ptrace(2), or its number.
pub fn ptrace_request(request: u64) -> Cow<'static, str> {
    choice_names(PTRACE_REQUESTS, request).unwrap_or_else(|| request.to_string().into())
}

/// Returns the name of a signal.
pub(crate) fn signal_name(signal: u64) -> Option<&'static str> {
    SIGNALS.iter().find(|(_, number)| *number == signal).map(|(name, _)| *name)
}

/// Returns the number of a signal.
pub fn signal_number(name: &str) -> Option<u64> {
    number_of(SIGNALS, name)
}

/// Returns the names of capability bits, blank-separated.
pub fn capability_names(bits: u64) -> String {
    let set = CAPABILITIES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// Returns the bit of a capability.
pub fn capability_bit(name: &str) -> Option<u64> {
    CAPABILITIES.iter().position(|known| *known == name).map(|bit| 1 << bit)
}

/// Returns the names of all capabilities.
pub fn capabilities() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.into_iter()
}

/// Returns the name of the errno in a negative result.
pub(crate) fn error_name(result: i64) -> Option<&'static str> {
    let number = result.checked_neg().and_then(|number| u64::try_from(number).ok())?;
    let index = ERRORS.binary_search_by_key(&number, |(_, known)| *known).ok()?;
    ERRORS.get(index).map(|(name, _)| *name)
}

/// Returns the negative result of an errno's name.
pub fn error_number(name: &str) -> Option<i64> {
    let number = number_of(ERRORS, name)?;
    i64::try_from(number).ok().map(|number| -number)
}

/// Returns `SUCCESS`, or the errno's name, or its number.
pub(crate) fn result_name(result: i64) -> Cow<'static, str> {
    match error_name(result) {
        _ if result >= 0 => "SUCCESS".into(),
        Some(name) => name.into(),
        None => result.to_string().into(),
    }
}

fn join(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_of_zero_has_a_name_and_stands_before_the_last_flags() {
        assert_eq!(open_flags(0), "O_RDONLY");
        assert_eq!(open_flags(0o2_001_101), "O_TRUNC|O_CREAT|O_WRONLY|O_CLOEXEC");
        assert_eq!(open_flag("O_RDWR"), Some(2));
        assert_eq!(open_flag("O_NONE"), None);
    }

    #[test]
    fn every_bit_with_a_name_is_named_and_others_are_not() {
        assert_eq!(
            flag_names(CLONE_FLAGS, 0x1002_0000).as_deref(),
            Some("CLONE_NEWNS|CLONE_NEWUSER")
        );
        assert_eq!(flag_names(UMOUNT_FLAGS, 0x100), None);
        assert_eq!(flag_names(UMOUNT_FLAGS, 0), None);
        assert_eq!(mode_names(0o4750), "S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID");
        assert_eq!(mode_names(0), "0");
    }

    #[test]
    fn a_choice_is_exact_and_may_have_two_names() {
        assert_eq!(choice_names(SOCKET_FAMILIES, 17).as_deref(), Some("AF_PACKET"));
        assert_eq!(choice_names(SOCKET_FAMILIES, 1).as_deref(), Some("AF_LOCAL|AF_UNIX"));
        assert_eq!(choice_names(SOCKET_FAMILIES, 99), None);
        assert_eq!(ptrace_request(16), "PTRACE_ATTACH");
        assert_eq!(ptrace_request(0x9999), "39321");
    }

    #[test]
    fn results_are_named_and_read_back() {
        assert_eq!(result_name(3), "SUCCESS");
        assert_eq!(result_name(-2), "ENOENT");
        assert_eq!(result_name(-4000), "-4000");
        assert_eq!(result_name(i64::MIN), i64::MIN.to_string());
        assert_eq!(error_number("EINPROGRESS"), Some(-115));
    }

    #[test]
    fn capabilities_are_named_and_read_back() {
        assert_eq!(capability_names(1 << 21 | 1), "CAP_CHOWN CAP_SYS_ADMIN");
        for name in capabilities() {
            assert_eq!(capability_bit(name).map(capability_names).as_deref(), Some(name));
        }
    }
}
