//! Rights that are gained, what protects the machine switched off, and what hides.

use crate::{
    table::{Row, on_host, row},
    watch::builtin,
};

#[test]
fn rights_and_protections_of_the_host() {
    let Some(watch) = builtin() else { return };
    on_host(watch, ROWS);
}

pub(super) const ROWS: &[Row] = &[
    row(
        "Setuid bit given",
        "cp /bin/true $D/$0; chmod 4755 $D/$0",
        &[("proc.exepath", "/usr/bin/chmod")],
    ),
    row(
        "Capabilities given to a program",
        "$A run setcap cap_setuid+ep $0",
        &[("proc.cmdline", "setcap cap_setuid+ep saker-a*")],
    ),
    row("Sudo attacked", "$A run sudo -u#-1 $0", &[("proc.exepath", "*/sudo")]),
    row(
        "Loader tuned for a privileged program",
        "GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A /bin/true $0",
        &[("proc.env[GLIBC_TUNABLES]", "glibc.malloc.mxfast=*"), ("proc.exepath", "/usr/bin/true")],
    ),
    row(
        "Root shell out of an allowed program",
        "cp /bin/dash /usr/bin/sudo; $A shell vim -c :
         /usr/bin/sudo -c \"$A terminal $D/vim -c 'sh -i; : $0'; :\"",
        &[("proc.pname", "vim"), ("proc.cmdline", "sh -i")],
    ),
    row(
        "Package manager told to run a command",
        "$A run apt-get -o APT::Update::Pre-Invoke::=x $0",
        &[("proc.cmdline", "apt-get -o*"), ("user.name", "root")],
    ),
    row("Crontab replaced from a pipe", "$A run crontab $0 -", &[("proc.cmdline", "crontab*")]),
    row("Account made by hand", "$A run useradd $0", &[("proc.cmdline", "useradd saker-a*")]),
    row(
        "Shell history turned off",
        "HISTFILE=/dev/null sh -c : $0; :",
        &[("proc.cmdline", "sh -c : saker-a*"), ("proc.env[HISTFILE]", "/dev/null")],
    ),
    row(
        "Security service stopped",
        "$A run systemctl stop auditd $0",
        &[("proc.cmdline", "systemctl stop auditd saker-a*")],
    ),
    row("Firewall opened", "$A run nft flush ruleset $0", &[("proc.cmdline", "nft flush*")]),
    row(
        "Mandatory access control switched off",
        "$A run setenforce Permissive $0",
        &[("proc.exepath", "*/setenforce")],
    ),
    row("File made immutable", "$A run chattr +i $0", &[("proc.cmdline", "chattr +i saker-a*")]),
    row("Backups deleted", "$A run rm -rf $0 /nothing/backups", &[("proc.cmdline", "rm -rf*")]),
    row("Disk overwritten", "$A run dd if=$0 of=/dev/sdz", &[("proc.cmdline", "dd if=*")]),
    row(
        "Program run from memory",
        "$A memfd innocent $0",
        &[("proc.exepath", "memfd:payload"), ("proc.cmdline", "memfd:payload saker-a*")],
    ),
    row(
        "Deleted program run",
        "$A deleted $D/gone gone $0",
        &[("proc.exepath", "*/gone"), ("proc.cmdline", "gone saker-a*")],
    ),
    row(
        "Hidden program run",
        "cp /bin/true /var/tmp/.x; /var/tmp/.x $0",
        &[("proc.exepath", "/var/tmp/.x")],
    ),
    row(
        "Program poses as a kernel thread",
        "$A as '[kworker/0:1]' /bin/true $0",
        &[("proc.exe", "[kworker/0:1]"), ("proc.exepath", "/usr/bin/true")],
    ),
    row(
        "Loader run by hand",
        "cp /bin/true /dev/shm/$0; $(ls /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* | head -n 1) /dev/shm/$0
         rm /dev/shm/$0",
        &[("proc.exepath", "/usr/lib/*")],
    ),
    row(
        "Library forced into programs",
        "LD_PRELOAD=/tmp/$0.so /bin/true",
        &[("proc.env[LD_PRELOAD]", "/tmp/saker-a*"), ("proc.exepath", "/usr/bin/true")],
    ),
    row("Kernel module loaded by hand", "$A module $0", &[("proc.exepath", "*/attacks")]),
    row(
        "BPF program loaded by hand",
        "$A bpf $0",
        &[("evt.type", "bpf"), ("proc.exepath", "*/attacks")],
    ),
    row(
        "Process hidden by a mount",
        "mount -t tmpfs $0 /proc/$$",
        &[("evt.args", "*"), ("proc.exepath", "/usr/bin/mount")],
    ),
    row(
        "Process taken over",
        "$A attach $0",
        &[("evt.arg.request", "PTRACE_ATTACH"), ("proc.name", "attacks")],
    ),
    row(
        "Timestamp forged",
        "touch -d 2001-01-01 /etc/$0",
        &[("proc.cmdline", "touch -d 2001-01-01 /etc/saker-a*")],
    ),
];
