//! Which workload and node an alert is about, as the Kubernetes API tells it.
//!
//! Pods, ReplicaSets and Jobs are watched, and of each only what resolves an owner is kept. The
//! fields are put on alerts as they come in, before they are written down. What Kubernetes cannot
//! tell has a reason code; it never keeps an alert from being taken.

mod complete;
mod store;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{
    Client,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{config::HumanDuration, shutdown::Shutdown, tls};
use tokio::sync::{Semaphore, watch as changes};

pub(crate) use self::complete::OWNER_MISSING;
use self::{
    complete::Missed,
    store::{Kind, Store},
    watch::{Health, Watch},
};
use crate::metrics::OwnerMetrics;

/// Time for a connection to the API server, and for it to take a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The cluster the router asks for the owners of pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// File with the address and credentials; absent: the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// Becomes `k8s.cluster.name`.
    pub cluster: Option<String>,
    /// Longest an alert waits for a pod that Kubernetes has not told of yet.
    pub wait: HumanDuration,
    /// Requests with alerts that may wait at a time; further ones go on without.
    pub waiters_max: usize,
    /// Pods, ReplicaSets and Jobs known at a time, those that were deleted lately included.
    pub objects_max: usize,
    /// Time for which a deleted object is still known: its last alerts come late.
    pub kept_after_deletion: HumanDuration,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            cluster: None,
            wait: HumanDuration(Duration::from_millis(200)),
            waiters_max: 256,
            objects_max: 200_000,
            kept_after_deletion: HumanDuration(Duration::from_secs(600)),
        }
    }
}

/// It is not known how to reach the API server. Whether it answers is found out later.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    #[error("failed to read `{}`", .path.display())]
    Kubeconfig { path: PathBuf, source: KubeconfigError },
    #[error("failed to use the pod's service account; outside a cluster, name a `kubeconfig`")]
    InCluster(#[from] InClusterError),
    #[error("failed to set up the client for the API server")]
    Client(#[from] kube::Error),
}

/// What is known of the cluster's pods and their owners.
#[derive(Debug)]
pub struct Owners {
    config: KubernetesConfig,
    state: Mutex<State>,
    /// Told of every change of the state.
    changed: changes::Sender<()>,
    waiters: Semaphore,
    metrics: OwnerMetrics,
}

#[derive(Debug)]
struct State {
    store: Store,
    /// How each watch is, by [`Kind`].
    health: [Health; Kind::ALL.len()],
    missed: Missed,
}

impl Owners {
    fn new(config: KubernetesConfig, metrics: OwnerMetrics) -> Self {
        let store = Store::new(config.objects_max, config.kept_after_deletion.0);
        let health = Kind::ALL.map(|_| Health::default());
        Self {
            waiters: Semaphore::new(config.waiters_max.min(Semaphore::MAX_PERMITS)),
            config,
            state: Mutex::new(State { store, health, missed: Missed::default() }),
            changed: changes::Sender::new(()),
            metrics,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and wakes who waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    /// Brings the gauges up to date and forgets what was deleted long ago.
    pub(crate) fn measure(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.store.expire(now);
        for kind in Kind::ALL {
            let lag = state.health[kind as usize].lag(now);
            self.metrics.measure(kind.name(), state.store.count(kind), lag);
        }
        let refused = std::mem::take(&mut state.store.refused);
        self.metrics.refused.inc_by(refused);
    }
}

/// Begins to watch. Returns before anything is known; nothing waits for the API server.
pub(crate) async fn start(
    config: KubernetesConfig,
    metrics: OwnerMetrics,
    shutdown: &Shutdown,
) -> Result<Arc<Owners>, KubernetesError> {
    tls::install_crypto_provider();
    let mut access = match &config.kubeconfig {
        None => kube::Config::incluster()?,
        Some(path) => {
            let fail = |source| KubernetesError::Kubeconfig { path: path.clone(), source };
            let file = Kubeconfig::read_from(path).map_err(fail)?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options).await.map_err(fail)?
        }
    };
    access.connect_timeout = Some(CONNECT_TIMEOUT);
    access.write_timeout = Some(CONNECT_TIMEOUT);
    let client = Client::try_from(access)?;
    let owners = Arc::new(Owners::new(config, metrics));
    for kind in Kind::ALL {
        let watch = Watch::new(client.clone(), kind, Arc::clone(&owners));
        let watching = shutdown.token().clone().run_until_cancelled_owned(watch.run());
        shutdown.spawn(format!("watch of {}", kind.resource()), watching);
    }
    Ok(owners)
}
