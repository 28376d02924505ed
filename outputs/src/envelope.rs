//! The JSON a machine gets: `{"version":1,"notification":{…}}`, documented in `docs/templates.md`.

use std::{borrow::Cow, io};

use alert::Notification;
use serde::Serialize;
use serde_json::Value;
use templates::Escape;

/// The documented envelope around a notification.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<'a> {
    version: u32,
    /// Something was left out so that the body fits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    notification: Cow<'a, Notification>,
}

/// Writes what hides or reorders text, or breaks lines for some readers, as `\u....`: a person may
/// print these lines on a terminal.
struct Visible;

impl serde_json::ser::Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.contains('\x7f') {
            return writer.write_all(fragment.as_bytes());
        }
        // A fragment holds no quote, backslash or control, so nothing is escaped twice.
        writer.write_all(Escape::Json.apply(fragment).as_bytes())
    }
}

/// How much a shortened envelope keeps: findings, characters of a text, fields of an alert.
const STEPS: [(usize, usize, usize); 4] =
    [(usize::MAX, 4_000, 200), (5, 1_000, 100), (1, 1_000, 30), (1, 200, 0)];

/// Returns the envelope as JSON of at most `bytes_max`, as much of it as fits.
///
/// Ids, counts and times are always there; findings, fields and long texts go first. When even the
/// shortest form is longer than `bytes_max`, it is returned as it is.
pub(crate) fn to_json(
    notification: &Notification,
    bytes_max: usize,
) -> Result<Vec<u8>, serde_json::Error> {
    let whole = json(Cow::Borrowed(notification), false)?;
    if whole.len() <= bytes_max {
        return Ok(whole);
    }
    let mut body = whole;
    for (findings_max, chars_max, fields_max) in STEPS {
        let kept = shorten(notification, findings_max, chars_max, fields_max);
        body = json(Cow::Owned(kept), true)?;
        if body.len() <= bytes_max {
            break;
        }
    }
    Ok(body)
}

/// Returns the shortest form, for a destination that found a longer one too large.
pub(crate) fn shortest(notification: &Notification) -> Result<Vec<u8>, serde_json::Error> {
    to_json(notification, 0)
}

fn json(
    notification: Cow<'_, Notification>,
    truncated: bool,
) -> Result<Vec<u8>, serde_json::Error> {
    let envelope = Envelope { version: templates::context::VERSION, truncated, notification };
    let mut out = Vec::with_capacity(4_096);
    envelope.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Visible))?;
    Ok(out)
}

fn shorten(
    notification: &Notification,
    findings_max: usize,
    chars_max: usize,
    fields_max: usize,
) -> Notification {
    // An actual character is one here: the JSON around it does the escaping.
    let cut = |text: &str| -> String {
        if text.chars().nth(chars_max).is_none() {
            return text.to_owned();
        }
        Escape::Text.cut(text, chars_max)
    };
    let mut kept = notification.clone();
    kept.findings.truncate(findings_max);
    kept.labels =
        kept.labels.iter().take(20).map(|(name, value)| (cut(name), cut(value))).collect();
    for finding in &mut kept.findings {
        finding.score_items.truncate(20);
        for item in &mut finding.score_items {
            item.reason = cut(&item.reason);
        }
        let sample = &mut finding.sample;
        for text in [&mut sample.rule, &mut sample.hostname, &mut sample.source, &mut sample.output]
        {
            *text = cut(text);
        }
        sample.tags = sample.tags.iter().take(20).map(|tag| cut(tag)).collect();
        let fields = std::mem::take(&mut sample.fields);
        sample.fields = fields
            .into_iter()
            .take(fields_max)
            .map(|(name, value)| {
                let value = match value {
                    Value::String(text) => Value::String(cut(&text)),
                    Value::Array(_) | Value::Object(_) => Value::String(cut(&value.to_string())),
                    scalar => scalar,
                };
                (cut(&name), value)
            })
            .collect();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use templates::samples;

    #[test]
    fn a_notification_that_fits_is_whole() {
        for (name, sample) in samples::all() {
            let body: Value =
                serde_json::from_slice(&to_json(&sample, usize::MAX).unwrap()).unwrap();
            assert_eq!(body["version"], 1, "{name}");
            assert_eq!(body.get("truncated"), None, "{name}");
            let back: Notification = serde_json::from_value(body["notification"].clone()).unwrap();
            assert_eq!(back, sample, "{name}");
        }
    }

    #[test]
    fn no_line_of_it_can_steer_a_terminal_or_break() {
        let body = String::from_utf8(to_json(&samples::hostile(), usize::MAX).unwrap()).unwrap();
        let found = body.find(|c: char| {
            c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{200b}' | '\u{e0041}')
        });
        assert_eq!(found, None, "{body}");
    }

    #[test]
    fn one_that_does_not_is_shortened_step_by_step() {
        let huge = samples::huge();
        let mut last = usize::MAX;
        for bytes_max in [1 << 20, 256 << 10, 64 << 10, 8 << 10, 4 << 10] {
            let body = to_json(&huge, bytes_max).unwrap();
            assert!(body.len() <= bytes_max && body.len() <= last, "{} > {bytes_max}", body.len());
            last = body.len();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["truncated"], true);
            assert_eq!(body["notification"]["alerts_count"], huge.alerts_count);
        }
        assert!(shortest(&huge).unwrap().len() < 8 << 10);
    }
}
