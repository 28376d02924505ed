//! What a template sees: a notification, serialised; documented in `docs/templates.md`.

use alert::Notification;
use serde_json::{Map, Value};

/// Version of the documented shape. It grows when something is removed or changes its meaning;
/// additions leave it.
pub const VERSION: u32 = 1;

/// Returns the context of one notification: its own keys, `version`, and `top`, which is the first
/// finding or null. `storm` is null if it is none; `lane` and `findings_hidden_count` are always there.
/// Every sample has `tags` and `fields`, if only empty ones, and every finding an `ended`, if only
/// null.
pub fn of(notification: &Notification) -> Value {
    let mut context = match serde_json::to_value(notification) {
        Ok(Value::Object(context)) => context,
        _ => Map::new(),
    };
    if let Some(Value::Array(findings)) = context.get_mut("findings") {
        for finding in findings.iter_mut().filter_map(Value::as_object_mut) {
            finding.entry("ended").or_insert(Value::Null);
        }
        for sample in findings.iter_mut().filter_map(|finding| finding.get_mut("sample")) {
            if let Value::Object(sample) = sample {
                sample.entry("tags").or_insert_with(|| Value::Array(Vec::new()));
                sample.entry("fields").or_insert_with(|| Value::Object(Map::new()));
                sample.entry("ends").or_insert(Value::Null);
            }
        }
    }
    let storm = context.entry("storm").or_insert(Value::Null);
    if let Value::Object(storm) = storm {
        storm.entry("ended").or_insert(Value::Null);
    }
    let top = context.get("findings").and_then(|findings| findings.get(0)).cloned();
    context.insert("top".into(), top.unwrap_or(Value::Null));
    context.insert("version".into(), VERSION.into());
    context.insert("lane".into(), notification.lane().name().into());
    context.entry("findings_hidden_count").or_insert(0.into());
    Value::Object(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_top_finding_is_null_when_there_is_none() {
        assert_eq!(of(&samples::empty())["top"], Value::Null);
        assert_eq!(of(&samples::typical())["top"]["sample"]["rule"], "Shell in a container");
    }

    #[test]
    fn the_lane_and_the_hidden_are_there_even_when_an_earlier_version_made_it() {
        let context = of(&samples::typical());
        assert_eq!(
            (&context["lane"], &context["findings_hidden_count"]),
            (&"elevated".into(), &0.into())
        );
    }

    #[test]
    fn tags_and_fields_are_there_even_when_the_alert_has_none() {
        let mut notification = samples::typical();
        notification.findings[0].sample.tags.clear();
        notification.findings[0].sample.fields.clear();
        let sample = &of(&notification)["top"]["sample"];
        assert_eq!(sample["tags"], serde_json::json!([]));
        assert_eq!(sample["fields"], serde_json::json!({}));
    }
}
