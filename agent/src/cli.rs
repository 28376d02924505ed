//! The agent's command line, shared by `saker-agent` and `saker agent`.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use prometheus::Registry;
use serde::Deserialize;
use service::{
    ErrorChain,
    admin::{self, Readiness},
    config::{ConfigError, HumanBytes},
    problem::Problem,
    server::{self, Connections, Peer, ServerLimits},
    shutdown::Shutdown,
    telemetry::{LevelError, LevelHandle, Logs},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{info, warn};

use crate::{
    Agent, AgentConfig, AgentError, AgentHandle, Events, Setup, Sinks, sink::Lines, tap::Socket,
};

const READINESS_EVERY: Duration = Duration::from_secs(2);
const RELOAD_DEBOUNCE: Duration = Duration::from_millis(200);
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Watch this machine and bring alerts to the router.
#[derive(Args, Clone, Debug, Default)]
pub struct AgentArgs {
    /// Configuration file; the agent reads `agent` and `logs` of it
    #[arg(short, long, value_name = "FILE", env = "SAKER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Rule files or folders, instead of those in the configuration
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    pub rules: Vec<PathBuf>,
    /// Print alerts as Falco's JSON lines, also when there is a router
    #[arg(long)]
    pub stdout: bool,
    /// Also write all events to this file, for `--replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Size at which the recording ends
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub record_bytes_max: Option<HumanBytes>,
    /// Take events from a recording instead of the kernel, then end
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
}

/// This program's part of the file that all of Saker shares.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    agent: AgentConfig,
    logs: Logs,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Logs(#[from] LevelError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error("failed to listen on {address} for {what}")]
    Listen { address: SocketAddr, what: &'static str, source: io::Error },
    #[error("failed to start")]
    Start(#[from] io::Error),
    /// Already told in the log.
    #[error("the agent ended: {0}")]
    Ended(String),
}

impl Failure {
    /// Exit codes: 1 the environment, 2 the configuration or rules, 3 the kernel or our rights.
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Logs(_) | Self::Agent(AgentError::Rules(_)) => 2,
            Self::Agent(
                AgentError::Replay(_)
                | AgentError::Uplink(_)
                | AgentError::Actions(_)
                | AgentError::Around(_),
            ) => 2,
            Self::Agent(AgentError::Sensor(_)) | Self::Ended(_) => 3,
            _ => 1,
        }
    }
}

/// Runs the agent until it is told to end. Errors are told on standard error.
pub fn run(args: AgentArgs) -> ExitCode {
    service::tls::install_crypto_provider();
    match prepare(&args).and_then(|(config, level)| {
        if args.replay.is_none()
            && let Err(error) = crate::privileges::give_up(&config)
        {
            warn!(%error, "rights that are not needed could not be given up");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(Failure::Start)?;
        runtime.block_on(serve(args, config, level))
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when standard error is gone as well.
            drop(writeln!(io::stderr().lock(), "error: {}", ErrorChain(&failure)));
            ExitCode::from(failure.code())
        }
    }
}

fn prepare(args: &AgentArgs) -> Result<(AgentConfig, LevelHandle), Failure> {
    let (File { mut agent, logs }, _) =
        service::config::load_part(args.config.as_deref(), "SAKER_")?;
    if !args.rules.is_empty() {
        agent.rules.clone_from(&args.rules);
    }
    service::files::keep_private();
    Ok((agent, service::telemetry::init(&logs)?))
}

async fn serve(args: AgentArgs, config: AgentConfig, level: LevelHandle) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let mut setup = Setup::default();
    if args.stdout || config.router.is_none() {
        setup.sinks = Sinks::default().with(Lines::new(io::stdout())?);
    }
    if let Some(path) = &args.replay {
        setup.events = Events::Recording(path.clone());
    }
    let bytes_max = args.record_bytes_max.unwrap_or(HumanBytes(256 << 20)).0;
    setup.record = args.record.map(|path| (path, bytes_max));

    let registry = Registry::new();
    service::metrics::register_process(&registry, env!("CARGO_PKG_VERSION"));
    // A replay is over soon and may run beside the real agent.
    let served = match args.replay {
        Some(_) => None,
        // From here on: what changes while the agent starts is not missed, and the signal does not
        // end it.
        None => Some((Changes::watch(&config)?, listen(config.admin, "status and metrics").await?)),
    };
    let agent = {
        let (config, registry) = (config.clone(), registry.clone());
        tokio::task::spawn_blocking(move || Agent::start(&config, setup, &registry))
            .await
            .map_err(io::Error::other)??
    };
    let handle = agent.handle();
    if let Some((changes, listener)) = served {
        let readiness = Readiness::default();
        shutdown.spawn("readiness", follow(handle.clone(), readiness.clone(), shutdown.clone()));
        shutdown.spawn("reload", changes.reload(handle.clone(), shutdown.clone()));
        let guarded = middleware::from_fn_with_state(config.admin_remote_writes, guard);
        let admin = admin::router(registry, readiness, level).layer(guarded);
        let routes = admin.merge(status(handle.clone()));
        let served = server::serve(
            listener,
            None,
            routes,
            ServerLimits::default(),
            Connections::default(),
            shutdown.clone(),
        );
        shutdown.spawn("admin", served);
        serve_recorders(&config, handle.clone(), &shutdown);
    }
    if let Some(actions) = handle.actions() {
        let listener = listen(actions.listen(), "orders").await?;
        let watched = Some(handle.clone());
        shutdown.spawn("orders", actions.serve(listener, watched, shutdown.clone()));
    }
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = handle.finished() => {}
    }
    agent.stop().await;
    shutdown.cancel();
    let running = shutdown.drain(DRAIN_MAX).await;
    if !running.is_empty() {
        warn!(tasks = running.join(", "), "did not end in time");
    }
    let status = handle.status();
    info!(events = status.events.total, alerts = status.alerts.total, "the agent ended");
    match handle.failure() {
        Some(why) => Err(Failure::Ended(why)),
        None => Ok(()),
    }
}

/// Lets nobody but this machine change anything, unless the configuration lets others.
async fn guard(State(remote): State<bool>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    if may(request.method(), peer, remote) {
        return next.run(request).await;
    }
    warn!(?peer, path = request.uri().path(), "somebody from elsewhere tried to change something");
    let why = "only this machine may change it; see `agent.admin_remote_writes`";
    Problem::new(StatusCode::FORBIDDEN, why).into_response()
}

fn may(method: &Method, peer: Option<IpAddr>, remote: bool) -> bool {
    method.is_safe() || remote || peer.is_some_and(|peer| peer.to_canonical().is_loopback())
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await.map_err(|source| Failure::Listen {
        address,
        what,
        source,
    })?;
    info!(address = %listener.local_addr()?, "{what}");
    Ok(listener)
}

/// Returns `/status` as JSON and `/status/text` for a person, and `/rules`: what each rule costs.
pub fn status(handle: AgentHandle) -> Router {
    let (json, costs) = (handle.clone(), handle.clone());
    Router::new()
        .route("/rules", get(async move || Json(costs.rule_costs())))
        .route("/status", get(async move || Json(json.status())))
        .route("/status/text", get(async move || handle.status().to_string()))
}

/// Answers `/status` and `/rules` beside a router. The agent does without where it cannot.
pub async fn serve_status(config: &AgentConfig, handle: AgentHandle, shutdown: &Shutdown) {
    let listener = match listen(config.admin, "status").await {
        Ok(listener) => listener,
        Err(error) => return info!(error = %ErrorChain(&error), "the agent's status is not served"),
    };
    let (limits, connections) = (ServerLimits::default(), Connections::default());
    let routes = status(handle);
    let served = server::serve(listener, None, routes, limits, connections, shutdown.clone());
    shutdown.spawn("status", served);
}

/// Lets `saker events` and `saker record` ask for events. The agent does without where it cannot.
pub fn serve_recorders(config: &AgentConfig, handle: AgentHandle, shutdown: &Shutdown) {
    let Some(path) = config.record.socket() else { return };
    match Socket::bind(&path) {
        Ok(socket) => {
            info!(path = %path.display(), "events can be asked for");
            shutdown.spawn("events", socket.serve(handle, shutdown.clone()));
        }
        Err(error) => {
            info!(error = %ErrorChain(&error), "events cannot be asked for");
        }
    }
}

async fn follow(handle: AgentHandle, readiness: Readiness, shutdown: Shutdown) {
    loop {
        match handle.ready() {
            Ok(()) => readiness.pass("spool"),
            Err(reason) => readiness.fail("spool", reason),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(READINESS_EVERY) => {}
        }
    }
}

/// What has the rules loaded again: SIGHUP, and changed files.
struct Changes {
    hangup: Signal,
    files: Option<service::reload::Changes>,
}

impl Changes {
    fn watch(config: &AgentConfig) -> io::Result<Self> {
        let absolute = |path: &PathBuf| std::path::absolute(path).ok();
        let paths: Vec<_> = config.rules.iter().filter_map(absolute).collect();
        let files = service::reload::watch(&paths, RELOAD_DEBOUNCE);
        if let Err(error) = &files {
            warn!(error = %ErrorChain(error), "rules are loaded again on SIGHUP only");
        }
        Ok(Self { hangup: signal(SignalKind::hangup())?, files: files.ok() })
    }

    async fn reload(mut self, handle: AgentHandle, shutdown: Shutdown) {
        loop {
            let changed = async {
                match &mut self.files {
                    Some(files) => files.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = self.hangup.recv() => {}
                () = changed => {}
            }
            handle.reload();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_changes_something_unless_others_may() {
        let from = |text: &str| text.parse::<IpAddr>().ok();
        for (method, peer, remote, expected) in [
            (Method::GET, from("192.0.2.1"), false, true),
            (Method::PUT, from("192.0.2.1"), false, false),
            (Method::PUT, from("192.0.2.1"), true, true),
            (Method::PUT, from("127.0.0.1"), false, true),
            (Method::PUT, from("::1"), false, true),
            (Method::PUT, from("::ffff:127.0.0.1"), false, true),
            (Method::PUT, from("::ffff:192.0.2.1"), false, false),
            (Method::PUT, None, false, false),
        ] {
            assert_eq!(may(&method, peer, remote), expected, "{method} {peer:?} {remote}");
        }
    }
}
