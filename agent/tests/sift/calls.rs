//! The same of connects and of calls that are told by their arguments.

use alert::EventKind;

use crate::{hold, random::Random, random_rules};

const RULE_SETS: u64 = 60;
const CALLS: u32 = 60;
const KINDS: [EventKind; 7] = [
    EventKind::ProcExit,
    EventKind::Connect,
    EventKind::Socket,
    EventKind::Kill,
    EventKind::Prctl,
    EventKind::SetResUid,
    EventKind::SetPgid,
];

#[test]
fn what_is_dropped_of_connects_and_calls_is_all_that_no_rule_can_match_and_no_more() {
    let rules = &mut |random: &mut Random, top: &str| {
        let kinds = ["connect", "connect, socket, kill", "prctl, setresuid, setpgid, socket, kill"];
        let kinds = kinds[random.below(3)];
        random_rules(random, kinds, &mut |random| part(random, kinds, top))
    };
    let Some((totals, rule_sets)) = hold("caller", &KINDS, (RULE_SETS, CALLS), rules) else {
        return;
    };
    let of_interest = totals.kept > 30 * rule_sets && totals.matched > 10 * rule_sets;
    assert!(of_interest, "too few were of interest: {totals:?}");
    assert!(totals.dropped > 15 * rule_sets, "it hardly filters: {totals:?}");
}

/// Returns a condition on what the probe can tell of these kinds.
fn part(random: &mut Random, kinds: &str, top: &str) -> String {
    let ports = ["1", "7", "443", "1000", "1001", "65000"];
    let port = ports[random.below(ports.len())];
    let of_all = [
        "evt.rawres = 0",
        "evt.rawres >= 0",
        "evt.failed = true",
        "evt.res in (ECONNREFUSED, ENOENT, ESRCH)",
        "user.uid = 0",
        "user.uid >= 1000",
    ];
    let of_calls = [
        "evt.arg.domain = AF_INET6",
        "evt.arg.domain in (AF_PACKET, AF_NETLINK)",
        "evt.rawarg.domain > 20",
        "evt.arg.sig = 0",
        "evt.rawarg.pid < 100000",
        "evt.arg.option = PR_GET_DUMPABLE",
    ];
    let choice = random.below(24);
    match choice {
        0..6 => of_all[choice].to_owned(),
        6..12 if !kinds.starts_with("connect,") && kinds != "connect" => {
            of_calls[choice - 6].to_owned()
        }
        6 | 12 => format!("fd.sport = {port}"),
        7 | 13 => format!("fd.rport in ({port}, 443)"),
        8 | 14 => format!("fd.sport >= {port}"),
        9 | 15 => format!("fd.cport > {port}"),
        10 | 16 => format!("fd.port = {port}"),
        11 | 17 => "fd.sip = 127.0.0.1".to_owned(),
        18 => "fd.snet in (127.0.0.0/24, 127.1.0.0/16)".to_owned(),
        19 => "fd.rip in (\"::1\", 127.0.0.2)".to_owned(),
        20 => "fd.l4proto = udp".to_owned(),
        21 => "fd.typechar in (4, u)".to_owned(),
        22 => format!("fd.name in ({top}/socket, @socket)"),
        _ => "fd.name endswith /missing".to_owned(),
    }
}
