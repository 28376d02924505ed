//! Without an audit that is whole and can be written, nothing is done.

use std::{fs, path::PathBuf, time::Duration};

use alert::Alert;
use jiff::Timestamp;
use response::audit::{Checkpoint, verify};
use serde_json::json;

use crate::stage::{Stage, alert, until};

impl Stage {
    fn audit_file(&self) -> PathBuf {
        self.responder.data().join("audit/audit-0000000000000001.jsonl")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_was_changed_is_a_reason_not_to_start() {
    let Some(mut stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    stage.respond(alert(&pod)).await;
    let kills = stage.kills().len();
    stage.responder.kill();
    let file = stage.audit_file();
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let flipped = whole.replacen("\"kill_pod\"", "\"kill_pob\"", 1);
    let removed = whole.replacen(&format!("{}\n", lines[1]), "", 1);
    let swapped = whole.replacen(
        &format!("{}\n{}\n", lines[1], lines[2]),
        &format!("{}\n{}\n", lines[2], lines[1]),
        1,
    );
    for changed in [flipped, removed, swapped] {
        assert_ne!(changed, whole);
        fs::write(&file, changed).unwrap();
        let said = stage.responder.refuses_to_start();
        assert!(said.contains("the audit is not whole"), "{said}");
    }
    fs::write(&file, &whole).unwrap();
    stage.responder.restart();
    assert_eq!(stage.kills().len(), kills);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_cut_from_the_end_are_found_by_the_checkpoint_the_status_gave() {
    let Some(mut stage) = Stage::new().await else { return };
    let pod = stage.pod("web-0").await;
    stage.respond(alert(&pod)).await;
    let status = stage.get("/api/v1/status").await;
    let checkpoint: Checkpoint = status["audit_head"].as_str().unwrap().parse().unwrap();
    stage.responder.kill();
    let folder = stage.responder.data().join("audit");
    let checkpoints = [checkpoint];
    assert!(verify(&folder, &checkpoints, |_| {}).is_ok());
    let file = stage.audit_file();
    let whole = fs::read_to_string(&file).unwrap();
    let last = whole.trim_end().rfind('\n').unwrap();
    fs::write(&file, &whole[..=last]).unwrap();
    assert!(verify(&folder, &[], |_| {}).is_ok(), "the chain alone does not tell");
    let error = verify(&folder, &checkpoints, |_| {}).unwrap_err().to_string();
    assert!(error.contains("checkpoint"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_audit_is_full_nothing_is_done_and_everybody_is_told() {
    let settings = json!({
        "audit": { "bytes_max": "1200KiB" },
        "plans_per_minute_max": 1_000_000,
    });
    let Some(stage) = Stage::with(|_| settings).await else { return };
    let pod = stage.pod("web-0").await;
    // Each is denied, and two lines.
    let stale = |_| Alert { time: Timestamp::now() - Duration::from_secs(100), ..alert(&pod) };
    until("the audit is full", async || {
        let alerts: Vec<Alert> = (0..20).map(stale).collect();
        match stage.send(&alerts).await {
            503 => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .await;
    until("it is not ready", async || match stage.status_of("/ready").await {
        503 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(stage.send(&[alert(&pod)]).await, 503);
    let status = stage.get("/api/v1/status").await;
    assert!(status["audit_failure"].is_string(), "{status}");
    assert_eq!(stage.changes(), [] as [&str; 0]);
    assert!(stage.is_there(&pod).await);
    let size = fs::metadata(stage.audit_file()).unwrap().len();
    assert!(size <= 1200 << 10, "{size}");
    stage.audit();
}
