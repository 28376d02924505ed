//! The responder, as its operator sees it: through the `saker` command.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use e2e::eventually;
use serde_json::Value;

use crate::world::{SAKER, World, world};

impl World {
    /// Runs `saker responses …` against the responder's pod, and returns how it ended.
    pub(crate) fn responses(&self, arguments: &[&str]) -> std::process::Output {
        let pod = self.own_pod("responder");
        let address = pod["status"]["podIP"].as_str().unwrap();
        let mut saker = self.saker();
        saker.arg("responses").args(arguments);
        saker.args(["--responder", &format!("http://{address}:2806"), "--format", "json"]);
        saker.env("SAKER_RESPONDER_TOKEN", self.token("responder", "responder"));
        saker.env("USER", "ann").env_remove("SAKER_RESPONDER").output().unwrap()
    }

    /// Runs `saker responses …`, which must succeed; returns the JSON values it printed.
    #[track_caller]
    pub(crate) fn responses_say(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.responses(arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "saker responses {arguments:?}: {said}{complaint}");
        let values = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
        values.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Returns a response as it stands.
    #[track_caller]
    pub(crate) fn response(&self, id: &str) -> Value {
        self.responses_say(&["show", id]).remove(0)
    }

    /// Waits until there is a response of a rule to a pod, in a state for which `is_it` holds.
    #[track_caller]
    pub(crate) fn response_to(&self, rule: &str, uid: &str, is_it: &[&str]) -> Value {
        eventually(&format!("a response of `{rule}` to {uid} that is {is_it:?}"), || {
            let all = self.responses_say(&["list"]);
            let of_it = |response: &&Value| {
                let plan = &response["plan"];
                plan["rule"] == rule && plan["target"]["pod"]["uid"] == uid
            };
            let found: Vec<&Value> = all.iter().filter(of_it).collect();
            let there = found
                .iter()
                .find(|response| is_it.iter().any(|state| response["state"]["name"] == **state));
            there.map(|response| (*response).clone()).ok_or_else(|| format!("{found:#?}"))
        })
    }

    /// Waits until a response has ended, and returns it.
    #[track_caller]
    pub(crate) fn ended(&self, id: &str) -> Value {
        eventually(&format!("{id} has ended"), || {
            let response = self.response(id);
            let ended = response["state"]["name"] == "ended";
            if ended { Ok(response) } else { Err(format!("{response:#}")) }
        })
    }
}

/// Returns a response's id.
pub(crate) fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

/// As docs/kubernetes.md says it: through a port-forward of the Service, with a token of the Secret.
#[test]
fn the_commands_reach_the_responder_and_the_router_through_port_forwards() {
    let Some(world) = world() else { return };
    for (service, port, variables, arguments, expected) in [
        (
            "svc/saker-responder",
            2806,
            ["SAKER_RESPONDER", "SAKER_RESPONDER_TOKEN"],
            ["responses", "status"],
            "kill_pod",
        ),
        ("svc/saker-router", 2802, ["SAKER_API", "SAKER_TOKEN"], ["status", ""], "ready"),
    ] {
        let forward = PortForward::start(&world, service, port);
        let component = service.trim_start_matches("svc/saker-");
        let mut saker = world.saker();
        saker.args(arguments.iter().filter(|argument| !argument.is_empty()));
        saker.env(variables[0], forward.url()).env(variables[1], world.token(component, "viewer"));
        let output = saker.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains(expected), "{service}: {said}");
    }
}

/// `kubectl port-forward`, ended when dropped.
struct PortForward {
    child: Child,
    port: u16,
}

impl PortForward {
    fn start(world: &World, service: &str, port: u16) -> Self {
        let mut kubectl = world.cluster.kubectl_command();
        kubectl.args(["port-forward", "--namespace", SAKER, service, &format!(":{port}")]);
        let mut child = kubectl.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        // Forwarding from 127.0.0.1:40123 -> 2806
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.split([':', ' ']).nth(3).and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{line}")) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for PortForward {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }
}
