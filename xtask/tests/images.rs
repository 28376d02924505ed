//! The images as they are shipped: unpacked again from their archives, looked at and started.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The images: name, user, folder of data.
const IMAGES: [(&str, u32, &str); 3] = [
    ("agent", 0, "var/lib/saker-agent"),
    ("router", 65532, "var/lib/saker"),
    ("responder", 65532, "var/lib/saker-responder"),
];

/// The longest a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An image, unpacked as an engine would.
struct Image {
    name: &'static str,
    user: u32,
    data: &'static str,
    root: PathBuf,
    config: Value,
    digest: String,
    packed_bytes: u64,
}

static UNPACKED: LazyLock<Vec<Image>> = LazyLock::new(|| {
    let out = folder("images");
    make(&out, &[]);
    IMAGES.iter().map(|(name, user, data)| unpack(&out, name, *user, data)).collect()
});

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs the developer's command on the binaries that all tests use.
fn make(out: &Path, names: &[&str]) {
    let target = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().and_then(Path::parent).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["images", "--profile", "dev", "--out"])
        .arg(out)
        .args(names)
        .env("CARGO_TARGET_DIR", target)
        .status()
        .unwrap();
    assert!(done.success(), "cargo xtask images failed");
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn archive(out: &Path, name: &str) -> PathBuf {
    out.join(format!("saker-{name}-{}.tar", version()))
}

fn tar(arguments: &[&str], file: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    let done =
        Command::new("tar").args(arguments).arg("-xf").arg(file).arg("-C").arg(into).status();
    assert!(done.unwrap().success(), "tar cannot read {}", file.display());
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn unpack(out: &Path, name: &'static str, user: u32, data: &'static str) -> Image {
    let (layout, root) = (folder(&format!("{name}.layout")), folder(&format!("{name}.root")));
    for old in [&layout, &root] {
        if old.exists() {
            fs::remove_dir_all(old).unwrap();
        }
    }
    tar(&[], &archive(out, name), &layout);
    let docker = json(&layout.join("manifest.json"));
    let mut packed_bytes = 0;
    for layer in docker[0]["Layers"].as_array().unwrap() {
        let layer = layout.join(layer.as_str().unwrap());
        packed_bytes += layer.metadata().unwrap().len();
        tar(&["--gzip", "--preserve-permissions", "--numeric-owner"], &layer, &root);
    }
    let config = json(&layout.join(docker[0]["Config"].as_str().unwrap()));
    let index = json(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    fs::remove_dir_all(&layout).unwrap();
    Image { name, user, data, root, config, digest, packed_bytes }
}

/// Returns every path below the root, with what it is.
fn files(root: &Path) -> BTreeMap<String, fs::Metadata> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), metadata);
        }
    }
    found
}

fn programs(image: &Image) -> Vec<String> {
    let in_bin = |path: &String| path.starts_with("usr/bin/");
    files(&image.root).into_keys().filter(in_bin).collect()
}

fn readelf(file: &Path) -> String {
    let output = Command::new("readelf").args(["-W", "-d", "-l"]).arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Without root nothing can be started in another root; CI has root.
fn root_or_skip(what: &str) -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout == b"0\n" {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{what}: CI runs as root");
    eprintln!("SKIPPED, needs root: {what}");
    false
}

/// Starts a program as its user in the image's root, which is read-only. `data` is writable.
fn inside(image: &Image, program: &str, data: Option<&Path>) -> Command {
    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
        mount --bind /proc "$1/proc"
        if [ -n "$4" ]; then mount --bind "$4" "$1/$5"; fi
        root=$1 user=$2 program=$3
        shift 5
        exec chroot --userspec="$user" "$root" "$program" "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh"]).arg(&image.root);
    command.arg(format!("{0}:{0}", image.user)).arg(format!("/{program}"));
    command.arg(data.map(Path::as_os_str).unwrap_or_default()).arg(image.data);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
}

#[test]
fn an_image_holds_its_programs_and_no_shell_or_package_manager() {
    for image in &*UNPACKED {
        let files = files(&image.root);
        let own = format!("usr/bin/saker-{}", image.name);
        let mut expected = BTreeSet::from([own.as_str()]);
        if image.name != "agent" {
            expected.insert("usr/bin/saker");
        }
        for (path, metadata) in &files {
            let library = path.contains("/lib/") || path.starts_with("lib");
            if metadata.is_file() && metadata.mode() & 0o111 != 0 && !library {
                assert!(expected.remove(path.as_str()), "{}: what is {path}?", image.name);
            }
            assert_eq!(metadata.mode() & 0o6000, 0, "{}: {path} changes its user", image.name);
            let name = Path::new(path).file_name().unwrap().to_str().unwrap();
            for shell in ["sh", "bash", "dash", "busybox", "apt", "apt-get", "dpkg"] {
                let folder = metadata.is_dir();
                assert!(name != shell || folder, "{}: {path} is there", image.name);
            }
        }
        assert!(expected.is_empty(), "{}: without {expected:?}", image.name);
        assert!(!files.contains_key("tmp"), "nothing of ours writes to /tmp");
    }
}

#[test]
fn every_library_a_program_names_is_in_its_image() {
    for image in &*UNPACKED {
        let mut wanted: Vec<PathBuf> =
            programs(image).iter().map(|program| image.root.join(program)).collect();
        let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let mut used = BTreeSet::new();
        while let Some(file) = wanted.pop() {
            for line in readelf(&file).lines() {
                if let Some((_, loader)) = line.split_once("program interpreter: ") {
                    let loader = loader.trim_end_matches(']');
                    assert!(image.root.join(loader.trim_start_matches('/')).is_file());
                }
                let Some((_, name)) = line.split_once("Shared library: [") else { continue };
                let name = name.trim_end_matches(']');
                let path = image.root.join(&libraries).join(name);
                if !name.starts_with("ld-linux") && used.insert(name.to_owned()) {
                    assert!(path.is_file(), "{}: {name} is missing", image.name);
                    wanted.push(path);
                }
            }
        }
        let there = fs::read_dir(image.root.join(libraries)).unwrap();
        let there = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(used, there, "{}: a library nobody asked for", image.name);
    }
}

#[test]
fn data_folders_belong_to_the_user_and_all_else_to_root() {
    if !root_or_skip("owners of an image's files") {
        return;
    }
    for image in &*UNPACKED {
        let user = image.config["config"]["User"].as_str().unwrap();
        assert_eq!(user, format!("{0}:{0}", image.user), "{}", image.name);
        for (path, metadata) in files(&image.root) {
            let owner = if path == image.data { image.user } else { 0 };
            assert_eq!((metadata.uid(), metadata.gid()), (owner, owner), "{}: {path}", image.name);
        }
    }
}

#[test]
fn every_program_starts_as_its_user_on_a_read_only_root() {
    if !root_or_skip("programs in their image") {
        return;
    }
    for image in &*UNPACKED {
        for program in programs(image) {
            let output = inside(image, &program, None).arg("--version").output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {program}: {told}", image.name);
        }
        let unpacked: u64 = files(&image.root).values().map(MetadataExt::size).sum();
        let mebibytes = |bytes: u64| bytes >> 20;
        eprintln!(
            "image {}: user {}, {} MiB, {} MiB compressed (unoptimised)",
            image.name,
            image.user,
            mebibytes(unpacked),
            mebibytes(image.packed_bytes)
        );
    }
}

#[test]
fn the_router_needs_nothing_writable_but_its_volume() {
    if !root_or_skip("a router in its image") {
        return;
    }
    let image = UNPACKED.iter().find(|image| image.name == "router").unwrap();
    let data = folder("router.data");
    if data.exists() {
        fs::remove_dir_all(&data).unwrap();
    }
    fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(image.user), Some(image.user)).unwrap();
    let (ingest, api) = (port(), port());
    let mut command = inside(image, "usr/bin/saker-router", Some(&data));
    for argument in image.config["config"]["Cmd"].as_array().unwrap() {
        command.arg(argument.as_str().unwrap());
    }
    command.env("SAKER_ROUTER__LISTEN", format!("127.0.0.1:{ingest}"));
    command.env("SAKER_ROUTER__API", format!("127.0.0.1:{api}"));
    let mut router = Daemon(command.stdout(Stdio::null()).spawn().unwrap());
    let began = Instant::now();
    while !get(api, "/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        let ended = router.0.try_wait().unwrap();
        assert!(
            ended.is_none() && began.elapsed() < PATIENCE,
            "the router is not ready: {ended:?}"
        );
        std::thread::yield_now();
    }
    assert!(data.join("journal").is_dir());
}

#[test]
fn the_same_sources_give_the_same_image() {
    let again = folder("images-again");
    make(&again, &["agent"]);
    let first = UNPACKED.iter().find(|image| image.name == "agent").unwrap();
    let second = unpack(&again, "agent", 0, "again");
    assert_eq!(first.digest, second.digest);
}

#[test]
fn an_engine_that_builds_the_containerfile_sets_the_same() {
    for image in &*UNPACKED {
        let path =
            format!("{}/../deploy/images/{}.Containerfile", env!("CARGO_MANIFEST_DIR"), image.name);
        let text = fs::read_to_string(path).unwrap();
        let line = |word: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(&format!("{word} ")));
            found.unwrap_or_else(|| panic!("{}: no {word}", image.name)).to_owned()
        };
        let config = &image.config["config"];
        assert_eq!(config["User"], line("USER"));
        assert_eq!(config["StopSignal"], line("STOPSIGNAL"));
        assert_eq!(config["Entrypoint"].to_string(), line("ENTRYPOINT").replace(", ", ","));
        assert_eq!(config["Cmd"].to_string(), line("CMD").replace(", ", ","));
        let ports: Vec<_> = line("EXPOSE").split(' ').map(|port| format!("{port}/tcp")).collect();
        let exposed: Vec<_> = config["ExposedPorts"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(exposed, ports);
        let layers = text.lines().filter(|line| line.starts_with("COPY ")).count();
        assert_eq!(image.config["rootfs"]["diff_ids"].as_array().unwrap().len(), layers);
        let labels = config["Labels"].as_object().unwrap();
        assert_eq!(labels.len(), text.matches("org.opencontainers.image.").count());
        assert_eq!(labels["org.opencontainers.image.version"], version());
    }
}

#[test]
fn the_bill_of_materials_names_packages_and_crates() {
    for image in &*UNPACKED {
        let path = format!("usr/share/sbom/saker-{}.spdx.json", image.name);
        let bill = json(&image.root.join(path));
        let names: BTreeSet<_> = bill["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap())
            .collect();
        for name in ["libc6", "libgcc-s1", "ca-certificates", "tokio", "rustls"] {
            let known = names.contains(name) || image.name == "responder";
            assert!(known, "{}: no {name}", image.name);
        }
        let status = fs::read_dir(image.root.join("var/lib/dpkg/status.d")).unwrap();
        for package in status {
            let package = package.unwrap().file_name().into_string().unwrap();
            assert!(names.contains(package.as_str()), "{}: no {package}", image.name);
            assert!(image.root.join("usr/share/doc").join(&package).join("copyright").is_file());
        }
        // The agent has rights on the node: it brings no client of Kafka, mail or Kubernetes.
        let agent = image.name == "agent";
        for name in ["rdkafka", "lettre", "outputs", "kube"] {
            assert!(!agent || !names.contains(name), "the agent is linked with {name}");
        }
        assert_eq!(names.contains("rdkafka"), !agent);
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
