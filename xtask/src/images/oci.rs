//! Writes an image as one tar that is an OCI layout and a docker archive at once, so that
//! `docker load`, `podman load`, `ctr images import` and `skopeo copy oci-archive:` all take it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    containerfile::Containerfile,
    layer::{Owner, Tar},
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What an image is, beside its Containerfile.
#[derive(Debug)]
pub(crate) struct About<'a> {
    /// `saker/agent:0.1.0`.
    pub(crate) reference: &'a str,
    pub(crate) architecture: &'a str,
    /// Seconds since 1970.
    pub(crate) modified: u64,
    /// The same as a date.
    pub(crate) created: &'a str,
    /// gzip's: 1 to 9.
    pub(crate) compression: u8,
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// Digest of the manifest: what a registry would call the image.
    pub(crate) digest: String,
    /// Compressed, as a node fetches it.
    pub(crate) packed_bytes: u64,
    /// Uncompressed, as a node keeps it.
    pub(crate) unpacked_bytes: u64,
}

struct Layer {
    /// Digest of the tar.
    unpacked: String,
    unpacked_bytes: u64,
    /// Digest of the compressed tar, which is also its name among the blobs.
    packed: String,
    packed_bytes: u64,
    file: PathBuf,
}

/// Packs the folders that `file` copies out of `context` and writes the image to `archive`.
pub(crate) fn write(
    file: &Containerfile,
    context: &Path,
    archive: &Path,
    about: &About<'_>,
) -> anyhow::Result<Written> {
    let mut layers = Vec::new();
    for (number, copy) in file.copies.iter().enumerate() {
        let draft = archive.with_extension(format!("layer-{number}.tar"));
        let mut tar =
            Tar::new(BufWriter::new(fs::File::create(&draft)?), copy.owner, about.modified);
        tar.tree(&context.join(&copy.from), &copy.to)?;
        tar.finish()?.flush()?;
        layers.push(pack(&draft, about.compression)?);
    }
    let config = serde_json::to_vec(&config(file, &layers, about))?;
    let manifest = serde_json::to_vec(&manifest(&config, &layers))?;
    let index = serde_json::to_vec(&index(&manifest, about))?;
    let docker = serde_json::to_vec(&json!([{
        "Config": blob(&sha256(&config)),
        "RepoTags": [about.reference],
        "Layers": layers.iter().map(|layer| blob(&layer.packed)).collect::<Vec<_>>(),
    }]))?;

    let out = BufWriter::new(fs::File::create(archive)?);
    let mut tar = Tar::new(out, Owner::default(), about.modified);
    let text = |path: &str, bytes: &[u8], tar: &mut Tar<_>| {
        tar.file(path, 0o644, bytes.len() as u64, bytes)
    };
    // What says how to read the rest comes first.
    text("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, &mut tar)?;
    text("index.json", &index, &mut tar)?;
    text("manifest.json", &docker, &mut tar)?;
    tar.directory("blobs")?;
    tar.directory("blobs/sha256")?;
    text(&blob(&sha256(&config)), &config, &mut tar)?;
    text(&blob(&sha256(&manifest)), &manifest, &mut tar)?;
    for layer in &layers {
        let packed = fs::File::open(&layer.file)?;
        tar.file(&blob(&layer.packed), 0o644, layer.packed_bytes, packed)?;
        fs::remove_file(&layer.file)?;
    }
    tar.finish()?.flush()?;
    Ok(Written {
        digest: format!("sha256:{}", sha256(&manifest)),
        packed_bytes: layers.iter().map(|layer| layer.packed_bytes).sum(),
        unpacked_bytes: layers.iter().map(|layer| layer.unpacked_bytes).sum(),
    })
}

/// Returns the SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

/// Compresses a tar in its place. gzip is told to keep name and time out of its header.
fn pack(draft: &Path, level: u8) -> anyhow::Result<Layer> {
    let tar = fs::read(draft)?;
    let file = draft.with_extension("tar.gz");
    let gzip = Command::new("gzip")
        .args(["--no-name", "--stdout", &format!("-{level}")])
        .stdin(fs::File::open(draft)?)
        .stdout(fs::File::create(&file)?)
        .stderr(Stdio::inherit())
        .status()
        .context("failed to start gzip")?;
    if !gzip.success() {
        bail!("gzip failed ({gzip})");
    }
    fs::remove_file(draft)?;
    let packed = fs::read(&file)?;
    Ok(Layer {
        unpacked: sha256(&tar),
        unpacked_bytes: tar.len() as u64,
        packed: sha256(&packed),
        packed_bytes: packed.len() as u64,
        file,
    })
}

fn config(file: &Containerfile, layers: &[Layer], about: &About<'_>) -> Value {
    let set = |names: &std::collections::BTreeSet<String>| {
        names.iter().map(|name| (name.clone(), json!({}))).collect::<BTreeMap<_, _>>()
    };
    let history = |line: &str| json!({ "created": about.created, "created_by": line });
    let diff_ids: Vec<_> =
        layers.iter().map(|layer| format!("sha256:{}", layer.unpacked)).collect();
    json!({
        "architecture": about.architecture,
        "os": "linux",
        "created": about.created,
        "config": {
            "User": file.user,
            "ExposedPorts": set(&file.ports),
            "Env": file.environment,
            "Entrypoint": file.entrypoint,
            "Cmd": file.command,
            "Volumes": set(&file.volumes),
            "WorkingDir": "/",
            "Labels": file.labels,
            "StopSignal": file.stop_signal,
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": file.copies.iter().map(|copy| history(&copy.line)).collect::<Vec<_>>(),
    })
}

fn manifest(config: &[u8], layers: &[Layer]) -> Value {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            json!({
                "mediaType": LAYER,
                "digest": format!("sha256:{}", layer.packed),
                "size": layer.packed_bytes,
            })
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": format!("sha256:{}", sha256(config)),
            "size": config.len(),
        },
        "layers": layers,
    })
}

fn index(manifest: &[u8], about: &About<'_>) -> Value {
    let tag = about.reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": MANIFEST,
            "digest": format!("sha256:{}", sha256(manifest)),
            "size": manifest.len(),
            "platform": { "architecture": about.architecture, "os": "linux" },
            "annotations": {
                // containerd names what it imports by the first, others by the second.
                "io.containerd.image.name": format!("docker.io/{}", about.reference),
                "org.opencontainers.image.ref.name": tag,
            },
        }],
    })
}
