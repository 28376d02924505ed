//! Watches one machine: turns kernel events into alerts and brings them to the router.
//!
//! The path of one event: [`sensor`] ▶ [`detect`] ▶ [`sink`] ▶ [`spool`] ▶ [`uplink`] ▶ the router.
//! [`Agent`] runs it all; [`recorder`] takes the kernel's place. [`actions`] goes the other way: it
//! ends processes when it is told to.

pub mod actions;
mod around;
pub mod cli;
pub mod config;
mod decode;
pub mod detect;
pub mod enforce;
mod enrich;
mod lifecycle;
mod memory;
mod metrics;
pub mod privileges;
pub mod recorder;
mod rulefiles;
mod runtime;
pub mod sensor;
pub mod sink;
pub mod spool;
pub mod status;
pub mod tap;
pub mod uplink;

pub use crate::{
    config::AgentConfig,
    lifecycle::{Agent, AgentError, AgentHandle, Events, RuleCosts, Setup},
    recorder::{Recording, Selection, replay},
    rulefiles::{RulesError, RulesStatus, files as rule_files},
    sensor::hooks,
    sink::{AlertSink, Sinks},
    status::AgentStatus,
};

/// Returns the machine's name.
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
