//! Receivers, made into outputs where there is one of the kind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::read::Receiver;

const NAME_CHARS_MAX: usize = 64;

/// Adds what a receiver's destinations are made into, and returns their names.
pub(super) fn outputs(
    index: usize,
    receiver: &Receiver,
    global: &BTreeMap<String, Value>,
    outputs: &mut BTreeMap<String, Value>,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let mut names = Vec::new();
    for (kind, destinations) in &receiver.kinds {
        for (number, destination) in destinations.as_array().into_iter().flatten().enumerate() {
            let place = format!("receivers[{index}].{kind}[{number}]");
            let made = match kind.as_str() {
                "webhook_configs" => webhook(destination),
                "slack_configs" => slack(destination, global),
                "email_configs" => email(destination, global),
                _ => Err("there is no output of this kind yet".to_owned()),
            };
            match made {
                Ok(mut output) => {
                    let told = destination.get("send_resolved").and_then(Value::as_bool);
                    // Of these kinds, there only a webhook is told of ends unless it is said.
                    if !told.unwrap_or(kind == "webhook_configs") {
                        output["send_resolved"] = false.into();
                    }
                    let name = free_name(&receiver.name, outputs);
                    outputs.insert(name.clone(), output);
                    names.push(name);
                }
                Err(why) => remarks.push(format!("{place}: {why}")),
            }
        }
    }
    if names.is_empty()
        && remarks.iter().all(|remark| !remark.starts_with(&format!("receivers[{index}]")))
    {
        remarks.push(format!("receivers[{index}]: it tells nobody, and so its routes do not"));
    }
    names
}

/// Returns the receiver's name, or one like it that an output may have and none has.
fn free_name(wanted: &str, taken: &BTreeMap<String, Value>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let base: String =
        wanted.chars().map(|c| if plain(c) { c } else { '-' }).take(NAME_CHARS_MAX - 6).collect();
    let base = if base.is_empty() { "receiver".to_owned() } else { base };
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    names.find(|name| !taken.contains_key(name)).unwrap_or(base)
}

/// Returns a text of a destination, or of what is set for all of them.
fn text<'a>(destination: &'a Value, key: &str) -> Option<&'a str> {
    destination.get(key).and_then(Value::as_str)
}

/// Returns a secret: as it stands there, or the file it is in.
fn secret(value: Option<&str>, file: Option<&str>) -> Option<String> {
    value.map(str::to_owned).or_else(|| file.map(|file| format!("${{file:{file}}}")))
}

fn webhook(destination: &Value) -> Result<Value, String> {
    let url = secret(text(destination, "url"), text(destination, "url_file"));
    let url = url.ok_or("it has no `url`")?;
    if destination.get("http_config").is_some() {
        return Err(
            "its `http_config` must be taken over by hand: see docs/outputs/webhook.md".into()
        );
    }
    Ok(json!({ "webhook": { "url": url } }))
}

fn slack(destination: &Value, global: &BTreeMap<String, Value>) -> Result<Value, String> {
    let of_all = |key: &str| global.get(key).and_then(Value::as_str);
    let url = text(destination, "api_url").or_else(|| of_all("slack_api_url"));
    let file = text(destination, "api_url_file").or_else(|| of_all("slack_api_url_file"));
    let url = secret(url, file).ok_or("it has no `api_url`")?;
    Ok(json!({ "slack": { "webhook_url": url } }))
}

fn email(destination: &Value, global: &BTreeMap<String, Value>) -> Result<Value, String> {
    let any = |key: &str, of_all: &str| {
        text(destination, key).or_else(|| global.get(of_all).and_then(Value::as_str))
    };
    let to = text(destination, "to").ok_or("it has no `to`")?;
    let from = any("from", "smtp_from").ok_or("it has no `from`")?;
    let smarthost = any("smarthost", "smtp_smarthost").ok_or("it has no `smarthost`")?;
    let (server, port) = smarthost.rsplit_once(':').ok_or("its `smarthost` has no port")?;
    let port: u16 = port.parse().map_err(|_| "its `smarthost` has no port")?;
    let to: Vec<&str> = to.split(',').map(str::trim).collect();
    let mut email = json!({ "server": server, "port": port, "from": from, "to": to });
    let tls = destination.get("require_tls").or_else(|| global.get("smtp_require_tls"));
    if tls == Some(&Value::Bool(false)) {
        email["tls"] = "none".into();
    } else if port == 465 {
        email["tls"] = "implicit".into();
    }
    if let Some(name) = any("auth_username", "smtp_auth_username") {
        let file = any("auth_password_file", "smtp_auth_password_file");
        let password = secret(any("auth_password", "smtp_auth_password"), file);
        email["username"] = name.into();
        email["password"] = password.ok_or("it has a name and no password")?.into();
    }
    Ok(json!({ "email": email }))
}
