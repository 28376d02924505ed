//! Patterns in Go's syntax, which Alertmanager's are, for the `regex` crates.

/// Writes a pattern of Go's syntax in that of the `regex` crates: there classes of letters are ASCII's alone, and a bracket knows
/// no brackets or operators inside.
pub fn of_go(pattern: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(pattern.len()), pattern.chars().peekable());
    // In brackets: how many characters were read of them.
    let mut inside: Option<usize> = None;
    while let Some(character) = rest.next() {
        let within = inside;
        inside = within.map(|read| read + 1);
        match (character, within) {
            ('\\', _) => match (rest.next(), within.is_some()) {
                (Some(letter @ ('d' | 's' | 'w' | 'D' | 'S' | 'W')), is_inside) => {
                    perl(&mut out, letter, is_inside);
                }
                (Some(other), _) => out.extend(['\\', other]),
                (None, _) => out.push('\\'),
            },
            ('[', None) => {
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                inside = Some(0);
            }
            (']', Some(0)) => out.push_str("\\]"),
            (']', Some(_)) => {
                out.push(']');
                inside = None;
            }
            ('[', Some(_)) if rest.peek() == Some(&':') => {
                out.push('[');
                // Up to the end of the class's name.
                for letter in rest.by_ref() {
                    out.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            ('[' | '&' | '~', Some(_)) => out.extend(['\\', character]),
            (character, _) => out.push(character),
        }
    }
    out
}

/// Writes one of Perl's classes.
fn perl(out: &mut String, letter: char, is_inside: bool) {
    let members = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => r"\t\n\x0C\r\x20",
        _ => "0-9A-Za-z_",
    };
    match (letter.is_ascii_uppercase(), is_inside) {
        (true, _) => out.push_str(&format!("[^{members}]")),
        (false, true) => out.push_str(members),
        (false, false) => out.push_str(&format!("[{members}]")),
    }
}
