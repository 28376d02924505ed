//! Reads of a PromQL expression which metrics and labels it names. Whether it is PromQL at all,
//! Prometheus itself is asked.

use std::collections::BTreeSet;

/// What an expression names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Names {
    /// Metrics, each with the labels it is asked for.
    pub(crate) selectors: Vec<(String, BTreeSet<String>)>,
    /// Labels an aggregation keeps, each with the metrics it aggregates.
    pub(crate) groupings: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(char),
}

/// Words that take labels in parentheses.
const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 7] = ["and", "or", "unless", "atan2", "bool", "offset", "inf"];

/// Returns what an expression names, or where it is not as our queries are written.
pub(crate) fn names(expression: &str) -> Result<Names, String> {
    let tokens = tokens(expression)?;
    let mut names = Names::default();
    let mut groupings = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else { continue };
        if LABEL_LISTS.contains(&word.as_str()) {
            let (labels, after) = list(&tokens, at)?;
            if word == "by" {
                let end = closing(&tokens, after)
                    .ok_or("an aggregation with its labels after what it aggregates")?;
                groupings.push((labels, after..end));
            }
            at = after;
        } else if !is_metric(word, tokens.get(at)) {
            continue;
        } else if tokens.get(at) == Some(&Token::Sign('{')) {
            let (labels, after) = matchers(&tokens, at)?;
            names.selectors.push((word.clone(), labels));
            at = after;
        } else {
            names.selectors.push((word.clone(), BTreeSet::new()));
        }
    }
    for (labels, range) in groupings {
        let metrics: Vec<String> = tokens[range.clone()]
            .iter()
            .enumerate()
            .filter_map(|(index, token)| match token {
                Token::Word(word) if is_metric(word, tokens.get(range.start + index + 1)) => {
                    Some(word.clone())
                }
                _ => None,
            })
            .filter(|word| names.selectors.iter().any(|(metric, _)| metric == word))
            .collect();
        names.groupings.extend(labels.into_iter().map(|label| (label, metrics.clone())));
    }
    Ok(names)
}

/// A word that is no number, function, operator or range. Functions are followed by `(` or by the
/// labels of an aggregation.
fn is_metric(word: &str, next: Option<&Token>) -> bool {
    let starts_like_one = word.starts_with(|first: char| first.is_ascii_alphabetic());
    let calls = match next {
        Some(Token::Sign('(')) => true,
        Some(Token::Word(word)) => LABEL_LISTS.contains(&word.as_str()),
        _ => false,
    };
    starts_like_one && !calls && !OPERATORS.contains(&word)
}

fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(&first) = rest.peek() {
        if first.is_ascii_alphanumeric() || first == '_' || first == '$' {
            let mut word = String::new();
            while let Some(next) =
                rest.next_if(|&next| next.is_ascii_alphanumeric() || "_:.$".contains(next))
            {
                word.push(next);
            }
            tokens.push(Token::Word(word));
            continue;
        }
        rest.next();
        match first {
            '"' | '\'' => {
                while let Some(next) = rest.next().filter(|&next| next != first) {
                    if next == '\\' {
                        rest.next();
                    }
                }
                tokens.push(Token::Sign('"'));
            }
            '#' => while rest.next().is_some_and(|next| next != '\n') {},
            _ if first.is_whitespace() => {}
            '(' | ')' | '{' | '}' | '[' | ']' | ',' | '=' | '!' | '~' | '<' | '>' | '+' | '-'
            | '*' | '/' | '%' | '^' | ':' | '@' => tokens.push(Token::Sign(first)),
            _ => return Err(format!("unknown sign {first:?}")),
        }
    }
    Ok(tokens)
}

/// Reads `(a, b)` at a place, and returns the place after it.
fn list(tokens: &[Token], at: usize) -> Result<(Vec<String>, usize), String> {
    if tokens.get(at) != Some(&Token::Sign('(')) {
        return Err("labels without parentheses".into());
    }
    let end = closing(tokens, at).ok_or("parentheses that do not close")?;
    let labels = tokens[at + 1..end].iter().filter_map(|token| match token {
        Token::Word(label) => Some(label.clone()),
        Token::Sign(_) => None,
    });
    Ok((labels.collect(), end + 1))
}

/// Reads `{label="…"}` at a place, and returns the place after it.
fn matchers(tokens: &[Token], at: usize) -> Result<(BTreeSet<String>, usize), String> {
    let length = tokens[at..].iter().position(|token| *token == Token::Sign('}'));
    let end = at + length.ok_or("braces that do not close")?;
    let labels = tokens[at..end].iter().filter_map(|token| match token {
        Token::Word(label) => Some(label.clone()),
        Token::Sign(_) => None,
    });
    Ok((labels.collect(), end + 1))
}

/// Returns where the parenthesis that opens at a place closes.
fn closing(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return matches!(token, Token::Sign(')')).then_some(index);
        }
    }
    None
}

#[test]
fn metrics_are_told_from_functions_ranges_operators_and_labels() {
    let read = names(
        "sum by (a, le) (rate(m_total{b=~\"x(}\",c!='y'}[5m] offset 1h)) / on (d) n:r > bool 1e3 \
         and topk(3, k) or up unless time() - 2 # v",
    )
    .unwrap();
    let metrics: Vec<_> = read.selectors.iter().map(|(metric, _)| metric.as_str()).collect();
    assert_eq!(metrics, ["m_total", "n:r", "k", "up"]);
    assert_eq!(read.selectors[0].1, ["b", "c"].map(str::to_owned).into());
    assert_eq!(
        read.groupings,
        [("a".into(), vec!["m_total".into()]), ("le".into(), vec!["m_total".into()])]
    );
}

#[test]
fn labels_after_the_aggregation_are_refused() {
    assert!(names("sum(rate(m[5m])) by (a)").is_err());
}
