//! `cargo xtask deb`: one Debian package of the daemons, the command, the units and a configuration.
//!
//! Staged as the files will lie and packed by dpkg-deb, so that no more than dpkg is needed.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{
    build::{Built, PROGRAMS, Profile},
    images::{mebibytes, sbom},
    run::{output, say},
};

/// Files as they are: from the repository, to the machine, with these rights.
const FILES: &[(&str, &str, u32)] = &[
    ("deploy/systemd/saker-agent.service", "usr/lib/systemd/system/", 0o644),
    ("deploy/systemd/saker-router.service", "usr/lib/systemd/system/", 0o644),
    ("deploy/systemd/saker-responder.service", "usr/lib/systemd/system/", 0o644),
    ("deploy/systemd/sysusers.conf", "usr/lib/sysusers.d/saker.conf", 0o644),
    ("deploy/debian/saker.yaml", "etc/saker/saker.yaml", 0o640),
    ("deploy/debian/copyright", "usr/share/doc/saker/copyright", 0o644),
    ("deploy/debian/lintian-overrides", "usr/share/lintian/overrides/saker", 0o644),
    ("docs/install-host.md", "usr/share/doc/saker/", 0o644),
    ("docs/configuration.md", "usr/share/doc/saker/", 0o644),
    ("deploy/debian/postinst", "DEBIAN/", 0o755),
    ("deploy/debian/prerm", "DEBIAN/", 0o755),
    ("deploy/debian/postrm", "DEBIAN/", 0o755),
];

/// Makes the package below `out`.
pub(crate) fn deb(profile: Profile, out: &Path) -> anyhow::Result<()> {
    let built = Built::prepare(profile)?;
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let root = out.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for (program, _) in PROGRAMS {
        built.install(program, &root.join("usr/bin"))?;
    }
    for (from, to, mode) in FILES {
        let place = match to.strip_suffix('/') {
            Some(folder) => root.join(folder).join(Path::new(from).file_name().context(*from)?),
            None => root.join(to),
        };
        let content = fs::read(from).with_context(|| format!("failed to read {from}"))?;
        put(&place, &content, *mode)?;
    }
    let bill = serde_json::to_vec_pretty(&sbom::document(
        &sbom::Subject {
            what: "saker",
            purpose: "INSTALL",
            version: &built.version,
            revision: &built.revision,
            created: &built.created,
            packages: &PROGRAMS.map(|(_, package)| package),
        },
        &[],
    )?)?;
    put(&root.join("usr/share/doc/saker/saker.spdx.json"), &bill, 0o644)?;
    changelog(&root, &built)?;
    put(&root.join("DEBIAN/conffiles"), b"/etc/saker/saker.yaml\n", 0o644)?;
    sums(&root)?;
    control(&root, out, &built, architecture)?;
    plain_rights(&root)?;

    let file = out.join(format!("saker_{}_{architecture}.deb", built.version));
    let mut pack = Command::new("dpkg-deb");
    let compression = match profile {
        Profile::Release => "-Zxz",
        Profile::Dev => "-Zgzip",
    };
    let level = format!("-z{}", profile.compression());
    pack.args(["--root-owner-group", compression, &level, "--build"]).arg(&root).arg(&file);
    // dpkg-deb dates what is newer by this; the same sources give the same package.
    output(pack.env("SOURCE_DATE_EPOCH", built.modified.to_string()))?;
    say(&format!("{}: {}", file.display(), mebibytes(file.metadata()?.len())));
    Ok(())
}

fn put(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Writes the changelog in Debian's form: one entry, which points at ours.
fn changelog(root: &Path, built: &Built) -> anyhow::Result<()> {
    let mut clock = Command::new("date");
    clock.args(["--utc", "--rfc-email", "--date", &format!("@{}", built.modified)]);
    let entry = format!(
        "saker ({}) unstable; urgency=medium\n\n  * Built from {}.\n\n -- Saker maintainers \
         <saker@saker.invalid>  {}",
        built.version,
        built.revision,
        output(&mut clock)?
    );
    let path = root.join("usr/share/doc/saker/changelog");
    put(&path, entry.as_bytes(), 0o644)?;
    output(Command::new("gzip").args(["--no-name", "-9"]).arg(&path))?;
    Ok(())
}

/// Writes the control file; dpkg-shlibdeps tells which packages hold the programs' libraries.
fn control(root: &Path, out: &Path, built: &Built, architecture: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string("deploy/debian/control")?;
    let (source, package) = text.split_once("\n\n").context("control has two paragraphs")?;
    // It insists on the layout of a source package around it.
    put(&out.join("debian/control"), text.as_bytes(), 0o644)?;
    let mut depends = Command::new("dpkg-shlibdeps");
    depends.arg("-O").current_dir(out);
    for (program, _) in PROGRAMS {
        depends.arg(Path::new("root/usr/bin").join(program));
    }
    let depends = output(&mut depends)?;
    let Some(libraries) = depends.trim().strip_prefix("shlibs:Depends=") else {
        bail!("dpkg-shlibdeps named no packages: {depends}");
    };
    let mut control = package.replace("${shlibs:Depends}", libraries);
    control = control.replace("Architecture: any", &format!("Architecture: {architecture}"));
    let inherited = source.lines().filter(|line| {
        ["Section", "Priority", "Maintainer"].iter().any(|field| line.starts_with(field))
    });
    let inherited: Vec<_> = inherited.collect();
    let kibibytes: u64 = files(root)?.iter().map(|(_, bytes)| bytes.div_ceil(1024)).sum();
    let head = format!("Version: {}\nInstalled-Size: {kibibytes}\n", built.version);
    let (name, rest) = control.split_once('\n').context("control has fields")?;
    let control = format!("{name}\n{head}{}\n{rest}", inherited.join("\n"));
    put(&root.join("DEBIAN/control"), control.as_bytes(), 0o644)
}

/// Writes the checksums that `dpkg --verify` compares.
fn sums(root: &Path) -> anyhow::Result<()> {
    let mut sums = String::new();
    for (path, _) in files(root)? {
        // A changed configuration is not a damaged one.
        if !path.starts_with("DEBIAN") && !path.starts_with("etc") {
            sums += &output(Command::new("md5sum").arg(&path).current_dir(root))?;
        }
    }
    put(&root.join("DEBIAN/md5sums"), sums.as_bytes(), 0o644)
}

/// Returns every file below `root`, relative to it, with its size.
fn files(root: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let metadata = path.metadata()?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(root)?.to_owned(), metadata.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Gives folders and programs the rights they shall have, whatever this user's umask is.
fn plain_rights(root: &Path) -> anyhow::Result<()> {
    let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for (path, _) in files(root)? {
        for folder in path.ancestors().skip(1) {
            rights(&root.join(folder), 0o755)?;
        }
        if path.starts_with("usr/bin") {
            rights(&root.join(path), 0o755)?;
        }
    }
    rights(&root.join("etc/saker"), 0o750)?;
    Ok(())
}
