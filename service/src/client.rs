//! HTTP clients of one daemon to another: whom they trust and who they are.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use reqwest::{StatusCode, header::RETRY_AFTER};

use crate::{ErrorChain, clock, retry, tls};

/// Bytes of an answer's text that are read.
const ANSWER_BYTES_MAX: usize = 1024;
/// Longest time for a connection, however long an answer may take.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// Whom a client trusts and who it is, as PEM.
#[derive(Clone, Default)]
pub struct Identity {
    /// Authorities to trust instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The client's certificate and its key.
    pub certificate: Option<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A file the configuration names could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read `{}`", path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// PEM files that say whom a client trusts and who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    /// The certificate's key.
    pub key: Option<PathBuf>,
}

impl Files {
    /// Reads the files.
    pub fn read(&self) -> Result<Identity, FileError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| FileError { path: path.clone(), source })
        };
        let mut certificate = self.certificate.as_ref().map(read).transpose()?;
        if let (Some(certificate), Some(key)) = (&mut certificate, &self.key) {
            certificate.push(b'\n');
            certificate.extend(read(key)?);
        }
        let authorities = self.authorities.as_ref().map(read).transpose()?;
        Ok(Identity { authorities, certificate })
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("failed to set up the client")]
    Build(#[from] reqwest::Error),
}

type Make = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// A client whose certificates are read again when a connection fails: that they have expired may be
/// why.
pub struct RenewedClient {
    files: Files,
    timeout: Duration,
    make: Box<Make>,
    current: ArcSwap<reqwest::Client>,
}

impl std::fmt::Debug for RenewedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenewedClient").field("files", &self.files).finish_non_exhaustive()
    }
}

impl RenewedClient {
    /// Reads the files and makes a client by [`Identity::client`] and `make`; reaches out to nobody.
    pub fn new(
        files: Files,
        timeout: Duration,
        make: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let current = make(files.read()?.client(timeout)?).build()?;
        Ok(Self { files, timeout, make: Box::new(make), current: ArcSwap::from_pointee(current) })
    }

    /// Sends a POST.
    pub fn post(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.current.load().post(url)
    }

    /// Reads the files again. When they cannot be used, the old client stays.
    pub fn renew(&self) {
        let renewed = self
            .files
            .read()
            .map_err(ClientError::from)
            .and_then(|identity| Ok((self.make)(identity.client(self.timeout)?).build()?));
        match renewed {
            Ok(client) => self.current.store(Arc::new(client)),
            Err(error) => {
                tracing::debug!(error = %ErrorChain(&error), "the old certificates stay in use");
            }
        }
    }
}

impl Identity {
    /// Returns a client that follows no redirects; `timeout` is for a request, answer included.
    pub fn client(&self, timeout: Duration) -> reqwest::Result<reqwest::ClientBuilder> {
        tls::install_crypto_provider();
        let mut client = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &self.authorities {
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem)?);
        }
        if let Some(pem) = &self.certificate {
            client = client.identity(reqwest::Identity::from_pem(pem)?);
        }
        Ok(client)
    }
}

/// What a server answered, safe to print.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The start of its text.
    pub text: String,
}

impl Answer {
    /// Reads an answer; to its end, if that is not far: the connection can then be used again.
    pub async fn read(mut response: reqwest::Response) -> Self {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry::retry_after(value.to_str().ok()?, clock::now()));
        let mut text = Vec::new();
        while text.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            text.extend_from_slice(&chunk);
        }
        text.truncate(ANSWER_BYTES_MAX);
        let text = String::from_utf8_lossy(&text).escape_debug().to_string();
        Self { status, retry_after, text }
    }

    /// Returns whether it was this request that the server did not like, and not the moment.
    pub fn blames_request(&self) -> bool {
        matches!(
            self.status,
            StatusCode::BAD_REQUEST
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNPROCESSABLE_ENTITY
        )
    }
}
