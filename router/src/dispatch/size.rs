//! About how much memory a notification takes: queues are bounded by it.

use alert::Notification;

/// Returns about how much memory a notification takes.
pub(super) fn size(notification: &Notification) -> usize {
    const EACH: usize = 64;
    let fields = |fields: &alert::Fields| -> usize {
        fields.iter().map(|(name, value)| name.len() + value_size(value) + EACH).sum()
    };
    let labels: usize =
        notification.labels.iter().map(|(name, value)| name.len() + value.len() + EACH).sum();
    let findings: usize = notification
        .findings
        .iter()
        .map(|finding| {
            let sample = &finding.sample;
            let items: usize = finding.score_items.iter().map(|i| i.reason.len() + EACH).sum();
            let tags: usize = sample.tags.iter().map(|tag| tag.len() + EACH).sum();
            let texts = sample.rule.len() + sample.output.len() + sample.hostname.len();
            size_of_val(finding) + items + tags + texts + fields(&sample.fields)
        })
        .sum();
    size_of_val(notification) + labels + findings
}

fn value_size(value: &serde_json::Value) -> usize {
    const EACH: usize = 32;
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(|item| value_size(item) + EACH).sum(),
        serde_json::Value::Object(map) => {
            map.iter().map(|(name, value)| name.len() + value_size(value) + 2 * EACH).sum()
        }
        _ => 0,
    }
}
