//! Makes rules as people write them, as many as are wanted: the same shapes over and over, each
//! with names and paths of its own, and exceptions with lists.

use std::fmt::Write;

/// Returns a rule file.
pub(super) fn rules(count: usize) -> String {
    let mut text = String::from(
        "- macro: opened_to_write\n  condition: evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.typechar = f and fd.num >= 0\n\
         - macro: opened_to_read\n  condition: evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.typechar = f and fd.num >= 0\n\
         - macro: started\n  condition: evt.type in (execve, execveat)\n\
         - macro: in_container\n  condition: container.id != host\n\
         - list: shells\n  items: [ash, bash, csh, dash, fish, ksh, sh, tcsh, zsh]\n\
         - list: package_tools\n  items: [apt, apt-get, dnf, dpkg, rpm, yum, apk, snapd, unattended-upgr]\n",
    );
    for number in 0..count {
        let condition = condition(number);
        writeln!(
            text,
            "- rule: Rule {number}\n  desc: Made for measurement.\n  priority: NOTICE\n  tags: [made]\n  \
             output: Rule {number} | command=%proc.cmdline file=%fd.name user=%user.name\n  condition: >\n    {condition}"
        )
        .ok();
    }
    text
}

/// Most rules of real files are about programs that are run and files that are opened.
fn condition(number: usize) -> String {
    let n = number;
    match number % 10 {
        0 => format!(
            "started and proc.name in (tool{n}, tool{n}-cli, tool{n}d) and not proc.pname in (shells)"
        ),
        1 => format!(
            "opened_to_write and (fd.name startswith /etc/app{n}/ or fd.name = /etc/app{n}.conf) and not proc.name in (package_tools) and not (proc.name = agent{n} and fd.name startswith /etc/app{n}/cache)"
        ),
        2 => format!(
            "opened_to_read and fd.name in (/var/secrets/{n}/key.pem, /root/.app{n}/token) and not proc.exepath in (/usr/bin/app{n}, /usr/sbin/app{n}d)"
        ),
        3 => format!(
            "started and proc.cmdline contains \"--steal={n}\" and (proc.name in (shells) or proc.name startswith interp{n})"
        ),
        4 => format!(
            "evt.type = connect and fd.sport = {} and in_container and not proc.name in (client{n}, proxy{n})",
            1024 + n % 60_000
        ),
        5 => format!(
            "started and in_container and proc.aname in (runner{n}, builder{n}) and not container.image.repository endswith /image{n}"
        ),
        6 => format!(
            "opened_to_write and fd.filename = .dropper{n} and fd.directory startswith /home and user.uid >= 1000"
        ),
        7 => format!(
            "evt.type = connect and fd.snet = 198.{}.{}.0/24 and not proc.exepath startswith /opt/trusted{n}/",
            n / 256 % 256,
            n % 256
        ),
        8 => format!(
            "started and proc.exepath startswith /opt/odd{n}/ and not (user.name = svc{n} and proc.pname in (supervisor{n}, systemd))"
        ),
        _ => format!(
            "opened_to_read and fd.name endswith /.cred{n} and not proc.name in (backup{n}, sync{n}, rsync) and not fd.name pmatch (/srv/shared{n})"
        ),
    }
}
