//! Evidence on disk: a folder for each response, every document with its hash, the oldest folder
//! removed when there is too much.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::Document,
    entry::DocumentProof,
    plan::{ResponseId, hex},
};

const INDEX: &str = "index.json";
const NAME_CHARS_MAX: usize = 100;
/// Documents of one response.
const DOCUMENTS_MAX: usize = 64;

/// Where evidence is kept.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    bytes_max: u64,
}

/// What lies beside the documents.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    response: ResponseId,
    documents: Vec<DocumentProof>,
}

impl Store {
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), bytes_max })
    }

    /// Writes documents and an index of their hashes; all are on disk when it returns.
    pub fn write(
        &self,
        id: ResponseId,
        documents: &[(String, Document)],
    ) -> io::Result<Vec<DocumentProof>> {
        let folder = self.folder.join(id.to_string());
        fs::create_dir_all(&folder)?;
        let mut proofs = Vec::new();
        for (name, document) in documents.iter().take(DOCUMENTS_MAX) {
            let mut name = file_name(name);
            // Two names may be one when what is odd in them is left out.
            while proofs.iter().any(|proof: &DocumentProof| proof.name == name) {
                name.insert(0, '_');
            }
            write_synced(&folder.join(&name), &document.bytes)?;
            proofs.push(DocumentProof {
                name,
                bytes: document.bytes.len() as u64,
                sha256: hex(digest(&SHA256, &document.bytes).as_ref()),
                truncated: document.truncated,
            });
        }
        let index = Index { response: id, documents: proofs.clone() };
        write_synced(&folder.join(INDEX), &serde_json::to_vec_pretty(&index)?)?;
        File::open(&folder)?.sync_all()?;
        self.make_room(&folder)?;
        Ok(proofs)
    }

    /// Returns a document by the name its proof has; never another than the one collected.
    pub fn read(&self, id: ResponseId, proof: &DocumentProof) -> io::Result<Vec<u8>> {
        let name = file_name(&proof.name);
        let bytes = fs::read(self.folder.join(id.to_string()).join(name))?;
        if hex(digest(&SHA256, &bytes).as_ref()) == proof.sha256 {
            return Ok(bytes);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what was collected"))
    }

    fn make_room(&self, keep: &Path) -> io::Result<()> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let path = entry.path();
                folders.push((entry.metadata()?.modified()?, size(&path)?, path));
            }
        }
        folders.sort();
        let mut bytes: u64 = folders.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in folders {
            if bytes <= self.bytes_max {
                break;
            }
            if path == keep {
                continue;
            }
            tracing::warn!(evidence = %path.display(), "removed, there is too much evidence");
            fs::remove_dir_all(&path)?;
            bytes -= size;
        }
        Ok(())
    }
}

fn size(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Names of containers are part of names of documents: only what cannot leave the folder stays.
fn file_name(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().take(NAME_CHARS_MAX).map(keep).collect();
    if name.starts_with('.') || name.is_empty() { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { bytes: text.as_bytes().to_vec(), truncated: false }
    }

    #[test]
    fn a_document_is_found_again_by_its_proof_and_hash() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        let written = [("pod.json".to_owned(), document("{}"))];
        let proofs = store.write(ResponseId(7), &written).unwrap();
        assert_eq!(store.read(ResponseId(7), &proofs[0]).unwrap(), b"{}");
        fs::write(folder.path().join("R-7/pod.json"), "[]").unwrap();
        assert!(store.read(ResponseId(7), &proofs[0]).is_err(), "it was changed since");
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(proofs[0].sha256, hash);
    }

    #[test]
    fn no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("evidence"), 1 << 20).unwrap();
        let names = ["../../x", "/etc/passwd", "..", ".", "", "a/b", "a\0b\n"];
        let written: Vec<_> =
            names.iter().map(|name| ((*name).to_owned(), document("x"))).collect();
        let proofs = store.write(ResponseId(1), &written).unwrap();
        let own = folder.path().join("evidence/R-1");
        for proof in &proofs {
            assert!(own.join(&proof.name).canonicalize().unwrap().starts_with(&own));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_oldest_evidence_goes_first_and_never_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 1500).unwrap();
        for number in 1..=4 {
            let text = "x".repeat(600);
            store.write(ResponseId(number), &[("log".to_owned(), document(&text))]).unwrap();
            let made = folder.path().join(format!("R-{number}"));
            let age = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number);
            File::open(made).unwrap().set_modified(age).unwrap();
        }
        assert!(folder.path().join("R-4").exists());
        assert!(!folder.path().join("R-1").exists() && !folder.path().join("R-2").exists());
    }
}
