//! `include/needs.h` in Rust: what rules need of the probe now, which can change while it runs.

use zerocopy::{Immutable, IntoBytes};

use crate::{
    layout::Kind,
    program::{CGROUPS, Operations, PROCESS, Socketcalls, Wanted, operations, socketcalls, wanted},
};

/// [`Words`]: what is needed from the start.
pub const SETTING: &str = "saker_needs";
/// Name of the map of one entry, [`Words`], that is written later.
pub const MAP: &str = ".data.needs";

/// What the probe tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Needs {
    pub wanted: Wanted,
    pub environment: u64,
    pub operations: Operations,
    pub socketcalls: Socketcalls,
}

/// [`Needs`] as the value of their map.
pub type Words = [u64; size_of::<Needs>() / size_of::<u64>()];

impl Needs {
    /// Returns what makes the probe tell of these kinds beside the life of processes and cgroups,
    /// where its programs are attached.
    pub fn of(kinds: &[Kind], environment: bool) -> Self {
        let always = PROCESS.iter().chain(&CGROUPS).flat_map(|(kinds, _)| *kinds);
        Self {
            wanted: wanted(always.chain(kinds).copied()),
            environment: environment.into(),
            operations: operations(kinds),
            socketcalls: socketcalls(kinds),
        }
    }

    /// Returns them as the kernel reads them.
    pub fn words(&self) -> Words {
        zerocopy::transmute!(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{HeaderFile, structures};

    #[test]
    fn every_size_and_offset_is_that_of_the_header_file() {
        let mut header = HeaderFile::new("needs.h");
        structures! { header:
            "saker_needs" = Needs { wanted, environment, operations, socketcalls }
        }
        header.check();
    }

    #[test]
    fn the_life_of_processes_is_always_told() {
        let needs = Needs::of(&[], false);
        assert_eq!(
            needs.wanted,
            wanted([
                Kind::Execve,
                Kind::ExecveAt,
                Kind::Clone,
                Kind::Clone3,
                Kind::Fork,
                Kind::Vfork,
                Kind::ProcExit,
                Kind::CgroupMade,
                Kind::CgroupRemoved,
            ])
        );
        assert_eq!((needs.environment, needs.operations), (0, [0; 512]));
        let needs = Needs::of(&[Kind::Open], true);
        assert_eq!(needs.words()[2], 1);
        assert!(needs.operations.contains(&(Kind::Open as u16 + 1)));
    }
}
