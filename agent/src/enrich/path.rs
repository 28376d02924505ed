//! Full paths from what a program typed, by text alone.

/// Returns bytes as text; what is not UTF-8 becomes `U+FFFD`.
pub(crate) fn text(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes).into(),
    }
}

/// Returns `raw` joined to the directory `base`, with `.`, `..` and double slashes folded. Links are
/// not followed. An empty `raw` with no base stays empty.
pub(crate) fn absolute(base: &str, raw: &str) -> Box<str> {
    if raw.starts_with('/') && is_plain(raw) {
        return raw.into();
    }
    if raw.is_empty() && base.is_empty() {
        return "".into();
    }
    let mut path = String::with_capacity(base.len() + raw.len() + 2);
    let base = if raw.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(raw.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                let end = path.rfind('/').unwrap_or(0);
                path.truncate(end);
            }
            part => {
                path.push('/');
                path.push_str(part);
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.into()
}

/// Returns whether folding would change nothing.
fn is_plain(path: &str) -> bool {
    path.len() == 1 || path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_become_full_ones() {
        let check = |base: &str, raw: &str, expected: &str| {
            assert_eq!(&*absolute(base, raw), expected, "{base} + {raw}");
        };
        check("/home/a", "b", "/home/a/b");
        check("/home/a", "../b//./c/", "/home/b/c");
        check("/home/a", "/etc/passwd", "/etc/passwd");
        check("/home/a", "/etc/../x", "/x");
        check("/", "../../x", "/x");
        check("/", ".", "/");
        check("/home/a", "", "/home/a");
        check("", "x", "/x");
        check("", "", "");
        check("/a", "/", "/");
        check("/a", "/b/", "/b");
    }
}
