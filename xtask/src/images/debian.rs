//! Takes shared libraries and certificates out of Debian packages, without installing any.
//!
//! Which package holds a library is asked of the machine that links our programs; the package itself
//! comes from its mirror in its newest version, so that a rebuilt image carries security updates.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::run::{output, say};

/// A package that was fetched and unpacked beside the system.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Its control file.
    pub(crate) control: String,
    pub(crate) sha256: String,
    pub(crate) unpacked: PathBuf,
}

/// Packages by name, fetched when first asked for.
#[derive(Debug)]
pub(crate) struct Archive {
    cache: PathBuf,
    /// Debian's name of this machine's architecture, such as `amd64`.
    pub(crate) architecture: String,
    /// Name of its library folder, such as `x86_64-linux-gnu`.
    pub(crate) triplet: String,
    packages: BTreeMap<String, Package>,
}

impl Archive {
    pub(crate) fn open(cache: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(cache)?;
        let dpkg = |flag| output(Command::new("dpkg").arg(flag));
        Ok(Self {
            cache: cache.canonicalize()?,
            architecture: dpkg("--print-architecture")?.trim().to_owned(),
            triplet: format!("{}-linux-gnu", std::env::consts::ARCH),
            packages: BTreeMap::new(),
        })
    }

    /// Returns the package that holds this library, and the library's file.
    pub(crate) fn library(&mut self, name: &str) -> anyhow::Result<(Package, PathBuf)> {
        let package = self.owner(name)?;
        let package = self.package(&package)?;
        for folder in ["usr/lib", "lib"] {
            let path = package.unpacked.join(folder).join(&self.triplet).join(name);
            if let Ok(file) = path.canonicalize() {
                if !file.starts_with(&package.unpacked) {
                    bail!("{name} of {} leads out of its package", package.name);
                }
                return Ok((package, file));
            }
        }
        bail!("package {} has no {name}", package.name)
    }

    /// Asks dpkg, on this machine, whose library this is.
    fn owner(&self, library: &str) -> anyhow::Result<String> {
        let found = output(Command::new("dpkg-query").arg("--search").arg(format!("*/{library}")))
            .with_context(|| format!("no installed package has {library}"))?;
        let folder = format!("/lib/{}/{library}", self.triplet);
        found
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(_, path)| path.ends_with(&folder))
            .and_then(|(package, _)| package.split([':', ',']).next())
            .map(str::to_owned)
            .with_context(|| format!("no installed package has {library}"))
    }

    /// Returns a package, fetched and unpacked.
    pub(crate) fn package(&mut self, name: &str) -> anyhow::Result<Package> {
        if let Some(package) = self.packages.get(name) {
            return Ok(package.clone());
        }
        let deb = self.fetch(name)?;
        let stem = deb.file_stem().context("a package has a name")?;
        let unpacked = self.cache.join(stem);
        if !unpacked.exists() {
            let draft = self.draft(name)?;
            output(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&draft))?;
            settle(&draft, &unpacked)?;
        }
        let field = |field: &str| -> anyhow::Result<String> {
            let mut command = Command::new("dpkg-deb");
            Ok(output(command.arg("--field").arg(&deb).arg(field))?.trim().to_owned())
        };
        let package = Package {
            name: name.to_owned(),
            version: field("Version")?,
            architecture: field("Architecture")?,
            control: output(Command::new("dpkg-deb").arg("--field").arg(&deb))?,
            sha256: super::oci::sha256(&fs::read(&deb)?),
            unpacked,
        };
        self.packages.insert(name.to_owned(), package.clone());
        Ok(package)
    }

    /// Returns the newest version's file, from the cache if it is there.
    fn fetch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let print = || output(Command::new("apt-get").args(["download", "--print-uris", name]));
        // The package lists of a new machine are empty.
        let uri = print().or_else(|_| {
            say("reading package lists …");
            output(Command::new("apt-get").args(["update", "-qq"]))?;
            print()
        })?;
        let file = uri.split_whitespace().nth(1).context("apt-get names no file")?;
        let deb = self.cache.join(file);
        if !deb.exists() {
            let draft = self.draft(name)?;
            let mut download = Command::new("apt-get");
            output(download.args(["download", "-qq", name]).current_dir(&draft))
                .with_context(|| format!("failed to fetch package {name}"))?;
            settle(&only_file(&draft)?, &deb)?;
            fs::remove_dir_all(&draft)?;
        }
        Ok(deb)
    }

    /// A folder of this process's own: two builds may share the cache.
    fn draft(&self, name: &str) -> anyhow::Result<PathBuf> {
        let draft = self.cache.join(format!(".{name}-{}", std::process::id()));
        if draft.exists() {
            fs::remove_dir_all(&draft)?;
        }
        fs::create_dir_all(&draft)?;
        Ok(draft)
    }
}

/// Moves a finished draft to its place, unless another build was first.
fn settle(draft: &Path, place: &Path) -> anyhow::Result<()> {
    match fs::rename(draft, place) {
        Err(error) if !place.exists() => Err(error).context("failed to keep a package"),
        _ => Ok(()),
    }
}

fn only_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let entry = fs::read_dir(folder)?.next().context("apt-get fetched nothing")?;
    Ok(entry?.path())
}
