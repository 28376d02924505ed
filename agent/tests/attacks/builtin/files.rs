//! Files that are read or changed: secrets, ways to come back, logs, settings of the kernel.

use crate::{
    table::{Row, on_host, row},
    watch::builtin,
};

#[test]
fn files_of_the_host() {
    let Some(watch) = builtin() else { return };
    on_host(watch, ROWS);
}

pub(super) const ROWS: &[Row] = &[
    row(
        "Password hashes read",
        "cat /etc/shadow /nothing/$0",
        &[("fd.name", "/etc/shadow"), ("proc.name", "cat"), ("user.name", "root")],
    ),
    row(
        "Private SSH key read",
        "mkdir -p /root/.ssh; echo x > /root/.ssh/id_x; cp /root/.ssh/id_x $D/$0",
        &[("fd.name", "/root/.ssh/id_x"), ("proc.name", "cp")],
    ),
    row(
        "Cloud credentials read",
        "mkdir -p /root/.aws; echo x > /root/.aws/credentials; head /root/.aws/credentials $0",
        &[("fd.name", "/root/.aws/credentials"), ("proc.name", "head")],
    ),
    row(
        "Cluster keys read",
        "mkdir -p /etc/kubernetes/pki; echo x > /etc/kubernetes/pki/ca.key
         cat /etc/kubernetes/pki/ca.key $0",
        &[("fd.name", "/etc/kubernetes/pki/ca.key")],
    ),
    row(
        "Browser passwords read",
        "at=/root/.mozilla/firefox/p; mkdir -p $at; echo x > $at/logins.json; cat $at/logins.json $0",
        &[("fd.name", "/root/.mozilla/firefox/p/logins.json")],
    ),
    row(
        "Developer secrets read",
        "echo x > /root/.netrc; head /root/.netrc $0",
        &[("fd.name", "/root/.netrc"), ("proc.exepath", "/usr/bin/head")],
    ),
    row(
        "Environment of another process read",
        "cat /proc/$$/environ $0",
        &[("fd.name", "/proc/*"), ("fd.name", "*/environ")],
    ),
    row(
        "Login records read by a tool",
        "echo x > /root/.bash_history; grep x /root/.bash_history $0",
        &[("fd.name", "/root/.bash_history")],
    ),
    row(
        "Package script reads secrets",
        "mkdir -p /root/.ssh; echo x > /root/.ssh/id_y; $A shell npm -c 'cat /root/.ssh/id_y $0; :' $0",
        &[("fd.name", "/root/.ssh/id_y"), ("proc.pname", "npm")],
    ),
    row(
        "System log cleared",
        "echo x > /var/log/auth.log; : > /var/log/auth.log",
        &[("fd.name", "/var/log/auth.log")],
    ),
    row(
        "Shell history cleared",
        "echo x > /root/.bash_history; rm /root/.bash_history /nothing/$0",
        &[("proc.exepath", "*/rm")],
    ),
    row(
        "Saker tampered with",
        "mkdir -p /etc/saker; : > /etc/saker/x.yaml",
        &[("fd.name", "/etc/saker/x.yaml")],
    ),
    row(
        "Audit configuration changed",
        "mkdir -p /etc/rsyslog.d; : > /etc/rsyslog.d/x.conf",
        &[("fd.name", "/etc/rsyslog.d/x.conf")],
    ),
    // Opened for writing, and left as they are.
    row(
        "Kernel protection lowered",
        ": >> /proc/sys/kernel/randomize_va_space",
        &[("fd.name", "/proc/sys/kernel/randomize_va_space")],
    ),
    row(
        "Kernel helper changed",
        ": >> /proc/sys/kernel/core_pattern",
        &[("fd.name", "/proc/sys/kernel/core_pattern")],
    ),
    row(
        "Process memory opened for writing",
        ": >> /proc/$$/mem",
        &[("fd.name", "*/mem"), ("proc.exepath", "/usr/bin/dash")],
    ),
    row(
        "Privilege configuration written",
        "mkdir -p /etc/sudoers.d; : > /etc/sudoers.d/x",
        &[("fd.name", "/etc/sudoers.d/x"), ("user.name", "root")],
    ),
    row(
        "Scheduled job written",
        "mkdir -p /etc/cron.d; echo x > /etc/cron.d/x",
        &[("fd.name", "/etc/cron.d/x")],
    ),
    row(
        "Service definition written",
        "mkdir -p /etc/systemd/system; : > /etc/systemd/system/x.service",
        &[("fd.name", "/etc/systemd/system/x.service")],
    ),
    row(
        "Library loading changed",
        ": > /etc/ld.so.preload; rm /etc/ld.so.preload",
        &[("fd.name", "/etc/ld.so.preload")],
    ),
    row(
        "Authorised SSH keys written",
        "mkdir -p /root/.ssh; : > /root/.ssh/authorized_keys",
        &[("fd.name", "/root/.ssh/authorized_keys")],
    ),
    row(
        "SSH server configuration written",
        "mkdir -p /etc/ssh; : >> /etc/ssh/sshd_config",
        &[("fd.name", "/etc/ssh/sshd_config")],
    ),
    row("Shell startup file written", ": >> /root/.bashrc", &[("fd.name", "/root/.bashrc")]),
    row(
        "Desktop start file written",
        "mkdir -p /etc/xdg/autostart; : > /etc/xdg/autostart/x.desktop",
        &[("fd.name", "/etc/xdg/autostart/x.desktop")],
    ),
    row(
        "Device or module rule written",
        "mkdir -p /etc/modprobe.d; : > /etc/modprobe.d/x.conf",
        &[("fd.name", "/etc/modprobe.d/x.conf")],
    ),
    row(
        "Package manager hook written",
        "mkdir -p /etc/apt/apt.conf.d; : > /etc/apt/apt.conf.d/99x",
        &[("fd.name", "/etc/apt/apt.conf.d/99x")],
    ),
    row(
        "Login module written",
        "mkdir -p /usr/lib/x/security; : > /usr/lib/x/security/pam_x.so",
        &[("fd.name", "/usr/lib/x/security/pam_x.so")],
    ),
    row(
        "Python startup file written",
        "mkdir -p /usr/lib/python3; : > /usr/lib/python3/sitecustomize.py",
        &[("fd.name", "/usr/lib/python3/sitecustomize.py")],
    ),
    row("Program folder written", ": > /usr/bin/x-new", &[("fd.name", "/usr/bin/x-new")]),
    row(
        "Script placed by a web server",
        "mkdir -p /var/www; $A shell nginx -c ': > /var/www/x.php' $0",
        &[("fd.name", "/var/www/x.php")],
    ),
    row("Boot files written", ": > /etc/default/grub", &[("fd.name", "/etc/default/grub")]),
    row(
        "Static pod written",
        "mkdir -p /etc/kubernetes/manifests; : > /etc/kubernetes/manifests/x.yaml",
        &[("fd.name", "/etc/kubernetes/manifests/x.yaml")],
    ),
    row(
        "Node's container configuration written",
        "mkdir -p /etc/cni/net.d; : > /etc/cni/net.d/1-x.conf",
        &[("fd.name", "/etc/cni/net.d/1-x.conf")],
    ),
    row(
        "Package source changed",
        "mkdir -p /etc/apt; : >> /etc/apt/sources.list",
        &[("fd.name", "/etc/apt/sources.list")],
    ),
    row(
        "Trusted authority added",
        "at=/usr/local/share/ca-certificates; mkdir -p $at; : > $at/x.crt",
        &[("fd.name", "/usr/local/share/ca-certificates/x.crt")],
    ),
    row(
        "Repository hook written",
        "mkdir -p $D/x/.git/hooks; : > $D/x/.git/hooks/pre-commit",
        &[("fd.name", "*/x/.git/hooks/pre-commit")],
    ),
    row(
        "Link to a secret made",
        "ln -s /etc/shadow $D/$0",
        &[("evt.args", "res=0 target=/etc/shadow*"), ("proc.exepath", "*/ln")],
    ),
];
