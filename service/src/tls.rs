//! TLS by rustls and aws-lc-rs, for servers: certificates, client certificates, reload.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ErrorChain, reload,
    server::{PeerNames, PeerUris},
    shutdown::Shutdown,
};

/// Pause after which changed certificates are read.
const RELOAD_DEBOUNCE: Duration = Duration::from_millis(200);

/// Makes aws-lc-rs the process's TLS provider. May be called any number of times, by any test.
pub fn install_crypto_provider() {
    // An error says that one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// A server's certificate, and whose clients it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file of authorities: clients must then present a certificate of one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing} {}", path.display())]
pub struct TlsError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The TLS a server uses for its next connection.
#[derive(Debug)]
pub struct Acceptor {
    files: ServerTls,
    current: ArcSwap<ServerConfig>,
}

impl Acceptor {
    pub fn new(files: ServerTls) -> Result<Self, TlsError> {
        install_crypto_provider();
        let current = ArcSwap::from_pointee(server_config(&files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again. After an error the old certificates stay; open connections keep
    /// theirs in any case.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }

    /// Reads the files again when they change and on SIGHUP, until shutdown.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        let files =
            [Some(&self.files.certificate), Some(&self.files.key), self.files.client_ca.as_ref()];
        let absolute = |path: &PathBuf| std::path::absolute(path).ok();
        let paths: Vec<PathBuf> = files.into_iter().flatten().filter_map(absolute).collect();
        let mut changes = reload::watch(&paths, RELOAD_DEBOUNCE)
            .inspect_err(|error| {
                let error = ErrorChain(error).to_string();
                tracing::warn!(error, "certificates are read again on SIGHUP only");
            })
            .ok();
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return tracing::warn!("SIGHUP cannot be listened for: certificates stay as they are");
        };
        loop {
            let changed = async {
                match &mut changes {
                    Some(changes) => changes.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = hangup.recv() => {}
                () = changed => {}
            }
            let certificate = self.files.certificate.display();
            match self.reload() {
                Ok(()) => tracing::info!(%certificate, "certificates were read again"),
                Err(error) => {
                    let error = ErrorChain(&error).to_string();
                    tracing::warn!(%certificate, error, "the old certificates stay in use");
                }
            }
        }
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

/// Returns the DNS names and the URIs in the first of a verified chain of certificates.
pub(crate) fn names(chain: &[CertificateDer<'_>]) -> (PeerNames, PeerUris) {
    let own = chain.first().and_then(|own| webpki::EndEntityCert::try_from(own).ok());
    let Some(own) = own else { return Default::default() };
    let dns = own.valid_dns_names().map(Into::into).collect();
    (PeerNames(dns), PeerUris(own.valid_uri_names().map(Into::into).collect()))
}

fn server_config(files: &ServerTls) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(fail("read the private key", &files.key))?;
    let builder = ServerConfig::builder();
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(fail("use the authority", path))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .map_err(fail("use the authorities", path))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(fail("use the certificate and key", &files.certificate))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(fail("read the certificates", path))?;
    let found: Vec<_> =
        read.collect::<Result<_, _>>().map_err(fail("read the certificates", path))?;
    if found.is_empty() {
        return Err(fail("read the certificates", path)("it holds no certificate"));
    }
    Ok(found)
}

fn fail<E>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> TlsError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = path.to_owned();
    move |error| TlsError { doing, path, source: error.into() }
}
