//! Each gate says no for its reason, and yes without one.

use alert::order::Refusal;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    cluster::{Disruption, PodContainer, PodRef, Workload},
    plan::tests::{CONTAINER, alert, rule},
};

fn config(change: Value) -> ResponseConfig {
    let mut config = json!({
        "mode": "auto",
        "kubernetes": {},
        "actions": {
            "kill_pod": { "mode": "auto", "namespaces": ["shop"] },
            "kill_process": { "mode": "auto", "namespaces": ["shop"] },
        },
    });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).unwrap()
}

fn pod() -> Pod {
    Pod {
        reference: PodRef { namespace: "shop".into(), name: "web-1".into(), uid: "u-1".into() },
        node: Some("node-1".into()),
        labels: Default::default(),
        annotations: Default::default(),
        priority_class: None,
        mirror: false,
        host_network: false,
        created: None,
        deleting: None,
        phase: "Running".into(),
        ready: true,
        grace_seconds: 30,
        containers: vec![PodContainer {
            name: "main".into(),
            id: Some(CONTAINER.into()),
            image: "shop/web:1".into(),
            image_id: None,
            running: true,
        }],
    }
}

fn facts() -> Facts {
    Facts {
        pod: Found::One(Box::new(pod())),
        health: Outlook::Known(Health {
            workload: Workload {
                kind: "Deployment".into(),
                name: "web".into(),
                uid: "d-1".into(),
                desired: Some(3),
                ready: Some(3),
            },
            target_ready: true,
            in_flight: 0,
        }),
        disruptions: Outlook::Known(Vec::new()),
        trial: Outlook::Known(()),
        agent: Outlook::Known(KillOutcome::WouldKill),
        own_namespace: Some("saker".into()),
        ..Facts::default()
    }
}

struct Case {
    config: ResponseConfig,
    rule: ResponseRule,
    plan: Plan,
    facts: Facts,
    spending: Spending,
    stopped: bool,
    now: Timestamp,
    moment: Moment,
}

impl Case {
    fn new(action: &str) -> Self {
        Self::of(action, json!({}), json!({}))
    }

    fn of(action: &str, fields: Value, settings: Value) -> Self {
        let (rule, config) = (rule(action), config(settings));
        let alert = alert(fields);
        let namespace = alert.text("k8s.ns.name").unwrap_or(HOST).to_owned();
        let mode = config.ceiling(rule.action, &namespace);
        Self {
            plan: Plan::new(&rule, mode, &alert, None),
            facts: facts(),
            spending: Spending::default(),
            stopped: false,
            now: alert.time,
            moment: Moment::Planned,
            config,
            rule,
        }
    }

    fn bench(&self) -> Bench<'_> {
        Bench {
            config: &self.config,
            rule: &self.rule,
            spending: &self.spending,
            stopped: self.stopped,
            now: self.now,
            moment: self.moment,
        }
    }

    fn judge(&self) -> Judgement {
        let verdicts = ask(&self.plan, &self.facts, &self.bench());
        assert_eq!(verdicts.len(), Gate::ALL.len(), "every gate is asked every time");
        judge(&self.plan, &verdicts, &self.bench())
    }

    #[track_caller]
    fn denied(&self, gate: Gate, reason: &str) {
        let expected =
            Judgement::Denied { gate: gate.name().to_owned(), reason: reason.to_owned() };
        assert_eq!(self.judge(), expected);
    }

    #[track_caller]
    fn awaits(&self, reason: &str) {
        match self.judge() {
            Judgement::Awaits { because, .. } => assert_eq!(because, reason),
            other => panic!("{other:?}"),
        }
    }

    fn pod(&mut self) -> &mut Pod {
        match &mut self.facts.pod {
            Found::One(pod) => pod,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_in_the_way_goes_ahead() {
    assert_eq!(Case::new("kill_pod").judge(), Judgement::Goes);
    assert_eq!(Case::new("kill_process").judge(), Judgement::Goes);
}

#[test]
fn off_is_off_and_stopped_is_stopped() {
    Case::of("kill_pod", json!({}), json!({ "mode": "off" })).denied(Gate::Mode, "off");
    Case::of("kill_pod", json!({ "k8s.ns.name": "bank" }), json!({})).denied(Gate::Mode, "off");
    Case::new("isolate_pod").denied(Gate::Mode, "off");
    let mut case = Case::new("kill_pod");
    case.stopped = true;
    case.denied(Gate::Mode, "stopped");
}

#[test]
fn a_mode_lowered_after_the_approval_holds() {
    let mut case = Case::of("kill_pod", json!({}), json!({ "mode": "approve" }));
    case.moment = Moment::Approved;
    assert_eq!(case.judge(), Judgement::Goes);
    case.config.mode = Mode::DryRun;
    case.denied(Gate::Mode, "lowered");
    case.config.mode = Mode::Off;
    case.denied(Gate::Mode, "off");
}

#[test]
fn a_mode_lowered_to_approve_before_the_act_waits_for_a_person() {
    let mut case = Case::new("kill_pod");
    assert_eq!((case.plan.mode, case.judge()), (Mode::Auto, Judgement::Goes));
    case.config.mode = Mode::Approve;
    case.awaits("mode");
    case.config.mode = Mode::Auto;
    case.rule.mode = Mode::Approve;
    case.awaits("mode");
}

#[test]
fn a_namespace_that_is_called_host_is_a_namespace() {
    let settings = json!({ "actions": { "kill_pod": { "mode": "auto", "namespaces": ["host"] } } });
    let mut case = Case::of("kill_pod", json!({ "k8s.ns.name": "host" }), settings);
    assert_eq!(case.judge(), Judgement::Goes);
    case.pod().mirror = true;
    case.denied(Gate::Scope, "static_pod");
}

#[test]
fn a_process_in_a_container_of_no_known_pod_is_not_a_process_of_the_host() {
    let nobody = json!({ "k8s.ns.name": null, "k8s.pod.name": null });
    let settings =
        json!({ "actions": { "kill_process": { "mode": "auto", "namespaces": ["host"] } } });
    let mut case = Case::of("kill_process", nobody, settings);
    case.facts.pod = Found::NotAsked;
    case.denied(Gate::Identity, "pod_unknown");
    case.config.kubernetes = None;
    assert_eq!(case.judge(), Judgement::Goes, "without a cluster there are no pods");
}

#[test]
fn what_will_be_denied_whatever_the_target_is_known_at_once() {
    let case = Case::new("kill_pod");
    let hopeless = |case: &Case| is_hopeless(&case.plan, &case.config, case.now);
    assert!(!hopeless(&case));
    assert!(hopeless(&Case::of("kill_pod", json!({ "saker.sender": "token:ci" }), json!({}))));
    let mut late = Case::new("kill_pod");
    late.now = "2026-11-26T10:02:00Z".parse().unwrap();
    assert!(hopeless(&late));
    let mut silenced = Case::new("kill_pod");
    silenced.plan.cause.silence = Some("s-1".into());
    assert!(hopeless(&silenced));
}

#[test]
fn t12_an_alert_of_nobody_known_moves_nothing() {
    Case::of("kill_pod", json!({ "saker.sender": null }), json!({}))
        .denied(Gate::Source, "unauthenticated");
    Case::of("kill_pod", json!({ "saker.sender": "token:ci" }), json!({}))
        .denied(Gate::Source, "untrusted");
}

#[test]
fn a_node_speaks_only_for_its_own_pods() {
    let mut case = Case::new("kill_pod");
    case.pod().node = Some("node-2".into());
    case.denied(Gate::Source, "other_node");
    case.pod().node = None;
    case.denied(Gate::Source, "other_node");
}

#[test]
fn t8_a_stale_event_kills_nobody_today() {
    let mut case = Case::new("kill_pod");
    case.now = "2026-11-26T10:01:01Z".parse().unwrap();
    case.denied(Gate::Freshness, "stale");
    case.now = "2026-11-26T10:01:00Z".parse().unwrap();
    assert_eq!(case.judge(), Judgement::Goes);
    case.now = "2026-11-26T09:59:50Z".parse().unwrap();
    case.denied(Gate::Freshness, "future");
    case.now = "2026-11-26T09:59:56Z".parse().unwrap();
    assert_eq!(case.judge(), Judgement::Goes);
}

#[test]
fn what_people_silenced_is_not_acted_on() {
    let mut case = Case::new("kill_pod");
    case.plan.cause.silence = Some("s-1".into());
    case.denied(Gate::Silence, "silenced");
}

#[test]
fn t8_a_successor_of_the_same_name_is_not_killed() {
    let mut case = Case::new("kill_pod");
    case.pod().reference.uid = "u-2".into();
    case.denied(Gate::Identity, "replaced");
}

#[test]
fn t8_in_a_thousand_rounds_of_a_pod_that_is_made_anew_only_the_one_meant_is_touched() {
    let mut case = Case::new("kill_pod");
    let (mut touched, mut spared) = (0, 0);
    for round in 0..1000_u32 {
        // Sometimes the look comes before the change, sometimes after it.
        let uid = if round % 3 == 0 { "u-1".to_owned() } else { format!("u-{}", round + 2) };
        case.pod().reference.uid.clone_from(&uid);
        match case.judge() {
            Judgement::Goes => {
                assert_eq!(uid, "u-1");
                touched += 1;
            }
            _ => {
                case.denied(Gate::Identity, "replaced");
                spared += 1;
            }
        }
    }
    assert_eq!((touched, spared), (334, 666));
}

#[test]
fn a_pod_without_a_uid_is_proven_by_its_container_or_not_at_all() {
    let mut case = Case::of("kill_pod", json!({ "k8s.pod.uid": null }), json!({}));
    assert_eq!(case.judge(), Judgement::Goes);
    case.pod().containers[0].id = Some("f".repeat(64));
    case.denied(Gate::Identity, "unproven");
    let unknown = json!({ "k8s.pod.uid": null, "container.full_id": null });
    Case::of("kill_pod", unknown, json!({})).denied(Gate::Identity, "unproven");
}

#[test]
fn what_cannot_be_identified_is_not_touched() {
    for (found, reason) in [
        (Found::NotAsked, "not_looked_up"),
        (Found::Missing, "gone"),
        (Found::Ambiguous, "ambiguous"),
        (Found::Failed("connection refused".into()), "unreadable"),
    ] {
        let mut case = Case::new("kill_pod");
        case.facts.pod = found;
        case.denied(Gate::Identity, reason);
    }
    Case::of("kill_process", json!({ "saker.proc.start_boot_ns": null }), json!({}))
        .denied(Gate::Identity, "no_process");
    let mut case = Case::new("kill_pod");
    case.pod().deleting = Some(case.now);
    case.denied(Gate::Identity, "terminating");
    let mut case = Case::new("kill_pod");
    case.pod().containers[0].id = Some("f".repeat(64));
    case.denied(Gate::Identity, "container_gone");
}

#[test]
fn the_cluster_itself_and_we_are_not_touched() {
    let everywhere = json!({ "actions": { "kill_pod": { "mode": "auto", "namespaces":
        ["kube-system", "kube-public", "kube-node-lease", "saker", "vault", "shop"] } } });
    let in_namespace = |namespace: &str| {
        Case::of("kill_pod", json!({ "k8s.ns.name": namespace }), everywhere.clone())
    };
    for namespace in ["kube-system", "kube-public", "kube-node-lease"] {
        in_namespace(namespace).denied(Gate::Scope, "protected_namespace");
    }
    in_namespace("saker").denied(Gate::Scope, "own_namespace");
    let mut case = in_namespace("vault");
    case.config.protected.namespaces.insert("vault".into());
    case.denied(Gate::Scope, "protected_namespace");

    let change = |change: fn(&mut Pod)| {
        let mut case = Case::new("kill_pod");
        case.config.protected.labels.insert("tier".into(), "gold".into());
        change(case.pod());
        case
    };
    let part_of = |pod: &mut Pod| {
        pod.labels.insert("app.kubernetes.io/part-of".into(), "saker".into());
    };
    change(part_of).denied(Gate::Scope, "own_component");
    let opt_out = |pod: &mut Pod| {
        pod.annotations.insert("saker.dev/protected".into(), "true".into());
    };
    change(opt_out).denied(Gate::Scope, "opted_out");
    let gold = |pod: &mut Pod| {
        pod.labels.insert("tier".into(), "gold".into());
    };
    change(gold).denied(Gate::Scope, "protected_label");
    change(|pod| pod.mirror = true).denied(Gate::Scope, "static_pod");
    change(|pod| pod.priority_class = Some("system-node-critical".into()))
        .denied(Gate::Scope, "system_pod");
}

#[test]
fn t3_t4_a_share_is_of_the_wanted_pods_and_counted_after_the_kill() {
    let check = |min: &str, desired: u32, ready: u32, in_flight: u32| {
        let mut case = Case::new("kill_pod");
        case.rule.min_healthy = min.parse().unwrap();
        let Outlook::Known(health) = &mut case.facts.health else { unreachable!() };
        health.workload.desired = Some(desired);
        health.workload.ready = Some(ready);
        health.in_flight = in_flight;
        case.judge() == Judgement::Goes
    };
    assert!(check("33%", 3, 3, 0));
    assert!(!check("50%", 200, 60, 0));
    assert!(!check("3", 3, 3, 0), "the floor holds after the kill, not before it");
    assert!(check("2", 3, 3, 0));
    assert!(!check("2", 3, 3, 1), "one is dying already");
    assert!(check("0", 1, 1, 0));
}

proptest! {
    #[test]
    fn t5_never_fewer_than_the_floor_stay_ready(
        percent in 0..=100_u32, desired in 0..300_u32, ready in 0..300_u32, in_flight in 0..10_u32,
    ) {
        let mut case = Case::new("kill_pod");
        case.rule.min_healthy = MinHealthy::Percent(percent);
        let Outlook::Known(health) = &mut case.facts.health else { unreachable!() };
        health.workload.desired = Some(desired);
        health.workload.ready = Some(ready);
        health.in_flight = in_flight;
        let goes = case.judge() == Judgement::Goes;
        // By brute force, in hundredths.
        let left = i64::from(ready) - i64::from(in_flight) - 1;
        let enough = left.max(0) * 100 >= i64::from(desired) * i64::from(percent);
        prop_assert_eq!(goes, enough);
    }
}

#[test]
fn t7_a_pod_nobody_replaces_is_kept_unless_the_rule_says_so() {
    let mut case = Case::new("kill_pod");
    let Outlook::Known(health) = &mut case.facts.health else { unreachable!() };
    health.workload.kind = "Pod".into();
    case.denied(Gate::Health, "standalone");
    case.rule.allow_standalone = true;
    assert_eq!(case.judge(), Judgement::Goes);
}

#[test]
fn a_disruption_budget_that_allows_none_is_respected() {
    let mut case = Case::new("kill_pod");
    let budget = |allowed| Outlook::Known(vec![Disruption { name: "web".into(), allowed }]);
    case.facts.disruptions = budget(0);
    case.denied(Gate::Disruption, "disruption_budget");
    case.facts.disruptions = budget(1);
    assert_eq!(case.judge(), Judgement::Goes);
    case.facts.disruptions = Outlook::Failed("time-out".into());
    case.denied(Gate::Disruption, "unreadable");
}

#[test]
fn a_spent_budget_leaves_it_to_a_person() {
    let mut case = Case::new("kill_pod");
    let account = Account { namespace: "shop".into(), workload: "Deployment/web".into() };
    case.spending.spend(case.now, account);
    case.awaits("workload_budget");
    case.moment = Moment::Approved;
    assert_eq!(case.judge(), Judgement::Goes);
}

#[test]
fn killing_that_does_not_help_is_left_to_a_person() {
    let mut case = Case::new("kill_pod");
    case.config.budgets.workload.actions_max = 100;
    let account = Account { namespace: "shop".into(), workload: "Deployment/web".into() };
    case.spending.spend(case.now, account.clone());
    assert_eq!(case.judge(), Judgement::Goes);
    case.spending.spend(case.now, account);
    case.awaits("breaker");
}

#[test]
fn in_a_freeze_nothing_is_done() {
    let freeze = |namespaces: Value| {
        json!({ "freezes": [{ "reason": "sale", "starts": "2026-11-26T00:00:00Z",
            "ends": "2026-11-27T00:00:00Z", "namespaces": namespaces }] })
    };
    Case::of("kill_pod", json!({}), freeze(json!([]))).denied(Gate::Freeze, "frozen");
    Case::of("kill_pod", json!({}), freeze(json!(["shop"]))).denied(Gate::Freeze, "frozen");
    let elsewhere = Case::of("kill_pod", json!({}), freeze(json!(["bank"])));
    assert_eq!(elsewhere.judge(), Judgement::Goes);
}

#[test]
fn what_would_be_refused_is_not_tried() {
    let mut case = Case::new("kill_pod");
    case.facts.trial = Outlook::Failed("the API server denies it: no".into());
    case.denied(Gate::Preflight, "refused");
    let mut case = Case::new("kill_pod");
    case.facts.rights_missing = vec!["create pods/eviction in shop".into()];
    case.denied(Gate::Preflight, "no_right");
    for (agent, reason) in [
        (Outlook::NotAsked, "no_agent"),
        (Outlook::Failed("connection refused".into()), "agent_unreachable"),
        (Outlook::Known(KillOutcome::Gone), "process_gone"),
        (
            Outlook::Known(KillOutcome::Refused {
                reason: Refusal::Protected,
                detail: "it is the kubelet".into(),
            }),
            "agent_refuses",
        ),
    ] {
        let mut case = Case::new("kill_process");
        case.facts.agent = agent;
        case.denied(Gate::Preflight, reason);
    }
}

#[test]
fn t13_a_dry_run_asks_every_gate_and_lists_every_no() {
    let mut case = Case::of("kill_pod", json!({}), json!({ "mode": "dry_run" }));
    assert_eq!(case.judge(), Judgement::DryRun { would_act: true });
    case.now = "2026-11-26T11:00:00Z".parse().unwrap();
    case.facts.trial = Outlook::Failed("no".into());
    case.pod().mirror = true;
    let verdicts = ask(&case.plan, &case.facts, &case.bench());
    let no: Vec<Gate> =
        verdicts.iter().filter(|v| v.result == Pass::Denied).map(|v| v.gate).collect();
    assert_eq!(no, [Gate::Freshness, Gate::Scope, Gate::Preflight]);
    assert_eq!(case.judge(), Judgement::DryRun { would_act: false });
}

#[test]
fn approve_waits_for_a_person_until_its_time_is_over() {
    let case = Case::of("kill_pod", json!({}), json!({ "mode": "approve" }));
    let expires = "2026-11-26T10:15:00Z".parse().unwrap();
    assert_eq!(case.judge(), Judgement::Awaits { expires, because: "mode".into() });
}

#[test]
fn every_reason_is_in_the_documents() {
    let page = include_str!("../../../docs/response.md");
    let sources = [include_str!("../gate.rs"), include_str!("protected.rs")].concat();
    let calls = sources.split("deny(").skip(1).chain(sources.split("ask_a_person(").skip(1));
    let reasons: Vec<&str> =
        calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next()).collect();
    assert!(reasons.len() > 30, "{reasons:?}");
    for reason in reasons {
        assert!(page.contains(&format!("`{reason}`")), "{reason} is not in docs/response.md");
    }
}
