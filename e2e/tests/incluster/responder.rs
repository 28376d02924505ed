//! The responder, as its operator sees it: through the `saker` command.

use e2e::eventually;
use serde_json::Value;

use crate::world::World;

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
