//! `getopt(arguments, options)`: what the short options of a command line say, as getopt(3) reads
//! them.

use alert::Value;

/// An option as it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given<'a> {
    /// One that `options` does not name.
    Unknown,
    /// One that takes no value.
    Alone(char),
    With(char, &'a str),
    /// One whose value is missing.
    Without(char),
}

/// Returns the options met and their values, in order. With `selected`: the value of that option,
/// or its letter if it takes none; the last if it is given more than once.
///
/// An option that `options` does not name reads as `?`, one whose value is missing as an empty
/// text. Words that begin with two dashes are skipped; `--` and the first word that is no option
/// end the options.
pub(super) fn getopt(
    arguments: &Value<'_>,
    options: &Value<'_>,
    selected: Option<&Value<'_>>,
) -> Option<Value<'static>> {
    let Value::List(arguments) = arguments else { return None };
    let words: Vec<String> = arguments.iter().map(Value::to_string).collect();
    let options = options.to_string();
    let text = |text: String| Value::Text(text.into());
    let Some(selected) = selected else {
        let mut told = Vec::new();
        read(&words, &options, &mut |given| match given {
            Given::Unknown => told.push(text("?".to_owned())),
            Given::Alone(letter) => told.push(text(letter.to_string())),
            Given::With(letter, value) => {
                told.extend([text(letter.to_string()), text(value.to_owned())]);
            }
            Given::Without(_) => told.push(text(String::new())),
        });
        return Some(Value::List(told));
    };
    let wanted = selected.to_string().chars().next()?;
    let mut found = None;
    read(&words, &options, &mut |given| match given {
        Given::Alone(letter) if letter == wanted => found = Some(letter.to_string()),
        Given::With(letter, value) if letter == wanted => found = Some(value.to_owned()),
        Given::Without(letter) if letter == wanted => found = Some(String::new()),
        _ => {}
    });
    found.map(text)
}

fn read<'a>(words: &'a [String], options: &str, met: &mut dyn FnMut(Given<'a>)) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return;
        };
        if letters == "-" {
            return;
        }
        if letters.starts_with('-') {
            continue;
        }
        for (at, letter) in letters.char_indices() {
            let Some(takes_value) = lookup(options, letter) else {
                met(Given::Unknown);
                continue;
            };
            if !takes_value {
                met(Given::Alone(letter));
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next().map(String::as_str) } else { Some(rest) };
            met(value.map_or(Given::Without(letter), |value| Given::With(letter, value)));
            break;
        }
    }
}

/// Returns whether an option takes a value, or `None` if there is no such option.
fn lookup(options: &str, letter: char) -> Option<bool> {
    if letter == ':' {
        return None;
    }
    let (_, behind) = options.split_once(letter)?;
    Some(behind.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Value<'static> {
        Value::List(words.iter().map(|word| Value::Text((*word).to_owned().into())).collect())
    }

    #[test]
    fn options_and_their_values_are_listed() {
        for (words, options, expected) in [
            (&["-n"][..], "n", &["n"][..]),
            (&["-t", "hello"], "t:", &["t", "hello"]),
            (&["-thello"], "t:", &["t", "hello"]),
            (&["-nt", "hello"], "nt:", &["n", "t", "hello"]),
            (&["-t", "-5"], "t:", &["t", "-5"]),
            (&["-t", ""], "t:", &["t", ""]),
            (&["-t"], "t:", &[""]),
            (&["-x", "-n"], "n", &["?", "n"]),
            (&["-:"], ":n", &["?"]),
            (&["-n", "--", "-t"], "nt", &["n"]),
            (&["--exec", "-n"], "n", &["n"]),
            (&["file", "-n"], "n", &[]),
            (&["-", "-n"], "n", &[]),
            (&["", "-n"], "n", &[]),
            (&["-é"], "é", &["é"]),
            (&[], "n", &[]),
            (&["-n"], "", &["?"]),
        ] {
            let found = getopt(&list(words), &Value::text(options), None);
            assert_eq!(found, Some(list(expected)), "{words:?} {options:?}");
        }
    }

    #[test]
    fn one_option_can_be_selected() {
        for (words, options, selected, expected) in [
            (&["-n"][..], "n", "n", Some("n")),
            (&["-e", "/bin/sh", "host"], "e:", "e", Some("/bin/sh")),
            (&["-e", "a", "-e", "b"], "e:", "e", Some("b")),
            (&["-e"], "e:", "e", Some("")),
            (&["-n"], "ne:", "e", None),
            (&["-x"], "n", "x", None),
        ] {
            let selected = Value::text(selected);
            let found = getopt(&list(words), &Value::text(options), Some(&selected));
            assert_eq!(found, expected.map(Value::text), "{words:?} {options:?}");
        }
        assert_eq!(getopt(&Value::text("-n"), &Value::text("n"), None), None, "not a list");
    }
}
