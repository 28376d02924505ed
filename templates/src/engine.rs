//! Renders a kind's text parts from built-in or custom templates.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use alert::Notification;
use handlebars::{Context, Handlebars, RenderErrorReason, Template};

use crate::{Escape, context, helpers, samples, template::inspect, truncate};

/// One text a kind renders.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub name: &'static str,
    pub escape: Escape,
    /// The destination's limit, in characters; longer texts are cut with `…`. JSON is not cut: a
    /// longer one counts as a failure.
    pub chars_max: usize,
    /// The built-in template's source.
    pub builtin: &'static str,
}

/// A template that replaces one part's built-in.
#[derive(Debug, Clone)]
pub struct Override {
    pub part: String,
    /// The file it came from; its second extension names the escape, as in `soc.mrkdwn.hbs`.
    pub file: String,
    pub source: String,
}

impl Override {
    /// Longest template file.
    pub const BYTES_MAX: u64 = 256 << 10;

    /// Reads the template of a part from a file.
    pub fn read(part: &str, path: &Path) -> Result<Self, TemplateError> {
        let file = path.display().to_string();
        let failed = |reason: String| TemplateError { file: file.clone(), reason };
        let length = path.metadata().map_err(|error| failed(error.to_string()))?.len();
        if length > Self::BYTES_MAX {
            let bytes_max = Self::BYTES_MAX;
            return Err(failed(format!("{length} bytes are more than the limit of {bytes_max}")));
        }
        let source = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Ok(Self { part: part.into(), file, source })
    }
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template `{file}`: {reason}")]
pub struct TemplateError {
    pub file: String,
    /// What is wrong, with line and column where they are known.
    pub reason: String,
}

/// What came of rendering.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Text by part; every part of the kind is there.
    pub parts: BTreeMap<&'static str, String>,
    /// Parts whose custom template failed, so that the built-in text stands in.
    pub fallbacks: Vec<Fallback>,
}

/// A custom template failed at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    pub part: &'static str,
    pub file: String,
    pub reason: String,
}

/// The compiled templates of one configured output.
#[derive(Debug)]
pub struct Engine {
    parts: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    part: Part,
    registry: Handlebars<'static>,
    /// File of the custom template, if there is one.
    custom: Option<String>,
}

const BUILTIN: &str = "builtin";
const CUSTOM: &str = "custom";

/// How often a template may write, which bounds its time: helpers and loops write as they go.
const WRITES_MAX: u64 = 2_000_000;

impl Engine {
    /// Compiles the built-in templates.
    pub fn builtin(parts: &[Part]) -> Result<Self, TemplateError> {
        Self::new(parts, &[])
    }

    /// Compiles the built-in templates and what replaces them, and renders each against every
    /// sample, so that a template that can fail on them is refused now.
    pub fn new(parts: &[Part], overrides: &[Override]) -> Result<Self, TemplateError> {
        for custom in overrides {
            if !parts.iter().any(|part| part.name == custom.part) {
                let known: Vec<_> = parts.iter().map(|part| format!("`{}`", part.name)).collect();
                let reason = match known.len() {
                    0 => format!("there is no part `{}`: this kind has no templates", custom.part),
                    _ => format!("there is no part `{}`, only {}", custom.part, known.join(", ")),
                };
                return Err(TemplateError { file: custom.file.clone(), reason });
            }
        }
        let parts = parts
            .iter()
            .map(|part| Compiled::new(*part, overrides.iter().find(|o| o.part == part.name)))
            .collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }

    /// Renders every part. Never fails: a custom template that does is replaced by the built-in
    /// text, and named in [`Rendered::fallbacks`].
    pub fn render(&self, notification: &Notification) -> Rendered {
        let context = Context::from(context::of(notification));
        let mut rendered = Rendered::default();
        for compiled in &self.parts {
            let text = compiled.render(&context, &mut rendered.fallbacks);
            rendered.parts.insert(compiled.part.name, text);
        }
        rendered
    }
}

impl Compiled {
    fn new(part: Part, custom: Option<&Override>) -> Result<Self, TemplateError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(move |data| part.escape.apply(data));
        helpers::register(&mut registry, part.escape);
        let mut compiled = Self { part, registry, custom: None };
        compiled
            .add(BUILTIN, part.builtin)
            .map_err(|reason| TemplateError { file: format!("built-in {}", part.name), reason })?;
        if let Some(custom) = custom {
            escape_agrees(&custom.file, part)
                .and_then(|()| compiled.add(CUSTOM, &custom.source))
                .map_err(|reason| TemplateError { file: custom.file.clone(), reason })?;
            compiled.custom = Some(custom.file.clone());
        }
        Ok(compiled)
    }

    fn add(&mut self, name: &str, source: &str) -> Result<(), String> {
        let template = Template::compile(source).map_err(|error| error.to_string())?;
        inspect(&template)?;
        self.registry.register_template(name, template);
        for (sample, notification) in samples::all() {
            let context = Context::from(context::of(&notification));
            self.attempt(name, &context)
                .map_err(|reason| format!("{reason} (with the `{sample}` sample)"))?;
        }
        Ok(())
    }

    fn render(&self, context: &Context, fallbacks: &mut Vec<Fallback>) -> String {
        if let Some(file) = &self.custom {
            match self.attempt(CUSTOM, context) {
                Ok(text) => return text,
                Err(reason) => {
                    fallbacks.push(Fallback { part: self.part.name, file: file.clone(), reason })
                }
            }
        }
        match self.attempt(BUILTIN, context) {
            Ok(text) => text,
            Err(reason) => {
                let file = format!("built-in {}", self.part.name);
                fallbacks.push(Fallback { part: self.part.name, file, reason });
                self.last_resort(context)
            }
        }
    }

    fn attempt(&self, name: &str, context: &Context) -> Result<String, String> {
        let Part { escape, chars_max, .. } = self.part;
        // A UTF-16 unit takes at most three bytes, so no more than this can be kept.
        let bytes_max = chars_max.saturating_mul(3).saturating_add(4_096);
        let mut buffer = Bounded { text: Vec::new(), bytes_max, writes: 0, cut: false };
        let outcome = self.registry.render_with_context_to_write(name, context, &mut buffer);
        if let Err(error) = outcome
            && !buffer.cut
        {
            return Err(describe(&error));
        }
        let text = String::from_utf8_lossy(&buffer.text);
        if escape == Escape::Json {
            return json(text.trim(), chars_max, buffer.cut);
        }
        let text = if escape == Escape::Line { one_line(&text) } else { text.trim().to_owned() };
        Ok(truncate::truncate(escape, &text, chars_max, buffer.cut).into_owned())
    }

    /// Returns what no template is needed for.
    fn last_resort(&self, context: &Context) -> String {
        if self.part.escape == Escape::Json {
            return String::new();
        }
        let of = |key| context.data().get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let text = format!("{}: {} ({})", of("priority"), of("group"), of("route"));
        let text = self.part.escape.apply(&text);
        truncate::truncate(self.part.escape, &text, self.part.chars_max, false).into_owned()
    }
}

fn json(text: &str, chars_max: usize, cut: bool) -> Result<String, String> {
    if cut || truncate::width(text) > chars_max {
        return Err(format!("the JSON is longer than {chars_max} characters"));
    }
    if !text.is_empty() {
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| format!("the text is no JSON: {error}"))?;
    }
    Ok(text.to_owned())
}

/// Joins the lines a template itself has; data has none left.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn escape_agrees(file: &str, part: Part) -> Result<(), String> {
    let expected = part.escape.extension();
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file);
    let mut extensions = name.rsplit('.');
    if extensions.next() != Some("hbs") {
        return Err(format!("the file's name must end in `.{expected}.hbs`"));
    }
    match extensions.next() {
        Some(extension) if extension == expected && extensions.next().is_some() => Ok(()),
        _ => Err(format!(
            "part `{}` is escaped as `{expected}`: the file's name must end in `.{expected}.hbs`",
            part.name
        )),
    }
}

fn describe(error: &handlebars::RenderError) -> String {
    let reason = match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => format!("there is no `{name}` here"),
        RenderErrorReason::MissingVariable(None) => "a value is missing".into(),
        RenderErrorReason::HelperNotFound(name) => format!("there is no helper `{name}`"),
        RenderErrorReason::IOError(_) => "the template runs for too long".into(),
        other => other.to_string(),
    };
    match (error.line_no, error.column_no) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {reason}"),
        _ => reason,
    }
}

/// Keeps what is written up to a bound, then says so and stops the template.
struct Bounded {
    text: Vec<u8>,
    bytes_max: usize,
    writes: u64,
    /// The bound was reached.
    cut: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.writes > WRITES_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let room = self.bytes_max - self.text.len();
        if bytes.len() > room {
            // Not in the middle of a character: what is there is lossily decoded later, and the
            // cut to `chars_max` drops that end.
            self.text.extend_from_slice(&bytes[..room]);
            self.cut = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Part = Part {
        name: "text",
        escape: Escape::SlackMrkdwn,
        chars_max: 200,
        builtin: "{{emoji priority}} {{plural alerts_count \"alert\" \"alerts\"}}",
    };

    fn custom(file: &str, source: &str) -> Result<Engine, TemplateError> {
        let custom = Override { part: "text".into(), file: file.into(), source: source.into() };
        Engine::new(&[TEXT], &[custom])
    }

    fn refused(file: &str, source: &str, expect: &str) {
        let error = custom(file, source).expect_err(source).to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn every_sample_renders_within_the_limit() {
        let engine = custom("t.mrkdwn.hbs", "{{#if top}}{{top.sample.output}}{{/if}}").unwrap();
        for (name, sample) in samples::all() {
            let rendered = engine.render(&sample);
            assert!(rendered.fallbacks.is_empty(), "{name}: {:?}", rendered.fallbacks);
            assert!(truncate::width(&rendered.parts["text"]) <= 200, "{name}");
        }
    }

    #[test]
    fn a_wrong_template_is_refused_at_load() {
        refused("t.mrkdwn.hbs", "a\n{{top.sample.rool}}", "line 2, column 1: there is no");
        refused("t.mrkdwn.hbs", "{{top.sample.rule}}", "(with the `empty` sample)");
        refused("t.mrkdwn.hbs", "{{#if top}}", "template `t.mrkdwn.hbs`:");
        refused("t.mrkdwn.hbs", "{{no_such 1}}", "there is no helper `no_such`");
        refused("t.mrkdwn.hbs", "{{log output}}", "there is no helper `log`");
        refused("t.mrkdwn.hbs", "{{{output}}}", "unescaped");
    }

    #[test]
    fn the_second_extension_must_name_the_parts_escape() {
        refused("t.html.hbs", "x", "must end in `.mrkdwn.hbs`");
        refused("t.hbs", "x", "must end in `.mrkdwn.hbs`");
        refused("mrkdwn.hbs", "x", "must end in `.mrkdwn.hbs`");
        refused("t.mrkdwn", "x", "must end in `.mrkdwn.hbs`");
        assert!(custom("/etc/saker/my.team.mrkdwn.hbs", "x").is_ok());
    }

    #[test]
    fn an_override_of_an_unknown_part_names_the_known_ones() {
        let custom = Override { part: "body".into(), file: "b".into(), source: String::new() };
        let error = Engine::new(&[TEXT], &[custom]).unwrap_err().to_string();
        assert_eq!(error, "template `b`: there is no part `body`, only `text`");
    }

    #[test]
    fn a_custom_template_that_fails_later_falls_back_and_says_so() {
        let source = "{{#if top}}{{#each top.sample.fields}}{{#if (eq @key \"later\")}}\
                      {{this.missing}}{{/if}}{{/each}}{{/if}}";
        let engine = custom("t.mrkdwn.hbs", source).unwrap();
        let mut notification = samples::typical();
        notification.findings[0].sample.fields.insert("later".into(), "x".into());
        let rendered = engine.render(&notification);
        assert_eq!(rendered.parts["text"], "🟡 1 alert");
        assert_eq!(rendered.fallbacks.len(), 1);
        assert_eq!(rendered.fallbacks[0].file, "t.mrkdwn.hbs");
        assert!(rendered.fallbacks[0].reason.contains("missing"), "{:?}", rendered.fallbacks);
    }

    #[test]
    fn a_text_far_over_the_limit_is_cut_not_dropped() {
        let engine =
            custom("t.mrkdwn.hbs", "{{#each findings}}{{sample.output}}{{/each}}").unwrap();
        let text = &engine.render(&samples::huge()).parts["text"];
        assert!(text.ends_with('…') && truncate::width(text) <= 200, "{text}");
    }

    #[test]
    fn a_template_that_runs_for_too_long_is_refused() {
        let body = "{{score}}".repeat(300);
        let source = format!(
            "{{{{#each findings}}}}{{{{#each ../findings}}}}{{{{#each ../../findings}}}}{body}\
             {{{{/each}}}}{{{{/each}}}}{{{{/each}}}}"
        );
        let part = Part { chars_max: 100_000_000, ..TEXT };
        let custom = Override { part: "text".into(), file: "t.mrkdwn.hbs".into(), source };
        let error = Engine::new(&[part], &[custom]).unwrap_err().to_string();
        assert!(error.contains("runs for too long"), "{error}");
    }

    #[test]
    fn a_json_template_must_give_json() {
        let part = Part { escape: Escape::Json, builtin: "", chars_max: 100_000, ..TEXT };
        let load = |source: &str| {
            let custom =
                Override { part: "text".into(), file: "t.json.hbs".into(), source: source.into() };
            Engine::new(&[part], &[custom])
        };
        let good =
            load(r#"{"rule": "{{#if top}}{{top.sample.rule}}{{/if}}", "n": {{json labels}}}"#);
        let text = &good.unwrap().render(&samples::hostile()).parts["text"];
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let hostile = samples::hostile();
        assert_eq!(value["rule"], hostile.findings[0].sample.rule.as_str());
        assert_eq!(value["n"]["rule"], hostile.labels["rule"].as_str());
        assert!(load(r#"{"rule": {{route}}}"#).unwrap_err().reason.contains("no JSON"));
    }

    #[test]
    fn a_line_part_is_one_line_whatever_the_template() {
        let part = Part { escape: Escape::Line, builtin: "a\n  {{route}}\n", ..TEXT };
        let rendered = Engine::builtin(&[part]).unwrap().render(&samples::typical());
        assert_eq!(rendered.parts["text"], "a default");
    }
}
