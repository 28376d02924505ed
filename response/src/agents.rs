//! Speaks to the agents: orders, watches, questions about processes. Over mutual TLS only.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alert::{
    ProcessKey,
    order::{ContainerReport, KillOrder, KillReport, ProcessReport, WatchOrder, WatchReport},
};
use hashbrown::HashMap;
use reqwest::{Certificate, Identity, Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use service::ErrorChain;

use crate::{cluster::Cluster, config::AgentsConfig};

/// Agents to which connections are kept.
const CLIENTS_MAX: usize = 1024;
/// Most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The files that prove who we are cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    #[error("failed to read `{}`", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("failed to use the certificates for agents")]
    Certificates(#[source] reqwest::Error),
}

/// An agent did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    #[error("no agent is known for {0}")]
    NoAddress(String),
    /// The question never left.
    #[error("the agent cannot be reached: {0}")]
    NotSent(String),
    /// It may have been carried out.
    #[error("the agent gave no answer: {0}")]
    Unknown(String),
    #[error("the agent refuses ({status}): {reason}")]
    Refused { status: u16, reason: String },
    #[error("there is no such process")]
    NotFound,
}

/// How to reach every agent.
#[derive(Debug)]
pub struct Agents {
    config: AgentsConfig,
    cluster: Option<Arc<dyn Cluster>>,
    known: Arc<Mutex<Known>>,
}

/// What connections are made with, and those that are open.
#[derive(Debug, Default)]
struct Known {
    keys: Option<Keys>,
    clients: HashMap<SocketAddr, reqwest::Client>,
}

#[derive(Clone, Debug)]
struct Keys {
    authorities: Vec<Certificate>,
    identity: Identity,
}

impl Agents {
    /// Reads the certificates the configuration names, if it names any.
    pub fn new(
        config: AgentsConfig,
        cluster: Option<Arc<dyn Cluster>>,
    ) -> Result<Self, AgentsError> {
        // Those that cannot be used are told at the start, not with the first order.
        let keys = Keys::of(&config)?;
        let known = Known { keys, ..Known::default() };
        Ok(Self { config, cluster, known: Arc::new(Mutex::new(known)) })
    }

    /// Returns the agent of a machine, ready to be asked.
    pub async fn of(&self, hostname: &str) -> Result<Agent, AgentError> {
        let address = match self.config.addresses.get(hostname) {
            Some(address) => *address,
            None => SocketAddr::new(self.look_up(hostname).await?, self.config.port),
        };
        let client = self.client(address)?;
        let base = format!("https://{}:{}", self.config.name, address.port());
        let known = Arc::clone(&self.known);
        Ok(Agent { client, base, timeout: self.config.timeout.0, known })
    }

    async fn look_up(&self, hostname: &str) -> Result<IpAddr, AgentError> {
        let Some(cluster) = &self.cluster else {
            return Err(AgentError::NoAddress(hostname.to_owned()));
        };
        match cluster.agent_address(hostname).await {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(AgentError::NoAddress(hostname.to_owned())),
            Err(error) => Err(AgentError::NotSent(ErrorChain(&error).to_string())),
        }
    }

    fn client(&self, address: SocketAddr) -> Result<reqwest::Client, AgentError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.clients.get(&address) {
            return Ok(client.clone());
        }
        if known.keys.is_none() {
            // They were renewed, or there are none.
            let read = Keys::of(&self.config);
            known.keys =
                read.map_err(|error| AgentError::NotSent(ErrorChain(&error).to_string()))?;
        }
        let Some(keys) = known.keys.clone() else {
            let why = "`response.agents` has no certificates";
            return Err(AgentError::NotSent(why.into()));
        };
        service::tls::install_crypto_provider();
        let built = reqwest::Client::builder()
            .user_agent(concat!("saker-responder/", env!("CARGO_PKG_VERSION")))
            .tls_certs_only(keys.authorities)
            .identity(keys.identity)
            // The agents share a name, told apart by their address.
            .resolve(&self.config.name, address)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build();
        let client = built.map_err(|error| AgentError::NotSent(ErrorChain(&error).to_string()))?;
        if known.clients.len() >= CLIENTS_MAX {
            known.clients.clear();
        }
        known.clients.insert(address, client.clone());
        Ok(client)
    }
}

impl Keys {
    fn of(config: &AgentsConfig) -> Result<Option<Self>, AgentsError> {
        match (&config.ca, &config.certificate, &config.key) {
            (Some(ca), Some(certificate), Some(key)) => Self::read(ca, certificate, key).map(Some),
            _ => Ok(None),
        }
    }

    fn read(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, AgentsError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| AgentsError::File { path: path.to_owned(), source })
        };
        let mut own = read(certificate)?;
        own.push(b'\n');
        own.extend(read(key)?);
        service::tls::install_crypto_provider();
        Ok(Self {
            authorities: Certificate::from_pem_bundle(&read(ca)?)
                .map_err(AgentsError::Certificates)?,
            identity: Identity::from_pem(&own).map_err(AgentsError::Certificates)?,
        })
    }
}

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    client: reqwest::Client,
    base: String,
    timeout: Duration,
    known: Arc<Mutex<Known>>,
}

impl Agent {
    /// Has processes killed, or finds out whether they would be.
    pub async fn kill(&self, order: &KillOrder) -> Result<KillReport, AgentError> {
        let wait = Duration::from_millis(order.wait_ms);
        self.ask(Method::POST, "/v1/kill", Some(order), wait).await
    }

    /// Begins to watch containers.
    pub async fn watch(&self, order: &WatchOrder) -> Result<WatchReport, AgentError> {
        self.ask(Method::POST, "/v1/watch", Some(order), Duration::ZERO).await
    }

    /// Returns how a watch stands, as soon as nothing lives or after `wait`.
    pub async fn watched(&self, id: &str, wait: Duration) -> Result<WatchReport, AgentError> {
        let safe = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !safe {
            return Err(AgentError::Unknown("the agent's name for the watch is odd".into()));
        }
        let path = format!("/v1/watch/{id}?wait_ms={}", wait.as_millis());
        self.ask(Method::GET, &path, None::<&()>, wait).await
    }

    /// Returns what is known of a process, its ancestors and descendants.
    pub async fn process(&self, key: ProcessKey) -> Result<ProcessReport, AgentError> {
        let path = format!("/v1/processes/{}?start_boot_ns={}", key.pid, key.start_boot_ns);
        self.ask(Method::GET, &path, None::<&()>, Duration::ZERO).await
    }

    /// Returns the live processes of a container, by its whole id.
    pub async fn container(&self, id: &str) -> Result<ContainerReport, AgentError> {
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(AgentError::NotFound);
        }
        self.ask(
            Method::GET,
            &format!("/v1/containers/{id}/processes"),
            None::<&()>,
            Duration::ZERO,
        )
        .await
    }

    /// A certificate may have been renewed: the next connection is made with what is on disk.
    fn begin_anew(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        wait: Duration,
    ) -> Result<T, AgentError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url).timeout(self.timeout + wait);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| {
            let reason = ErrorChain(&error).to_string();
            self.begin_anew();
            if error.is_connect() || error.is_builder() {
                AgentError::NotSent(reason)
            } else {
                AgentError::Unknown(reason)
            }
        })?;
        let status = response.status();
        if status == StatusCode::FORBIDDEN {
            self.begin_anew();
        }
        let mut answer = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                    answer.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Ok(Some(_)) => return Err(AgentError::Unknown("the answer is too long".into())),
                Err(error) => return Err(AgentError::Unknown(ErrorChain(&error).to_string())),
            }
        }
        if status.is_success() {
            return serde_json::from_slice(&answer)
                .map_err(|error| AgentError::Unknown(format!("an odd answer: {error}")));
        }
        if status == StatusCode::NOT_FOUND {
            return Err(AgentError::NotFound);
        }
        let problem = serde_json::from_slice::<service::problem::Problem>(&answer).ok();
        let reason = problem.and_then(|problem| problem.detail).unwrap_or_default();
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
        Err(AgentError::Refused { status: status.as_u16(), reason })
    }
}
