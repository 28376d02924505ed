//! The API server all tests of this binary share, and what lives in it.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{ApiServer, Certificates, FaultProxy};
use response::{
    cluster::{Cluster, Pod, PodRef},
    kubernetes::{Client, Options, rights::Need},
};
use serde_json::{Value, json};

/// Users without rights, for the tests of rights to give some.
pub(crate) const USERS: [&str; 8] =
    ["observe", "kill", "delete", "label", "isolate", "snapshot", "agents", "nobody"];

/// Returns the server; `None`, said loudly, where Kubernetes was not built.
pub(crate) fn server() -> Option<&'static ApiServer> {
    static SERVER: OnceLock<Option<ApiServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        service::tls::install_crypto_provider();
        ApiServer::start(&USERS)
    });
    if server.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have built Kubernetes for these tests");
        // Not `eprintln`, which is shown only when the test fails.
        let notice = "\n*** SKIPPED: no Kubernetes here: run e2e/install.sh ***\n";
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    server.as_ref()
}

/// A namespace of a test's own, with an administrator's client, and another through a proxy.
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) proxy: FaultProxy,
    /// Speaks through the proxy.
    pub(crate) broken: Client,
    http: reqwest::Client,
    server: &'static ApiServer,
}

impl Place {
    pub(crate) async fn new() -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // Started outside the runtime's threads' way.
        let server = tokio::task::spawn_blocking(server).await.unwrap()?;
        let namespace = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let proxy = FaultProxy::start(&server.port.address(), &server.certificates);
        let authority = std::fs::read(&server.certificates.authority).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
            .timeout(e2e::patience())
            .build()
            .unwrap();
        let client = client_of(server, ApiServer::ADMIN, &server.url()).await;
        let broken = client_of(server, ApiServer::ADMIN, &proxy.url()).await;
        let place = Self { namespace, client, proxy, broken, http, server };
        let body = json!({ "metadata": { "name": place.namespace } });
        place.admin("POST", "/api/v1/namespaces", &body).await;
        Some(place)
    }

    /// Returns a client of another user.
    pub(crate) async fn client_of(&self, user: &str) -> Client {
        client_of(self.server, user, &self.server.url()).await
    }

    /// Returns an administrator's client with other options.
    pub(crate) async fn client_with(&self, options: Options) -> Client {
        let kubeconfig = Some(self.server.kubeconfig(ApiServer::ADMIN));
        Client::new(Options { kubeconfig, ..options }).await.unwrap()
    }

    pub(crate) fn kubeconfig_through_proxy(&self) -> std::path::PathBuf {
        self.kubeconfig_at(ApiServer::ADMIN, &self.proxy.url())
    }

    /// Returns a kubeconfig of a user, for an address.
    pub(crate) fn kubeconfig_at(&self, user: &str, url: &str) -> std::path::PathBuf {
        self.server.kubeconfig_through(user, url)
    }

    pub(crate) const fn certificates(&self) -> &'static Certificates {
        &self.server.certificates
    }

    /// Does something as the administrator, without the code under test.
    #[track_caller]
    pub(crate) fn admin(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> impl Future<Output = Value> {
        let tried = self.try_admin(method, path, body);
        let (method, path) = (method.to_owned(), path.to_owned());
        async move {
            let (status, answer) = tried.await;
            assert!((200..300).contains(&status), "{method} {path}: {answer}");
            answer
        }
    }

    /// Does something that may be refused; returns status and answer.
    pub(crate) fn try_admin(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> impl Future<Output = (u16, Value)> + use<> {
        let request = self.request(ApiServer::ADMIN, method, path, body);
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json().await.unwrap())
        }
    }

    /// Returns what a question is answered to a user.
    pub(crate) async fn ask_as(&self, user: &str, path: &str, body: &Value) -> Value {
        self.request(user, "POST", path, body).send().await.unwrap().json().await.unwrap()
    }

    fn request(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> reqwest::RequestBuilder {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = self.http.request(method.parse().unwrap(), self.server.url() + path);
        let request = request.bearer_auth(format!("the-token-of-{user}"));
        if method == "GET" {
            return request;
        }
        request.header("content-type", kind).body(body.to_string())
    }

    /// Returns the path of this namespace in an API group, such as `/api/v1`.
    pub(crate) fn path(&self, group: &str, rest: &str) -> String {
        format!("{group}/namespaces/{}/{rest}", self.namespace)
    }

    /// Makes a pod that is ready, as a kubelet would have reported.
    pub(crate) async fn pod(&self, name: &str) -> Pod {
        self.pod_with(name, &json!({})).await
    }

    pub(crate) async fn pod_with(&self, name: &str, changes: &Value) -> Pod {
        let mut pod = json!({
            "metadata": { "name": name, "labels": { "app": "web" } },
            "spec": { "nodeName": "node", "containers": [{ "name": "web", "image": "web:1" }] },
        });
        merge(&mut pod, changes);
        self.admin("POST", &self.path("/api/v1", "pods"), &pod).await;
        let status = json!({ "status": {
            "phase": "Running",
            "podIP": "10.9.8.7",
            "podIPs": [{ "ip": "10.9.8.7" }],
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{
                "name": "web",
                "image": "web:1",
                "imageID": format!("web@sha256:{}", "1".repeat(64)),
                "containerID": container_id(&format!("{}/{name}", self.namespace)),
                "ready": true,
                "restartCount": 0,
                "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
            }],
        } });
        let path = self.path("/api/v1", &format!("pods/{name}/status"));
        self.admin("PATCH", &path, &status).await;
        self.client.pod(&self.namespace, name).await.unwrap().unwrap()
    }

    /// Returns the pod as the API server shows it; `Value::Null` when there is none.
    pub(crate) async fn look(&self, path: &str) -> Value {
        let request = self.request(ApiServer::ADMIN, "GET", path, &Value::Null);
        let response = request.send().await.unwrap();
        if response.status() == 404 {
            return Value::Null;
        }
        response.json().await.unwrap()
    }

    pub(crate) async fn look_at_pod(&self, name: &str) -> Value {
        self.look(&self.path("/api/v1", &format!("pods/{name}"))).await
    }
}

async fn client_of(server: &ApiServer, user: &str, url: &str) -> Client {
    let kubeconfig = server.kubeconfig_through(user, url);
    let timeout = Duration::from_secs(10);
    let options = Options { kubeconfig: Some(kubeconfig), timeout, ..Options::default() };
    Client::new(options).await.unwrap()
}

/// Group, resource with subresource, verb.
pub(crate) type Row = (String, String, String);

pub(crate) fn rows(needs: &[Need]) -> BTreeSet<Row> {
    let all = needs.iter().flat_map(|need| need.permissions("any"));
    all.map(|it| {
        let resource = match it.subresource {
            "" => it.resource.to_owned(),
            part => format!("{}/{part}", it.resource),
        };
        (it.group.to_owned(), resource, it.verb.to_owned())
    })
    .collect()
}

/// Gives a user what the needs' rows say, in the whole cluster.
pub(crate) async fn give(place: &Place, user: &str, needs: &[Need]) {
    let rules: Vec<Value> = rows(needs)
        .into_iter()
        .map(|(group, resource, verb)| {
            json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb] })
        })
        .collect();
    let base = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({ "metadata": { "name": user }, "rules": rules });
    place.admin("POST", &format!("{base}/clusterroles"), &role).await;
    let binding = json!({
        "metadata": { "name": user },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
    });
    place.admin("POST", &format!("{base}/clusterrolebindings"), &binding).await;
}

/// The same pod's name with a UID of another.
pub(crate) fn stranger(pod: &PodRef) -> PodRef {
    let uid = "00000000-0000-4000-8000-000000000000".to_owned();
    PodRef { uid, ..pod.clone() }
}

/// Returns a container's id that follows from a seed, as a status has it.
pub(crate) fn container_id(seed: &str) -> String {
    let digits: String =
        seed.bytes().rev().cycle().take(32).map(|it| format!("{it:02x}")).collect();
    format!("containerd://{digits}")
}

pub(crate) fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}
