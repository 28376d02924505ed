//! `cargo xtask images`: three small images, made without a container engine or a registry.
//!
//! Each has a Containerfile in `deploy/images/`, which docker, podman and buildah build from the
//! folder `target/images/NAME` that is prepared here. We read the same file and write the same image
//! ourselves, so that every byte of it follows from the sources.

mod containerfile;
mod debian;
mod elf;
mod layer;
mod oci;
pub(crate) mod sbom;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{
    build::{Built, Profile},
    run::say,
};
use debian::{Archive, Package};

/// Name of a program and of the workspace's package that makes it.
type Program = (&'static str, &'static str);

/// The operator's command. It has its own layer, the same in both images, and a node keeps it once.
const COMMAND: Program = ("saker", "cli");

/// The images: name, daemon, whether the operator's command is beside it.
const IMAGES: &[(&str, Program, bool)] = &[
    // The agent has rights on the node: nothing but itself is in its image.
    ("agent", ("saker-agent", "agent"), false),
    ("router", ("saker-router", "router"), true),
    ("responder", ("saker-responder", "response"), true),
];

/// Makes the images of these names, or all, below `out`.
pub(crate) fn images(profile: Profile, out: &Path, names: &[String]) -> anyhow::Result<()> {
    if let Some(name) = names.iter().find(|name| IMAGES.iter().all(|image| image.0 != **name)) {
        bail!("there is no image {name}");
    }
    let built = Built::prepare(profile)?;
    let mut archive = Archive::open(&built.target.join("images/debian"))?;
    for (name, daemon, with_command) in IMAGES {
        if !names.is_empty() && names.iter().all(|wanted| wanted != name) {
            continue;
        }
        let commands = if *with_command { &[COMMAND][..] } else { &[] };
        let image = Image { name, daemon: *daemon, commands, built: &built };
        image.make(out, &mut archive)?;
    }
    Ok(())
}

struct Image<'a> {
    name: &'a str,
    daemon: Program,
    commands: &'a [Program],
    built: &'a Built,
}

impl Image<'_> {
    fn make(&self, out: &Path, archive: &mut Archive) -> anyhow::Result<()> {
        let Built { version, revision, created, modified, .. } = self.built;
        let context = out.join(self.name);
        if context.exists() {
            fs::remove_dir_all(&context)?;
        }
        fs::create_dir_all(context.join("data"))?;

        self.built.install(self.daemon.0, &context.join("program/usr/bin"))?;
        for (command, _) in self.commands {
            self.built.install(command, &context.join("command/usr/bin"))?;
        }
        let packages = self.root(&context, archive)?;

        let reference = format!("saker/{}:{version}", self.name);
        let programs: Vec<_> =
            [self.daemon].iter().chain(self.commands).map(|(_, package)| *package).collect();
        let subject = sbom::Subject {
            what: &format!("saker/{}", self.name),
            purpose: "CONTAINER",
            version,
            revision,
            created,
            packages: &programs,
        };
        let bill = serde_json::to_vec_pretty(&sbom::document(&subject, &packages)?)?;
        let file = format!("saker-{}.spdx.json", self.name);
        put(&context.join("program/usr/share/sbom").join(&file), &bill)?;
        put(&out.join(&file), &bill)?;

        let arguments = BTreeMap::from([
            ("VERSION".to_owned(), version.clone()),
            ("REVISION".to_owned(), revision.clone()),
            ("CREATED".to_owned(), created.clone()),
        ]);
        let recipe = format!("deploy/images/{}.Containerfile", self.name);
        let recipe = containerfile::read(&fs::read_to_string(&recipe)?, &arguments)
            .with_context(|| format!("failed to read {recipe}"))?;
        let tar = out.join(format!("saker-{}-{version}.tar", self.name));
        let about = oci::About {
            reference: &reference,
            architecture: &archive.architecture,
            modified: *modified,
            created,
            compression: self.built.profile.compression(),
        };
        let written = oci::write(&recipe, &context, &tar, &about)?;
        say(&format!(
            "{reference}: {} unpacked, {} compressed, {}\n       {}",
            mebibytes(written.unpacked_bytes),
            mebibytes(written.packed_bytes),
            written.digest,
            tar.display(),
        ));
        Ok(())
    }

    /// Fills `rootfs`: what the programs need and nothing else. Returns whose files are in it.
    fn root(&self, context: &Path, archive: &mut Archive) -> anyhow::Result<Vec<Package>> {
        let root = context.join("rootfs");
        let mut used = BTreeMap::new();
        let mut keep = |package: Package| used.insert(package.name.clone(), package);

        let mut wanted = BTreeSet::new();
        for folder in ["program/usr/bin", "command/usr/bin"] {
            let Ok(programs) = fs::read_dir(context.join(folder)) else { continue };
            for program in programs {
                let needs = elf::needs(&program?.path())?;
                wanted.extend(needs.libraries);
                if let Some(loader) = needs.loader {
                    let (package, file) = archive.library(file_name(&loader)?)?;
                    put_program(&root.join(loader.trim_start_matches('/')), &fs::read(file)?)?;
                    keep(package);
                }
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(library) = wanted.pop_first() {
            // The loader is there already, at the path that programs name.
            if library.starts_with("ld-linux") || !seen.insert(library.clone()) {
                continue;
            }
            let (package, file) = archive.library(&library)?;
            wanted.extend(elf::needs(&file)?.libraries);
            let place = root.join("usr/lib").join(&archive.triplet).join(&library);
            put(&place, &fs::read(file)?)?;
            keep(package);
        }

        let authorities = archive.package("ca-certificates")?;
        put(&root.join("etc/ssl/certs/ca-certificates.crt"), &bundle(&authorities.unpacked)?)?;
        // Where OpenSSL, which librdkafka uses, looks by itself.
        fs::create_dir_all(root.join("usr/lib/ssl"))?;
        symlink("/etc/ssl/certs/ca-certificates.crt", root.join("usr/lib/ssl/cert.pem"))?;
        keep(authorities);
        let base = archive.package("base-files")?;
        put(&root.join("etc/os-release"), &fs::read(base.unpacked.join("usr/lib/os-release"))?)?;
        keep(base);

        let users = "root:x:0:0:root:/:/nonexistent\nsaker:x:65532:65532:Saker:/:/nonexistent\n";
        put(&root.join("etc/passwd"), users.as_bytes())?;
        put(&root.join("etc/group"), b"root:x:0:\nsaker:x:65532:\n")?;
        put(&root.join("etc/nsswitch.conf"), b"passwd: files\ngroup: files\nhosts: files dns\n")?;
        let config = fs::read(format!("deploy/images/{}.yaml", self.name))?;
        put(&context.join("program/etc/saker/saker.yaml"), &config)?;
        put(&context.join("program/usr/share/doc/saker/copyright"), &fs::read("LICENSE")?)?;
        // Where an engine mounts; a read-only root cannot grow them.
        for folder in ["dev", "proc", "run", "sys"] {
            fs::create_dir_all(root.join(folder))?;
        }
        for package in used.values() {
            put(&root.join(copyright_of(package)), &copyright(package, archive)?)?;
            // What scanners of images read; there is no package manager to read it.
            let status = format!("{}Status: install ok installed\n", package.control);
            put(&root.join("var/lib/dpkg/status.d").join(&package.name), status.as_bytes())?;
        }
        Ok(used.into_values().collect())
    }
}

fn copyright_of(package: &Package) -> String {
    format!("usr/share/doc/{}/copyright", package.name)
}

/// Returns a package's licence. Packages of one source may keep it in only one of them.
fn copyright(package: &Package, archive: &mut Archive) -> anyhow::Result<Vec<u8>> {
    let folder = package.unpacked.join("usr/share/doc").join(&package.name);
    let keeper = match fs::read_link(&folder) {
        Ok(other) => archive.package(other.to_str().context("a package's name is text")?)?,
        Err(_) => package.clone(),
    };
    let path = keeper.unpacked.join(copyright_of(&keeper));
    fs::read(&path).with_context(|| format!("package {} states no licence", package.name))
}

/// Joins all authorities into one file, in the order of their names.
fn bundle(ca_certificates: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = ca_certificates.join("usr/share/ca-certificates/mozilla");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut bundle = Vec::new();
    for file in files {
        bundle.extend(fs::read(&file)?);
        if !bundle.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        bail!("ca-certificates holds no authority");
    }
    Ok(bundle)
}

fn file_name(path: &str) -> anyhow::Result<&str> {
    Path::new(path).file_name().and_then(|name| name.to_str()).context("a loader has a name")
}

fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content).with_context(|| format!("failed to write {}", path.display()))
}

fn put_program(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    put(path, content)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

#[expect(clippy::cast_precision_loss, reason = "a size to read has one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
