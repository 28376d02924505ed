//! Events over the way by which orders come: for watchers, and for nobody else.

use std::fs;

use agent::{
    Agent, AgentConfig, Events, Recording, Setup,
    actions::Actions,
    config::ActionsConfig,
    tap::{Answer, Choice, End, Form, Refusal, Request},
};
use prometheus::Registry;
use service::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::stage::Certificates;

fn request(condition: &str) -> Request {
    Request {
        choice: Choice::Condition(condition.to_owned()),
        form: Form::Events,
        events_max: 1,
        seconds_max: 1,
        rate_max: None,
        bytes_max: None,
        around: None,
    }
}

#[tokio::test]
async fn a_watcher_gets_events_and_gives_no_orders_and_others_the_other_way_round() {
    let certificates = Certificates::new();
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    fs::write(&recording, Recording::text_header()).unwrap();
    let setup = Setup { events: Events::Recording(recording), ..Setup::default() };
    let agent = tokio::task::spawn_blocking(move || {
        Agent::start(&AgentConfig::default(), setup, &Registry::new()).unwrap()
    });
    let agent = agent.await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ActionsConfig {
        listen: address,
        tls: certificates.tls(),
        clients: vec!["saker-responder".to_owned()],
        watchers: vec!["saker-watcher".to_owned()],
        host_processes: false,
    };
    let metrics = agent::actions::metrics(&Registry::new()).unwrap();
    let actions = Actions::new(&config, "node-1".to_owned(), metrics).unwrap();
    let shutdown = Shutdown::new();
    shutdown.spawn("orders", actions.serve(listener, Some(agent.handle()), shutdown.clone()));
    let url = |path: &str| format!("https://saker-agent:{}{path}", address.port());

    let watcher = certificates.client(address, Some((&certificates, "saker-watcher")));
    let asked = watcher.post(url("/v1/events")).json(&request("evt.type = execve"));
    let response = asked.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    let mut answers: Vec<Answer> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(answers.remove(0), Answer::Called(_)), "{text}");
    assert_eq!(
        answers,
        [
            Answer::Started { unwatched: Vec::new() },
            Answer::Ended { why: End::Time, seen: 0, dropped: 0, limited: 0 },
        ]
    );
    let wrong = watcher.post(url("/v1/events")).json(&request("proc.nmae = x"));
    let text = wrong.send().await.unwrap().text().await.unwrap();
    let refused = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(matches!(refused, Answer::Refused { why: Refusal::Wrong, .. }), "{refused:?}");
    let no_request = watcher.post(url("/v1/events")).body("{}").send().await.unwrap();
    assert_eq!(no_request.status(), 400);
    let order = watcher.post(url("/v1/kill")).body("{}").send().await.unwrap();
    assert_eq!(order.status(), 403);

    let responder = certificates.client(address, Some((&certificates, "saker-responder")));
    let asked = responder.post(url("/v1/events")).json(&request("evt.type = execve"));
    assert_eq!(asked.send().await.unwrap().status(), 403);
    let order = responder.post(url("/v1/kill")).body("{}").send().await.unwrap();
    assert_eq!(order.status(), 400);
    shutdown.cancel();
    agent.stop().await;
}
