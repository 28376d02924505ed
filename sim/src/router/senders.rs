//! Those who send alerts: they ask again until they hear a 200, in no order, sometimes all at once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, body::Body};
use http::Request;
use tower::ServiceExt;

use super::machine::SimMachine;
use crate::chance::Chance;

pub(super) const RULES: [(&str, &str); 6] = [
    ("shell", "Warning"),
    ("miner", "Critical"),
    ("scan", "Notice"),
    ("escape", "Emergency"),
    ("write", "Error"),
    ("debug", "Debug"),
];
const NAMESPACES: [&str; 3] = ["shop", "bank", "kube-system"];
const PROGRAMS: [&str; 4] = ["sh", "curl", "python", "nc"];
/// Posts that wait for an answer at once.
const POSTS_MAX: usize = 8;

/// Alerts that are sent together.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) ids: Vec<u128>,
    body: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    UnderWay,
    Acknowledged,
}

/// What came back, by the number of the post.
pub(super) type Answers = Arc<Mutex<Vec<(usize, u16)>>>;

#[derive(Debug)]
pub(super) struct Senders {
    chance: Chance,
    posts: Vec<Post>,
    alerts: u128,
    answers: Answers,
}

impl Senders {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance, posts: Vec::new(), alerts: 0, answers: Answers::default() }
    }

    /// Makes a new post of so many alerts.
    pub(super) fn write(&mut self, count: u64) {
        let alerts: Vec<_> = (0..count).map(|_| self.alert()).collect();
        let (ids, bodies): (Vec<_>, Vec<_>) = alerts.into_iter().unzip();
        let body = format!("[{}]", bodies.join(","));
        self.posts.push(Post { ids, body, state: State::Waiting });
    }

    fn alert(&mut self) -> (u128, String) {
        self.alerts += 1;
        let id = self.alerts;
        let (rule, priority) = self.chance.one_of(RULES);
        let namespace = self.chance.one_of(NAMESPACES);
        let program = self.chance.one_of(PROGRAMS);
        // The sender's clock means nothing, and its alerts come in any order.
        let second = self.chance.below(60);
        let body = format!(
            "{{\"uuid\":\"00000000-0000-4000-8000-{id:012x}\",\"rule\":\"{rule}\",\
             \"priority\":\"{priority}\",\"output\":\"it happened\",\"source\":\"syscall\",\
             \"hostname\":\"host\",\"time\":\"2023-11-14T22:13:{second:02}Z\",\"output_fields\":\
             {{\"proc.name\":\"{program}\",\"k8s.ns.name\":\"{namespace}\"}}}}"
        );
        (id | 0x4000 << 64 | 0x8000 << 48, body)
    }

    /// Sends what waits, the newest or the oldest first, and now and then one that was taken before.
    pub(super) fn send(&mut self, machine: &Arc<SimMachine>, door: &Router) -> Vec<usize> {
        let mut waiting: Vec<usize> = self.numbers(State::Waiting).collect();
        if self.chance.percent(50) {
            waiting.reverse();
        }
        let under_way = self.numbers(State::UnderWay).count();
        waiting.truncate(POSTS_MAX.saturating_sub(under_way));
        if self.chance.percent(10) {
            let taken: Vec<usize> = self.numbers(State::Acknowledged).collect();
            let again = self.chance.below(taken.len() as u64) as usize;
            waiting.extend(taken.get(again));
        }
        for &number in &waiting {
            let post = &mut self.posts[number];
            if post.state == State::Waiting {
                post.state = State::UnderWay;
            }
            let request = Request::post("/").body(Body::from(post.body.clone()));
            let request = request.expect("a request");
            let (machine, door, answers) =
                (Arc::clone(machine), door.clone(), Arc::clone(&self.answers));
            tokio::spawn(async move {
                let Ok(response) = door.oneshot(request).await;
                // No answer leaves a machine that is off.
                if !machine.disk.is_off() {
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.push((number, response.status().as_u16()));
                }
            });
        }
        waiting
    }

    /// Returns the answers since the last call; some of them get lost on the way.
    pub(super) fn hear(&mut self) -> Vec<(usize, u16)> {
        let answers =
            std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for &(number, status) in &answers {
            let lost = self.chance.per_mille(30);
            let state = &mut self.posts[number].state;
            if status == 200 && !lost {
                *state = State::Acknowledged;
            } else if *state == State::UnderWay {
                *state = State::Waiting;
            }
        }
        answers
    }

    /// The router is gone: what had no answer is sent again to the next.
    pub(super) fn cut_off(&mut self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for post in &mut self.posts {
            if post.state == State::UnderWay {
                post.state = State::Waiting;
            }
        }
    }

    pub(super) fn post(&self, number: usize) -> &Post {
        &self.posts[number]
    }

    /// Returns whether everything was acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.posts.iter().all(|post| post.state == State::Acknowledged)
    }

    fn numbers(&self, state: State) -> impl Iterator<Item = usize> {
        let posts = self.posts.iter().enumerate();
        posts.filter(move |(_, post)| post.state == state).map(|(number, _)| number)
    }
}
