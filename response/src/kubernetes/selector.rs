//! Label selectors, as Kubernetes reads them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Tells whether the selector selects an object with these labels. An empty one selects all.
///
/// An operator we do not know counts as selecting: a budget too many is the safe mistake.
pub(super) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    if !equal.all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    selector.match_expressions.iter().flatten().all(|wanted| {
        let value = labels.get(&wanted.key);
        let listed = || {
            let values = wanted.values.iter().flatten();
            value.is_some_and(|value| values.into_iter().any(|it| it == value))
        };
        match wanted.operator.as_str() {
            "In" => listed(),
            // Also of an object without the label.
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_and_labels_must_all_hold() {
        let labels: BTreeMap<String, String> =
            [("app", "web"), ("tier", "front")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let check = |selector: serde_json::Value, expected: bool| {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(selects(&parsed, &labels), expected, "{selector}");
        };
        let expression = |key: &str, operator: &str, values: &[&str]| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        check(json!({}), true);
        check(json!({ "matchLabels": { "app": "web" } }), true);
        check(json!({ "matchLabels": { "app": "web", "tier": "back" } }), false);
        check(expression("app", "In", &["api", "web"]), true);
        check(expression("app", "In", &["api"]), false);
        check(expression("none", "In", &["web"]), false);
        check(expression("app", "NotIn", &["api"]), true);
        check(expression("app", "NotIn", &["web"]), false);
        check(expression("none", "NotIn", &["web"]), true);
        check(expression("app", "Exists", &[]), true);
        check(expression("none", "Exists", &[]), false);
        check(expression("none", "DoesNotExist", &[]), true);
        check(expression("app", "DoesNotExist", &[]), false);
        let mut both = expression("tier", "In", &["front"]);
        both["matchLabels"] = json!({ "app": "api" });
        check(both, false);
    }
}
