//! What runtimes leave on disk: for one that has no socket, as Podman mostly has none, or that does
//! not answer.
//!
//! Only folders of root's are read, no link is followed, and no more than so many bytes are taken.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Result,
};
use serde::Deserialize;

use super::{
    image::{ImageWords, is_hash},
    metadata::{Metadata, Pod, Probes, first, labels, name, time_ns},
    specification::Specification,
    wanted::Wanted,
};

/// A specification is some ten KiB.
const SPECIFICATION_BYTES_MAX: u64 = 1 << 20;
/// A list of containers has half a KiB for each.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// Where containerd keeps the specifications of what runs, beside its socket.
const CONTAINERD_TASKS: &str = "io.containerd.runtime.v2.task";
/// Namespaces of containerd in which one is looked for.
const CONTAINERD_NAMESPACES: [&str; 3] = ["k8s.io", "default", "moby"];
/// Drivers of the storage that Podman and CRI-O share.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// The folders in which to look.
#[derive(Debug)]
pub(super) struct Bundles {
    /// The states of containerds.
    states: Vec<PathBuf>,
    /// The storages of Podman and CRI-O.
    storages: Vec<PathBuf>,
}

/// An entry of `containers.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    id: String,
    names: Option<Vec<String>>,
    /// JSON in a text.
    metadata: String,
    created: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct StoredMetadata {
    image_name: String,
    image_id: String,
}

impl Bundles {
    pub(super) fn new(sockets: &[PathBuf], storages: Vec<PathBuf>) -> Self {
        let folders = sockets.iter().filter_map(|socket| socket.parent());
        Self { states: folders.map(Path::to_owned).collect(), storages }
    }

    /// Returns what is left on disk of a container. What is inside another is no runtime's of the
    /// machine, and what is a user's is not read.
    pub(super) fn describe(&self, wanted: &Wanted) -> Option<Metadata> {
        if wanted.user.is_some() || wanted.outer.is_some() {
            return None;
        }
        self.of_containerd(wanted).or_else(|| self.of_storage(wanted))
    }

    fn of_containerd(&self, wanted: &Wanted) -> Option<Metadata> {
        let namespaces = match (&wanted.namespace, wanted.pod) {
            (Some(namespace), _) => vec![&**namespace],
            (None, true) => vec!["k8s.io"],
            (None, false) => CONTAINERD_NAMESPACES.to_vec(),
        };
        self.states.iter().find_map(|state| {
            let tasks = folder(&state.join(CONTAINERD_TASKS)).ok()?;
            namespaces.iter().find_map(|namespace| {
                let path = format!("{namespace}/{}/config.json", wanted.id);
                let json = read(&tasks, &path, SPECIFICATION_BYTES_MAX).ok()?;
                Some(told(&Specification::read(&json), &Stored::default(), "containerd"))
            })
        })
    }

    fn of_storage(&self, wanted: &Wanted) -> Option<Metadata> {
        if !is_hash(&wanted.id) {
            return None;
        }
        let found = self.storages.iter().find_map(|storage| {
            DRIVERS.iter().find_map(|driver| {
                let containers = folder(&storage.join(format!("{driver}-containers"))).ok()?;
                let path = format!("{}/userdata/config.json", wanted.id);
                let json = read(&containers, &path, SPECIFICATION_BYTES_MAX).ok()?;
                Some((containers, Specification::read(&json)))
            })
        });
        let (containers, specification) = found?;
        let list = read(&containers, "containers.json", LIST_BYTES_MAX).unwrap_or_default();
        let list: Vec<Stored> = serde_json::from_slice(&list).unwrap_or_default();
        let stored = list.into_iter().find(|stored| *stored.id == *wanted.id).unwrap_or_default();
        let runtime = match specification.annotation("io.container.manager") {
            Some("libpod") => "podman",
            _ => "cri-o",
        };
        Some(told(&specification, &stored, runtime))
    }
}

/// Puts together what the specification, its annotations and the storage tell.
fn told(specification: &Specification, stored: &Stored, runtime: &str) -> Metadata {
    let annotation = |name: &str| specification.annotation(name);
    let is_sandbox = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"]
        .into_iter()
        .any(|name| annotation(name) == Some("sandbox"));
    let own = [
        annotation("io.kubernetes.cri.container-name"),
        annotation("io.kubernetes.container.name"),
        is_sandbox.then_some("POD"),
        stored.names.as_ref().and_then(|names| names.first()).map(String::as_str),
    ];
    let of_storage: StoredMetadata = serde_json::from_str(&stored.metadata).unwrap_or_default();
    let image = ImageWords {
        names: [
            annotation("io.kubernetes.cri.image-name"),
            annotation("io.kubernetes.cri-o.ImageName"),
            Some(&of_storage.image_name),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ids: vec![&of_storage.image_id],
        ..ImageWords::default()
    };
    let pod = Pod {
        name: first([
            annotation("io.kubernetes.cri.sandbox-name"),
            annotation("io.kubernetes.pod.name"),
        ]),
        namespace: first([
            annotation("io.kubernetes.cri.sandbox-namespace"),
            annotation("io.kubernetes.pod.namespace"),
        ]),
        uid: first([
            annotation("io.kubernetes.cri.sandbox-uid"),
            annotation("io.kubernetes.pod.uid"),
        ]),
        ip: first([annotation("io.kubernetes.cri-o.IP.0")]),
        sandbox_id: first([
            annotation("io.kubernetes.cri.sandbox-id"),
            annotation("io.kubernetes.cri-o.SandboxID"),
        ]),
        ..Pod::default()
    };
    let own_labels = annotation("io.kubernetes.cri-o.Labels")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    // Podman says so itself; what has no word for it is judged by what it has.
    let privileged = annotation("io.podman.annotations.privileged")
        .map(|word| word == "TRUE")
        .or_else(|| specification.privileged());
    Metadata {
        name: own.into_iter().flatten().next().and_then(name),
        image: image.image(),
        runtime: name(runtime),
        privileged,
        mounts: Some(specification.mounts()),
        host: specification.host(),
        probes: Probes::default(),
        created_ns: time_ns(&stored.created),
        labels: labels(&own_labels),
        pod: pod.known(),
        ..Metadata::default()
    }
}

fn folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

/// Reads a regular file below a folder. One that is larger than it may be counts as absent.
fn read(folder: &OwnedFd, path: &str, bytes_max: u64) -> Result<Vec<u8>> {
    let links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(folder, path, flags, Mode::empty(), links)?;
    let about = fstat(&file)?;
    let size = u64::try_from(about.st_size).unwrap_or(u64::MAX);
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile || size > bytes_max {
        return Err(rustix::io::Errno::FBIG);
    }
    let mut bytes = Vec::new();
    let read = File::from(file).take(bytes_max).read_to_end(&mut bytes);
    read.map_err(|_| rustix::io::Errno::IO)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    const ID: &str = "b9bc51f5fff8cd20f6ed70b114413ab5ddf3464d8445b3600150284683aba033";

    /// The folder of one container in a storage as Podman 4.3 leaves it.
    fn storage(specification: &str) -> tempfile::TempDir {
        let storage = tempfile::tempdir().unwrap();
        let containers = storage.path().join("overlay-containers");
        let userdata = containers.join(ID).join("userdata");
        fs::create_dir_all(&userdata).unwrap();
        fs::write(userdata.join("config.json"), specification).unwrap();
        let metadata = r#"{\"image-name\":\"localhost/busybox:1\",\"image-id\":\"0953fb8e5c0db951336f1c15b5f2725ad75cf149756d8d9b555fb75b76fd62ee\",\"name\":\"pod1\"}"#;
        let list = format!(
            r#"[{{"id":"other"}},{{"id":"{ID}","names":["web"],"metadata":"{metadata}","created":"2026-11-27T04:06:14.698813431Z","flags":{{}}}}]"#
        );
        fs::write(containers.join("containers.json"), list).unwrap();
        storage
    }

    fn wanted() -> Wanted {
        Wanted { key: ID.into(), id: ID.into(), ..Wanted::default() }
    }

    fn describe(storage: &tempfile::TempDir, wanted: &Wanted) -> Option<Metadata> {
        Bundles::new(&[], vec![storage.path().to_owned()]).describe(wanted)
    }

    const PODMAN: &str = r#"{
        "annotations": {"io.container.manager": "libpod",
                        "io.podman.annotations.privileged": "TRUE"},
        "mounts": [{"destination": "/data", "type": "bind", "source": "/srv", "options": ["ro"]}],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}]}
    }"#;

    #[test]
    fn a_container_of_podman_is_told_without_a_socket() {
        let told = describe(&storage(PODMAN), &wanted()).unwrap();
        assert_eq!(told.name.as_deref(), Some("web"));
        assert_eq!(told.runtime.as_deref(), Some("podman"));
        assert_eq!(told.image.repository.as_deref(), Some("localhost/busybox"));
        assert!(told.image.id.unwrap().starts_with("sha256:0953fb8e"));
        assert_eq!(told.privileged, Some(true));
        assert_eq!(told.host.network, Some(true));
        assert_eq!(told.mounts.unwrap().len(), 1);
        assert!(told.created_ns.is_some());
    }

    #[test]
    fn a_pod_s_container_of_cri_o_is_told_by_its_annotations() {
        let specification = r#"{"annotations": {
            "io.kubernetes.container.name": "main",
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.cri-o.ImageName": "quay.io/a/web:2",
            "io.kubernetes.cri-o.Labels": "{\"app\":\"web\"}",
            "io.kubernetes.cri-o.SandboxID": "5a",
            "io.kubernetes.cri-o.IP.0": "10.88.0.3",
            "io.kubernetes.pod.name": "web-1",
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "u"
        }}"#;
        let told = describe(&storage(specification), &wanted()).unwrap();
        assert_eq!((told.name.as_deref(), told.runtime.as_deref()), (Some("main"), Some("cri-o")));
        assert_eq!(told.image.name.as_deref(), Some("quay.io/a/web:2"));
        assert_eq!(told.labels.len(), 1);
        let pod = told.pod.unwrap();
        assert_eq!((pod.name.as_deref(), pod.namespace.as_deref()), (Some("web-1"), Some("shop")));
        assert_eq!((pod.ip.as_deref(), pod.sandbox_id.as_deref()), (Some("10.88.0.3"), Some("5a")));
    }

    #[test]
    fn a_container_of_containerd_is_told_beside_its_socket() {
        let run = tempfile::tempdir().unwrap();
        let bundle = run.path().join(CONTAINERD_TASKS).join("k8s.io").join(ID);
        fs::create_dir_all(&bundle).unwrap();
        let specification = r#"{"annotations": {
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-name": "web-1",
            "io.kubernetes.cri.sandbox-namespace": "shop"
        }}"#;
        fs::write(bundle.join("config.json"), specification).unwrap();
        let bundles = Bundles::new(&[run.path().join("containerd.sock")], vec![]);
        let told = bundles.describe(&Wanted { pod: true, ..wanted() }).unwrap();
        assert_eq!(told.name.as_deref(), Some("POD"));
        assert_eq!(told.pod.unwrap().namespace.as_deref(), Some("shop"));
        let elsewhere = Wanted { namespace: Some("default".into()), ..wanted() };
        assert_eq!(bundles.describe(&elsewhere), None);
    }

    #[test]
    fn what_leads_elsewhere_is_too_large_or_of_somebody_else_is_not_read() {
        let linked = storage(PODMAN);
        let userdata = linked.path().join("overlay-containers").join(ID).join("userdata");
        let file = userdata.join("config.json");
        fs::rename(&file, linked.path().join("moved")).unwrap();
        symlink(linked.path().join("moved"), &file).unwrap();
        assert_eq!(describe(&linked, &wanted()), None);

        let large = storage(&" ".repeat(SPECIFICATION_BYTES_MAX as usize + 1));
        assert_eq!(describe(&large, &wanted()), None);

        let fine = storage(PODMAN);
        assert!(describe(&fine, &wanted()).is_some());
        assert_eq!(describe(&fine, &Wanted { user: Some(1000), ..wanted() }), None);
        assert_eq!(describe(&fine, &Wanted { outer: Some("o".into()), ..wanted() }), None);
        assert_eq!(describe(&fine, &Wanted { id: "../../x".into(), ..wanted() }), None);
    }
}
