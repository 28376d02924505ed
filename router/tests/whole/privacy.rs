//! Who may read what the router keeps.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::harness::{Site, alert, eventually};

/// Returns everything in a folder with its permissions, the folder itself included.
fn permissions(path: &Path) -> Vec<(PathBuf, u32)> {
    let data = fs::symlink_metadata(path).unwrap();
    let mut all = vec![(path.to_owned(), data.permissions().mode() & 0o777)];
    if data.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all.extend(permissions(&entry.unwrap().path()));
        }
    }
    all
}

#[tokio::test]
async fn what_is_kept_is_for_its_user_alone() {
    let site = Site::new("outputs: { log: { file: { path: DIR/data/log.jsonl } } }\n");
    let router = site.start();
    router.send(&[alert("One", "Critical", "web")]).await;
    router.settled().await;
    let history = site.path("data").join("history");
    eventually("a day of history", async || {
        fs::read_dir(&history).unwrap().next().is_some().then_some(())
    })
    .await;
    assert_eq!(router.stop().await, Some(0));

    let kept = permissions(&site.path("data"));
    for name in ["journal", "decisions", "history", "snapshot", "log.jsonl"] {
        assert!(kept.iter().any(|(path, _)| path.ends_with(name)), "no {name} in {kept:?}");
    }
    let open: Vec<_> = kept.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "others may read {open:?}");
}
