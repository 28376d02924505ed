//! The router's configuration file.

use std::path::Path;

use router::config::Config;

use crate::{Read, Target, with_text};

/// An error repeats the lines it is about, and lists what may stand there.
const TOLD_BYTES_MAX: usize = 1 << 20;

pub(crate) const TARGET: Target = Target {
    name: "config",
    run,
    words: &[
        "router:\n",
        "outputs:\n",
        "  soc:\n",
        "    file: { path: /tmp/x }\n",
        "routes:\n",
        "  - match: ",
        "silences:\n",
        "inhibitions:\n",
        "windows:\n",
        "limits:\n",
        "group_by: [rule]\n",
        "group_wait: 1s\n",
        "&a",
        "*a",
        "<<: ",
        "!!",
        "|\n",
        ">-\n",
        "- ",
        ": ",
        "~",
        "{}",
        "[]",
        "2026-11-28T22:00:00",
        "FREQ=WEEKLY;BYDAY=SA",
        "99999999999999999999d",
        "1TiB",
    ],
};

fn run(input: &[u8]) -> Read {
    with_text(input, check)
}

fn check(text: &str) -> Read {
    // What the machine has in files and variables is no input.
    if text.contains("${") {
        return Read::Refused;
    }
    let read =
        Config::<serde_json::Value>::parse("fuzz.yaml", text.to_owned(), Path::new("/dev/null"));
    match &read {
        Ok(config) => drop(config.pipeline()),
        Err(error) => {
            let mut told = error.to_string().len();
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                told += error.to_string().len();
                source = error.source();
            }
            assert!(told <= TOLD_BYTES_MAX, "{told} bytes are told");
        }
    }
    Read::of(&read)
}
