//! Senders that are known by a signature, an address or a name in their certificate.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use service::tls::ServerTls;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn config(ingest: Value) -> IngestConfig {
    let config: IngestConfig = serde_json::from_value(ingest).unwrap();
    assert_eq!(config.problem(true), None);
    config
}

/// Signs as Standard Webhooks says, by Python's own library.
fn signed_by_python(secret: &str, id: &str, seconds: i64, body: &[u8]) -> String {
    let script = "import base64, hashlib, hmac, sys
secret, id, seconds = sys.argv[1:]
signed = f'{id}.{seconds}.'.encode() + sys.stdin.buffer.read()
key = base64.b64decode(secret.removeprefix('whsec_'))
print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body"), body).unwrap();
    let output = Command::new("python3")
        .args(["-c", script, secret, id, &seconds.to_string()])
        .stdin(std::fs::File::open(folder.path().join("body")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Door {
    async fn send(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> String {
        let mut request = self.client.post(format!("http://{}/", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        told(request.send().await.unwrap()).await
    }

    fn refused(&self, reason: &str) -> u64 {
        self.metric(&format!("saker_ingest_rejected_total{{reason=\"{reason}\"}}"))
    }

    fn senders(&self) -> Vec<String> {
        let sender = |alert: &Alert| alert.text("saker.sender").unwrap_or("nobody").to_owned();
        self.alerts().iter().map(sender).collect()
    }
}

#[tokio::test]
async fn a_body_signed_by_another_implementation_is_its_senders() {
    let senders = json!({"hooks": {"secrets": [OLD_SECRET, SECRET]}});
    let door = Door::open(config(json!({"senders": senders}))).await;
    let seconds = service::clock::now().as_second();
    let compressed = zstd::encode_all(ALERT.as_bytes(), 1).unwrap();
    let long = format!("{ALERT}\n").repeat(1000);
    for (secret, encoding, body) in [
        (SECRET, "identity", ALERT.as_bytes()),
        (OLD_SECRET, "zstd", &compressed),
        (SECRET, "identity", long.as_bytes()),
    ] {
        let signature = signed_by_python(secret, "msg_1", seconds, body);
        let time = seconds.to_string();
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &time),
            ("webhook-signature", &signature),
            ("content-encoding", encoding),
        ];
        let answer = door.send(&headers, body.to_vec()).await;
        assert!(answer.starts_with("200 accepted "), "{answer}");
        let answer = door.send(&headers, [body, b" "].concat()).await;
        assert_eq!(answer, r#"401 {"error":"a valid signature is required"}"#);
    }
    assert_eq!(door.refused("signature"), 3);
    let senders = door.senders();
    assert_eq!((senders.len(), senders.iter().all(|sender| sender == "hooks")), (1002, true));
}

#[tokio::test]
async fn a_request_that_somebody_kept_is_refused() {
    let senders = json!({"hooks": {"secrets": [SECRET]}});
    let ingest = json!({"senders": senders, "signature_tolerance": "60s"});
    let door = Door::open(config(ingest)).await;
    let seconds = service::clock::now().as_second() - 600;
    let signature = signed_by_python(SECRET, "msg_1", seconds, ALERT.as_bytes());
    let time = seconds.to_string();
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &*time),
        ("webhook-signature", &*signature),
    ];
    let answer = door.send(&headers, ALERT).await;
    assert!(answer.starts_with("401 ") && answer.contains("webhook-timestamp"), "{answer}");
    assert_eq!(door.refused("stale"), 1);
    assert_eq!(door.send(&[], ALERT).await, r#"401 {"error":"a valid signature is required"}"#);
    assert_eq!((door.refused("auth"), door.alerts().len()), (1, 0));
}

#[tokio::test]
async fn an_address_lets_in_only_if_no_other_is_named_by_a_trusted_proxy() {
    let senders = json!({"lan": {"from": ["127.0.0.0/8", "203.0.113.0/24"]}});
    let ingest = |proxies: Value| config(json!({"senders": senders, "trusted_proxies": proxies}));
    let outside = [("x-forwarded-for", "198.51.100.1")];
    let door = Door::open(ingest(json!([]))).await;
    assert_eq!(door.send(&outside, ALERT).await, "200 accepted 1");
    let door = Door::open(ingest(json!(["127.0.0.1"]))).await;
    let answer = door.send(&outside, ALERT).await;
    assert_eq!(answer, r#"403 {"error":"no alerts are taken from this address"}"#);
    let inside = [("x-forwarded-for", "198.51.100.1, 203.0.113.7")];
    assert_eq!(door.send(&inside, ALERT).await, "200 accepted 1");
    assert_eq!((door.refused("address"), door.senders()), (1, vec!["lan".to_owned()]));
    let page = [("origin", "http://page.example")];
    assert!(door.send(&page, ALERT).await.starts_with("403 "));
    assert_eq!(door.refused("origin"), 1);
}

#[tokio::test]
async fn a_sender_uses_only_the_inputs_it_may() {
    let senders = json!({"prometheus": {"token": "s3cret", "inputs": ["alertmanager"]}});
    let door = Door::open(config(json!({"senders": senders}))).await;
    let token = [("authorization", "Bearer s3cret")];
    let answer = door.send(&token, ALERT).await;
    assert_eq!(answer, r#"403 {"error":"this sender may not use this input"}"#);
    let url = format!("http://{}/api/v2/alerts", door.address);
    let body = json!([{"labels": {"alertname": "Down"}}]).to_string();
    let sent = door.client.post(url).bearer_auth("s3cret").body(body).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    assert_eq!((door.refused("input"), door.senders()), (1, vec!["prometheus".to_owned()]));
}

#[tokio::test]
async fn a_sender_goes_by_a_name_or_uri_of_its_certificate() {
    service::tls::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names = vec![match name.contains("://") {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        }];
        (parameters.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, key) = issue("localhost");
    for (name, text) in [("ca", &authority.pem()), ("cert", &certificate), ("key", &key)] {
        std::fs::write(path(name), text).unwrap();
    }
    let files =
        ServerTls { certificate: path("cert"), key: path("key"), client_ca: Some(path("ca")) };
    let tls = Some(Arc::new(Acceptor::new(files).unwrap()));
    let senders = json!({
        "agents": {"certificates": ["*.agents.example.org", "spiffe://prod/agent/*"]},
        "falco": {"certificates": ["falco"]},
    });
    let ingest = config(json!({"senders": senders}));
    let door = Door::at(&path("journal"), ingest, small(), tls).await;
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    for (name, expected) in [
        ("n1.agents.example.org", "200 accepted 1"),
        ("spiffe://prod/agent/n2", "200 accepted 1"),
        ("falco", "200 accepted 1"),
        (
            "spiffe://test/agent/n2",
            r#"403 {"error":"no sender goes by a name of this client certificate"}"#,
        ),
    ] {
        let (certificate, key) = issue(name);
        let identity =
            reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60));
        let client = client.resolve("localhost", door.address).tls_certs_only([root.clone()]);
        let client = client.identity(identity).build().unwrap();
        let url = format!("https://localhost:{}/", door.address.port());
        let answer = client.post(url).body(ALERT).send().await.unwrap();
        assert_eq!(told(answer).await, expected, "{name}");
    }
    assert_eq!(door.senders(), ["agents", "agents", "falco"]);
    assert_eq!(door.refused("certificate"), 1);
}

#[tokio::test]
async fn a_reload_changes_who_may_send() {
    let door = Door::open(config(json!({"tokens": {"a": "old"}}))).await;
    let sent = async |token: &str| {
        let token = format!("Bearer {token}");
        door.send(&[("authorization", &token)], ALERT).await.starts_with("200")
    };
    assert!(sent("old").await && !sent("new").await);
    door.ingest.configure(config(json!({"tokens": {"a": "new"}})));
    assert!(!sent("old").await && sent("new").await);
}

#[tokio::test]
async fn a_signed_request_that_comes_again_brings_the_same_alerts() {
    let senders = json!({"hooks": {"secrets": [SECRET]}});
    let door = Door::open(config(json!({"senders": senders}))).await;
    let seconds = service::clock::now().as_second();
    let (body, time) = (with("uuid", None).repeat(2), seconds.to_string());
    for id in ["msg_1", "msg_1", "msg_2"] {
        let signature = signed_by_python(SECRET, id, seconds, body.as_bytes());
        let headers =
            [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
        assert_eq!(door.send(&headers, body.clone()).await, "200 accepted 2");
    }
    let ids: Vec<_> = door.alerts().iter().map(|alert| alert.id).collect();
    assert_eq!(ids[..2], ids[2..4]);
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 4);
}
