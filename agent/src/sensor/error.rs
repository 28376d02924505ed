//! Why a sensor cannot start.

use std::io;

use aya::{BtfError, EbpfError, maps::MapError, programs::ProgramError};

/// Why a sensor could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SensorError {
    #[error(
        "the sensor may not {what}: it needs the capability {capability} (run it as root, or grant CAP_BPF and CAP_PERFMON)"
    )]
    MissingCapability { capability: &'static str, what: &'static str },
    #[error(
        "the sensor needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF), and /sys/kernel/btf/vmlinux cannot be read"
    )]
    NoBtf(#[source] Box<BtfError>),
    #[error("failed to start asking container runtimes")]
    Lookups(#[source] io::Error),
    #[error("failed to load the probe")]
    Load(#[source] Box<EbpfError>),
    #[error("failed to open the probe's map `{map}`")]
    Map {
        map: &'static str,
        #[source]
        source: Box<MapError>,
    },
    #[error("the probe has no map `{0}`")]
    Object(&'static str),
    #[error("the kernel refused the probe's program `{program}`")]
    Program {
        program: &'static str,
        #[source]
        source: Box<ProgramError>,
    },
}
