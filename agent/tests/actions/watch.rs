//! Containers are watched until nobody in them lives.

use std::time::{Duration, Instant};

use alert::order::{Scope, WatchOrder, WatchReport};

use crate::{
    container::{Container, container},
    stage::{Stage, order, problem},
};

async fn begin(stage: &Stage, containers: &[&Container]) -> WatchReport {
    let containers = containers.iter().map(|container| container.id.clone()).collect();
    let response = stage.post("/v1/watch", &WatchOrder { containers }).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn ask(stage: &Stage, id: &str, wait_ms: u64) -> WatchReport {
    let response = stage.get(&format!("/v1/watch/{id}?wait_ms={wait_ms}")).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_watch_sees_a_death_and_a_process_that_started_later() {
    let (Some(one), Some(two)) = (container(), container()) else { return };
    let stage = Stage::new().await;
    let (first, second) = (one.sleeper(), two.sleeper());
    let watch = begin(&stage, &[&one, &two]).await;
    assert_eq!((watch.alive, watch.processes.len(), watch.empty), (2, 2, false));
    let later = one.sleeper();

    stage.kill(&order(first.key(), Some(&one.id), Scope::Process)).await;
    stage.kill(&order(second.key(), Some(&two.id), Scope::Process)).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let seen = loop {
        let seen = ask(&stage, &watch.id, 0).await;
        if seen.alive == 1 && seen.processes.len() == 3 {
            break seen;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
    };
    assert!(!seen.empty);
    let dead = seen.processes.iter().filter(|end| end.dead_after_us.is_some());
    assert_eq!(dead.count(), 2);

    let waiting = ask(&stage, &watch.id, 30_000);
    let killing = async { stage.kill(&order(later.key(), Some(&one.id), Scope::Process)).await };
    let began = Instant::now();
    let (end, _) = tokio::join!(waiting, killing);
    assert!(began.elapsed() < Duration::from_secs(10), "it answers when the last is dead");
    assert!(end.empty && end.alive == 0, "{end:?}");
    let last = end.processes.iter().find(|end| end.process.pid == later.pid()).unwrap();
    assert!(last.dead_after_us.is_some());
}

#[tokio::test]
async fn an_empty_container_is_said_to_be_empty() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let watch = begin(&stage, &[&container]).await;
    let end = ask(&stage, &watch.id, 30_000).await;
    assert!(end.empty && end.processes.is_empty(), "{end:?}");
}

#[tokio::test]
async fn a_question_that_waits_is_answered_in_time_while_somebody_lives() {
    let Some(container) = container() else { return };
    let (stage, _alive) = (Stage::new().await, container.sleeper());
    let watch = begin(&stage, &[&container]).await;
    let began = Instant::now();
    let seen = ask(&stage, &watch.id, 300).await;
    assert_eq!((seen.alive, seen.empty), (1, false));
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn only_so_many_watches_are_under_way() {
    let Some(container) = container() else { return };
    let (stage, _alive) = (Stage::new().await, container.sleeper());
    for _ in 0..64 {
        begin(&stage, &[&container]).await;
    }
    let order = WatchOrder { containers: vec![container.id.clone()] };
    let response = stage.post("/v1/watch", &order).await;
    assert_eq!(response.status(), 429);
    assert!(problem(response).await.detail.unwrap().contains("64"));
    assert_eq!(stage.count("watch", "busy"), 1);
    assert_eq!(stage.actions.status().watches, 64);
}
