//! Numbers of system calls on the machines the probe runs on, each with its older 32-bit sibling.

use crate::layout::Kind;

/// The numbers by which one kind of call is asked for.
pub(crate) struct Numbers {
    pub(crate) kind: Kind,
    pub(crate) native: &'static [u16],
    pub(crate) compat: &'static [u16],
}

macro_rules! numbers {
    ($($kind:ident [$($x86_64:literal)*] [$($i386:literal)*] [$($arm64:literal)*] [$($arm:literal)*];)+) => {
        #[cfg(target_arch = "x86_64")]
        pub(crate) const NUMBERS: &[Numbers] =
            &[$(Numbers { kind: Kind::$kind, native: &[$($x86_64),*], compat: &[$($i386),*] },)+];

        #[cfg(target_arch = "aarch64")]
        pub(crate) const NUMBERS: &[Numbers] =
            &[$(Numbers { kind: Kind::$kind, native: &[$($arm64),*], compat: &[$($arm),*] },)+];

        /// By kind: x86-64, i386, arm64.
        #[cfg(test)]
        const TABLES: &[(Kind, [&[u16]; 3])] =
            &[$((Kind::$kind, [&[$($x86_64),*], &[$($i386),*], &[$($arm64),*]]),)+];
    };
}

// x86-64, i386, arm64, 32-bit Arm. Calls that differ only in the width of their arguments are one
// kind, as `setuid32` is `setuid`; so is `fchmodat2`, which is `fchmodat` with flags.
numbers! {
    Execve [59] [11] [221] [11];
    ExecveAt [322] [358] [281] [387];
    Clone [56] [120] [220] [120];
    Clone3 [435] [435] [435] [435];
    Fork [57] [2] [] [2];
    Vfork [58] [190] [] [190];
    Open [2] [5] [] [5];
    OpenAt [257] [295] [56] [322];
    OpenAt2 [437] [437] [437] [437];
    Creat [85] [8] [] [8];
    Close [3] [6] [57] [6];
    Dup [32] [41] [23] [41];
    Dup2 [33] [63] [] [63];
    Dup3 [292] [330] [24] [358];
    Socket [41] [359] [198] [281];
    Bind [49] [361] [200] [282];
    Listen [50] [363] [201] [284];
    Connect [42] [362] [203] [283];
    Accept [43] [] [202] [285];
    Accept4 [288] [364] [242] [366];
    SendTo [44] [369] [206] [290];
    SendMsg [46] [370] [211] [296];
    RecvFrom [45] [371] [207] [292];
    RecvMsg [47] [372] [212] [297];
    Unlink [87] [10] [] [10];
    UnlinkAt [263] [301] [35] [328];
    Rmdir [84] [40] [] [40];
    Mkdir [83] [39] [] [39];
    MkdirAt [258] [296] [34] [323];
    Rename [82] [38] [] [38];
    RenameAt [264] [302] [38] [329];
    RenameAt2 [316] [353] [276] [382];
    Link [86] [9] [] [9];
    LinkAt [265] [303] [37] [330];
    Symlink [88] [83] [] [83];
    SymlinkAt [266] [304] [36] [331];
    Chmod [90] [15] [] [15];
    FchmodAt [268 452] [306 452] [53 452] [333 452];
    Fchmod [91] [94] [52] [94];
    Ptrace [101] [26] [117] [26];
    SetNs [308] [346] [268] [375];
    Unshare [272] [310] [97] [337];
    SetUid [105] [23 213] [146] [23 213];
    SetGid [106] [46 214] [144] [46 214];
    SetReUid [113] [70 203] [145] [70 203];
    SetReGid [114] [71 204] [143] [71 204];
    SetResUid [117] [164 208] [147] [164 208];
    SetResGid [119] [170 210] [149] [170 210];
    SetPgid [109] [57] [154] [57];
    SetSid [112] [66] [157] [66];
    CapSet [126] [185] [91] [185];
    Prctl [157] [172] [167] [172];
    Bpf [321] [357] [280] [386];
    InitModule [175] [128] [105] [128];
    FinitModule [313] [350] [273] [379];
    UserFaultFd [323] [374] [282] [388];
    MemfdCreate [319] [356] [279] [385];
    IoUringSetup [425] [425] [425] [425];
    Mount [165] [21] [40] [21];
    Umount [] [22] [] [];
    Umount2 [166] [52] [39] [52];
    Chroot [161] [61] [51] [61];
    Chdir [80] [12] [49] [12];
    Fchdir [81] [133] [50] [133];
    OpenByHandleAt [304] [342] [265] [371];
    SocketPair [53] [360] [199] [288];
    Shutdown [48] [373] [210] [293];
    GetSockOpt [55] [365] [209] [295];
    SetSockOpt [54] [366] [208] [294];
    SendMmsg [307] [345] [269] [374];
    RecvMmsg [299] [337 417] [243] [365 417];
    Chown [92] [182 212] [] [182 212];
    Lchown [94] [16 198] [] [16 198];
    Fchown [93] [95 207] [55] [95 207];
    FchownAt [260] [298] [54] [325];
    Mknod [133] [14] [] [14];
    MknodAt [259] [297] [33] [324];
    Truncate [76] [92 193] [45] [92 193];
    Ftruncate [77] [93 194] [46] [93 194];
    MoveMount [429] [429] [429] [429];
    PivotRoot [155] [217] [41] [218];
    DeleteModule [176] [129] [106] [129];
    Kill [62] [37] [129] [37];
    Tkill [200] [238] [130] [238];
    Tgkill [234] [270] [131] [268];
    Mmap [9] [192] [222] [192];
    Mprotect [10] [125] [226] [125];
    ProcessVmReadv [310] [347] [270] [376];
    ProcessVmWritev [311] [348] [271] [377];
}

/// i386 `socketcall`; 32-bit Arm programs of the EABI have none.
#[cfg(target_arch = "x86_64")]
pub(crate) const SOCKETCALL: Option<usize> = Some(102);
#[cfg(target_arch = "aarch64")]
pub(crate) const SOCKETCALL: Option<usize> = None;

/// Calls that `socketcall` carries: their numbers in `include/uapi/linux/net.h`, and how many
/// arguments each has there. `send` and `recv` are calls without an address.
pub(crate) const CARRIED: [(Kind, u8, u8); 18] = [
    (Kind::Socket, 1, 3),
    (Kind::Bind, 2, 3),
    (Kind::Connect, 3, 3),
    (Kind::Listen, 4, 2),
    (Kind::Accept, 5, 3),
    (Kind::SocketPair, 8, 4),
    (Kind::SendTo, 9, 4),
    (Kind::RecvFrom, 10, 4),
    (Kind::SendTo, 11, 6),
    (Kind::RecvFrom, 12, 6),
    (Kind::Shutdown, 13, 2),
    (Kind::SetSockOpt, 14, 5),
    (Kind::GetSockOpt, 15, 5),
    (Kind::SendMsg, 16, 3),
    (Kind::RecvMsg, 17, 3),
    (Kind::Accept4, 18, 4),
    (Kind::RecvMmsg, 19, 5),
    (Kind::SendMmsg, 20, 4),
];

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use std::{collections::HashMap, fs};

    use super::*;
    use crate::layout::C_NAMES;

    /// The kernel's own tables, of the Debian package linux-libc-dev. arm64 has the generic one.
    const HEADERS: [&str; 3] = [
        "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "/usr/include/x86_64-linux-gnu/asm/unistd_32.h",
        "/usr/include/asm-generic/unistd.h",
    ];

    /// Returns the names of calls by number.
    fn names(header: &str) -> HashMap<u16, String> {
        let text = fs::read_to_string(header).unwrap();
        let defined = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("#define __NR")?.split_ascii_whitespace();
            let name = words.next()?;
            // The generic table has some calls under the name they have with wide offsets.
            let name = name.strip_prefix("3264_").or_else(|| name.strip_prefix('_'))?;
            Some((words.next()?.parse().ok()?, name.to_owned()))
        });
        defined.collect()
    }

    /// Returns whether a call is another form of the one: with wider arguments, or with flags.
    fn is_form_of(name: &str, call: &str) -> bool {
        name.strip_prefix(call).is_some_and(|form| ["", "2", "32", "64", "_time64"].contains(&form))
            || (name, call) == ("mmap2", "mmap")
    }

    #[test]
    fn every_number_is_the_kernels_own() {
        for (table, header) in HEADERS.iter().enumerate() {
            let names = names(header);
            assert!(names.len() > 200, "{header}");
            for (kind, numbers) in TABLES {
                let call = C_NAMES[*kind as usize].trim_start_matches("SAKER_").to_lowercase();
                for number in numbers[table] {
                    // Younger calls than the header are checked once it is there.
                    let Some(name) = names.get(number) else { continue };
                    assert!(is_form_of(name, &call), "{header}: {number} is {name}, not {call}");
                }
            }
        }
    }
}
