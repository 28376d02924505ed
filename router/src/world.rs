//! Builds what a configuration describes: once at the start, and again at each reload.

use std::collections::BTreeMap;

use outputs::BuildError;

use crate::{config::Config, dispatch::Settings};

/// An output could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make output `{output}`")]
pub struct OutputError {
    pub output: String,
    #[source]
    pub source: BuildError,
}

/// Takes the outputs out of a configuration and makes them. Must be called inside the runtime.
pub(crate) fn outputs<A, R>(
    config: &mut Config<A, R>,
) -> Result<BTreeMap<String, Settings>, OutputError> {
    let folder = config.folder();
    let mut made = BTreeMap::new();
    for (name, output) in std::mem::take(&mut config.outputs) {
        match output.build(&name, &folder) {
            Ok(settings) => made.insert(name, settings),
            Err(source) => return Err(OutputError { output: name, source }),
        };
    }
    Ok(made)
}
