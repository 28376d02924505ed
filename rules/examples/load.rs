//! Measures loading: `cargo run --release -p rules --example load`.
//!
//! Prints the processor time of each set, the least of several loads, and the memory a load takes
//! at most and keeps. Processor time, so that a busy machine tells the same as a quiet one.

#![expect(clippy::print_stdout, reason = "an example answers on its output")]

use std::fs;

use rules::{RuleSet, Source, builtin};

const LOADS: usize = 7;

fn source(text: String) -> Vec<Source> {
    vec![Source { name: "measured.yaml".to_owned(), text }]
}

/// Returns a value of this process from the kernel, in MiB.
fn memory(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    let kib = line.split_ascii_whitespace().find_map(|word| word.parse::<u64>().ok());
    kib.unwrap_or_default() >> 10
}

/// Returns the time this thread has run, in milliseconds.
fn processor_ms() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    ns.unwrap_or_default() / 1e6
}

fn measure(name: &str, sources: &[Source], loads: usize) {
    let mut times = Vec::with_capacity(loads);
    let mut kept = None;
    for _ in 0..loads {
        let start = processor_ms();
        let loaded = RuleSet::load(sources);
        times.push(processor_ms() - start);
        match loaded {
            Ok(loaded) => kept = Some(loaded),
            Err(errors) => {
                println!("{name}: {}", errors[0]);
                return;
            }
        }
    }
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let rules = kept.as_ref().map_or(0, |kept| kept.rules.rules().len());
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    println!(
        "{name:<28} {rules:>6} rules {:>8} KiB {:>9.1} ms; resident {:>4} MiB, at most {:>4} MiB",
        bytes >> 10,
        least,
        memory("VmRSS:"),
        memory("VmHWM:"),
    );
}

/// Returns as many copies of the built-in rules as make `count`, each with names of its own.
fn copies(count: usize) -> Vec<Source> {
    let words = builtin().swap_remove(0);
    let mut sources = vec![words];
    let each = RuleSet::load(&builtin()).map_or(1, |loaded| loaded.rules.rules().len());
    for copy in 0..count.div_ceil(each) {
        for mut source in builtin().into_iter().skip(1) {
            source.text = source.text.replace("- rule: ", &format!("- rule: {copy} "));
            source.name = format!("{copy}/{}", source.name);
            sources.push(source);
        }
    }
    sources
}

fn list(item: impl Fn(usize) -> String, condition: &str) -> Vec<Source> {
    let mut text = "- list: large\n  items:\n".to_owned();
    for number in 0..100_000 {
        text.push_str(&format!("    - {}\n", item(number)));
    }
    let condition = format!("{condition} (large)");
    text.push_str(&format!(
        "- {{rule: r, desc: d, output: o, priority: INFO, condition: {condition}}}\n"
    ));
    source(text)
}

fn main() {
    measure("built-in", &builtin(), LOADS);
    if let Some(path) = std::env::args().nth(1)
        && let Ok(text) = fs::read_to_string(&path)
    {
        measure(&path, &source(text), LOADS);
    }
    for count in [100, 1000, 10_000] {
        measure(&format!("copies of them, {count}"), &copies(count), 3);
    }
    let address =
        |number: usize| format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
    let text = |number: usize| format!("some-name-{number:06}");
    let path = |number: usize| format!("/srv/tenant-{number:06}/secret");
    measure("100,000 texts, in", &list(text, "evt.type = execve and proc.name in"), 3);
    measure("100,000 addresses, in", &list(address, "evt.type = connect and fd.rip in"), 3);
    measure("100,000 paths, in", &list(path, "evt.type = openat and fd.name in"), 3);
    measure("100,000 paths, pmatch", &list(path, "evt.type = openat and fd.name pmatch"), 3);
}
