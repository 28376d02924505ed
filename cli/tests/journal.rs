//! `saker journal` on folders as a router leaves them.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{fs, path::Path, process::Command};

use journal::{Journal, Options};

/// Runs `saker journal` and returns its exit code and what it printed.
fn saker(arguments: &[&str], folder: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_saker"))
        .arg("journal")
        .args(&arguments[..1])
        .arg(folder)
        .args(&arguments[1..])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Makes a data folder with two journals and something else.
fn data() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 4096, bytes_max: 1 << 20, ..Options::default() };
    for name in ["decisions", "journal"] {
        let (journal, _) = Journal::open(&data.path().join(name), options.clone()).unwrap();
        let cursor = journal.cursor("pipeline").unwrap();
        for number in 0..30 {
            let record = format!("{{\"alert\":{{\"rule\":\"R{number}\",\"x\":\"{:300}\"}}}}", "");
            journal.append_blocking(vec![record.into()]).unwrap();
        }
        cursor.commit(2).unwrap();
        journal.append_blocking(vec!["no \u{1b}[31mJSON\n".into()]).unwrap();
        journal.close();
    }
    fs::create_dir(data.path().join("other")).unwrap();
    data
}

#[test]
fn every_journal_of_a_data_folder_is_counted_and_checked() {
    let data = data();
    let (code, text) = saker(&["stat"], data.path());
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("not in use").count(), 2, "{text}");
    assert_eq!(text.matches("written   ").count(), 2, "{text}");
    assert!(text.contains("to 31") && text.contains("pipeline at 2, 29 records behind"), "{text}");

    let (code, text) = saker(&["verify"], data.path());
    assert_eq!((code, text.matches(": whole, ").count()), (0, 2), "{text}");

    let journal = data.path().join("journal");
    let mut files: Vec<_> =
        fs::read_dir(&journal).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "segment"));
    files.sort();
    let mut bytes = fs::read(&files[1]).unwrap();
    bytes[100] ^= 1;
    fs::write(&files[1], bytes).unwrap();
    let (code, text) = saker(&["verify"], data.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("DAMAGED") && text.contains(files[1].to_str().unwrap()), "{text}");
    assert_eq!(text.matches(": whole, ").count(), 1, "the other is whole: {text}");
    let (code, text) = saker(&["verify", "--format", "json"], &journal);
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(code == 1 && seen["problems"][0].as_str().unwrap().contains("checksum"), "{text}");

    assert_eq!(seen["versions"], serde_json::json!([journal::FORMAT_VERSION]), "{text}");
    assert!(seen["unpacked_bytes"].as_u64().unwrap() > 5_000, "{text}");

    let (code, text) = saker(&["stat"], &data.path().join("other"));
    assert!(code == 3 && text.contains("there is no journal in"), "{text}");
}

#[test]
fn records_are_printed_for_people_and_for_scripts() {
    let data = data();
    let journal = data.path().join("journal");
    let (code, text) = saker(&["dump", "--from", "3", "--to", "5"], &journal);
    assert_eq!(code, 0, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("3 {\"alert\":{\"rule\":\"R3\""), "{text}");

    let (code, text) = saker(&["dump", "--last", "1"], &journal);
    assert_eq!((code, text.lines().count()), (0, 1), "{text}");
    assert!(text.starts_with("30 no ") && !text.contains('\u{1b}'), "{text:?}");

    let (_, text) = saker(&["dump", "--last", "2", "--format", "json"], &journal);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["record"]["alert"]["rule"], "R29");
    assert_eq!(
        (&lines[1]["sequence"], &lines[1]["record"]),
        (&30.into(), &serde_json::Value::Null)
    );
    assert_eq!(lines[1]["base64"], "bm8gG1szMW1KU09OCg==");

    let (_, text) = saker(&["dump", "--since", "2026-01-01T00:00:00Z", "--to", "3"], &journal);
    assert_eq!(text.lines().count(), 3, "all were written after it: {text}");
    let (code, text) = saker(&["dump", "--since", "2200-01-01T00:00:00Z"], &journal);
    assert_eq!((code, text.as_str()), (0, ""), "none was written after it");

    let (code, text) = saker(&["dump"], Path::new("/nothing/there"));
    assert!(code == 1 && text.contains("/nothing/there"), "{text}");
}
