//! Shell patterns as in fnmatch(3) without flags: `*` also crosses `/`.

/// Returns whether `text` matches the whole `pattern`. Takes at most
/// `pattern.len() * text.len()` steps.
pub(crate) fn glob(pattern: &str, text: &str, fold: bool) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some(_) => one(&pattern[at..], &text[position..], fold),
            None => None,
        };
        match (step, star) {
            (Some((taken, eaten)), _) => {
                at += taken;
                position += eaten;
            }
            (None, Some((after, from))) => {
                let next = from + width(&text[from..]);
                star = Some((after, next));
                (at, position) = (after, next);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Matches one element; returns the lengths taken from pattern and text.
fn one(pattern: &[u8], text: &[u8], fold: bool) -> Option<(usize, usize)> {
    let same = |left: u8, right: u8| left == right || (fold && left.eq_ignore_ascii_case(&right));
    match pattern[0] {
        b'?' => Some((1, width(text))),
        b'[' => match class(pattern, text[0], fold) {
            Some((inside, length)) => inside.then(|| (length, width(text))),
            // A bracket that is not closed stands for itself.
            None => (text[0] == b'[').then_some((1, 1)),
        },
        b'\\' if pattern.len() > 1 => same(pattern[1], text[0]).then_some((2, 1)),
        byte => same(byte, text[0]).then_some((1, 1)),
    }
}

/// Reads `[…]`; returns whether `byte` is inside, and the length of the class.
fn class(pattern: &[u8], byte: u8, fold: bool) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let mut at = first;
    let mut inside = false;
    let holds = |low: u8, high: u8| {
        let within = |byte: u8| (low..=high).contains(&byte);
        within(byte)
            || (fold && (within(byte.to_ascii_lowercase()) || within(byte.to_ascii_uppercase())))
    };
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((inside != negated, at + 1));
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let high = match pattern.get(at..at + 2) {
            Some([b'-', high]) if *high != b']' => {
                at += 2;
                *high
            }
            _ => low,
        };
        inside |= holds(low, high);
    }
}

/// Length of the first character. A text cut inside one counts byte by byte.
fn width(text: &[u8]) -> usize {
    let length = match text[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    };
    length.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("/etc/*", "/etc/a/b", true),
            ("*.so", "a.so.1", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("a?c", "aéc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a]x", "bx", true),
            ("[]]x", "]x", true),
            ("[a", "[a", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("\\", "\\", true),
            ("/proc/*/environ", "/proc/1/environ", true),
        ] {
            assert_eq!(glob(pattern, text, false), expected, "{pattern} {text}");
        }
        assert!(glob("*MINER[a-z]", "xMinerQ", true));
    }

    #[test]
    fn many_stars_take_bounded_time() {
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49), false));
        assert!(!glob(&format!("{}b", "*a".repeat(200)), &"a".repeat(4096), false));
    }
}
