//! The bill of materials, as SPDX 2.3: the Debian packages whose files are in an image, and the crates
//! linked into its programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::Context;
use serde_json::{Value, json};

use super::debian::Package;
use crate::{
    build::PROGRAMS,
    run::{cargo, output},
};

/// A crate as `Cargo.lock` and its manifest have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// What the document is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) what: &'a str,
    /// SPDX's word for its kind.
    pub(crate) purpose: &'a str,
    pub(crate) version: &'a str,
    pub(crate) revision: &'a str,
    pub(crate) created: &'a str,
    /// Packages of the workspace whose programs are in it.
    pub(crate) packages: &'a [&'a str],
}

/// Returns the document.
pub(crate) fn document(subject: &Subject<'_>, debian: &[Package]) -> anyhow::Result<Value> {
    let checksums = checksums(&fs::read_to_string("Cargo.lock")?);
    let crates = Graph::read(&tree()?)?.reachable(subject.packages);

    let whole = json!({
        "SPDXID": "SPDXRef-Whole",
        "name": subject.what,
        "versionInfo": subject.version,
        "primaryPackagePurpose": subject.purpose,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseDeclared": "Apache-2.0",
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    });
    let mut packages = vec![whole];
    packages.extend(debian.iter().map(debian_package));
    packages.extend(crates.iter().map(|linked| crate_package(linked, &checksums)));
    let relationships = packages
        .iter()
        .skip(1)
        .map(|package| {
            json!({
                "spdxElementId": "SPDXRef-Whole",
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": package["SPDXID"],
            })
        })
        .chain([json!({
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-Whole",
        })])
        .collect::<Vec<_>>();
    let name = format!("{}-{}", subject.what.replace('/', "-"), subject.version);
    Ok(json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/{name}-{}", subject.revision),
        "creationInfo": { "created": subject.created, "creators": ["Tool: saker-xtask"] },
        "packages": packages,
        "relationships": relationships,
    }))
}

fn debian_package(package: &Package) -> Value {
    let locator = format!(
        "pkg:deb/debian/{}@{}?arch={}",
        package.name,
        escaped(&package.version),
        package.architecture
    );
    json!({
        "SPDXID": format!("SPDXRef-deb-{}", identifier(&package.name)),
        "name": package.name,
        "versionInfo": package.version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "checksums": [{ "algorithm": "SHA256", "checksumValue": package.sha256 }],
        // Told by /usr/share/doc/NAME/copyright, which is in the image.
        "licenseDeclared": "NOASSERTION",
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [purl(&locator)],
    })
}

fn crate_package(linked: &Crate, checksums: &BTreeMap<(String, String), String>) -> Value {
    let Crate { name, version, licence } = linked;
    let mut package = json!({
        "SPDXID": format!("SPDXRef-crate-{}", identifier(&format!("{name}-{version}"))),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseDeclared": licence,
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [purl(&format!("pkg:cargo/{name}@{}", escaped(version)))],
    });
    if let Some(checksum) = checksums.get(&(name.clone(), version.clone())) {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": checksum }]);
    }
    package
}

fn purl(locator: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": locator,
    })
}

/// A package URL takes `+`, `~` and `:` of a version only escaped, an SPDX identifier not at all.
fn escaped(version: &str) -> String {
    version.replace('+', "%2B").replace('~', "%7E").replace(':', "%3A")
}

fn identifier(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' })
        .collect()
}

/// Asks cargo which crates are linked into programs: no build scripts, no macros. All programs are
/// asked for at once because they are built at once: one may switch on features for another.
fn tree() -> anyhow::Result<String> {
    let mut tree = cargo(&["tree", "--locked", "--edges", "normal,no-proc-macro"]);
    tree.args(["--prefix", "depth", "--format", "{p}|{l}|"]);
    for (_, package) in PROGRAMS {
        tree.args(["--package", package]);
    }
    output(&mut tree)
}

/// Which crate uses which.
#[derive(Debug, Default)]
struct Graph {
    uses: BTreeMap<Crate, BTreeSet<Crate>>,
}

impl Graph {
    /// Reads lines of a crate's depth, name and licence. What a crate uses is told once, where it
    /// is first named.
    fn read(tree: &str) -> anyhow::Result<Self> {
        let mut graph = Self::default();
        let mut above: Vec<Crate> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            let (depth, rest) = line.split_at(digits);
            let linked = read_crate(rest)?;
            above.truncate(depth.parse().context("cargo tree wrote another format")?);
            if let Some(user) = above.last() {
                graph.uses.entry(user.clone()).or_default().insert(linked.clone());
            }
            graph.uses.entry(linked.clone()).or_default();
            above.push(linked);
        }
        Ok(graph)
    }

    /// Returns the crates of these names and all they use, directly or through another.
    fn reachable(&self, names: &[&str]) -> BTreeSet<Crate> {
        let start = self.uses.keys().filter(|linked| names.contains(&linked.name.as_str()));
        let mut open: Vec<&Crate> = start.collect();
        let mut found = BTreeSet::new();
        while let Some(linked) = open.pop() {
            if found.insert(linked.clone()) {
                open.extend(&self.uses[linked]);
            }
        }
        found
    }
}

fn read_crate(line: &str) -> anyhow::Result<Crate> {
    let (package, rest) = line.split_once('|').context("cargo tree wrote another format")?;
    let licence = rest.split('|').next().unwrap_or_default();
    let mut words = package.split_whitespace();
    let name = words.next().context("a crate has a name")?.to_owned();
    let version = words.next().context("a crate has a version")?;
    // Old manifests write a choice with a slash, which SPDX does not know.
    let licence = match licence {
        "" => "NOASSERTION".to_owned(),
        licence => licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR "),
    };
    Ok(Crate { name, version: version.trim_start_matches('v').to_owned(), licence })
}

/// Reads the checksums of the registry's crates, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            value.map(|value| value.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
        {
            checksums.insert((name, version), checksum);
        }
    }
    checksums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_cargo_tree_is_a_crate() {
        let seen = read_crate("wasi v0.11.0+wasi|Apache-2.0 / MIT| (*)").unwrap();
        assert_eq!((seen.name.as_str(), seen.version.as_str()), ("wasi", "0.11.0+wasi"));
        assert_eq!(seen.licence, "Apache-2.0 OR MIT");
        assert_eq!(read_crate("x v1 (/work/x)||").unwrap().licence, "NOASSERTION");
    }

    #[test]
    fn a_program_is_linked_with_what_it_uses_through_others_and_with_nothing_else() {
        let tree = "0agent v1 (/w/agent)||\n1shared v1|MIT|\n2deep v2|MIT|\n\n\
                    0router v1 (/w/router)||\n1kafka v1|MIT|\n1shared v1|MIT| (*)\n";
        let graph = Graph::read(tree).unwrap();
        let names = |program| -> Vec<_> {
            graph.reachable(&[program]).into_iter().map(|linked| linked.name).collect()
        };
        assert_eq!(names("agent"), ["agent", "deep", "shared"]);
        assert_eq!(names("router"), ["deep", "kafka", "router", "shared"]);
    }

    #[test]
    fn checksums_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0\"\n";
        let checksums = checksums(lock);
        assert_eq!(checksums.len(), 1);
        assert_eq!(checksums[&("a".to_owned(), "1".to_owned())], "00ff");
    }
}
