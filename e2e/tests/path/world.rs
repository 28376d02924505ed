//! The servers and programs all tests of this binary share, and how to look into them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use e2e::{
    Agent, Alertmanager, Call, Follower, Kafka, Mail, Prometheus, Router, Slack, SlackMessage,
    Smtp, Webhook, eventually,
};
use serde_json::{Value, json};

pub(crate) struct World {
    _kafka: Kafka,
    pub(crate) stream: Follower,
    pub(crate) smtp: Smtp,
    pub(crate) slack: Slack,
    pub(crate) webhook: Webhook,
    pub(crate) alertmanager: Alertmanager,
    pub(crate) prometheus: Prometheus,
    pub(crate) router: Router,
}

const TOPIC: &str = "alerts";

/// Returns the world, made by the first test that asks.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        service::tls::install_crypto_provider();
        let kafka = Kafka::start();
        kafka.create_topic_now(TOPIC, 2);
        let (smtp, slack, webhook) = (Smtp::start(), Slack::start(), Webhook::start());
        let alertmanager = Alertmanager::start();
        let outputs = json!({
            "stream": { "kafka": {
                "brokers": [kafka.sasl.address()],
                "topic": TOPIC,
                "payload": "alert",
                "tls": { "ca": kafka.certificates.authority },
                "sasl": {
                    "mechanism": "scram_sha_512",
                    "username": Kafka::USER,
                    "password": Kafka::PASSWORD,
                },
            } },
            "mail": { "email": {
                "server": "localhost",
                "port": smtp.starttls.number(),
                "ca": smtp.certificates.authority,
                "username": Smtp::USER,
                "password": Smtp::PASSWORD,
                "from": "Saker <saker@example.org>",
                "to": ["soc@example.org"],
            } },
            "soc": { "slack": {
                "api_url": slack.api_url(),
                "token": Slack::TOKEN,
                "channel": "#soc",
            } },
            "hook": { "webhook": {
                "url": webhook.url(),
                "signing_secrets": [Webhook::SECRET],
            } },
            "manager": { "alertmanager": { "urls": [alertmanager.url()] } },
        });
        // Machines wait for nothing; people hear of a rule once a second at most.
        let routes = json!([
            {
                "name": "machines",
                "outputs": ["stream", "hook", "manager"],
                "group_by": ["fingerprint"],
                "group_wait": "0s",
                "group_interval": "1s",
                "continue": true,
            },
            {
                "name": "people",
                "match": "priority >= warning",
                "outputs": ["mail", "soc"],
                "group_by": ["rule", "hostname"],
                "group_wait": "0s",
                "group_interval": "1s",
            },
        ]);
        let router = Router::start(&outputs, &routes);
        let prometheus = Prometheus::start(&[
            ("router", router.api.address()),
            ("falcosidekick", router.ingest.address()),
        ]);
        let stream = kafka.follow(TOPIC);
        World { _kafka: kafka, stream, smtp, slack, webhook, alertmanager, prometheus, router }
    })
}

/// Returns the agent that watches this machine; `None`, said loudly, without the rights to.
pub(crate) fn agent() -> Option<&'static Agent> {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "deed tests need root, and CI must have it");
        // Not `eprintln`, which is shown only when the test fails.
        let notice = "\n*** SKIPPED: watching the kernel needs root ***\n";
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
        return None;
    }
    static AGENT: OnceLock<Agent> = OnceLock::new();
    Some(AGENT.get_or_init(|| Agent::start(&world().router, &[&rules()])))
}

/// Returns the file with the rules for the deeds.
pub(crate) fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/path/deeds.yaml")
}

impl World {
    /// Waits for the webhook's call that tells of an alert for which `is_it` holds, and returns
    /// that alert.
    #[track_caller]
    pub(crate) fn alert_where(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || {
            let calls = self.webhook.calls();
            let found = calls.iter().flat_map(alerts_of).find(|alert| is_it(alert));
            found.ok_or_else(|| {
                let seen: Vec<_> = calls.iter().flat_map(alerts_of).map(|a| summary(&a)).collect();
                format!("seen so far: {seen:#?}; refused signatures: {:?}", self.webhook.refused())
            })
        })
    }

    /// Returns the alerts the webhook was told of, one for each mention.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.webhook.calls().iter().flat_map(alerts_of).collect()
    }

    /// Waits for a Slack message whose request contains `text`.
    #[track_caller]
    pub(crate) fn slack_message_with(
        &self,
        text: &str,
        is_it: impl Fn(&SlackMessage) -> bool,
    ) -> SlackMessage {
        eventually(&format!("a Slack message with {text:?}"), || {
            let messages = self.slack.messages();
            let found = messages
                .iter()
                .find(|message| message.request.to_string().contains(text) && is_it(message));
            found.cloned().ok_or_else(|| format!("{messages:#?}; {:#?}", self.slack.answers()))
        })
    }

    /// Waits for a mail whose subject contains `text`.
    #[track_caller]
    pub(crate) fn mail_with(&self, text: &str) -> Mail {
        eventually(&format!("a mail with {text:?}"), || {
            let mails = self.smtp.mails();
            let subjects: Vec<_> =
                mails.iter().map(|mail| mail.header("Subject").map(str::to_owned)).collect();
            let found = mails
                .into_iter()
                .find(|mail| mail.header("Subject").is_some_and(|subject| subject.contains(text)));
            found.ok_or_else(|| format!("subjects: {subjects:?}"))
        })
    }
}

/// Returns the sample alerts a webhook call tells of.
fn alerts_of(call: &Call) -> Vec<Value> {
    let findings = call.body["notification"]["findings"].as_array().cloned().unwrap_or_default();
    findings.into_iter().map(|finding| finding["sample"].clone()).collect()
}

fn summary(alert: &Value) -> String {
    format!("{}: {}", alert["rule"], alert["fields"]["proc.cmdline"])
}

/// An HTTP client for plain tests.
pub(crate) mod http {
    use std::time::Duration;

    use serde_json::Value;

    /// A status and a body.
    #[derive(Debug)]
    pub(crate) struct Answer {
        pub(crate) status: u16,
        pub(crate) body: String,
    }

    impl Answer {
        pub(crate) fn json(&self) -> Value {
            serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
        }
    }

    pub(crate) fn get(url: &str) -> Answer {
        call(client().get(url))
    }

    pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = client().post(url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        call(request)
    }

    fn client() -> reqwest::Client {
        service::tls::install_crypto_provider();
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
        builder.build().unwrap()
    }

    fn call(request: reqwest::RequestBuilder) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            Answer { status, body: response.text().await.unwrap() }
        })
    }
}
