//! The configuration file: one for router and agent, strict, and checked before anything starts.

mod output;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::{
    JsonSchema, Schema, SchemaGenerator, json_schema,
    transform::{RecursiveTransform, Transform},
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use service::{
    access::Auth,
    config::{ConfigError, Document, HumanBytes, HumanDuration},
    server::ServerLimits,
    telemetry::Logs,
    tls::ServerTls,
};

pub use self::output::OutputConfig;
use crate::{
    history::HistoryConfig,
    ingest::IngestConfig,
    kubernetes::KubernetesConfig,
    meta::MetaConfig,
    pipeline::{
        FingerprintRule, Inhibition, Intervals, Limits, PipelineConfig, Route, ScoreConfig,
        Silence, SilenceNotices, StormConfig, Window,
    },
    responder::ResponderConfig,
};

/// Environment variables that start with this override the file.
pub const ENVIRONMENT_PREFIX: &str = "SAKER_";

/// The whole file. `A` is the agent's part and `R` the responder's; a router alone reads neither.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    bound(deserialize = "A: Deserialize<'de> + Default, R: Deserialize<'de> + Default")
)]
#[schemars(bound = "A: JsonSchema + Default, R: JsonSchema + Default")]
pub struct Config<A = Unread, R = Unread> {
    #[serde(default)]
    pub router: RouterConfig,
    /// Destinations, by the name routes know them by.
    #[serde(default)]
    pub outputs: BTreeMap<String, OutputConfig>,
    /// Who hears of which alerts: the first that matches takes an alert. Without any, all outputs
    /// hear of all alerts.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Times of the calendar that routes name in `active` and `mute`.
    #[serde(default)]
    pub intervals: Intervals,
    #[serde(default)]
    pub silences: Vec<Silence>,
    #[serde(default)]
    pub silence_notices: SilenceNotices,
    /// What hides other findings while it is active.
    #[serde(default)]
    pub inhibitions: Vec<Inhibition>,
    /// Maintenance windows: times in which people do not hear of what is being worked on.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// What makes two alerts of a rule the same thing, where the default does not fit.
    #[serde(default)]
    pub fingerprints: Vec<FingerprintRule>,
    #[serde(default)]
    pub score: ScoreConfig,
    /// When a source floods; without it, nothing is summed up.
    #[serde(default)]
    pub storm: Option<StormConfig>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub logs: Logs,
    #[serde(default)]
    pub agent: A,
    #[serde(default)]
    pub response: R,
    /// Where it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// A part of the file that belongs to another program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Unread {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Unread".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// The router's own part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouterConfig {
    /// Where alerts come in.
    pub listen: SocketAddr,
    /// TLS for `listen`; plain HTTP if absent.
    pub tls: Option<ServerTls>,
    /// Where the API, health and metrics are.
    pub api: SocketAddr,
    /// TLS for `api`; plain HTTP if absent.
    pub api_tls: Option<ServerTls>,
    /// Who may use the API.
    pub auth: Auth,
    /// Folder of the journal and everything else the router keeps.
    pub data: PathBuf,
    pub ingest: IngestConfig,
    /// Where the owners of pods are known; absent: alerts keep what their senders say.
    pub kubernetes: Option<KubernetesConfig>,
    /// Who may do something about alerts; absent: nobody is told for that.
    pub responder: Option<ResponderConfig>,
    /// When people are told of trouble of Saker itself.
    pub meta: MetaConfig,
    /// Bounds of the connections to each of the two ports.
    pub connections: ServerLimits,
    pub journal: JournalConfig,
    /// Size of the log of what is decided, which the history follows; the oldest is forgotten.
    pub decisions_bytes_max: HumanBytes,
    /// How far back `explain`, lists of alerts and the account of a span reach.
    pub history: HistoryConfig,
    /// Time deliveries under way have to end when the router stops.
    pub drain: HumanDuration,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 2801)),
            tls: None,
            api: SocketAddr::from(([127, 0, 0, 1], 2802)),
            api_tls: None,
            auth: Auth::default(),
            data: PathBuf::from("/var/lib/saker"),
            ingest: IngestConfig::default(),
            kubernetes: None,
            responder: None,
            meta: MetaConfig::default(),
            connections: ServerLimits::default(),
            journal: JournalConfig::default(),
            decisions_bytes_max: HumanBytes(1 << 30),
            history: HistoryConfig::default(),
            drain: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Bounds of the journal.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// Size of all segments. When they are full but for the reserve, alerts below Critical are
    /// answered with 503.
    pub bytes_max: HumanBytes,
    /// Share of `bytes_max` that is left for alerts of Critical and above and for what the router
    /// notes itself, as far as two segments fit beside it; at most 50, and 0: none.
    pub reserve_percent: u8,
    /// Days that its records and the decisions are kept once nobody needs them; 0: as long as there
    /// is room.
    pub days_max: u16,
    /// Size of one segment; space is taken in these steps.
    pub segment_bytes: HumanBytes,
    /// Records applied after which the state is written down, so that a start need not read them.
    pub snapshot_records: u64,
    /// As `snapshot_records`, in time.
    pub snapshot_interval: HumanDuration,
    /// Time after which the next snapshot is held against what a replay of the journal comes to;
    /// `0s`: never.
    pub check_interval: HumanDuration,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            bytes_max: HumanBytes(4 << 30),
            reserve_percent: 10,
            days_max: 30,
            segment_bytes: HumanBytes(64 << 20),
            snapshot_records: 100_000,
            snapshot_interval: HumanDuration(Duration::from_secs(60)),
            check_interval: HumanDuration(Duration::from_secs(60 * 60)),
        }
    }
}

impl<A, R> Config<A, R>
where
    A: serde::de::DeserializeOwned + Default,
    R: serde::de::DeserializeOwned + Default,
{
    /// Reads the file and the environment, and checks everything that can be checked without
    /// touching a destination: references, conditions, templates.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let (mut config, document) = service::config::load::<Self>(path, ENVIRONMENT_PREFIX)?;
        config.file = path.map(Path::to_owned);
        config.check(&document)?;
        Ok(config)
    }

    /// Reads a configuration from text, with the same checks; relative paths start in `folder`.
    pub fn parse(name: &str, text: String, folder: &Path) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let (config, document) =
            service::config::read::<Self>(name, text, folder, ENVIRONMENT_PREFIX, variables)?;
        config.check(&document)?;
        Ok(config)
    }
}

impl<A, R> Config<A, R> {
    /// Returns the folder that relative paths start from.
    pub fn folder(&self) -> PathBuf {
        let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
    }

    /// Returns what shapes decisions.
    pub fn pipeline(&self) -> PipelineConfig {
        PipelineConfig {
            outputs: self.outputs.keys().cloned().collect(),
            outputs_updated_in_place: self
                .outputs
                .iter()
                .filter(|(_, output)| output.updates_in_place())
                .map(|(name, _)| name.clone())
                .collect(),
            outputs_untold_of_ends: self
                .outputs
                .iter()
                .filter(|(_, output)| !output.send_resolved)
                .map(|(name, _)| name.clone())
                .collect(),
            own_routes: self.router.meta.routes(),
            senders: self.router.meta.senders.keys().cloned().collect(),
            learn_senders: self.router.meta.senders_learnt.is_some(),
            routes: self.routes.clone(),
            intervals: self.intervals.clone(),
            silences: self.silences.clone(),
            silence_notices: self.silence_notices.clone(),
            inhibitions: self.inhibitions.clone(),
            windows: self.windows.clone(),
            fingerprints: self.fingerprints.clone(),
            score: self.score.clone(),
            storm: self.storm.clone(),
            limits: self.limits.clone(),
        }
    }

    fn check(&self, document: &Document) -> Result<(), ConfigError> {
        for name in self.outputs.keys() {
            if let Err(reason) = output::check_name(name) {
                return Err(document.error(&format!("outputs.{name}"), reason, None));
            }
        }
        let names: Vec<&str> = self.outputs.keys().map(String::as_str).collect();
        if let Some(problem) = self.pipeline().validate(&names).into_iter().next() {
            return Err(document.error(&problem.path, problem.message, problem.hint.as_deref()));
        }
        if let Err((key, message, hint)) = self.router.meta.check(&names) {
            let path = format!("router.meta.{key}");
            return Err(document.error(&path, message, hint.as_deref()));
        }
        for (name, output) in &self.outputs {
            for (part, file) in &output.templates {
                let path = format!("outputs.{name}.templates.{part}");
                output
                    .check_template(part, &self.folder().join(file))
                    .map_err(|error| document.error(&path, error.to_string(), None))?;
            }
            if let Some(rate) = output.send.rate
                && !(rate.per_second.is_finite() && rate.per_second > 0.0)
            {
                let path = format!("outputs.{name}.send.rate.per_second");
                return Err(document.error(&path, "must be more than 0", None));
            }
        }
        let certificates_asked =
            self.router.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if let Some((key, message, hint)) = self.router.ingest.problem(certificates_asked) {
            let path = format!("router.ingest.{key}");
            return Err(document.error(&path, message, hint.as_deref()));
        }
        if self.router.journal.reserve_percent > 50 {
            let hint = "the rest of the journal takes all other alerts";
            let key = "router.journal.reserve_percent";
            return Err(document.error(key, "at most 50", Some(hint)));
        }
        self.check_access(document)
    }

    fn check_access(&self, document: &Document) -> Result<(), ConfigError> {
        let loopback = match self.router.api.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        if !loopback && self.router.auth.tokens.is_empty() {
            let hint = "add `router.auth.tokens`, or listen on 127.0.0.1";
            let message = "the API would be open to the network without a token";
            return Err(document.error("router.api", message, Some(hint)));
        }
        Ok(())
    }
}

/// Returns the JSON schema of the file, for editors and documentation.
pub fn schema<A: JsonSchema + Default, R: JsonSchema + Default>() -> Schema {
    let mut schema = schemars::schema_for!(Config<A, R>);
    RecursiveTransform(allow_replacement).transform(&mut schema);
    schema
}

/// Lets `${env:NAME}` and `${file:PATH}` stand where a text of some form is asked for: they are
/// replaced before the form is looked at.
fn allow_replacement(schema: &mut Schema) {
    if let Some(serde_json::Value::String(pattern)) = schema.get_mut("pattern") {
        *pattern = format!(r"{pattern}|\$\{{(env|file):");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_the_schema_refers_to_is_in_it() {
        let schema = serde_json::to_value(schema::<Unread, Unread>()).unwrap();
        let text = schema.to_string();
        let references: Vec<&str> =
            text.split("\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 20);
        for name in references {
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
        assert_eq!(text.matches("\"$defs\"").count(), 1, "a part has definitions of its own");
    }

    #[test]
    fn a_text_of_some_form_may_come_from_a_file_or_the_environment() {
        let text = serde_json::to_string(&schema::<Unread, Unread>()).unwrap();
        let patterns = text.matches("\"pattern\":").count();
        assert!(patterns > 0);
        assert_eq!(text.matches("(env|file):").count(), patterns);
    }

    #[test]
    fn every_section_of_the_file_is_known_to_the_programs_that_share_it() {
        let schema = serde_json::to_value(schema::<Unread, Unread>()).unwrap();
        let here: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(here, BTreeSet::from(service::config::SECTIONS));
    }
}
