//! Prints an alert as one line for people: when, how severe, which rule, where and who, what.

use alert::{Alert, Finding, GroupState, Notification, Priority};
use jiff::{Timestamp, tz::TimeZone};
use templates::Escape;

/// Returns one line, without a line break: local time, priority, rule, where and who, output.
///
/// Data is escaped for a terminal; colours are ours alone. A line wider than `width_max` characters
/// is cut with `…`.
pub fn alert_line(alert: &Alert, color: bool, width_max: Option<usize>) -> String {
    Line { color, width_max, zone: TimeZone::system(), date: Date::Without }.of(alert, "")
}

/// Most of a rule's name and of an alert's output that a line shows.
const RULE_CHARS_MAX: usize = 200;
const OUTPUT_CHARS_MAX: usize = 4_000;

/// How lines are printed.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) color: bool,
    pub(crate) width_max: Option<usize>,
    pub(crate) zone: TimeZone,
    pub(crate) date: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Date {
    /// `08:25:30`, for a person who watches.
    Without,
    /// `2026-11-21T08:25:30Z`, for a file.
    With,
}

impl Line {
    /// Returns a line for each finding of a group, and one that says what they do not.
    pub(crate) fn of_group(&self, notification: &Notification) -> String {
        let mut lines: Vec<String> =
            notification.findings.iter().map(|finding| self.of_finding(finding)).collect();
        let left = notification.findings_count.saturating_sub(notification.findings.len() as u64);
        let hidden = notification.findings_hidden_count;
        if lines.is_empty() || left > 0 || hidden > 0 || notification.state == GroupState::Closed {
            lines.push(self.of_rest(notification, left));
        }
        lines.join("\n")
    }

    fn of_rest(&self, notification: &Notification, left: u64) -> String {
        let state = match notification.state {
            GroupState::Open => "open",
            GroupState::Closed => "closed",
        };
        let counted = |count, what| match count {
            0 => String::new(),
            count => format!(", {count} findings {what}"),
        };
        let more =
            counted(left, "not listed") + &counted(notification.findings_hidden_count, "hidden");
        format!(
            "{}  {:<9}  group {} {state}, {} alerts{more}",
            self.time(notification.created),
            short(notification.priority),
            notification.group,
            notification.alerts_count,
        )
    }

    /// Returns the line of a finding: its first alert, how often it was seen, and its end.
    fn of_finding(&self, finding: &Finding) -> String {
        let times = if finding.count > 1 {
            format!(" (seen {} times)", finding.count)
        } else {
            String::new()
        };
        let ended = finding.ended.map(|ended| format!(" (over since {})", self.time(ended)));
        self.of(&finding.sample, &(times + &ended.unwrap_or_default()))
    }

    fn of(&self, alert: &Alert, remark: &str) -> String {
        let place = place(alert);
        let pieces = [
            (self.time(alert.time), "2"),
            (format!("{:<9}", short(alert.priority)), priority_style(alert.priority)),
            (Escape::Line.apply_max(&alert.rule, RULE_CHARS_MAX), "1"),
            (place, "36"),
            (Escape::Line.apply_max(&alert.output, OUTPUT_CHARS_MAX) + remark, "0"),
        ];
        let mut line = String::new();
        let mut left = self.width_max.unwrap_or(usize::MAX);
        for (text, style) in pieces.iter().filter(|(text, _)| !text.is_empty()) {
            if !line.is_empty() {
                if left < 4 {
                    break;
                }
                line.push_str("  ");
                left -= 2;
            }
            let (text, cut) = fit(text, left);
            left = left.saturating_sub(text.chars().count());
            match self.color {
                true => line.push_str(&format!("\x1b[{style}m{text}\x1b[0m")),
                false => line.push_str(&text),
            }
            if cut {
                break;
            }
        }
        line
    }

    fn time(&self, time: Timestamp) -> String {
        let local = time.to_zoned(self.zone.clone());
        match self.date {
            Date::Without => local.strftime("%H:%M:%S").to_string(),
            Date::With => local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        }
    }
}

/// Returns `host ns/pod of Kind/owner on node (container, image:tag) user process[pid] (chain)`, as
/// far as the alert says.
fn place(alert: &Alert) -> String {
    let field = |name: &str| {
        let text = match alert.fields.get(name)? {
            serde_json::Value::String(text) if !text.is_empty() && text != "<NA>" => {
                Escape::Line.apply_max(text, 80)
            }
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text)
    };
    let mut place = Escape::Line.apply_max(&alert.hostname, 80);
    let mut add = |text: String| {
        if !place.is_empty() {
            place.push(' ');
        }
        place.push_str(&text);
    };
    match (field("k8s.ns.name"), field("k8s.pod.name")) {
        (Some(namespace), Some(pod)) => add(format!("{namespace}/{pod}")),
        (None, Some(name)) | (Some(name), None) => add(name),
        (None, None) => {}
    }
    if let (Some(kind), Some(name)) = (field("k8s.workload.kind"), field("k8s.workload.name")) {
        add(format!("of {kind}/{name}"));
    }
    if let Some(node) = field("k8s.node.name").filter(|node| *node != alert.hostname) {
        add(format!("on {node}"));
    }
    if let Some(container) = field("container.name").filter(|name| name != "host") {
        // Of an image without a tag nothing is said that its container's name does not.
        match (field("container.image.repository"), field("container.image.tag")) {
            (Some(image), Some(tag)) => add(format!("({container}, {image}:{tag})")),
            _ => add(format!("({container})")),
        }
    }
    if let Some(user) = field("user.name") {
        add(user);
    }
    match (field("proc.name"), field("proc.pid")) {
        (Some(process), Some(pid)) => add(format!("{process}[{pid}]")),
        (Some(process), None) => add(process),
        (None, _) => {}
    }
    if let Some(chain) = field("saker.proc.chain") {
        add(format!("({chain})"));
    }
    place
}

/// Cuts a text to `width` characters with `…`, and says whether it did.
fn fit(text: &str, width: usize) -> (String, bool) {
    if text.chars().nth(width).is_none() {
        return (text.to_owned(), false);
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    (kept + "…", true)
}

fn short(priority: Priority) -> &'static str {
    match priority {
        Priority::Informational => "Info",
        other => other.name(),
    }
}

const fn priority_style(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => "1;31",
        Priority::Error => "31",
        Priority::Warning => "33",
        Priority::Notice => "34",
        Priority::Informational | Priority::Debug => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use templates::samples;

    fn check(alert: &Alert, color: bool, width_max: Option<usize>, expect: &str) {
        let line = Line { color, width_max, zone: TimeZone::UTC, date: Date::Without };
        assert_eq!(line.of(alert, ""), expect);
    }

    #[test]
    fn a_line_says_when_how_severe_what_where_and_who() {
        let alert = &samples::typical().findings[0].sample;
        let place = "node-3 payments/api-7d9c5b7f4-x2x7q (api) node sh[4242]";
        let output = &alert.output;
        let line = format!("08:00:00  Warning    Shell in a container  {place}  {output}");
        check(alert, false, None, &line);
        check(alert, false, Some(45), "08:00:00  Warning    Shell in a container  n…");
        check(alert, false, Some(12), "08:00:00  W…");
        check(alert, true, Some(18), "\x1b[2m08:00:00\x1b[0m  \x1b[33mWarning…\x1b[0m");
    }

    #[test]
    fn of_a_pod_it_says_whose_it_is_where_it_runs_and_how_the_process_came_about() {
        let alert = &samples::pod().findings[0].sample;
        let line = Line { color: false, width_max: None, zone: TimeZone::UTC, date: Date::Without };
        let place = "payments/api-7d9c5b7f4-x2x7q of Deployment/api on worker-7 \
                     (api, registry.example/payments/api:2.4.1) node sh[4242] \
                     (sh < node < containerd-shim < systemd)";
        assert!(line.of(alert, "").contains(place), "{}", line.of(alert, ""));
    }

    #[test]
    fn an_alert_that_says_little_gives_a_short_line() {
        let mut alert = samples::typical().findings[0].sample.clone();
        alert.fields.clear();
        alert.hostname.clear();
        alert.output = "x".into();
        check(&alert, false, None, "08:00:00  Warning    Shell in a container  x");
    }

    #[test]
    fn hostile_text_stays_in_its_line_and_steers_no_terminal() {
        let hostile = &samples::hostile().findings[0].sample;
        for color in [false, true] {
            let line = alert_line(hostile, color, None);
            let escapes = line.matches('\x1b').count();
            assert_eq!(escapes, if color { 10 } else { 0 });
            assert!(!line.contains(['\n', '\r', '\0', '\u{202e}', '\u{2028}']), "{line}");
        }
    }

    #[test]
    fn the_files_line_has_the_date_and_how_often() {
        let line = Line { color: false, width_max: None, zone: TimeZone::UTC, date: Date::With };
        let text = line.of_finding(&samples::grouped().findings[1]);
        assert!(text.starts_with("2026-11-21T08:00:00+00:00  Warning"), "{text}");
        assert!(text.ends_with("(seen 37 times)"), "{text}");
    }

    #[test]
    fn a_finding_that_is_over_says_since_when() {
        let line = Line { color: false, width_max: None, zone: TimeZone::UTC, date: Date::Without };
        let mut finding = samples::typical().findings.remove(0);
        (finding.count, finding.ended) = (3, Some(finding.first_seen));
        let shown = line.of_finding(&finding);
        assert!(shown.ends_with(" (seen 3 times) (over since 08:00:00)"), "{shown}");
    }
}
