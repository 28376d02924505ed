//! The command line of a router by itself.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use service::{ErrorChain, reload, shutdown::Shutdown, telemetry, tls};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::{
    Running,
    config::{Config, Unread},
    running::End,
};

/// Exit code for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;
/// Pause after which a changed file is read.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// Time beyond `router.drain` for connections to end.
const CONNECTIONS_DRAIN: Duration = Duration::from_secs(5);

/// Options of `saker router`.
#[derive(Clone, Debug, Args)]
pub struct RouterArgs {
    /// Configuration file. Every key has a default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only check the configuration.
    #[arg(long)]
    pub check: bool,
}

/// Runs a router until it is told to stop.
pub fn run(arguments: &RouterArgs) -> ExitCode {
    let config = match Config::load(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if arguments.check {
        return ExitCode::SUCCESS;
    }
    service::files::keep_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    runtime.block_on(serve(config, arguments))
}

/// Tells what is wrong with what was given; logs are not there yet.
#[expect(clippy::print_stderr, reason = "the program's own last words to who started it")]
fn refuse(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{}", ErrorChain(error));
    ExitCode::from(EXIT_CONFIG)
}

async fn serve(config: Config, arguments: &RouterArgs) -> ExitCode {
    tls::install_crypto_provider();
    let logs = match telemetry::init(&config.logs) {
        Ok(logs) => logs,
        Err(error) => return refuse(&error),
    };
    let shutdown = Shutdown::new();
    if let Err(error) = shutdown.on_signals() {
        return refuse(&error);
    }
    let drain = config.router.drain.0 + CONNECTIONS_DRAIN;
    let running = match crate::start(config, shutdown.clone(), logs).await {
        Ok(running) => running,
        Err(error) => {
            error!(error = %ErrorChain(&error), "the router cannot start");
            return ExitCode::FAILURE;
        }
    };
    let reloads = reloads(&running, arguments.config.clone());
    let end = tokio::select! {
        end = running.ended() => end,
        () = reloads => End::Failed,
    };
    for task in shutdown.drain(drain).await {
        warn!(task, "still running at the end");
    }
    info!(?end, "the router has stopped");
    if end == End::Stopped { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes a new configuration on SIGHUP and when the file changes, for ever. Without a file there is
/// nothing to take.
pub async fn reloads(running: &Running, file: Option<PathBuf>) {
    let Some(file) = file else { return std::future::pending().await };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be listened for: no reload");
        return std::future::pending().await;
    };
    let mut changes = match reload::watch(std::slice::from_ref(&file), DEBOUNCE) {
        Ok(changes) => Some(changes),
        Err(error) => {
            warn!(error = %ErrorChain(&error), "only SIGHUP reloads the configuration");
            None
        }
    };
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = hangup.recv() => {}
            () = changed => {}
        }
        reload_once(running, file.clone()).await;
    }
}

async fn reload_once(running: &Running, file: PathBuf) {
    let load = move || Config::<Unread>::load(Some(&file));
    let refused = match tokio::task::spawn_blocking(load).await {
        Ok(Ok(config)) => match running.reload(config).await {
            Ok(()) => return,
            Err(error) => ErrorChain(&error).to_string(),
        },
        Ok(Err(error)) => ErrorChain(&error).to_string(),
        Err(error) => error.to_string(),
    };
    error!(reason = refused, "the new configuration is refused, the old one stays in force");
    running.refused(refused);
}
