//! Alertmanager's own tool is the oracle: a tree of routes that was imported sends each alert to the
//! receivers that `amtool config routes test` names, in their order.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{fs, path::Path, process::Command};

use e2e::{Folder, program};
use serde_json::{Value, json};

const TREES: u64 = 25;
const ALERTS: usize = 24;
const LABELS: [&str; 4] = ["a", "b", "c_1", "d"];
const VALUES: [&str; 8] = ["x", "y", "xy", "x y", "X", "12", "x.y", "é"];
const PATTERNS: [&str; 12] =
    ["", "x", "x.*", "x|y", ".*", ".+", "x?", "[^x]+", r"\d+", "(?i)xY?", r"x\.y", "(x|1)(y|2)?"];

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn matcher(&mut self) -> String {
        let label = self.one(&LABELS);
        match self.below(4) {
            0 => format!("{label}=\"{}\"", self.value_or_none()),
            1 => format!("{label}!=\"{}\"", self.value_or_none()),
            2 => format!("{label}=~\"{}\"", self.one(&PATTERNS)),
            _ => format!("{label}!~\"{}\"", self.one(&PATTERNS)),
        }
    }

    fn value_or_none(&mut self) -> &'static str {
        if self.below(4) == 0 { "" } else { self.one(&VALUES) }
    }

    /// Makes a route whose receiver is named by a number of its own.
    fn route(&mut self, depth: usize, receivers: &mut Vec<String>) -> Value {
        let receiver = format!("r{}", receivers.len());
        receivers.push(receiver.clone());
        let mut route = json!({ "receiver": receiver, "continue": self.below(3) == 0 });
        let matchers: Vec<String> = (0..1 + self.below(2)).map(|_| self.matcher()).collect();
        route["matchers"] = json!(matchers);
        if depth > 0 {
            let children: Vec<Value> =
                (0..self.below(4)).map(|_| self.route(depth - 1, receivers)).collect();
            route["routes"] = json!(children);
        }
        route
    }

    fn tree(&mut self) -> Value {
        let mut receivers = vec!["root".to_owned()];
        let routes: Vec<Value> =
            (0..1 + self.below(5)).map(|_| self.route(2, &mut receivers)).collect();
        let receivers: Vec<Value> = receivers
            .iter()
            .map(|name| json!({ "name": name, "webhook_configs": [{ "url": "http://127.0.0.1:9/" }] }))
            .collect();
        json!({ "route": { "receiver": "root", "routes": routes }, "receivers": receivers })
    }

    fn labels(&mut self) -> Vec<(&'static str, &'static str)> {
        let wanted: Vec<_> = LABELS.into_iter().filter(|_| self.below(3) > 0).collect();
        wanted.into_iter().map(|label| (label, self.one(&VALUES))).collect()
    }
}

/// Runs a program to its end and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns for each alert the receivers Alertmanager's tool names.
fn oracle(config: &Path, labels: &[(&str, &str)]) -> Vec<String> {
    let labels = labels.iter().map(|(label, value)| format!("{label}={value}"));
    let mut command = Command::new("amtool");
    command.args(["config", "routes", "test"]).arg("--config.file").arg(config).args(labels);
    run(&mut command).trim().split(',').map(str::to_owned).collect()
}

/// Returns for each alert of a file the outputs of the routes that take it.
fn ours(config: &Path, alerts: &Path) -> Vec<Vec<String>> {
    let mut command = Command::new(program("saker"));
    command.args(["route", "test", "--format", "json", "--config"]).arg(config);
    let printed = run(command.arg("--file").arg(alerts));
    let outputs = |line: &str| {
        let judged: Value = serde_json::from_str(line).unwrap();
        let routes = judged["decision"]["routes"].as_array().unwrap();
        let outputs = routes.iter().flat_map(|route| route["outputs"].as_array().unwrap());
        outputs.map(|output| output.as_str().unwrap().to_owned()).collect()
    };
    printed.lines().map(outputs).collect()
}

#[test]
fn imported_routes_send_alerts_where_alertmanager_does() {
    let folder = Folder::new("routing");
    let mut compared = 0;
    for seed in 0..TREES {
        let mut dice = Dice(seed);
        let theirs = folder.write("alertmanager.yml", dice.tree().to_string());
        let imported = run(Command::new(program("saker"))
            .args(["config", "import-alertmanager"])
            .arg(&theirs));
        let config = folder.write("saker.yaml", imported);
        let alerts: Vec<_> = (0..ALERTS).map(|_| dice.labels()).collect();
        let mut lines = String::new();
        for labels in &alerts {
            let fields: serde_json::Map<String, Value> = labels
                .iter()
                .map(|(label, value)| (format!("label.{label}"), json!(value)))
                .collect();
            let alert = json!({
                "rule": "R", "priority": "Notice", "time": "2026-11-27T08:00:00Z",
                "output": "o", "output_fields": fields,
            });
            lines.push_str(&format!("{alert}\n"));
        }
        let file = folder.write("alerts.jsonl", lines);
        let ours = ours(&config, &file);
        assert_eq!(ours.len(), alerts.len(), "seed {seed}");
        for (labels, ours) in alerts.iter().zip(ours) {
            let tree = fs::read_to_string(&theirs).unwrap();
            assert_eq!(ours, oracle(&theirs, labels), "seed {seed}, labels {labels:?}, {tree}");
            compared += 1;
        }
    }
    assert!(compared >= 500, "only {compared} cases");
}
