//! The name of a spool, under which the router counts its alerts' numbers: `saker-sequence: NAME
//! FIRST-LAST`. A spool that was deleted begins to count anew, under another name.

use std::{fs, io, path::Path};

const FILE: &str = "stream";
const DIGITS: usize = 32;

/// Returns the name of the spool in this folder, and gives it one the first time.
pub(super) fn of(dir: &Path) -> io::Result<String> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(name) if is_name(name.trim()) => return Ok(name.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // A crash may have left half of it.
        Ok(_) | Err(_) => {}
    }
    let name = format!("{:032x}", rand::random::<u128>());
    let new = path.with_extension("new");
    fs::write(&new, &name)?;
    fs::rename(&new, &path)?;
    Ok(name)
}

fn is_name(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_keeps_its_name_and_another_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = of(one.path()).unwrap();
        assert_eq!(of(one.path()).unwrap(), name);
        assert_ne!(of(other.path()).unwrap(), name);
        fs::write(one.path().join(FILE), "half a na").unwrap();
        assert!(is_name(&of(one.path()).unwrap()));
        assert!(of(&one.path().join("missing")).is_err());
    }
}
