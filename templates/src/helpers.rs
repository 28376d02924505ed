//! What a template can do besides `if`, `each` and `with`; listed in `docs/templates.md`.

use alert::Priority;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender as _, Output, RenderContext,
    RenderError, RenderErrorReason, ScopedJson,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{Escape, truncate};

/// Registers every helper; `json` writes raw JSON only where the destination is JSON.
pub(crate) fn register(registry: &mut Handlebars<'static>, escape: Escape) {
    for (name, function) in HELPERS {
        registry.register_helper(name, Box::new(Pure(*function)));
    }
    registry.register_helper("json", Box::new(Json { raw: escape == Escape::Json }));
    // It writes to the process's log.
    registry.unregister_helper("log");
}

/// Returns a coloured disc for a priority: red from Critical, orange, yellow, blue, white.
pub const fn priority_emoji(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => "🔴",
        Priority::Error => "🟠",
        Priority::Warning => "🟡",
        Priority::Notice => "🔵",
        Priority::Informational | Priority::Debug => "⚪",
    }
}

/// Returns a priority's colour as `#rrggbb`, readable on white and on black.
pub const fn priority_color(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => "#d92d20",
        Priority::Error => "#e8590c",
        Priority::Warning => "#d99a00",
        Priority::Notice => "#2f7fd1",
        Priority::Informational | Priority::Debug => "#7a8594",
    }
}

type Function = fn(&Helper<'_>, &Context) -> Result<Value, RenderError>;

const HELPERS: &[(&str, Function)] = &[
    ("truncate", cut),
    ("default", default),
    ("date", date),
    ("ago", ago),
    ("duration", duration),
    ("field", field),
    ("emoji", |helper, _| Ok(priority_emoji(priority(helper, "emoji")?).into())),
    ("color", |helper, _| Ok(priority_color(priority(helper, "color")?).into())),
    ("plural", plural),
    ("join", join),
    ("minus", minus),
    ("line", |helper, _| Ok(Escape::Line.apply(&text(helper, "line", 0)?).into())),
    ("upper", |helper, _| Ok(text(helper, "upper", 0)?.to_uppercase().into())),
    ("lower", |helper, _| Ok(text(helper, "lower", 0)?.to_lowercase().into())),
];

/// A helper that returns a value, which the registry then escapes.
struct Pure(Function);

impl HelperDef for Pure {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        (self.0)(helper, context).map(ScopedJson::Derived)
    }
}

/// `{{json value}}`: the value as JSON; in a JSON template unquoted, else escaped like any text.
struct Json {
    raw: bool,
}

impl HelperDef for Json {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let json = argument(helper, "json", 0)?.to_string();
        if !self.raw {
            out.write(&registry.get_escape_fn()(&json))?;
            return Ok(());
        }
        // Quotes and backslashes are right already; only what hides or breaks lines is left.
        for character in json.chars() {
            if crate::escape::is_treacherous(character) {
                out.write(&Escape::Json.apply(character.encode_utf8(&mut [0; 4])))?;
            } else {
                out.write(character.encode_utf8(&mut [0; 4]))?;
            }
        }
        Ok(())
    }
}

/// `{{truncate value chars}}`
fn cut(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let chars_max = argument(helper, "truncate", 1)?.as_u64().ok_or_else(|| {
        RenderError::from(RenderErrorReason::InvalidParamType("a length, as truncate's second"))
    })?;
    let chars_max = usize::try_from(chars_max).unwrap_or(usize::MAX);
    let text = text(helper, "truncate", 0)?;
    Ok(truncate::truncate(Escape::Text, &text, chars_max, false).into())
}

/// `{{default value "otherwise"}}`: for a missing, null or empty value.
fn default(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let given = helper.param(0).map(|param| param.value());
    match given {
        None | Some(Value::Null) => argument(helper, "default", 1).cloned(),
        Some(Value::String(text)) if text.is_empty() => argument(helper, "default", 1).cloned(),
        Some(value) => Ok(value.clone()),
    }
}

/// `{{date timestamp}}`: `2026-11-21 08:25:30 UTC`.
fn date(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    Ok(timestamp(helper, "date", 0)?.strftime("%Y-%m-%d %H:%M:%S UTC").to_string().into())
}

/// `{{ago timestamp}}`: the time from it to the making of the notification.
fn ago(helper: &Helper<'_>, context: &Context) -> Result<Value, RenderError> {
    let created = context.data().get("created").and_then(Value::as_str).unwrap_or_default();
    let created: Timestamp = created.parse().map_err(|_| no_timestamp())?;
    Ok(span(created.duration_since(timestamp(helper, "ago", 0)?)).into())
}

/// `{{duration from to}}`
fn duration(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let from = timestamp(helper, "duration", 0)?;
    Ok(span(timestamp(helper, "duration", 1)?.duration_since(from)).into())
}

/// `{{field "proc.cmdline"}}` of the top finding, `{{field "proc.cmdline" this}}` of the given
/// finding or alert. Empty when it is missing or null.
fn field(helper: &Helper<'_>, context: &Context) -> Result<Value, RenderError> {
    let name = text(helper, "field", 0)?;
    let subject = match helper.param(1) {
        Some(_) => argument(helper, "field", 1)?,
        None => context.data().get("top").unwrap_or(&Value::Null),
    };
    let alert = subject.get("sample").unwrap_or(subject);
    let value = alert.get("fields").and_then(|fields| fields.get(name.as_str()));
    Ok(value.filter(|value| !value.is_null()).cloned().unwrap_or_else(|| "".into()))
}

/// `{{plural count "alert" "alerts"}}`: the count and the word that fits.
fn plural(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let count = argument(helper, "plural", 0)?.render();
    let word = text(helper, "plural", if count == "1" { 1 } else { 2 })?;
    Ok(format!("{count} {word}").into())
}

/// `{{join list ", "}}`
fn join(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let separator = text(helper, "join", 1)?;
    match argument(helper, "join", 0)? {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| item.render()).collect();
            Ok(items.join(&separator).into())
        }
        other => Ok(other.render().into()),
    }
}

/// `{{minus count 1}}`, never below 0.
fn minus(helper: &Helper<'_>, _: &Context) -> Result<Value, RenderError> {
    let number = |index| {
        argument(helper, "minus", index)?
            .as_u64()
            .ok_or_else(|| RenderError::from(RenderErrorReason::InvalidParamType("a count")))
    };
    Ok(number(0)?.saturating_sub(number(1)?).into())
}

fn argument<'a>(
    helper: &'a Helper<'_>,
    name: &'static str,
    index: usize,
) -> Result<&'a Value, RenderError> {
    let param = helper
        .param(index)
        .ok_or_else(|| RenderError::from(RenderErrorReason::ParamNotFoundForIndex(name, index)))?;
    if param.is_value_missing() {
        return Err(RenderError::strict_error(param.relative_path()));
    }
    Ok(param.value())
}

fn text(helper: &Helper<'_>, name: &'static str, index: usize) -> Result<String, RenderError> {
    argument(helper, name, index).map(|value| value.render())
}

fn priority(helper: &Helper<'_>, name: &'static str) -> Result<Priority, RenderError> {
    text(helper, name, 0)?
        .parse()
        .map_err(|_| RenderErrorReason::InvalidParamType("a priority").into())
}

fn timestamp(
    helper: &Helper<'_>,
    name: &'static str,
    index: usize,
) -> Result<Timestamp, RenderError> {
    text(helper, name, index)?.parse().map_err(|_| no_timestamp())
}

fn no_timestamp() -> RenderError {
    RenderErrorReason::InvalidParamType("a timestamp").into()
}

/// Prints a duration in its two largest units: `45s`, `3m 20s`, `2h 5m`, `4d 3h`.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let sign = if duration.is_negative() && seconds > 0 { "-" } else { "" };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Override, Part, samples};

    fn render(escape: Escape, source: &str) -> String {
        let part = Part { name: "text", escape, chars_max: 4_000, builtin: "" };
        let file = format!("t.{}.hbs", escape.extension());
        let custom = Override { part: "text".into(), file, source: source.into() };
        let engine = Engine::new(&[part], &[custom]).unwrap();
        let rendered = engine.render(&samples::grouped());
        assert!(rendered.fallbacks.is_empty(), "{:?}", rendered.fallbacks);
        rendered.parts["text"].clone()
    }

    fn check(source: &str, expect: &str) {
        assert_eq!(render(Escape::Text, source), expect, "{source}");
    }

    #[test]
    fn fields_with_dots_are_looked_up_in_the_top_finding_or_the_given_one() {
        check(r#"{{field "fd.name"}}"#, "/root/.ssh/id_ed25519");
        check(
            r#"{{#each findings}}{{field "k8s.pod.name" this}},{{/each}}"#,
            "api-7d9c5b7f4-x2x7q,api-7d9c5b7f4-x2x7q,,",
        );
        check(r#"[{{field "no.such"}}] {{default (field "no.such") "none"}}"#, "[] none");
    }

    #[test]
    fn times_are_told_for_people() {
        check("{{date first_seen}}", "2026-11-21 08:00:00 UTC");
        check("{{ago first_seen}}", "3m 50s");
        check("{{duration last_seen first_seen}}", "-3m 20s");
        assert_eq!(span(SignedDuration::from_hours(99)), "4d 3h");
        assert_eq!(span(SignedDuration::from_mins(125)), "2h 5m");
        assert_eq!(span(SignedDuration::from_millis(-1)), "0s");
    }

    #[test]
    fn words_and_lists_are_shaped() {
        check("{{minus alerts_count 1}} {{minus 1 2}}", "40 0");
        check(r#"{{plural alerts_count "alert" "alerts"}}"#, "41 alerts");
        check(r#"{{plural 1 "alert" "alerts"}}"#, "1 alert");
        check(
            r#"{{#if top}}{{join top.sample.tags " "}}{{/if}}"#,
            "container mitre_execution T1059",
        );
        check("{{upper state}} {{lower priority}}", "OPEN critical");
        check("{{emoji priority}} {{color priority}}", "🔴 #d92d20");
        check("{{truncate route 4}}", "def…");
    }

    #[test]
    fn json_is_a_value_in_json_and_text_elsewhere() {
        let json = render(Escape::Json, r#"{"a": {{json labels}}}"#);
        assert_eq!(json, r#"{"a": {"k8s.ns.name":"payments","rule":"Shell in a container"}}"#);
        check("{{json sequence}}", "2");
        let html = render(Escape::Html, "{{json labels}}");
        assert!(html.starts_with("{&quot;"), "{html}");
    }
}
