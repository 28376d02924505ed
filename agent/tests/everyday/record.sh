#!/usr/bin/env bash
# Records everyday activity of a Debian server as real events, one recording for each kind.
#
#   record.sh SAKER DIR [ACTIVITY…]     as root, on a throw-away machine: it installs packages
#
# SAKER is the program `saker`. DIR receives ACTIVITY.raw.saker, a recording of every kind of event, which
# `condense.py` of the crate `agent` turns into what is committed. Daemons run in the foreground, so that
# everything an activity does descends from the shell called `everyday-root`, where `condense` cuts.
set -euo pipefail
saker=$1 dir=$2
shift 2
mkdir -p "$dir"

debian() { env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"; }

needs() {
    # The daily job of apt would upgrade the machine, for many minutes.
    printf 'APT::Periodic::Enable "0";\n' >/etc/apt/apt.conf.d/99everyday
    debian install cron openssh-server openssh-client rsync logrotate nginx-light rsyslog podman runc \
        busybox-static redis-server at git gcc make curl wget postgresql python3-venv restic
    # The account that logs in; that its key is put there is no everyday activity.
    mkdir -p /run/sshd
    [[ -e /srv/everyday-key ]] || ssh-keygen -q -t ed25519 -N '' -f /srv/everyday-key
    id everyday || useradd -m -s /bin/bash everyday
    install -d -m 700 -o everyday /home/everyday/.ssh
    install -m 600 -o everyday /srv/everyday-key.pub /home/everyday/.ssh/authorized_keys
}

packages() {
    apt-get -q update
    debian install --reinstall cron openssh-server rsyslog redis-server udev kmod sudo passwd libpam-runtime \
        ca-certificates logrotate openssl nginx-light libc-bin bash-completion
    debian install chrony unattended-upgrades ufw bind9-host zsh
    debian purge chrony ufw zsh bind9-host
    debian upgrade --dry-run
    dpkg -l | wc -l
    unattended-upgrade --dry-run || true
    dpkg-reconfigure -f noninteractive tzdata
    apt-get -q clean
}

compile() {
    cd "$work"
    mkdir c rust
    printf 'int main(void){return 0;}\n' >c/a.c
    printf 'all: a b\na: a.c\n\tgcc -O2 -o a a.c\n\t./a\nb: a.c\n\tcc -g -c a.c -o b.o && ar rcs libb.a b.o && touch b\n' >c/Makefile
    make -C c
    printf '[package]\nname="everyday"\nversion="0.1.0"\nedition="2021"\n' >rust/Cargo.toml
    mkdir rust/src
    printf 'fn main() { println!("{}", env!("STAMP")); }\n#[test] fn holds() {}\n' >rust/src/main.rs
    printf 'fn main() { println!("cargo:rustc-env=STAMP=1"); }\n' >rust/build.rs
    (cd rust && cargo build --offline && cargo test --offline && cargo run --offline)
    printf 'AC_INIT' >c/configure && printf '#!/bin/sh\nfor i in 1 2 3; do echo "int main(){return 0;}" >conftest.c; gcc conftest.c -o conftest && ./conftest; done\n' >c/configure
    (cd c && sh ./configure)
}

schedule() {
    printf 'SHELL=/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n* * * * * root test -e /etc/hostname && df -h >/dev/null\n* * * * * root cd / && run-parts --report /etc/cron.daily\n* * * * * root tar -czf /var/backups/etc.tar.gz /etc /home 2>/dev/null; rm -f /var/backups/etc.tar.gz\n' >/etc/cron.d/everyday
    printf '* * * * * /usr/bin/uptime >/dev/null\n' | crontab -
    crontab -l
    timeout 70 cron -f || true
    crontab -r
    rm -f /etc/cron.d/everyday
    echo 'uptime' | at now + 1 minute || true
    timeout 5 atd -f || true
}

login() {
    /usr/sbin/sshd -D -p 2299 &
    local server=$!
    local options=(-i /srv/everyday-key -p 2299 -o StrictHostKeyChecking=no -o UserKnownHostsFile="$work/known" -o ConnectionAttempts=20)
    ssh "${options[@]}" everyday@127.0.0.1 'id; uptime; ls -la; ps aux | head -3; cat .bashrc >/dev/null; df -h; free -m'
    printf 'whoami\nlast -n 2\nvi --version | head -1\ntop -bn1 | head -5\nexit\n' | ssh -tt "${options[@]}" everyday@127.0.0.1
    scp -q -i /srv/everyday-key -P 2299 -o StrictHostKeyChecking=no -o UserKnownHostsFile="$work/known" /etc/hostname everyday@127.0.0.1:
    su - everyday -c 'id'
    kill "$server"
    wait "$server" || true
}

rotate() {
    rsyslogd -n -iNONE &
    local server=$!
    logger -p auth.info 'everyday: a line'
    logrotate -f /etc/logrotate.conf || true
    kill "$server"
    wait "$server" || true
    journalctl --version
    systemd-tmpfiles --create --clean || true
}

sources() {
    cd "$work"
    git init -q one
    cd one
    git config user.email you@example.org
    git config user.name you
    printf 'x\n' >file
    git add .
    git commit -qm one
    git clone -q "$work/one" "$work/two"
    git -C "$work/two" checkout -qb branch
    git -C "$work/two" push -q origin branch
    git -C "$work/two" gc -q
    git log --stat | cat
    grep -rn x .
    find . -name '*.c'
}

languages() {
    cd "$work"
    /usr/bin/python3 -m venv venv
    venv/bin/pip -q install requests pyyaml || true
    venv/bin/python -c 'import json, urllib.request; print(json.dumps({}))'
    mkdir node
    cd node
    npm init -y >/dev/null
    npm install --no-audit --no-fund is-odd esbuild || true
    node -e 'console.log(require("is-odd")(3))' || true
    npx esbuild --version || true
}

servers() {
    nginx -g 'daemon off;' &
    local web=$!
    redis-server --port 6399 --save '' &
    local cache=$!
    local cluster
    cluster=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
    install -d -o postgres "$work/pg"
    su postgres -s /bin/sh -c "$cluster/initdb -D $work/pg >/dev/null && $cluster/pg_ctl -D $work/pg -o '-p 6432 -k /tmp' -w start"
    su postgres -s /bin/sh -c "psql -h /tmp -p 6432 -c 'create table t(i int); insert into t select generate_series(1,1000); select count(*) from t'"
    su postgres -s /bin/sh -c "pg_dump -h /tmp -p 6432 -f $work/pg/dump.sql; vacuumdb -q -h /tmp -p 6432 postgres"
    curl -s --retry 5 --retry-connrefused http://127.0.0.1/ >/dev/null
    redis-cli -p 6399 set a b
    redis-cli -p 6399 shutdown nosave
    wait "$cache" || true
    nginx -t
    nginx -s reload
    sed -i 's/worker_connections 768/worker_connections 768/' /etc/nginx/nginx.conf
    su postgres -s /bin/sh -c "$cluster/pg_ctl -D $work/pg -m fast stop"
    kill "$web"
    wait "$web" || true
}

backup() {
    mkdir -p "$work/target"
    (/usr/sbin/cron -f & echo $! >"$work/cron.pid"; wait) &
    printf '* * * * * root tar -cf %s/etc.tar /etc; rsync -a /etc/ %s/copy/; rsync -a /var/log/ %s/log/; RESTIC_PASSWORD=x restic -q -r %s/restic init; RESTIC_PASSWORD=x restic -q -r %s/restic backup /etc\n' \
        "$work/target" "$work/target" "$work/target" "$work/target" "$work/target" >/etc/cron.d/everyday
    sleep 75 # Cron looks once a minute; the job takes a few seconds.
    rm -f /etc/cron.d/everyday
    kill "$(cat "$work/cron.pid")"
    wait
    tar -czf "$work/home.tar.gz" -C "$work" target/log
    tar -tzf "$work/home.tar.gz" | wc -l
}

administration() {
    useradd -m everyday2
    usermod -aG adm everyday2
    echo 'everyday2:secret' | chpasswd
    passwd -S everyday2
    userdel -r everyday2
    systemctl --version
    systemctl list-units --no-pager || true
    sysctl -a >/dev/null 2>&1 || true
    ps aux | grep ssh | head -2
    ss -tlnp | head -3
    ip addr | head -3
    lsblk || true
    mount | head -2
    dmesg | tail -1 || true
    update-ca-certificates
    ldconfig
    sudo -u nobody id
    sudo -l >/dev/null
    visudo -c
    apt-mark showmanual | wc -l
    find /etc -name '*.conf' -newer /etc/hostname | head -3
    grep -rn Port /etc/ssh/sshd_config | head -1
    tail -n 2 /var/log/dpkg.log
    du -sh /var/log
    lsof -v 2>/dev/null || true
    curl -sI https://www.example.org | head -1 || true
    hostname -f || true
    date
    update-alternatives --list editor || true
    timedatectl --version
}

container() {
    local root=$work/rootfs
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,www}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in sh ls cat httpd wget id ps sleep vi tar; do ln -sf busybox "$root/bin/$name"; done
    local run=(podman --runtime runc run --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000)
    "${run[@]}" --rm --name everyday1 --rootfs "$root" /bin/sh -c 'id; ls /; cat /proc/self/status >/tmp/x'
    "${run[@]}" -d --name everyday2 --rootfs "$root" /bin/httpd -f -h /www
    podman exec everyday2 /bin/ps
    podman exec everyday2 /bin/wget -qO- http://127.0.0.1/ || true
    podman ps
    podman inspect everyday2 >/dev/null
    podman stop -t 1 everyday2
    podman rm everyday2
}

# Prints how many events the kernel has sent that the agent has not handled.
behind() {
    curl -s http://127.0.0.1:28931/metrics | awk '
        /^saker_agent_events_total/ { handled = $2 }
        /^saker_agent_kernel_events_total.*outcome="sent"/ { sent += $2 }
        END { print sent - handled }'
}

all=(packages compile schedule login rotate sources languages servers backup administration container)

if [[ ${1:-} == inside ]]; then
    work=$(mktemp -d /srv/everyday.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    chmod 755 "$work"
    "$2"
    exit
fi

# A recording has every kind of event whatever rules want; one rule costs the agent the least.
cat >"$dir/none.yaml" <<'RULE'
- rule: Nothing
  desc: Leaves the agent its time for the recording.
  condition: evt.type = execve and proc.name = never
  output: never
  priority: DEBUG
RULE
printf 'agent:\n  admin: "127.0.0.1:28931"\n  record: { enabled: false }\n  sensor: { prio_ring_bytes: 16MiB, bulk_ring_bytes: 64MiB }\n' >"$dir/agent.yaml"

(($#)) || set -- "${all[@]}"
needs >"$dir/needs.log" 2>&1
for activity in "$@"; do
    "$saker" agent -c "$dir/agent.yaml" -r "$dir/none.yaml" --record "$dir/$activity.raw.saker" \
        --record-bytes-max 1GiB >/dev/null 2>"$dir/$activity.agent.log" &
    recorder=$!
    until curl -sf http://127.0.0.1:28931/ready >/dev/null; do kill -0 "$recorder"; sleep 0.1; done
    echo "recording $activity"
    env -i HOME=/root PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=xterm \
        bash "$(realpath "$0")" "$saker" "$(realpath "$dir")" inside "$activity" everyday-root \
        >"$dir/$activity.log" 2>&1 </dev/null || echo "$activity ended with $?; see $dir/$activity.log"
    # Others may be busy on this machine too: nearly caught up is enough.
    for _ in {1..1500}; do (($(behind) < 200)) && break || sleep 0.2; done
    echo "$activity: $(behind) events behind; lost:"
    curl -s http://127.0.0.1:28931/metrics | grep 'outcome="lost"} [1-9]' || echo "  none"
    kill "$recorder"
    wait "$recorder" || true
    tail -2 "$dir/$activity.agent.log"
done
