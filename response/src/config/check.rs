//! What the types of the configuration cannot say.

use std::{collections::BTreeSet, time::Duration};

use service::config::{ConfigError, Document};

use super::{ResponseConfig, ResponseRule};
use crate::action::{Action, Mode};

const RULES_MAX: usize = 1000;
const NAME_CHARS_MAX: usize = 64;
/// Longest time a containment lasts without a person's word.
const TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl ResponseConfig {
    /// Checks what the types cannot say.
    pub fn check(&self, document: &Document) -> Result<(), ConfigError> {
        let fail = |path: &str, message: String, hint: Option<&str>| {
            Err(document.error(path, message, hint))
        };
        if !self.api.ip().is_loopback() && self.auth.tokens.is_empty() {
            let hint = "add `response.auth.tokens`, or listen on 127.0.0.1";
            let message = "the API would be open to the network without a token";
            return fail("response.api", message.into(), Some(hint));
        }
        let verified = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if !verified && !self.listen.ip().is_loopback() {
            let hint = "add `response.tls` with `client_ca`, or listen on 127.0.0.1";
            let message = "whoever reaches this port could have pods killed";
            return fail("response.listen", message.into(), Some(hint));
        }
        for (action, policy) in &self.actions {
            if policy.namespaces.iter().any(|name| name.contains('*')) {
                let path = format!("response.actions.{action}.namespaces");
                return fail(&path, "there is no wildcard: name each namespace".into(), None);
            }
            if policy.mode > Mode::Off && policy.namespaces.is_empty() {
                let path = format!("response.actions.{action}");
                let hint = "list `namespaces`, or leave the mode `off`";
                return fail(&path, "it may act nowhere".into(), Some(hint));
            }
        }
        let shares = u32::try_from(self.namespaces().len()).unwrap_or(u32::MAX);
        if shares > self.budgets.cluster.actions_max {
            let message = format!(
                "{} action(s) cannot be shared by {shares} namespaces: each needs at least one",
                self.budgets.cluster.actions_max
            );
            return fail("response.budgets.cluster", message, None);
        }
        for (name, budget) in [
            ("workload", self.budgets.workload),
            ("namespace", self.budgets.namespace),
            ("cluster", self.budgets.cluster),
        ] {
            if budget.per.0.is_zero() {
                let path = format!("response.budgets.{name}.per");
                return fail(&path, "must be more than 0".into(), None);
            }
        }
        let acts = self.responses.iter().any(|rule| self.may_act(rule));
        let pods =
            self.responses.iter().any(|rule| self.may_act(rule) && !rule.action.on_process());
        if pods && self.kubernetes.is_none() {
            let hint = "add `kubernetes: {}` for the pod's own service account";
            return fail(
                "response",
                "pods cannot be acted on without `kubernetes`".into(),
                Some(hint),
            );
        }
        let keyed = self.agents.certificate.is_some() && self.agents.key.is_some();
        let orders =
            self.responses.iter().any(|rule| self.may_act(rule) && rule.action.on_process());
        if acts && orders && !(keyed && self.agents.ca.is_some()) {
            let message =
                "agents take orders only over mutual TLS: `ca`, `certificate` and `key` are needed";
            return fail("response.agents", message.into(), None);
        }
        self.check_rules(document)
    }

    fn may_act(&self, rule: &ResponseRule) -> bool {
        let policy = self.actions.get(&rule.action).map_or(Mode::Off, |policy| policy.mode);
        self.mode.min(policy).min(rule.mode) > Mode::Off
    }

    fn check_rules(&self, document: &Document) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        if self.responses.len() > RULES_MAX {
            let message = format!("more than {RULES_MAX} rules");
            return Err(document.error("response.responses", message, None));
        }
        for (index, rule) in self.responses.iter().enumerate() {
            let path = format!("response.responses[{index}]");
            let fail = |key: &str, message: &str| {
                Err(document.error(&format!("{path}.{key}"), message, None))
            };
            let printable =
                rule.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if rule.name.is_empty() || rule.name.len() > NAME_CHARS_MAX || !printable {
                return fail("name", "must have 1 to 64 letters, digits, `-`, `_` or `.`");
            }
            if !names.insert(rule.name.as_str()) {
                return fail("name", "another rule has this name");
            }
            if rule.ttl.0.is_zero() || rule.ttl.0 > TTL_MAX {
                return fail("ttl", "must be more than 0 and at most 7d");
            }
            if rule.action == Action::LabelPod && rule.labels.is_empty() {
                return fail("labels", "`label_pod` needs labels to set");
            }
            if rule.action != Action::LabelPod && !rule.labels.is_empty() {
                return fail("labels", "only `label_pod` sets labels");
            }
            if let Some(key) = rule.labels.keys().find(|key| !own_label(key)) {
                let message = format!(
                    "`{key}` is none of ours: use a key that starts with `saker.dev/`, so that a \
                     selector of yours is never changed"
                );
                return fail("labels", &message);
            }
            if rule.allow_delete && rule.action != Action::KillPod {
                return fail("allow_delete", "only `kill_pod` deletes");
            }
        }
        Ok(())
    }
}

fn own_label(key: &str) -> bool {
    key.strip_prefix("saker.dev/").is_some_and(|name| {
        (1..=63).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && name != "response"
            && name != "protected"
    })
}
