//! The Debian package and its units: built, unpacked beside the system, looked at and started.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Units, each with the worst exposure that systemd may see in it, in tenths. Newer versions of
/// systemd look at more, hence two tenths above what 252 finds.
const UNITS: [(&str, u32); 3] =
    [("saker-agent", 28), ("saker-router", 13), ("saker-responder", 13)];

/// The longest a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

struct Package {
    file: PathBuf,
    root: PathBuf,
}

static PACKAGE: LazyLock<Package> = LazyLock::new(|| {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deb");
    let target = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().and_then(Path::parent).unwrap();
    let mut make = Command::new(env!("CARGO_BIN_EXE_xtask"));
    make.args(["deb", "--profile", "dev", "--out"]).arg(&out).env("CARGO_TARGET_DIR", target);
    assert!(make.status().unwrap().success(), "cargo xtask deb failed");
    let architecture = told(Command::new("dpkg").arg("--print-architecture"));
    let version = env!("CARGO_PKG_VERSION");
    let file = out.join(format!("saker_{version}_{}.deb", architecture.trim()));
    let root = out.join("unpacked");
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    told(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&root));
    Package { file, root }
});

/// Returns what a command told; its failure is the test's.
fn told(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without root nothing can be given to users or loaded into the kernel; CI has root.
fn root_or_skip(what: &str) -> bool {
    if told(Command::new("id").arg("-u")).trim() == "0" {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{what}: CI runs as root");
    eprintln!("SKIPPED, needs root: {what}");
    false
}

fn unit(name: &str) -> String {
    let path = PACKAGE.root.join(format!("usr/lib/systemd/system/{name}.service"));
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_package_holds_programs_units_and_one_configuration_file() {
    let listed = told(Command::new("dpkg-deb").arg("--contents").arg(&PACKAGE.file));
    let files: BTreeMap<&str, &str> = listed
        .lines()
        .map(|line| (line.rsplit_once(' ').unwrap().1, line.split_once(' ').unwrap().0))
        .collect();
    for (path, rights) in [
        ("./usr/bin/saker", "-rwxr-xr-x"),
        ("./usr/bin/saker-agent", "-rwxr-xr-x"),
        ("./usr/bin/saker-router", "-rwxr-xr-x"),
        ("./usr/bin/saker-responder", "-rwxr-xr-x"),
        ("./usr/lib/systemd/system/saker-agent.service", "-rw-r--r--"),
        ("./usr/lib/sysusers.d/saker.conf", "-rw-r--r--"),
        ("./etc/saker/saker.yaml", "-rw-r-----"),
        ("./etc/saker/", "drwxr-x---"),
        ("./usr/share/doc/saker/copyright", "-rw-r--r--"),
        ("./usr/share/doc/saker/changelog.gz", "-rw-r--r--"),
    ] {
        assert_eq!(files.get(path), Some(&rights), "{path}");
    }
    assert!(listed.lines().all(|line| line.contains(" root/root ")), "all belongs to root");
    let control = told(Command::new("dpkg-deb").arg("--field").arg(&PACKAGE.file));
    assert!(control.contains("libc6 (>=") && control.contains("libssl3"), "{control}");
    let conffiles =
        told(Command::new("dpkg-deb").arg("--info").arg(&PACKAGE.file).arg("conffiles"));
    assert_eq!(conffiles, "/etc/saker/saker.yaml\n");
}

#[test]
fn the_installed_command_accepts_the_installed_configuration() {
    let saker = PACKAGE.root.join("usr/bin/saker");
    assert!(told(Command::new(&saker).arg("--version")).contains(env!("CARGO_PKG_VERSION")));
    let config = PACKAGE.root.join("etc/saker/saker.yaml");
    told(Command::new(&saker).args(["config", "check"]).arg(config));
}

#[test]
fn the_scripts_of_the_package_are_shell_that_parses() {
    for script in ["postinst", "prerm", "postrm"] {
        let text = told(Command::new("dpkg-deb").arg("--info").arg(&PACKAGE.file).arg(script));
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"), "{script}");
        told(Command::new("sh").args(["-n", "-c"]).arg(&text));
        assert!(!text.contains("systemctl enable") && !text.contains("systemctl start"));
    }
}

/// Installs the package into a copy of this machine that is thrown away, and runs a script there.
/// The copy has nothing of an earlier Saker: this machine may have run or installed one.
fn installed(script: &str) -> String {
    let copy = PACKAGE.root.join("../copy");
    fs::create_dir_all(&copy).unwrap();
    let enter = r#"
        mount -t tmpfs tmpfs "$1"
        mkdir "$1/changes" "$1/work" "$1/root"
        mount -t overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" overlay "$1/root"
        mount --bind /proc "$1/root/proc"
        mount --bind /dev "$1/root/dev"
        chroot "$1/root" sh -c "dpkg -P saker; rm -rf /etc/saker /var/lib/saker*" >/dev/null 2>&1
        cp "$2" "$1/root/tmp/saker.deb"
        exec chroot "$1/root" sh -ec "exec 3>&1 >/dev/null; dpkg -i /tmp/saker.deb; $3""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", enter, "sh"]).arg(copy).arg(&PACKAGE.file).arg(script);
    told(&mut command)
}

#[test]
fn an_installed_package_has_its_users_and_only_they_read_the_configuration() {
    if !root_or_skip("an installation of the package") {
        return;
    }
    let seen = installed(
        "cd /etc/saker; stat -c '%n %U:%G %a' . saker.yaml >&3
         getent passwd saker saker-responder | cut -d: -f1,7 >&3
         su -s /bin/sh saker -c 'saker config check /etc/saker/saker.yaml'
         ! su -s /bin/sh nobody -c 'cat /etc/saker/saker.yaml' 2>&1",
    );
    assert_eq!(
        seen,
        ". root:saker 750\nsaker.yaml root:saker 640\n\
         saker:/usr/sbin/nologin\nsaker-responder:/usr/sbin/nologin\n"
    );
    for (name, _) in UNITS {
        let unit = unit(name);
        let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
        let made = user == "root" || seen.lines().any(|line| line.starts_with(&format!("{user}:")));
        assert!(made, "{name} runs as {user}, whom nobody makes");
    }
}

#[test]
fn an_upgrade_keeps_a_changed_configuration_and_a_purge_keeps_the_alerts() {
    if !root_or_skip("an upgrade of the package") {
        return;
    }
    let seen = installed(
        "mkdir -p /var/lib/saker/journal; echo '# mine' >>/etc/saker/saker.yaml
         dpkg -i /tmp/saker.deb; tail -n 1 /etc/saker/saker.yaml >&3
         dpkg -r saker; ls /etc/saker >&3
         dpkg -P saker; ls -d /etc/saker /usr/bin/saker* /var/lib/saker/* 2>/dev/null >&3 || true",
    );
    assert_eq!(seen, "# mine\nsaker.yaml\n/var/lib/saker/journal\n");
}

#[test]
fn systemd_accepts_every_unit_and_finds_it_hardened() {
    let folder = PACKAGE.root.join("../units");
    fs::create_dir_all(&folder).unwrap();
    for (name, tenths_max) in UNITS {
        // The programs are not where the unit says until the package is installed.
        let path = folder.join(format!("{name}.service"));
        let programs = format!("ExecStart={}/", PACKAGE.root.join("usr/bin").display());
        fs::write(&path, unit(name).replace("ExecStart=/usr/bin/", &programs)).unwrap();
        let verify =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output();
        let verify = verify.unwrap();
        let told_of_it: Vec<_> = String::from_utf8_lossy(&verify.stderr)
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_owned)
            .collect();
        assert!(verify.status.success() && told_of_it.is_empty(), "{name}: {told_of_it:?}");

        let security =
            told(Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&path));
        let level = security.rsplit_once("service: ").unwrap().1;
        let (whole, tenth) = level.split(' ').next().unwrap().split_once('.').unwrap();
        let tenths = whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap();
        eprintln!("unit {name}: exposure {whole}.{tenth}");
        assert!(tenths <= tenths_max, "{name}: exposure {whole}.{tenth}");
    }
}

#[test]
fn the_agent_watches_with_the_capabilities_of_its_unit() {
    if !root_or_skip("the agent with its unit's capabilities") {
        return;
    }
    let unit = unit("saker-agent");
    let kept = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let mut bounding = "-all".to_owned();
    for capability in kept.split(' ') {
        bounding += &format!(",+{}", capability.trim_start_matches("CAP_").to_lowercase());
    }
    let spool = PACKAGE.root.join("../spool");
    drop(fs::remove_dir_all(&spool));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut agent = Command::new("setpriv")
        .args(["--bounding-set", &bounding, "--inh-caps", "-all", "--no-new-privs"])
        .arg(PACKAGE.root.join("usr/bin/saker-agent"))
        .env("SAKER_AGENT__SPOOL__DIR", &spool)
        // Nobody is there; what waits for it is kept.
        .env("SAKER_AGENT__ROUTER__URL", "http://127.0.0.1:1")
        .env("SAKER_AGENT__ADMIN", format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    // It listens once its programs are loaded and attached.
    while TcpStream::connect(("127.0.0.1", port)).is_err() || !served(port) {
        let ended = agent.try_wait().unwrap();
        let late = began.elapsed() > PATIENCE;
        if ended.is_some() || late {
            drop(agent.kill());
            panic!("the agent does not watch: {ended:?}");
        }
        std::thread::yield_now();
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    // Alerts wait there, with arguments and environments of other people's programs.
    let mode = fs::metadata(&spool).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read {}", spool.display());
}

/// Says whether `/ready` answers with 200.
fn served(port: u16) -> bool {
    use std::io::{Read, Write};
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
