//! How a Kafka cluster is reached: brokers, trust, identity and login. Whoever reads topics reaches
//! it the same way.

use std::path::{Path, PathBuf};

use rdkafka::config::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Secret;

/// Trust and identity of the connection. `tls: {}` trusts what the machine trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the only authorities to trust.
    #[serde(default)]
    pub(super) ca: Option<PathBuf>,
    /// PEM file with our certificate, for brokers that ask for one.
    #[serde(default)]
    pub(super) certificate: Option<PathBuf>,
    /// PEM file with its private key.
    #[serde(default)]
    pub(super) key: Option<PathBuf>,
    #[serde(default)]
    pub(super) key_password: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    mechanism: Mechanism,
    username: String,
    password: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mechanism {
    /// The password itself; only together with `tls`.
    Plain,
    #[serde(rename = "scram_sha_256")]
    ScramSha256,
    #[serde(rename = "scram_sha_512")]
    ScramSha512,
}

/// A cluster, as a configuration names it.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    pub brokers: &'a [String],
    pub tls: Option<&'a Tls>,
    pub sasl: Option<&'a Sasl>,
}

impl Connection<'_> {
    /// The error is the key that is wrong, and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.brokers.is_empty() {
            return Err(("brokers", "`brokers` needs at least one `host:port`".to_owned()));
        }
        if let Some(bad) = self.brokers.iter().find(|broker| !is_host_and_port(broker)) {
            let message = format!("`brokers`: `{}` is not `host:port`", bad.escape_debug());
            return Err(("brokers", message));
        }
        if let Some(tls) = self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return Err(("tls", "`tls.certificate` and `tls.key` need each other".to_owned()));
        }
        if let Some(sasl) = self.sasl
            && sasl.mechanism == Mechanism::Plain
            && self.tls.is_none()
        {
            let message = "`sasl.mechanism: plain` would send the password readable: configure `tls`, \
                           or use scram_sha_512";
            return Err(("sasl", message.to_owned()));
        }
        Ok(())
    }

    /// Sets librdkafka's settings; relative paths start in `directory`.
    pub fn apply(&self, config: &mut ClientConfig, directory: &Path) {
        let path = |path: &Path| directory.join(path).to_string_lossy().into_owned();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("security.protocol", self.security_protocol());
        if let Some(tls) = self.tls {
            for (name, file) in [
                ("ssl.ca.location", &tls.ca),
                ("ssl.certificate.location", &tls.certificate),
                ("ssl.key.location", &tls.key),
            ] {
                if let Some(file) = file {
                    config.set(name, path(file));
                }
            }
            if let Some(password) = &tls.key_password {
                config.set("ssl.key.password", password.expose());
            }
        }
        if let Some(sasl) = self.sasl {
            config
                .set("sasl.mechanism", sasl.mechanism.name())
                .set("sasl.username", &sasl.username)
                .set("sasl.password", sasl.password.expose());
        }
    }

    fn security_protocol(&self) -> &'static str {
        match (self.tls.is_some(), self.sasl.is_some()) {
            (false, false) => "plaintext",
            (true, false) => "ssl",
            (false, true) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        }
    }
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

fn is_host_and_port(broker: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    broker.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && host.bytes().all(allowed) && port.parse::<u16>().is_ok_and(|p| p > 0)
    })
}
