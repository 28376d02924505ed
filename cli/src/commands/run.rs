//! `saker run`: agent and router in one process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent::{Agent, AgentConfig, Setup};
use anyhow::Context;
use prometheus::Registry;
use router::{Running, api::types::Tail, config::Config};
use service::{ErrorChain, shutdown::Shutdown, telemetry};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    args::{Format, RunArgs},
    exit::{Code, fail},
    print, screen,
};

/// Time for everything to end beyond what deliveries under way are given.
const DRAIN: Duration = Duration::from_secs(5);

pub(crate) async fn execute(arguments: RunArgs) -> anyhow::Result<Code> {
    let mut config = configure(&arguments)?;
    if arguments.config.is_none() {
        // The screen says what a person wants to know.
        "warn".clone_into(&mut config.logs.level);
    }
    if let Some(file) = &arguments.config
        && super::config::responds(file)?
    {
        let note = "responses are configured: they need `saker responder --config` beside this";
        print::note(note);
    }
    let logs = telemetry::init(&config.logs)
        .map_err(|error| fail(Code::Invalid, ErrorChain(&error).to_string()))?;
    let data = config.router.data.clone();
    service::files::keep_private();
    std::fs::create_dir_all(&data)
        .with_context(|| format!("failed to make the data folder {}", data.display()))?;
    let mut agent_config = std::mem::take(&mut config.agent);
    let tls = config.router.tls.is_some();
    let drain = config.router.drain.0 + DRAIN;
    let outputs: Vec<(String, String)> = config
        .outputs
        .iter()
        .map(|(name, output)| (name.clone(), output.kind().to_owned()))
        .collect();
    let printed_by_an_output = outputs.iter().any(|(_, kind)| kind == "stdout");

    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let running =
        router::start(config, shutdown.clone(), logs).await.context("the router cannot start")?;
    let alerts = running.subscribe();
    let agent = if arguments.no_agent {
        Err("--no-agent was given".to_owned())
    } else {
        link(&mut agent_config, &running, tls, &data)?;
        let agent = start_agent(agent_config.clone()).await?;
        if let Ok(agent) = &agent {
            agent::cli::serve_recorders(&agent_config, agent.handle(), &shutdown);
            agent::cli::serve_status(&agent_config, agent.handle(), &shutdown).await;
        }
        agent
    };
    let started = screen::Started {
        config: arguments.config.as_deref().and_then(Path::to_str),
        data: data.display().to_string(),
        input: address("http", tls, running.ingest_addr),
        api: format!("http://{}", running.api_addr),
        outputs,
        agent: agent.as_ref().map(|agent| agent.handle().status()).map_err(Clone::clone),
    };
    match arguments.format {
        Format::Text => print::line(started.text()),
        Format::Json => print::note(started.text()),
    }

    // Whoever configured an output for the terminal wants its lines, not ours beside them.
    let shown = async {
        if printed_by_an_output {
            std::future::pending().await
        } else {
            show(alerts, arguments.format).await;
        }
    };
    let reloads = router::cli::reloads(&running, arguments.config.clone());
    let end = tokio::select! {
        end = running.ended() => end,
        () = shown => running.ended().await,
        () = reloads => running.ended().await,
    };
    if let Ok(agent) = agent {
        agent.stop().await;
    }
    shutdown.cancel();
    for task in shutdown.drain(drain).await {
        print::note(format_args!("still running at the end: {task}"));
    }
    Ok(if end == router::End::Stopped { Code::Success } else { Code::Failure })
}

fn configure(arguments: &RunArgs) -> anyhow::Result<Config<AgentConfig>> {
    let mut config = match &arguments.config {
        Some(file) => super::config::load(Some(file))?,
        None => {
            let data = arguments.data.clone().unwrap_or_else(default_data);
            defaults(&data)?
        }
    };
    if let Some(data) = &arguments.data {
        config.router.data.clone_from(data);
    }
    if !arguments.rules.is_empty() {
        config.agent.rules.clone_from(&arguments.rules);
        config.agent.builtin_rules = true;
    }
    Ok(config)
}

/// Returns what applies without a file: everything is kept in a file below the data folder.
fn defaults(data: &Path) -> anyhow::Result<Config<AgentConfig>> {
    // JSON is YAML: what is in the path cannot become structure.
    let text = serde_json::json!({
        "router": { "data": data },
        "outputs": { "alerts": { "file": { "path": data.join("alerts.jsonl"), "format": "json" } } },
        "routes": [{ "name": "all", "outputs": ["alerts"], "group_wait": "0s" }],
    });
    Config::parse("defaults", text.to_string(), data)
        .map_err(|error| fail(Code::Invalid, error.to_string()))
}

fn default_data() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/saker");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).unwrap_or_else(std::env::temp_dir).join("saker")
}

/// Brings the agent's alerts to this process's router, by the way a remote agent takes: through its
/// spool and over HTTP, so that nothing is lost when the router cannot take them.
fn link(agent: &mut AgentConfig, running: &Running, tls: bool, data: &Path) -> anyhow::Result<()> {
    if agent.spool.dir.is_none() {
        agent.spool.dir = Some(data.join("spool"));
    }
    if agent.router.is_some() {
        return Ok(());
    }
    if tls {
        return Err(fail(
            Code::Invalid,
            "`router.tls` is set: tell the agent how to reach it, `agent: { router: { url: https://…, ca: … } }`",
        ));
    }
    let mut address = running.ingest_addr;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    agent.router =
        Some(serde_json::from_value(serde_json::json!({ "url": format!("http://{address}/") }))?);
    Ok(())
}

/// Starts the agent. Without the rights it needs there is a reason instead; everything else that
/// can be wrong is a mistake to mend.
async fn start_agent(config: AgentConfig) -> anyhow::Result<Result<Agent, String>> {
    let start = move || Agent::start(&config, Setup::default(), &Registry::new());
    match tokio::task::spawn_blocking(start).await? {
        Ok(agent) => Ok(Ok(agent)),
        Err(agent::AgentError::Sensor(error)) => Ok(Err(ErrorChain(&error).to_string())),
        Err(error @ agent::AgentError::Rules(_)) => {
            Err(fail(Code::Invalid, ErrorChain(&error).to_string()))
        }
        Err(error) => Err(error).context("the agent cannot start"),
    }
}

fn address(scheme: &str, tls: bool, address: std::net::SocketAddr) -> String {
    format!("{scheme}{}://{address}", if tls { "s" } else { "" })
}

/// Prints every alert as it is decided, until the router stops.
async fn show(mut alerts: Receiver<Arc<Tail>>, format: Format) {
    let color = screen::color();
    loop {
        match alerts.recv().await {
            Ok(tail) if format == Format::Text => print::line(screen::tail_line(&tail, color)),
            Ok(tail) => {
                let mut line = Vec::new();
                alert::wire::write_falco(&tail.alert, &mut line);
                print::line(String::from_utf8_lossy(&line));
            }
            Err(RecvError::Lagged(missed)) => {
                print::note(format_args!("{missed} alerts came faster than they could be printed"));
            }
            Err(RecvError::Closed) => return,
        }
    }
}
