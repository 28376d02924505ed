//! Measures what recording costs: writes the events of a recording in both versions and reads them.
//!
//! ```text
//! cargo run --release -p agent --example recording -- FILE
//! ```

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use agent::recorder::{Header, Recorder, Recording};
use alert::Event;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let file = PathBuf::from(std::env::args_os().nth(1).ok_or("name a recording")?);
    let folder = tempfile::tempdir()?;
    let written = folder.path().join("version-2");
    // As the kernel's events do, those of one process share it.
    convert(&read(&file)?, &written)?;
    let events = read(&written)?;
    let mut out = std::io::stdout().lock();
    for (version, write) in
        [("1", text as fn(&[Event], &Path) -> Result<(), Failure>), ("2", convert)]
    {
        let path = folder.path().join("measured");
        let began = Instant::now();
        write(&events, &path)?;
        let wrote = began.elapsed();
        let began = Instant::now();
        let back = read(&path)?.len();
        let read = began.elapsed();
        let each = |total: f64| total / back.max(1) as f64;
        writeln!(
            out,
            "version {version}: {back} events, {:.0} bytes, {:.2} us to write, {:.2} us to read each",
            each(std::fs::metadata(&path)?.len() as f64),
            each(wrote.as_secs_f64() * 1e6),
            each(read.as_secs_f64() * 1e6),
        )?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Event>, Failure> {
    Ok(Recording::open(path)?.collect::<Result<_, _>>()?)
}

fn text(events: &[Event], path: &Path) -> Result<(), Failure> {
    let mut encoder = zstd::Encoder::new(BufWriter::new(File::create(path)?), 1)?;
    writeln!(encoder, "{}", Recording::text_header())?;
    for event in events {
        serde_json::to_writer(&mut encoder, event)?;
        writeln!(encoder)?;
    }
    encoder.finish()?.flush()?;
    Ok(())
}

fn convert(events: &[Event], path: &Path) -> Result<(), Failure> {
    let mut recorder = Recorder::create(path, u64::MAX, &Header::default())?;
    for event in events {
        recorder.record(event)?;
    }
    recorder.finish()?;
    Ok(())
}
