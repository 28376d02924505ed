//! Records of the router's journal, as an older or newer Saker, or nobody, wrote them.

use ::router::{
    pipeline::{Pipeline, PipelineConfig},
    record::Record,
};

use crate::{Read, Target};

pub(crate) const TARGET: Target = Target {
    name: "record",
    run,
    words: &[
        "{\"alert\":",
        "{\"tick\":{\"now\":\"2023-11-14T22:13:20Z\"}}",
        "{\"silence_added\":",
        "\"at\":\"2023-11-14T22:13:20Z\"",
        "\"match\":\"rule = a\"",
        "\"ends\":",
        "null",
        "1e400",
        "\"-009999-01-02T01:59:59Z\"",
        "\"9999-12-30T22:00:00Z\"",
        "\"group\":",
        "\"id\":",
        "\"w\"",
    ],
};

/// What is read is written so that it reads as the same, and a pipeline that saw it can be restored.
/// Several records stand one to a line.
fn run(input: &[u8]) -> Read {
    let mut pipeline = Pipeline::new();
    let mut read = Read::Refused;
    let (mut effects, at) = (Vec::new(), "2023-11-14T22:13:20Z".parse().expect("a time"));
    let config = PipelineConfig { outputs: vec!["soc".to_owned()], ..PipelineConfig::default() };
    pipeline.apply(0, &Record::Configured { at, config: Box::new(config) }, &mut effects);
    for (number, line) in input.split(|byte| *byte == b'\n').enumerate() {
        let Ok(record) = serde_json::from_slice::<Record>(line) else { continue };
        read = Read::Taken;
        let written = serde_json::to_vec(&record).expect("a record is written");
        let again: Record = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, record);
        // A configuration was checked before it came into the journal.
        if !matches!(record, Record::Configured { .. }) {
            pipeline.apply(1 + number as u64, &record, &mut effects);
            pipeline.ledger().check().expect("the account adds up");
        }
    }
    let (mut state, mut restored) = (Vec::new(), Vec::new());
    pipeline.snapshot(&mut state);
    Pipeline::restore(&state).expect("it is restored").snapshot(&mut restored);
    assert_eq!(String::from_utf8(restored), String::from_utf8(state));
    read
}
