//! `include/filter.h` in Rust: same names, same order, same offsets, as a test checks.
//!
//! A [`FilterTables`] is what the kernel is given in place of the loaded rules, to drop what none of
//! them can match.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::Kind;

pub const STATES_MAX: usize = 16_384;
pub const CLASS_BITS: usize = 6;
pub const OUTPUTS_MAX: usize = 4096;
pub const PATH_PROGRAMS_MAX: usize = 8;
pub const PROGRAMS_MAX: usize = 32;
pub const RANGES_MAX: usize = 32;
pub const NETWORKS_MAX: usize = 64;
pub const FLAGS_ROWS: usize = 128;
/// Beyond all numbers that ranges tell apart.
pub const NUMBER_MAX: i64 = 1 << 61;

/// Bits of [`Program::dimensions`].
pub mod dimension {
    pub const RESULT: u64 = 1 << 0;
    pub const USER: u64 = 1 << 1;
    pub const PATH: u64 = 1 << 2;
    /// The text of a path as it was typed.
    pub const TYPED: u64 = 1 << 3;
    pub const LOCAL_PORT: u64 = 1 << 4;
    pub const REMOTE_PORT: u64 = 1 << 5;
    /// That of the remote end.
    pub const ADDRESS: u64 = 1 << 6;
    /// That of the call's first argument; those of the five others follow.
    pub const ARGUMENT: u64 = 1 << 7;
    /// What the descriptor of a call stands for.
    pub const DESCRIPTOR: u64 = 1 << 13;
}

/// How much of a register an argument is: values of [`Program::widths`].
pub mod width {
    pub const LONG: u8 = 0;
    pub const SIGNED: u8 = 1;
    pub const UNSIGNED: u8 = 2;
}

/// Rows of [`Program::descriptor`].
pub mod descriptor {
    pub const ABSENT: usize = 0;
    pub const FILE: usize = 1;
    pub const DIRECTORY: usize = 2;
    pub const PIPE: usize = 3;
    pub const UNIX: usize = 4;
    pub const IPV4: usize = 5;
    pub const IPV6: usize = 6;
    pub const OTHER: usize = 7;
}

/// Rows of [`Program::protocol`].
pub mod protocol {
    pub const ABSENT: usize = 0;
    pub const TCP: usize = 1;
    pub const UDP: usize = 2;
    pub const ICMP: usize = 3;
    pub const RAW: usize = 4;
}

/// Places for files that rules name by their full path, each at that of its inode's number.
pub mod known {
    pub const PLACES: usize = 4096;
    /// For a device: several files belong at one place.
    pub const SEVERAL: u64 = u64::MAX;

    /// Inode and device, as the kernel counts them; no file without a device.
    pub type KnownFile = [u64; 2];
}

/// Groups of rules, a bit each.
pub type Mask = [u64; 2];

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ranges {
    pub last: u64,
    pub absent: Mask,
    pub first: [i64; RANGES_MAX],
    pub masks: [Mask; RANGES_MAX],
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Networks {
    pub count: u64,
    pub absent: Mask,
    pub address: [[u64; 2]; NETWORKS_MAX],
    pub bits: [[u64; 2]; NETWORKS_MAX],
    pub masks: [Mask; NETWORKS_MAX],
}

/// What is possible for the events of one kind, or of several with the same rules.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Program {
    pub dimensions: u64,
    pub widths: [u8; 8],
    pub all: Mask,
    pub quiet: Mask,
    pub quiet_typed: Mask,
    pub ends: Mask,
    pub flags: [Mask; FLAGS_ROWS],
    pub descriptor: [Mask; 8],
    pub protocol: [Mask; 5],
    pub result: Ranges,
    pub user: Ranges,
    pub remote_port: Ranges,
    pub local_port: Ranges,
    pub remote: Networks,
    pub arguments: [Ranges; 6],
}

/// All tables. Megabytes: it lives on the heap, as [`FilterWords`].
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FilterTables {
    /// Never 0, never the same again.
    pub generation: u64,
    /// By [`Kind`], the program's number and 1; 0 where every event is sent.
    pub of_kind: [u8; 128],
    pub programs: [Program; PROGRAMS_MAX],
    pub outputs: [[Mask; OUTPUTS_MAX]; PATH_PROGRAMS_MAX],
    pub typed: [[Mask; OUTPUTS_MAX]; PATH_PROGRAMS_MAX],
    pub hit: [u16; STATES_MAX],
    pub last: [u16; STATES_MAX],
    pub classes: [u8; 256],
    pub next: [u16; STATES_MAX << CLASS_BITS],
}

const WORDS: usize = size_of::<FilterTables>() / 8;

/// The tables as the kernel is given them.
pub type FilterWords = [u64; WORDS];

/// Kinds with programs of their own that look at paths.
pub const BY_PATH: [Kind; 5] =
    [Kind::Open, Kind::OpenAt, Kind::OpenAt2, Kind::Creat, Kind::Connect];

/// Calls of which most are made in everyday work: their paths are looked at first, should there not be
/// room for those of all.
pub const BY_PATH_FIRST: [Kind; 8] = [
    Kind::UnlinkAt,
    Kind::Unlink,
    Kind::Fchmod,
    Kind::Rename,
    Kind::RenameAt,
    Kind::RenameAt2,
    Kind::MkdirAt,
    Kind::Mkdir,
];

/// Returns tables that filter nothing.
pub fn empty() -> Box<FilterWords> {
    // An array of this size would not fit on the stack.
    match vec![0; WORDS].into_boxed_slice().try_into() {
        Ok(words) => words,
        Err(_) => unreachable!("it was made of this size"),
    }
}

/// Returns the tables in words, to be filled.
pub fn tables(words: &mut FilterWords) -> &mut FilterTables {
    zerocopy::transmute_mut!(words)
}

const _: () =
    assert!(size_of::<FilterTables>().is_multiple_of(8) && size_of::<FilterTables>() < 4 << 20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{HeaderFile, structures};

    #[test]
    fn every_size_and_offset_is_that_of_the_header_file() {
        let mut header = HeaderFile::new("filter.h");
        structures! { header:
            "saker_ranges" = Ranges { last, absent, first, masks }
            "saker_networks" = Networks { count, absent, address, bits, masks }
            "saker_filter_program" = Program {
                dimensions, widths, all, quiet, quiet_typed, ends, flags, descriptor, protocol, result, user,
                remote_port, local_port, remote, arguments,
            }
            "saker_filter" = FilterTables {
                generation, of_kind, programs, outputs, typed, hit, last, classes, next,
            }
        }
        let numbers = [
            ("SAKER_BY_RESULT", dimension::RESULT),
            ("SAKER_BY_USER", dimension::USER),
            ("SAKER_BY_PATH", dimension::PATH),
            ("SAKER_BY_TYPED", dimension::TYPED),
            ("SAKER_BY_LOCAL_PORT", dimension::LOCAL_PORT),
            ("SAKER_BY_REMOTE_PORT", dimension::REMOTE_PORT),
            ("SAKER_BY_ADDRESS", dimension::ADDRESS),
            ("SAKER_BY_ARGUMENT", dimension::ARGUMENT),
            ("SAKER_BY_DESCRIPTOR", dimension::DESCRIPTOR),
            ("SAKER_WIDTH_LONG", width::LONG.into()),
            ("SAKER_WIDTH_SIGNED", width::SIGNED.into()),
            ("SAKER_WIDTH_UNSIGNED", width::UNSIGNED.into()),
            ("SAKER_DESCRIPTOR_FILE", descriptor::FILE as u64),
            ("SAKER_DESCRIPTOR_DIRECTORY", descriptor::DIRECTORY as u64),
            ("SAKER_DESCRIPTOR_PIPE", descriptor::PIPE as u64),
            ("SAKER_DESCRIPTOR_UNIX", descriptor::UNIX as u64),
            ("SAKER_DESCRIPTOR_IPV6", descriptor::IPV6 as u64),
            ("SAKER_DESCRIPTOR_OTHER", descriptor::OTHER as u64),
            ("SAKER_PROTOCOL_RAW", protocol::RAW as u64),
            ("SAKER_KNOWN_PLACES", known::PLACES as u64),
        ];
        for (name, number) in numbers {
            header.number(name, number);
        }
        header.number("SAKER_FILTER_NUMBER_MAX", NUMBER_MAX.unsigned_abs());
        header.check();
    }
}
