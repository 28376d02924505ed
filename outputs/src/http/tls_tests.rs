//! TLS against a real server that wants a client certificate.

use std::{path::Path, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use templates::samples;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{DeliveryError, peer::Configured};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// Answers each request of a client with a certificate of the authority with 204.
async fn serve(authority: &Authority) -> String {
    service::tls::install_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let (certificate, key) = issue(authority, "localhost");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/secret-path", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that is refused ends its own connection only.
            answer(&acceptor, socket).await.unwrap_or_default();
        }
    });
    url
}

async fn answer(acceptor: &tokio_rustls::TlsAcceptor, socket: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"}}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await
}

async fn attempt(url: &str, tls: serde_json::Value) -> Result<(), DeliveryError> {
    let config = json!({ "url": url, "tls": tls });
    let output = Configured::with_timeout("webhook", &config, Duration::from_secs(5));
    output.deliver(&samples::typical(), None).await.map(|_| ())
}

#[tokio::test]
async fn a_server_and_a_client_prove_themselves_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let ours = authority();
    let url = serve(&ours).await;
    let (certificate, key) = issue(&ours, "saker");
    let ca = write("ca.pem", &ours.pem());
    let certificate = write("client.pem", &certificate.pem());
    let key = write("client.key", &key.serialize_pem());

    let both = json!({ "ca": ca, "certificate": certificate, "key": key });
    attempt(&url, both).await.unwrap();

    let unavailable = |outcome: Result<(), DeliveryError>, expect: &str| {
        let error = outcome.expect_err(expect);
        assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(expect), "{error}");
        assert!(!error.to_string().contains("secret-path"), "{error}");
    };
    let other = write("other.pem", &authority().pem());
    let strangers = json!({ "ca": other, "certificate": certificate, "key": key });
    unavailable(attempt(&url, strangers).await, "certificate");
    unavailable(attempt(&url, json!({ "ca": ca })).await, "connect");
}

#[test]
fn a_file_that_is_missing_or_no_certificate_is_named() {
    let check = |tls: super::Tls, expect: &str| {
        let context = crate::BuildContext {
            output: "test".into(),
            directory: Path::new("/").into(),
            attempt_timeout: Duration::from_secs(1),
        };
        let error = super::Client::new(&context, &tls, super::Secrets::default()).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    let missing = super::Tls { ca: Some("no/such.pem".into()), ..super::Tls::default() };
    check(missing, "failed to read no/such.pem");
    let empty = super::Tls { ca: Some("/dev/null".into()), ..super::Tls::default() };
    check(empty, "/dev/null is no usable PEM file");
}
