//! The cluster with the release all tests of this binary share, and how to look into it.

use std::{
    io::Write,
    ops::Deref,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use e2e::{
    Call, Cluster, Folder, Follower, Forwarder, Kafka, Slack, SlackMessage, Webhook, eventually,
    images,
};
use serde_json::{Value, json};

use crate::values::{self, AUTO, CONTAINED, DRY, QUIET, Receivers, SHOP, TOPIC};

/// Name of the release, and of its namespace.
pub(crate) const SAKER: &str = "saker";

/// User of router and responder in their images.
const USER: u32 = 65532;

pub(crate) struct World {
    pub(crate) cluster: &'static Cluster,
    pub(crate) webhook: Webhook,
    pub(crate) slack: Slack,
    pub(crate) stream: Follower,
    /// What the release was installed or upgraded with.
    values: Mutex<Value>,
    /// From `helm install` until all pods were ready.
    pub(crate) install_time: Duration,
    /// Volumes of router and responder, as this machine sees them.
    volumes: Folder,
    _kafka: Kafka,
    _forwarders: [Forwarder; 3],
    folder: Folder,
}

static TURN: RwLock<()> = RwLock::new(());

/// The world, in which others work too.
pub(crate) struct Shared {
    world: &'static World,
    _turn: RwLockReadGuard<'static, ()>,
}

/// The world, in which nobody else is while parts of it are stopped.
pub(crate) struct Alone {
    world: &'static World,
    _turn: RwLockWriteGuard<'static, ()>,
}

impl Deref for Shared {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl Deref for Alone {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

/// Returns the world; `None`, said loudly, where there can be no cluster.
pub(crate) fn world() -> Option<Shared> {
    let world = made()?;
    let turn = TURN.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(Shared { world, _turn: turn })
}

/// Returns the world once no other test is in it.
pub(crate) fn world_alone() -> Option<Alone> {
    let world = made()?;
    let turn = TURN.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(Alone { world, _turn: turn })
}

fn made() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD.get_or_init(|| Cluster::shared().map(World::new)).as_ref()
}

/// Returns the chart's folder.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm/saker")
}

impl World {
    fn new(cluster: &'static Cluster) -> Self {
        service::tls::install_crypto_provider();
        for image in images() {
            cluster.import_image(image);
        }
        let kafka = Kafka::start_at(cluster.host_address());
        let (webhook, slack) = (Webhook::start(), Slack::start());
        let forwarders =
            [kafka.plaintext.number(), webhook.port(), slack.port()].map(|it| cluster.forward(it));
        kafka.create_topic_now(TOPIC, 2);
        let stream = kafka.follow(TOPIC);
        let at = |number: usize| forwarders[number].address();
        let values = values::whole(&Receivers {
            kafka: at(0).to_string(),
            webhook: format!("http://{}/hook", at(1)),
            slack: format!("http://{}/api", at(2)),
        });
        for namespace in [SAKER, SHOP, DRY, AUTO, CONTAINED, QUIET] {
            cluster.kubectl_says(&["create", "namespace", namespace]);
        }
        cluster.kubectl_says(&[
            "create",
            "secret",
            "generic",
            "receivers",
            "--namespace",
            SAKER,
            &format!("--from-literal=webhook={}", Webhook::SECRET),
            &format!("--from-literal=slack={}", Slack::TOKEN),
        ]);
        let volumes = Folder::new("volumes");
        volume(cluster, &volumes, "router", (SAKER, "data-saker-router-0"));
        volume(cluster, &volumes, "responder", (SAKER, "saker-responder"));
        let folder = Folder::new("values");
        let file = folder.write("values.yaml", values.to_string());
        let start = Instant::now();
        let output = cluster.helm(&[
            "install",
            SAKER,
            chart().to_str().unwrap(),
            "--namespace",
            SAKER,
            "--values",
            file.to_str().unwrap(),
            "--wait",
            "--timeout=2m",
        ]);
        let install_time = start.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("{said}\n{}\n{}", cluster.why(SAKER), logs(cluster));
        }
        Self {
            cluster,
            webhook,
            slack,
            stream,
            values: Mutex::new(values),
            install_time,
            volumes,
            _kafka: kafka,
            _forwarders: forwarders,
            folder,
        }
    }

    /// Upgrades the release to its values with changes, which stay.
    pub(crate) fn upgrade(&self, changes: &Value) {
        let mut values = self.values.lock().unwrap();
        values::merge(&mut values, changes);
        let file = self.folder.write("changed.yaml", values.to_string());
        self.cluster.helm_says(&[
            "upgrade",
            SAKER,
            chart().to_str().unwrap(),
            "--namespace",
            SAKER,
            "--values",
            file.to_str().unwrap(),
            "--wait",
            "--timeout=2m",
        ]);
    }

    /// Takes the last upgrade back, as `helm rollback` does; `before` is what it changed.
    pub(crate) fn roll_back(&self, before: &Value) {
        let mut values = self.values.lock().unwrap();
        values::merge(&mut values, before);
        let arguments = ["rollback", SAKER, "--namespace", SAKER, "--wait", "--timeout=2m"];
        self.cluster.helm_says(&arguments);
    }

    /// Returns the folder of the responder's volume.
    pub(crate) fn responder_data(&self) -> PathBuf {
        self.volumes.join("responder")
    }

    /// Returns the only pod of one of our components.
    #[track_caller]
    pub(crate) fn own_pod(&self, component: &str) -> Value {
        let selector = format!("app.kubernetes.io/component={component}");
        eventually(&format!("one pod of {component}"), || {
            let mut pods = self.cluster.pods(SAKER, &selector);
            if pods.len() == 1 { Ok(pods.remove(0)) } else { Err(format!("{pods:#?}")) }
        })
    }

    /// Asks the router's API, and returns its answer.
    pub(crate) fn router_says(&self, path: &str) -> Value {
        let pod = self.own_pod("router");
        let address = pod["status"]["podIP"].as_str().unwrap();
        let url = format!("http://{address}:2802/api/v1/{path}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.get(url).bearer_auth(self.token("router", "viewer"));
            request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
        })
    }

    /// Returns a token of an API of ours.
    pub(crate) fn token(&self, component: &str, role: &str) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let secret = self.cluster.get(SAKER, &format!("secret/saker-{component}-auth")).unwrap();
        let token = BASE64_STANDARD.decode(secret["data"][role].as_str().unwrap()).unwrap();
        String::from_utf8(token).unwrap()
    }

    /// Returns the alerts the webhook was told of, one for each mention.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.webhook.calls().iter().flat_map(alerts_of).collect()
    }

    /// Waits until the webhook was told of an alert for which `is_it` holds, and returns that
    /// alert.
    #[track_caller]
    pub(crate) fn alert_where(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || {
            self.alerts().into_iter().find(&is_it).ok_or_else(|| {
                let seen: Vec<_> = self.alerts().iter().map(summary).collect();
                format!("seen so far: {seen:#?}; refused: {:?}", self.webhook.refused())
            })
        })
    }

    /// Waits for a Slack message whose request contains all the texts.
    #[track_caller]
    pub(crate) fn slack_message_with(&self, texts: &[&str]) -> SlackMessage {
        eventually(&format!("a Slack message with {texts:?}"), || {
            let messages = self.slack.messages();
            let has_all = |message: &&SlackMessage| {
                let request = message.request.to_string();
                texts.iter().all(|text| request.contains(text))
            };
            let found = messages.iter().find(has_all);
            found.cloned().ok_or_else(|| format!("{messages:#?}; {:#?}", self.slack.answers()))
        })
    }

    /// Returns the audit log's entries of what an account asked the API server.
    pub(crate) fn requests_of(&self, account: &str) -> Vec<Value> {
        let user = format!("system:serviceaccount:{SAKER}:{account}");
        let entries = self.cluster.audit().into_iter();
        entries.filter(|entry| entry["user"]["username"] == user).collect()
    }

    /// Runs the `saker` command beside the tests.
    pub(crate) fn saker(&self) -> Command {
        Command::new(e2e::program("saker"))
    }
}

/// Tells a figure, also when the test succeeds.
pub(crate) fn say(figure: &str) {
    std::io::stderr().write_all(format!("\n{figure}\n").as_bytes()).unwrap();
}

/// Returns the last lines of our components.
pub(crate) fn logs(cluster: &Cluster) -> String {
    let output = cluster.kubectl(&[
        "logs",
        "--namespace",
        SAKER,
        "--selector=app.kubernetes.io/name=saker",
        "--prefix",
        "--tail=30",
    ]);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Gives the cluster a volume for a claim the chart will make.
pub(crate) fn volume(
    cluster: &Cluster,
    volumes: &Folder,
    name: &str,
    (namespace, claim): (&str, &str),
) {
    let path = volumes.join(name);
    std::fs::create_dir(&path).unwrap();
    chown(&path, Some(USER), Some(USER)).unwrap();
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": name },
        "spec": {
            "capacity": { "storage": "10Gi" },
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": { "namespace": namespace, "name": claim },
            "hostPath": { "path": path, "type": "Directory" },
        },
    }));
}

/// Returns the sample alerts a webhook call tells of.
fn alerts_of(call: &Call) -> Vec<Value> {
    let findings = call.body["notification"]["findings"].as_array().cloned().unwrap_or_default();
    findings.into_iter().map(|finding| finding["sample"].clone()).collect()
}

fn summary(alert: &Value) -> String {
    let field = |name: &str| &alert["fields"][name];
    format!("{}: {} in {}", alert["rule"], field("proc.cmdline"), field("k8s.pod.name"))
}
