//! The contract between the router's dispatcher and an output.
//!
//! An output makes one attempt and tells what came of it. Queues, retries, deadlines, metrics and
//! logs belong to the dispatcher, so that they are the same for every kind.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alert::Notification;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use templates::{Engine, Override, Part, TemplateError};

/// Delivers notifications to one configured destination.
#[async_trait]
pub trait Output: Send + Sync {
    /// Makes one attempt. Never retries, counts or logs. Dropping the future abandons the attempt
    /// and leaves nothing behind.
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError>;

    /// Returns whether it reads [`Delivery::previous`]. Who does not spares its attempts a question
    /// about the router's state.
    fn reads_previous(&self) -> bool {
        true
    }

    /// Looks, without side effects, whether the destination would accept a delivery.
    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

impl fmt::Debug for dyn Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

/// One notification, rendered for this output.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Its `id` is the idempotency key: the same after a retry, a restart or a replay.
    pub notification: &'a Notification,
    /// The rendered text parts, by the names in [`Kind::PARTS`].
    pub parts: &'a Parts,
    /// Receipt of the group's last delivered notification to this output, to update or answer it.
    pub previous: Option<&'a Receipt>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// Rendered texts by part name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(pub BTreeMap<&'static str, String>);

impl From<templates::Rendered> for Parts {
    fn from(rendered: templates::Rendered) -> Self {
        Self(rendered.parts)
    }
}

impl Parts {
    /// Returns a part's text; a part that was not rendered is empty.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Proof that the destination took a notification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The destination's own name for what it took: a Slack channel and `ts`, a Kafka partition
    /// and offset, a Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// What else the kind needs to update it later.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, String>,
}

impl Receipt {
    /// Accepted, by a destination that gives no name to it.
    pub fn accepted() -> Self {
        Self::default()
    }

    /// Accepted, under the destination's own name.
    pub fn remote(id: impl Into<String>) -> Self {
        Self { remote_id: Some(id.into()), state: BTreeMap::new() }
    }
}

/// Why an attempt failed; the variant decides what happens next.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Try again, not before `retry_after` if the destination said so.
    #[error("the destination is unavailable: {reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// This notification will never be taken: it becomes a dead letter.
    #[error("the destination rejected the notification: {reason}")]
    Rejected { reason: String },
    /// Our credentials or rights are wrong: nothing will be taken until a person acts, so the
    /// breaker opens and the queue is kept.
    #[error("the destination denied access: {reason}")]
    Denied { reason: String },
    /// The destination says that it wants no more: as above, and it is not to be asked again and
    /// again.
    #[error("the destination is gone: {reason}")]
    Gone { reason: String },
}

/// A kind of output. The type is its configuration.
pub trait Kind: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Config key, metric label, template folder and doc page.
    const NAME: &'static str;
    /// What it renders.
    const PARTS: &'static [Part];
    /// The smallest valid configuration, as YAML; docs and tests use it.
    const EXAMPLE: &'static str;

    /// Checks what the types cannot say. Pure; the message names the key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns whether a later notification of a group edits what the first one made, so that the
    /// destination shows the group's state rather than its history.
    fn updates_in_place(&self) -> bool {
        false
    }

    /// Makes the output. May open clients; must be called inside a tokio runtime.
    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError>;
}

/// What an output may use while it is built.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// Name of the configured output, for error messages and `User-Agent`s.
    pub output: String,
    /// Folder of the configuration file: relative paths start here.
    pub directory: PathBuf,
    /// Bound of one attempt; clients set it as their own time-out too.
    pub attempt_timeout: Duration,
}

/// The output could not be made from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct BuildError {
    pub reason: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BuildError {
    /// An error without a source.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None }
    }

    /// An error that something else caused.
    pub fn caused(
        reason: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { reason: reason.into(), source: Some(source.into()) }
    }
}

/// A parsed and validated configuration of some kind, ready to build.
pub trait Configured: Send + Sync {
    /// Returns whether the output edits what it made; see [`Kind::updates_in_place`].
    fn updates_in_place(&self) -> bool;

    /// Makes the output; see [`Kind::build`].
    fn build(self: Box<Self>, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError>;
}

impl<K: Kind> Configured for K {
    fn updates_in_place(&self) -> bool {
        Kind::updates_in_place(self)
    }

    fn build(self: Box<Self>, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        Kind::build(*self, context)
    }
}

type Parse =
    fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Box<dyn Configured>, erased_serde::Error>;

/// A kind without its type: what the registry holds.
#[derive(Debug)]
pub struct Descriptor {
    pub name: &'static str,
    pub parts: &'static [Part],
    pub example: &'static str,
    /// Reads and validates a configuration.
    pub parse: Parse,
    /// JSON schema of the configuration; what it refers to is left with the generator.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

impl Descriptor {
    pub const fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            parts: K::PARTS,
            example: K::EXAMPLE,
            parse: |deserializer| {
                let kind = erased_serde::deserialize::<K>(deserializer)?;
                kind.validate().map_err(serde::de::Error::custom)?;
                Ok(Box::new(kind))
            },
            schema: K::json_schema,
        }
    }

    /// Compiles the kind's templates. `overrides` gives files by part name; relative ones start in
    /// `directory`.
    pub fn engine(
        &self,
        overrides: &BTreeMap<String, PathBuf>,
        directory: &Path,
    ) -> Result<Engine, TemplateError> {
        let overrides = overrides
            .iter()
            .map(|(part, file)| Override::read(part, &directory.join(file)))
            .collect::<Result<Vec<_>, _>>()?;
        Engine::new(self.parts, &overrides)
    }
}
