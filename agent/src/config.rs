//! The agent's part of the configuration file. Every default suits one machine without a file.

mod enforce;
mod overload;
mod rules;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use alert::Priority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{
    client::Files,
    config::{HumanBytes, HumanDuration, SafeUrl, Secret},
};

use crate::{
    detect::Limits,
    enrich::resolver::ResolverOptions,
    sensor::{BackendChoice, ContainerOptions, SensorOptions},
    uplink::UplinkOptions,
};

pub use enforce::{EnforceAction, EnforceConfig, EnforceMode, EnforceRuleConfig};
pub use overload::{EventLimitsConfig, MuteConfig};
pub use rules::{
    AppendOutputConfig, ExtraFieldConfig, OutputMatchConfig, PickConfig, SelectionConfig,
};

const HOLD_MAX: Duration = Duration::from_secs(1);

/// What the agent watches, which rules it applies and where its alerts go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Rule files, or folders of them, in order; later ones may change earlier ones. Without any,
    /// the built-in rules apply.
    pub rules: Vec<PathBuf>,
    /// Load the built-in rules before `rules`.
    pub builtin_rules: bool,
    /// Rules less severe than this raise no alerts.
    #[schemars(with = "String")]
    pub priority: Priority,
    /// Enables and disables rules, whatever their files say; a later entry beats an earlier one.
    pub rule_selection: Vec<SelectionConfig>,
    /// What is appended to outputs and alerts of rules, in this order.
    pub append_output: Vec<AppendOutputConfig>,
    /// Values that conditions and outputs may name as `static.KEY`.
    pub static_fields: BTreeMap<String, String>,
    /// The name in alerts; the machine's own if absent.
    pub hostname: Option<String>,
    /// Address of `/live`, `/ready`, `/metrics` and `/status`.
    pub admin: SocketAddr,
    /// Let other machines change the log level there.
    pub admin_remote_writes: bool,
    pub record: RecordConfig,
    pub limits: LimitsConfig,
    pub sensor: SensorConfig,
    pub containers: ContainersConfig,
    pub names: NamesConfig,
    /// The router to bring alerts to; without one they are only printed.
    pub router: Option<RouterConfig>,
    pub spool: SpoolConfig,
    /// Take orders to end processes and to tell of them; absent, none are taken.
    pub actions: Option<ActionsConfig>,
    pub enforce: EnforceConfig,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            builtin_rules: false,
            priority: Priority::Debug,
            rule_selection: Vec::new(),
            append_output: Vec::new(),
            static_fields: BTreeMap::new(),
            hostname: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 2803)),
            admin_remote_writes: false,
            record: RecordConfig::default(),
            limits: LimitsConfig::default(),
            sensor: SensorConfig::default(),
            containers: ContainersConfig::default(),
            names: NamesConfig::default(),
            router: None,
            spool: SpoolConfig::default(),
            actions: None,
            enforce: EnforceConfig::default(),
        }
    }
}

/// Where `saker record` asks for events. Only root and the agent's own user can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecordConfig {
    /// Whether events can be asked for at all.
    pub enabled: bool,
    /// Absent: `/run/saker/agent.sock` for root, else below the user's runtime folder.
    pub socket: Option<PathBuf>,
    /// Record what happened around alerts; absent, nothing is.
    pub around: Option<AroundConfig>,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { enabled: true, socket: None, around: None }
    }
}

/// What is recorded around alerts of which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AroundConfig {
    /// Names of rules, in which `*` stands for any text.
    pub rules: Vec<String>,
    /// Which events are kept, in the rule language.
    pub condition: String,
    /// Seconds before an alert, and as many after it; at most 300.
    pub seconds: u32,
    /// Memory for the events before an alert. A file ends at twice that.
    pub bytes_max: HumanBytes,
    /// Absent: `/var/lib/saker/recordings`.
    pub folder: Option<PathBuf>,
    /// Files kept; the oldest go first.
    pub files_max: usize,
    /// Bytes of all files kept.
    pub folder_bytes_max: HumanBytes,
}

impl Default for AroundConfig {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            condition: "evt.type in (execve, procexit, connect) or evt.is_open_write = true"
                .to_owned(),
            seconds: 10,
            bytes_max: HumanBytes(16 << 20),
            folder: None,
            files_max: 64,
            folder_bytes_max: HumanBytes(256 << 20),
        }
    }
}

impl AroundConfig {
    const SECONDS_MAX: u32 = 300;

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(crate::around::default_folder)
    }

    pub(crate) fn span_ns(&self) -> u64 {
        crate::around::seconds_ns(self.seconds.clamp(1, Self::SECONDS_MAX).into())
    }
}

impl RecordConfig {
    /// Returns the socket to listen on, if any.
    pub fn socket(&self) -> Option<PathBuf> {
        if !self.enabled {
            return None;
        }
        self.socket.clone().or_else(crate::tap::default_path)
    }
}

/// What one rule may raise, so that a noisy one cannot flood everything behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Alerts a second one rule may raise in the long run.
    pub rule_alerts_per_second_max: u32,
    /// Alerts one rule may raise at once.
    pub rule_alerts_burst_max: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { rule_alerts_per_second_max: 100, rule_alerts_burst_max: 2000 }
    }
}

/// How the kernel is watched, and how much memory that may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SensorConfig {
    /// Ring for starts, forks and exits of processes; a power of two.
    pub prio_ring_bytes: HumanBytes,
    /// Ring for everything else; a power of two.
    pub bulk_ring_bytes: HumanBytes,
    /// Drop in the kernel what no loaded rule can match.
    pub filter: bool,
    /// Processes remembered at once.
    pub processes_max: usize,
    /// Where system calls are watched: `auto`, or one back end alone to rule the other out.
    pub backend: BackendChoice,
    pub limits: EventLimitsConfig,
    /// Processes that are left out, with all that descend from them.
    pub mute: Vec<MuteConfig>,
}

impl Default for SensorConfig {
    fn default() -> Self {
        let options = SensorOptions::default();
        Self {
            prio_ring_bytes: HumanBytes(options.prio_ring_bytes.into()),
            bulk_ring_bytes: HumanBytes(options.bulk_ring_bytes.into()),
            filter: true,
            processes_max: options.processes_max,
            backend: options.backend,
            limits: EventLimitsConfig::default(),
            mute: Vec::new(),
        }
    }
}

/// Where names, images and pods of containers are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainersConfig {
    /// Sockets of container runtimes (CRI, containerd, Docker, Podman); those that are there are asked:
    /// first the one a container's cgroup names, then the others in this order. Empty: the usual places.
    pub sockets: Vec<PathBuf>,
    /// The folder that has one for each user, by number, with the sockets of that user's own Docker
    /// and Podman. Empty: these are not asked.
    pub users: PathBuf,
    /// Folders in which Podman and CRI-O store containers; read where no runtime answers.
    pub storages: Vec<PathBuf>,
    /// The longest an event waits for the word about its container; at most a second.
    pub hold: HumanDuration,
    /// Events that may wait at once.
    pub hold_events_max: usize,
}

impl Default for ContainersConfig {
    fn default() -> Self {
        let options = ContainerOptions::default();
        Self {
            sockets: Vec::new(),
            users: options.users.unwrap_or_default(),
            storages: options.storages,
            hold: HumanDuration(options.hold),
            hold_events_max: options.hold_events_max,
        }
    }
}

/// How the names that rules mention as `fd.sip.name` and its like are looked up. Without such rules
/// nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamesConfig {
    /// Whether they are looked up at all.
    pub enabled: bool,
    /// Time from one look-up of a name to the next; at least a second.
    pub refresh: HumanDuration,
    /// Names looked up; further ones are counted and have no addresses.
    pub names_max: usize,
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self { enabled: true, refresh: HumanDuration(Duration::from_mins(1)), names_max: 1024 }
    }
}

impl NamesConfig {
    pub(crate) fn options(&self) -> ResolverOptions {
        ResolverOptions {
            refresh: self.refresh.0.max(Duration::from_secs(1)),
            names_max: if self.enabled { self.names_max } else { 0 },
        }
    }
}

/// How to reach the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// For example `https://router:2801`.
    pub url: SafeUrl,
    /// Sent as a bearer token.
    #[serde(default)]
    pub token: Option<Secret>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file of the agent's own certificate, for a router that asks for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Time for one batch, answer included.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    #[serde(default = "default_batch_alerts_max")]
    pub batch_alerts_max: usize,
    /// Size of a batch before compression.
    #[serde(default = "default_batch_bytes_max")]
    pub batch_bytes_max: HumanBytes,
}

const fn default_timeout() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(30))
}

const fn default_batch_alerts_max() -> usize {
    500
}

const fn default_batch_bytes_max() -> HumanBytes {
    HumanBytes(1 << 20)
}

/// Where alerts wait for the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// Absent: `/var/lib/saker/spool` for root, else below the user's state folder.
    pub dir: Option<PathBuf>,
    pub bytes_max: HumanBytes,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { dir: None, bytes_max: HumanBytes(256 << 20) }
    }
}

impl SpoolConfig {
    /// Returns the folder to use.
    pub fn dir(&self) -> PathBuf {
        if let Some(dir) = &self.dir {
            return dir.clone();
        }
        if rustix::process::geteuid().is_root() {
            return PathBuf::from("/var/lib/saker/spool");
        }
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        state.or_else(home).unwrap_or_else(std::env::temp_dir).join("saker/spool")
    }
}

/// From whom the agent takes orders, and how far they may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsConfig {
    /// For example `0.0.0.0:2804`.
    pub listen: SocketAddr,
    pub tls: ActionsTls,
    /// First DNS names of the certificates whose holders may order.
    #[serde(default = "default_clients", deserialize_with = "clients")]
    pub clients: Vec<String>,
    /// First DNS names of the certificates whose holders may ask for events, which hold arguments and
    /// environments; none unless named.
    #[serde(default)]
    pub watchers: Vec<String>,
    /// Also end processes that are in no container.
    #[serde(default)]
    pub host_processes: bool,
}

/// Certificates of the agent's orders: without an authority for clients nobody could be told apart,
/// so it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsTls {
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file of the authorities of those who may order.
    pub client_ca: PathBuf,
}

fn default_clients() -> Vec<String> {
    vec!["saker-responder".to_owned()]
}

fn clients<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let clients = Vec::<String>::deserialize(deserializer)?;
    if clients.is_empty() || clients.iter().any(String::is_empty) {
        return Err(serde::de::Error::custom(
            "names at least one DNS name, and none that is empty",
        ));
    }
    Ok(clients)
}

impl AgentConfig {
    pub(crate) fn sensor_options(&self, environment: bool) -> SensorOptions {
        SensorOptions { containers: self.containers.options(), ..self.sensor.options(environment) }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            rate: self.limits.rule_alerts_per_second_max.into(),
            burst: self.limits.rule_alerts_burst_max.max(1).into(),
        }
    }
}

impl SensorConfig {
    fn options(&self, environment: bool) -> SensorOptions {
        let ring = |bytes: HumanBytes| {
            let bytes = u32::try_from(bytes.0).unwrap_or(1 << 30);
            bytes.clamp(4096, 1 << 30).next_power_of_two()
        };
        SensorOptions {
            prio_ring_bytes: ring(self.prio_ring_bytes),
            bulk_ring_bytes: ring(self.bulk_ring_bytes),
            backend: self.backend,
            processes_max: self.processes_max,
            environment,
            limits: self.limits.options(),
            mutes: self.mute.iter().map(MuteConfig::mute).collect(),
            ..SensorOptions::default()
        }
    }
}

impl ContainersConfig {
    fn options(&self) -> ContainerOptions {
        let options = ContainerOptions::default();
        ContainerOptions {
            sockets: match self.sockets.is_empty() {
                true => options.sockets,
                false => self.sockets.clone(),
            },
            users: Some(self.users.clone()).filter(|folder| !folder.as_os_str().is_empty()),
            storages: self.storages.clone(),
            // Later ones would look like a clock set back to what limits alerts.
            hold: self.hold.0.min(HOLD_MAX),
            hold_events_max: self.hold_events_max,
        }
    }
}

impl RouterConfig {
    pub(crate) fn options(&self) -> UplinkOptions {
        UplinkOptions {
            url: self.url.expose().clone(),
            token: self.token.as_ref().map(|token| token.expose().to_owned()),
            identity: Files {
                authorities: self.ca.clone(),
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            timeout: self.timeout.0,
            batch_alerts_max: self.batch_alerts_max.clamp(1, 10_000),
            batch_bytes_max: usize::try_from(self.batch_bytes_max.0.clamp(1 << 10, 16 << 20))
                .unwrap_or(1 << 20),
        }
    }
}
