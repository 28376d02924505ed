//! Slack's documented limits of Block Kit.

use serde_json::Value;

const BLOCKS_MAX: usize = 50;

/// Returns what Slack would object to.
pub(super) fn check(blocks: &Value) -> Result<(), String> {
    if blocks.is_null() {
        return Ok(());
    }
    let blocks = blocks.as_array().ok_or("blocks are no array")?;
    if blocks.len() > BLOCKS_MAX {
        return Err(format!("{} blocks", blocks.len()));
    }
    for block in blocks {
        let kind = block["type"].as_str().unwrap_or_default();
        block_of(kind, block).map_err(|why| format!("{kind}: {why}"))?;
        if block["block_id"].as_str().is_some_and(|id| id.len() > 255) {
            return Err(format!("{kind}: block_id is too long"));
        }
    }
    Ok(())
}

fn block_of(kind: &str, block: &Value) -> Result<(), String> {
    match kind {
        "divider" => Ok(()),
        "header" => text(&block["text"], &["plain_text"], 150),
        "section" => {
            let fields = &block["fields"];
            if block["text"].is_null() && fields.is_null() {
                return Err("neither text nor fields".to_owned());
            }
            if !block["text"].is_null() {
                text(&block["text"], &["plain_text", "mrkdwn"], 3_000)?;
            }
            if fields.is_null() {
                return Ok(());
            }
            each(fields, 10, |field| text(field, &["plain_text", "mrkdwn"], 2_000))
        }
        "context" => each(&block["elements"], 10, |element| match element["type"].as_str() {
            Some("image") => Ok(()),
            _ => text(element, &["plain_text", "mrkdwn"], 3_000),
        }),
        "actions" => each(&block["elements"], 25, button),
        other => Err(format!("unknown type {other:?}")),
    }
}

fn button(element: &Value) -> Result<(), String> {
    if element["type"] != "button" {
        return Err("an action that is no button".to_owned());
    }
    text(&element["text"], &["plain_text"], 75)?;
    let too_long = |key: &str, max| element[key].as_str().is_some_and(|text| text.len() > max);
    if too_long("value", 2_000) || too_long("url", 3_000) || too_long("action_id", 255) {
        return Err("a button's value, url or action_id is too long".to_owned());
    }
    Ok(())
}

fn each(
    list: &Value,
    count_max: usize,
    check: impl Fn(&Value) -> Result<(), String>,
) -> Result<(), String> {
    let list = list.as_array().ok_or("no array")?;
    if list.is_empty() || list.len() > count_max {
        return Err(format!("{} items, 1 to {count_max} allowed", list.len()));
    }
    list.iter().try_for_each(check)
}

fn text(object: &Value, kinds: &[&str], chars_max: usize) -> Result<(), String> {
    let kind = object["type"].as_str().unwrap_or_default();
    if !kinds.contains(&kind) {
        return Err(format!("text of type {kind:?}"));
    }
    let length = object["text"].as_str().ok_or("text without text")?.chars().count();
    if length == 0 || length > chars_max {
        return Err(format!("text of {length} characters, 1 to {chars_max} allowed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_slacks() {
        let section = |length: usize| json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } }]);
        assert_eq!(check(&section(3_000)), Ok(()));
        assert!(check(&section(3_001)).is_err());
        assert!(check(&section(0)).is_err());
        let header = json!([{ "type": "header", "text": { "type": "mrkdwn", "text": "x" } }]);
        assert!(check(&header).is_err(), "headers are plain text");
        assert!(check(&json!([{ "type": "script" }])).is_err());
    }
}
