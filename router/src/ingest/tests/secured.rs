//! Tokens and client certificates.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use service::tls::ServerTls;

use super::*;

fn sender(alert: &Alert) -> String {
    alert.text("saker.sender").unwrap_or("nobody").to_owned()
}

#[tokio::test]
async fn only_a_sender_with_a_token_may_send() {
    let tokens = BTreeMap::from([("agents".to_owned(), Secret::new("s3cret"))]);
    let door = Door::open(IngestConfig { tokens, ..IngestConfig::default() }).await;
    let refused = door.post(ALERT).await;
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(told(refused).await, r#"401 {"error":"a known bearer token is required"}"#);
    for (token, status) in [("s3cret", StatusCode::OK), ("wrong", StatusCode::UNAUTHORIZED)] {
        for path in ["", "test"] {
            let request = door.client.post(format!("http://{}/{path}", door.address));
            let answer = request.bearer_auth(token).body(ALERT).send().await.unwrap();
            assert_eq!(answer.status(), status, "{token} {path}");
        }
    }
    let senders: Vec<_> = door.alerts().iter().map(sender).collect();
    assert_eq!(senders, ["token:agents", "token:agents"]);
    let probe = door.client.get(format!("http://{}/ping", door.address)).send().await.unwrap();
    assert_eq!(probe.status(), StatusCode::OK);
}

#[tokio::test]
async fn only_a_client_of_the_authority_may_send() {
    service::tls::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, key) = issue("localhost");
    for (name, text) in [("ca", &authority.pem()), ("cert", &certificate), ("key", &key)] {
        std::fs::write(path(name), text).unwrap();
    }
    let files =
        ServerTls { certificate: path("cert"), key: path("key"), client_ca: Some(path("ca")) };
    let tls = Some(Arc::new(Acceptor::new(files).unwrap()));
    let door = Door::at(&path("journal"), IngestConfig::default(), small(), tls).await;
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let client = || {
        let builder = Client::builder().no_proxy().timeout(Duration::from_secs(20));
        builder.resolve("localhost", door.address).tls_certs_only([root.clone()])
    };
    let url = format!("https://localhost:{}/", door.address.port());
    assert!(client().build().unwrap().post(&url).body(ALERT).send().await.is_err());
    assert_eq!(door.journal.durable(), 0);
    let (certificate, key) = issue("agent-1");
    let identity = reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
    let client = client().identity(identity).build().unwrap();
    let answer = client.post(&url).body(ALERT).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(told(answer).await, "200 accepted 1");
    assert_eq!(door.alerts().iter().map(sender).collect::<Vec<_>>(), ["agent-1"]);
}

#[tokio::test]
async fn nobody_says_who_he_is_by_himself() {
    let door = Door::open(IngestConfig::default()).await;
    let claims = r#""output_fields":{"saker.sender":"saker-agent","saker.owner.missing":"stale","saker.proc.chain":"sh","#;
    assert_eq!(door.told(ALERT.replace(r#""output_fields":{"#, claims)).await, "200 accepted 1");
    let alerts = door.alerts();
    assert_eq!(sender(&alerts[0]), "nobody");
    assert!(!alerts[0].fields.contains_key("saker.owner.missing"));
    assert_eq!(alerts[0].text("saker.proc.chain"), Some("sh"), "agents write this");
}

#[tokio::test]
async fn a_web_page_sends_nothing_without_a_token() {
    let door = Door::open(IngestConfig::default()).await;
    for path in ["", "test"] {
        let url = format!("http://{}/{path}", door.address);
        let request = door.client.post(url).header("origin", "http://page.example").body(ALERT);
        let answer = told(request.send().await.unwrap()).await;
        assert!(answer.starts_with("403 ") && answer.contains("Origin"), "{answer}");
    }
    assert!(door.alerts().is_empty());
    assert_eq!(door.told(ALERT).await, "200 accepted 1");
}
