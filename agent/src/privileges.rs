//! What the agent may do: the capabilities it needs, those it does without, and those it gives up.
//!
//! Whoever takes over the agent has what it has. So what it does not need is given up before anything
//! else is done, also by root, and cannot be had again.

use alert::capabilities as names;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities as own, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

use crate::config::{AgentConfig, EnforceMode};

/// A capability, what it is for, and what does not work without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    pub name: &'static str,
    bit: CapabilitySet,
    pub lost: &'static str,
    pub needed: bool,
}

const BPF: Privilege = Privilege {
    name: "CAP_BPF",
    bit: CapabilitySet::BPF,
    lost: "nothing is watched",
    needed: true,
};
const PERFMON: Privilege = Privilege {
    name: "CAP_PERFMON",
    bit: CapabilitySet::PERFMON,
    lost: "nothing is watched",
    needed: true,
};
const SYS_PTRACE: Privilege = Privilege {
    name: "CAP_SYS_PTRACE",
    bit: CapabilitySet::SYS_PTRACE,
    lost: "processes older than the agent have no executable and folder, and names of users are not looked up in containers",
    needed: false,
};
const DAC_READ_SEARCH: Privilege = Privilege {
    name: "CAP_DAC_READ_SEARCH",
    bit: CapabilitySet::DAC_READ_SEARCH,
    lost: "processes older than the agent have no environment and streams",
    needed: false,
};
const KILL: Privilege = Privilege {
    name: "CAP_KILL",
    bit: CapabilitySet::KILL,
    lost: "processes of other users are not ended after the fact, neither by rules nor by orders",
    needed: false,
};

/// Returns what this configuration needs.
pub fn wanted(config: &AgentConfig) -> Vec<Privilege> {
    let kills = config.actions.is_some() || config.enforce.mode == EnforceMode::Enforce;
    let mut wanted = vec![BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH];
    wanted.extend(kills.then_some(KILL));
    wanted
}

/// Returns what this configuration needs and the process does not have.
pub fn missing(config: &AgentConfig) -> Vec<Privilege> {
    // One that cannot ask finds out by being refused.
    let held = own(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    wanted(config).into_iter().filter(|one| !held.contains(one.bit)).collect()
}

/// Gives up, for good, every capability that this configuration does not need. Holds for the calling
/// thread and those it starts: to be called before any is started.
pub fn give_up(config: &AgentConfig) -> rustix::io::Result<()> {
    let keep = wanted(config).iter().fold(CapabilitySet::empty(), |all, one| all | one.bit);
    let sets = own(None)?;
    // Only who has CAP_SETPCAP can, and needs to: others gain nothing by running another program.
    if sets.effective.contains(CapabilitySet::SETPCAP) {
        let known = (0..names().count()).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
        for bit in known.filter(|bit| !keep.contains(*bit)) {
            // A kernel older than the capability knows none.
            match remove_capability_from_bounding_set(bit) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
    }
    set_no_new_privs(true)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: sets.effective & keep,
            permitted: sets.permitted & keep,
            inheritable: sets.inheritable & keep,
        },
    )
}
