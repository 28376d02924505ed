//! A whole router in this process: starting it, reloading it, stopping it.

mod door;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alert::Alert;
use journal::{AppendError, Journal};
use prometheus::Registry;
use service::{
    ErrorChain,
    admin::Readiness,
    client::ClientError,
    config::HumanBytes,
    shutdown::Shutdown,
    telemetry::LevelHandle,
    tls::{Acceptor, TlsError},
};
use tokio::{
    sync::{Mutex, broadcast, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::door::Doors;
use crate::{
    alertmanager,
    api::{self, Api, types::ConfigStatus},
    config::{Config, RouterConfig},
    core::{self, Appender, Core, Handle, SubmitError},
    dispatch::Dispatcher,
    history::{self, HistoryConfig},
    ingest::{self, Ingest, KafkaConfig, Stamp},
    kubernetes::{self, KubernetesConfig, KubernetesError, Owners},
    live::{Live, Tail},
    machine::Local,
    meta::Meta,
    metrics::{CoreMetrics, DispatchMetrics, OwnerMetrics, SizeMetrics},
    pipeline::PipelineConfig,
    record::Record,
    responder::{Peer, Responder},
    world,
};

/// Folder of the journal in the data folder.
const JOURNAL: &str = "journal";
/// How often the gauges of sizes are brought up to date.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Size of one segment of the decision log, at most.
const DECISIONS_SEGMENT_BYTES: u64 = 64 << 20;

/// The router could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("failed to make the folder `{}`", .path.display())]
    Data { path: PathBuf, source: std::io::Error },
    #[error("failed to open the journal")]
    Journal(#[from] journal::OpenError),
    #[error("failed to let the history's records go")]
    History(#[from] journal::CursorError),
    #[error("failed to come to the state the journal describes")]
    Core(#[from] core::OpenError),
    #[error(transparent)]
    Output(#[from] world::OutputError),
    #[error("failed to listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("failed to use the certificates for {address}")]
    Tls { address: SocketAddr, source: TlsError },
    #[error("failed to reach the cluster of `router.kubernetes`")]
    Kubernetes(#[from] KubernetesError),
    #[error("failed to use `router.responder`")]
    Responder(#[from] ClientError),
    #[error("failed to start the Kafka inputs")]
    Kafka(#[from] ingest::kafka::StartError),
    #[error("failed to register metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("failed to start a thread")]
    Thread(#[source] std::io::Error),
    #[error("the start was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// A new configuration was not taken; the old one stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Output(#[from] world::OutputError),
    #[error("failed to use `router.responder`")]
    Responder(#[from] ClientError),
    #[error("failed to put the configuration in force")]
    Submit(#[from] SubmitError),
}

/// A started router. It stops when its [`Shutdown`] is cancelled.
#[derive(Debug)]
pub struct Running {
    /// Where alerts come in.
    pub ingest_addr: SocketAddr,
    /// Where the API, health and metrics are.
    pub api_addr: SocketAddr,
    core: Handle,
    ingest: Arc<Ingest>,
    stamp: Stamp,
    dispatcher: Arc<Dispatcher>,
    live: Live,
    api: Arc<Api>,
    acceptors: Vec<Arc<Acceptor>>,
    meta: Arc<Meta>,
    fixed: Fixed,
    reloading: Mutex<()>,
    ended: watch::Receiver<Option<End>>,
}

/// Hands alerts to the router without a network.
#[derive(Clone, Debug)]
pub struct IngestHandle {
    appender: Appender,
    stamp: Stamp,
    sender: String,
}

impl IngestHandle {
    /// Takes alerts; they are durable when this returns. Waits while the pipeline is as far behind as
    /// it may be.
    pub async fn append(&self, alerts: Vec<Alert>) -> Result<(), AppendError> {
        // As for those that come over the network: the pipeline's clock must not follow the sender's.
        let received = service::clock::now();
        let mut alerts: Vec<Alert> =
            alerts.into_iter().map(|alert| Alert { received, ..alert }).collect();
        self.stamp.put(&mut alerts, Some(&self.sender)).await;
        let is_urgent = ingest::is_urgent(&alerts);
        let place = self.appender.place(alerts.len(), is_urgent).await;
        let place = place.map_err(|_| AppendError::Closed)?;
        let records = alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
        self.appender.append(records, is_urgent, Some(place)).await.map(drop)
    }
}

/// How a router ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to stop, and what it knew is on disk.
    Stopped,
    /// It could not go on; the log says why. Nothing acknowledged is lost.
    Failed,
}

/// Starts a router. Its tasks belong to `shutdown`; it has stopped when they have.
pub async fn start<A, R>(
    mut config: Config<A, R>,
    shutdown: Shutdown,
    logs: LevelHandle,
) -> Result<Running, StartError> {
    let registry = Registry::new();
    service::metrics::register_process(&registry, env!("CARGO_PKG_VERSION"));
    let core_metrics = CoreMetrics::register(&registry)?;
    let dispatch_metrics = DispatchMetrics::register(&registry)?;
    let sizes = SizeMetrics::register(&registry)?;
    let owner_metrics = OwnerMetrics::register(&registry)?;

    // Whatever can be wrong is found before anything is written.
    let opening = Opening::new(&config);
    // Files of outputs often lie in it.
    let data = &config.router.data;
    std::fs::create_dir_all(data)
        .map_err(|source| StartError::Data { path: data.clone(), source })?;
    let outputs = world::outputs(&mut config)?;
    let folder = config.folder();
    let peer = config.router.responder.clone().map(Peer::new).transpose()?;
    let doors = Doors::open(&config.router).await?;
    let owners = match config.router.kubernetes.clone() {
        Some(config) => Some(kubernetes::start(config, owner_metrics, &shutdown).await?),
        None => None,
    };
    let stamp = Stamp::new(owners.clone());
    let live = Live::new();
    let stop_core = CancellationToken::new();
    let (core, core_handle) = {
        let (live, stop) = (live.clone(), stop_core.clone());
        let runtime = tokio::runtime::Handle::current();
        // It reads files, for as long as that takes.
        let opened = tokio::task::spawn_blocking(move || {
            runtime.block_on(opening.open(live, core_metrics, stop))
        });
        opened.await??
    };

    let dispatcher = Arc::new(Dispatcher::new(core_handle.clone(), dispatch_metrics));
    dispatcher.add(outputs);
    let core = core.start(dispatcher.clone()).map_err(StartError::Thread)?;
    let router = config.router;
    let (responder, feed) = Responder::start(core_handle.clone(), peer, &registry, &shutdown)?;
    let responder = Arc::new(responder);
    let (history, indexer) = history::start(
        core_handle.clone(),
        &router.data,
        router.history,
        router.journal.segment_bytes.0,
        &registry,
        &shutdown,
    )?;
    let parts = api::Parts {
        core: core_handle.clone(),
        history,
        dispatcher: Arc::clone(&dispatcher),
        responder: Arc::clone(&responder),
        live: live.clone(),
    };
    let api = Arc::new(Api::new(
        parts,
        router.auth.clone(),
        ConfigStatus::loaded(config.file.as_deref()),
        shutdown.token().clone(),
    ));
    let appender = core_handle.appender().clone();
    let ingest = Ingest::new(appender, router.ingest.clone(), stamp.clone(), &registry)?;
    let readiness = Readiness::default();
    let routes = api::routes(Arc::clone(&api), registry.clone(), readiness.clone(), logs)?;
    let (ingest_addr, api_addr) = (doors.ingest.addr, doors.api.addr);
    let acceptors = doors.acceptors();
    let ingest = Arc::new(ingest);
    let intake = ingest::routes(Arc::clone(&ingest)).merge(alertmanager::routes(Arc::clone(&api)));
    ingest::kafka::start(&ingest, &folder, &router.data, &shutdown)?;
    doors.ingest.serve("ingest", intake, &router.connections, &shutdown);
    doors.api.serve("api", routes, &router.connections, &shutdown);

    let measured = Measured { api: Arc::clone(&api), owners, responder, sizes };
    let measure = measured.for_ever(readiness);
    let measure = shutdown.token().clone().run_until_cancelled_owned(measure);
    shutdown.spawn("measure", measure);
    let meta = {
        let (core, api) = (core_handle.clone(), Arc::clone(&api));
        let (config, ingest, data) =
            (router.meta.clone(), Arc::clone(&ingest), router.data.clone());
        Meta::start(config, core, api, ingest, data, &registry, &shutdown)?
    };
    let (end, ended) = watch::channel(None);
    let stop = Stop {
        core,
        stop_core,
        dispatcher: dispatcher.clone(),
        feed,
        indexer,
        drain: router.drain.0,
    };
    let journal = core_handle.journal().clone();
    let watched = shutdown.clone();
    shutdown.spawn("router", async move {
        end.send_replace(Some(stop.when(watched).await));
        // Whoever still appends is told that it is over.
        journal.close();
    });
    info!(%ingest_addr, %api_addr, data = %router.data.display(), "the router is running");
    Ok(Running {
        ingest_addr,
        api_addr,
        core: core_handle,
        ingest,
        stamp,
        dispatcher,
        live,
        api,
        acceptors,
        meta,
        fixed: Fixed::of(&router),
        reloading: Mutex::new(()),
        ended,
    })
}

impl Running {
    /// Returns a way to hand alerts over without a network, for the part of this process that is
    /// named.
    pub fn ingest(&self, sender: &str) -> IngestHandle {
        IngestHandle {
            appender: self.core.appender().clone(),
            stamp: self.stamp.clone(),
            sender: format!("local:{sender}"),
        }
    }

    /// Returns a receiver of every alert decided from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Tail>> {
        self.live.subscribe()
    }

    /// Returns once the router has stopped, and how it ended.
    pub async fn ended(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        // Without a word, its task was aborted.
        end.unwrap_or(End::Failed)
    }

    /// Puts another configuration in force. State, queues and connections stay.
    pub async fn reload<A, R>(&self, mut config: Config<A, R>) -> Result<(), ReloadError> {
        let _one_at_a_time = self.reloading.lock().await;
        let pipeline = config.pipeline();
        let outputs = world::outputs(&mut config)?;
        let peer = config.router.responder.clone().map(Peer::new).transpose()?;
        // New outputs are there before the pipeline routes to them; those that were there change,
        // and old ones go, only when the journal has the configuration.
        let before = self.dispatcher.names();
        let (changed, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            outputs.into_iter().partition(|(name, _)| before.contains(name));
        let mut kept = self.dispatcher.add(new);
        if let Err(error) = self.configure(pipeline).await {
            self.dispatcher.keep(&before);
            return Err(error.into());
        }
        kept.extend(self.dispatcher.add(changed));
        self.dispatcher.keep(&kept);
        self.api.responder.configure(peer);
        self.meta.configure(config.router.meta.clone());
        self.ingest.configure(config.router.ingest.clone());
        for acceptor in &self.acceptors {
            if let Err(error) = acceptor.reload() {
                warn!(error = %ErrorChain(&error), "the old certificates stay in use");
            }
        }
        let fixed = Fixed::of(&config.router);
        if fixed != self.fixed {
            warn!(
                "`router.listen`, `api`, `data`, `tls`, `history`, `kubernetes`, `ingest.kafka`, or the bounds \
                 of `ingest` changed: this needs a restart"
            );
        }
        self.api.auth.store(Arc::new(config.router.auth));
        self.api.config.store(Arc::new(ConfigStatus::loaded(config.file.as_deref())));
        info!("the new configuration is in force");
        Ok(())
    }

    /// Writes the pipeline's configuration down, if it is another than the one in force.
    async fn configure(&self, pipeline: PipelineConfig) -> Result<(), SubmitError> {
        let wanted = pipeline.clone();
        let differs = self.core.ask(move |state| *state.pipeline.config() != wanted).await?;
        if differs {
            let at = service::clock::now();
            self.core.append(&[Record::Configured { at, config: Box::new(pipeline) }]).await?;
        }
        Ok(())
    }

    /// Notes that a new configuration was refused, for whoever asks for the status.
    pub fn refused(&self, reason: String) {
        let status = self.api.config.load_full();
        self.api
            .config
            .store(Arc::new(ConfigStatus { refused: Some(reason), ..(*status).clone() }));
    }
}

/// What a reload cannot change.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    listen: SocketAddr,
    api: SocketAddr,
    data: PathBuf,
    tls: [bool; 2],
    history: HistoryConfig,
    kubernetes: Option<KubernetesConfig>,
    bodies_bytes_max: HumanBytes,
    backlog_alerts_max: usize,
    series_max: usize,
    kafka: BTreeMap<String, KafkaConfig>,
}

impl Fixed {
    fn of(router: &RouterConfig) -> Self {
        Self {
            listen: router.listen,
            api: router.api,
            data: router.data.clone(),
            tls: [router.tls.is_some(), router.api_tls.is_some()],
            history: router.history,
            kubernetes: router.kubernetes.clone(),
            bodies_bytes_max: router.ingest.bodies_bytes_max,
            backlog_alerts_max: router.ingest.backlog_alerts_max,
            series_max: router.ingest.series_max,
            kafka: router.ingest.kafka.clone(),
        }
    }
}

/// What is needed to come to the state of before.
struct Opening {
    data: PathBuf,
    journal: journal::Options,
    core: core::Options,
    pipeline: PipelineConfig,
}

impl Opening {
    fn new<A, R>(config: &Config<A, R>) -> Self {
        let RouterConfig { data, journal, decisions_bytes_max, .. } = &config.router;
        let decisions_bytes_max = decisions_bytes_max.0;
        let days_max = Duration::from_secs(u64::from(journal.days_max) * DAY_SECONDS);
        let age_max = (journal.days_max > 0).then_some(days_max);
        let segment_bytes = (decisions_bytes_max / 4).min(DECISIONS_SEGMENT_BYTES) & !7;
        Self {
            data: data.clone(),
            journal: journal::Options {
                segment_bytes: journal.segment_bytes.0,
                bytes_max: journal.bytes_max.0,
                age_max,
                ..journal::Options::default()
            }
            .reserve_percent(journal.reserve_percent),
            core: core::Options {
                data: data.clone(),
                snapshot_records: journal.snapshot_records,
                snapshot_interval: journal.snapshot_interval.0,
                check_interval: journal.check_interval.0,
                backlog_records_max: config.router.ingest.backlog_alerts_max,
                decisions: journal::Options {
                    segment_bytes,
                    bytes_max: decisions_bytes_max,
                    age_max,
                    sync: journal::Sync::None,
                    ..journal::Options::default()
                },
                machine: Arc::new(Local),
            },
            pipeline: config.pipeline(),
        }
    }

    async fn open(
        self,
        live: Live,
        metrics: Arc<CoreMetrics>,
        stop: CancellationToken,
    ) -> Result<(Core, Handle), StartError> {
        let (journal, recovery) = Journal::open(&self.data.join(JOURNAL), self.journal)?;
        info!(
            first = recovery.records.start,
            next = recovery.records.end,
            torn_bytes = recovery.torn_bytes,
            "opened the journal"
        );
        history::give_way(&journal)?;
        let (mut core, handle) = core::open(journal, self.core, live, metrics, stop).await?;
        core.configure(self.pipeline).await?;
        Ok((core, handle))
    }
}

/// What has gauges.
struct Measured {
    api: Arc<Api>,
    owners: Option<Arc<Owners>>,
    responder: Arc<Responder>,
    sizes: SizeMetrics,
}

impl Measured {
    /// Brings gauges and readiness up to date, for ever.
    async fn for_ever(self, readiness: Readiness) {
        let core = &self.api.core;
        loop {
            self.sizes.config_refused(self.api.config.load().refused.is_some());
            let stat = core.journal().stat();
            match (&stat.failure, stat.exhausted) {
                (Some(failure), _) => readiness.fail("journal", failure.clone()),
                (None, true) => {
                    readiness.fail("journal", "the disk or `router.journal.bytes_max` is full")
                }
                (None, false) => readiness.pass("journal"),
            }
            match core.ask(|state| state.pipeline.counts()).await {
                Ok(counts) => self.sizes.set(&stat, core.applied(), &counts),
                Err(stopped) => return readiness.fail("core", stopped.to_string()),
            }
            self.api.dispatcher.measure();
            self.responder.measure();
            if let Some(owners) = &self.owners {
                owners.measure();
            }
            tokio::time::sleep(MEASURE_INTERVAL).await;
        }
    }
}

/// What is stopped, in its order.
struct Stop {
    core: core::Started,
    stop_core: CancellationToken,
    dispatcher: Arc<Dispatcher>,
    feed: JoinHandle<()>,
    indexer: JoinHandle<()>,
    drain: Duration,
}

impl Stop {
    /// Waits for the shutdown, and stops: first deliveries, then the core, which writes its state
    /// down. If the core cannot go on, it shuts everything down.
    async fn when(self, shutdown: Shutdown) -> End {
        let Self { core, stop_core, dispatcher, feed, indexer, drain } = self;
        let mut ended = std::pin::pin!(core.ended());
        let failed = tokio::select! {
            () = shutdown.cancelled() => false,
            () = &mut ended => true,
        };
        shutdown.cancel();
        for output in dispatcher.drain(drain).await {
            warn!(output, "still delivering at the end; it comes again after the next start");
        }
        // They ask the core and move their cursors, so they end first.
        feed.await.ok();
        indexer.await.ok();
        if failed {
            error!("the router stops because its core did");
            return End::Failed;
        }
        stop_core.cancel();
        ended.await;
        End::Stopped
    }
}
