//! The one alert kept of each finding, cut to a bounded size.

use alert::{Alert, Fields};
use serde_json::{Value, value::RawValue};
use service::config::HumanBytes;

use super::{Limits, facts};

const NAME_BYTES_MAX: usize = 256;
const TAGS_MAX: usize = 32;
/// Texts are not cut shorter than half of this.
const TEXT_BYTES_MIN: usize = 32;
/// Fields considered at all, before texts are cut for good.
const FIELDS_BYTES_MAX: usize = 256 * 1024;

/// Returns the alert as JSON. Long texts are cut, harder the more of them there are, until all of
/// it fits; when not even that helps, its last fields are left out.
pub(super) fn sample(alert: &Alert, limits: &Limits) -> Box<RawValue> {
    let mut text_bytes_max = bytes(limits.sample_field_bytes_max);
    let bytes_max = bytes(limits.sample_bytes_max);
    loop {
        let is_last = text_bytes_max < TEXT_BYTES_MIN;
        let fields_bytes_max = if is_last { bytes_max / 2 } else { FIELDS_BYTES_MAX };
        let trimmed = trimmed(alert, text_bytes_max, fields_bytes_max);
        // An alert is a struct of texts and JSON values, which always serialise.
        let raw = serde_json::value::to_raw_value(&trimmed).unwrap_or_default();
        if is_last || raw.get().len() <= bytes_max {
            return raw;
        }
        text_bytes_max /= 2;
    }
}

/// Returns a copy of the alert with every text of at most `text_bytes_max` bytes and as many fields
/// as are at most `fields_bytes_max` of JSON.
fn trimmed(alert: &Alert, text_bytes_max: usize, fields_bytes_max: usize) -> Alert {
    let name = |text: &str| facts::cut(text, NAME_BYTES_MAX.min(text_bytes_max)).into_owned();
    let mut fields = Fields::new();
    let mut bytes = 0;
    for (field, value) in &alert.fields {
        let value = trimmed_value(value, text_bytes_max);
        // The worst an escape makes of a byte is six.
        bytes += 6 * (field.len() + value.as_str().map_or(text_bytes_max, str::len)) + 6;
        if bytes > fields_bytes_max {
            break;
        }
        fields.insert(field.clone(), value);
    }
    Alert {
        id: alert.id,
        time: alert.time,
        received: alert.received,
        rule: name(&alert.rule),
        priority: alert.priority,
        source: name(&alert.source),
        hostname: name(&alert.hostname),
        output: facts::cut(&alert.output, text_bytes_max).into_owned(),
        tags: alert.tags.iter().take(TAGS_MAX).map(|tag| name(tag)).collect(),
        fields,
        ends: alert.ends,
    }
}

fn bytes(size: HumanBytes) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

fn trimmed_value(value: &Value, bytes_max: usize) -> Value {
    match value {
        Value::String(text) => facts::cut(text, bytes_max).into_owned().into(),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() <= bytes_max {
                value.clone()
            } else {
                facts::cut(&text, bytes_max).into_owned().into()
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::tests::alert_with;

    fn check(alert: &Alert) -> Alert {
        let limits = Limits::default();
        let raw = sample(alert, &limits);
        assert!(raw.get().len() <= bytes(limits.sample_bytes_max) + 1024, "{}", raw.get().len());
        serde_json::from_str(raw.get()).unwrap()
    }

    #[test]
    fn a_usual_alert_is_kept_whole() {
        let alert = alert_with(json!({"proc.name": "sh", "user.uid": 0, "list": ["a", 1]}));
        assert_eq!(check(&alert), alert);
    }

    #[test]
    fn long_texts_are_cut_and_many_fields_are_left_out() {
        let long = "x".repeat(100_000);
        let mut alert = alert_with(json!({"proc.cmdline": long, "list": [long]}));
        alert.output = long.clone();
        alert.rule = long.clone();
        alert.tags = vec![long.clone(); 1000];
        assert!(check(&alert).text("proc.cmdline").unwrap().ends_with("x…"));
        for index in 0..10_000 {
            alert.fields.insert(format!("{index:05}\u{1}"), "\u{1}\u{1}".repeat(50).into());
        }
        check(&alert);
        alert.fields.insert("0".repeat(100_000), 1.into());
        check(&alert);
    }
}
