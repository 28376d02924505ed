//! What a list is asked for: matchers, receiver, and which states.

use std::collections::BTreeMap;

use axum::extract::{Query, rejection::QueryRejection};

use super::answer::Refusal;
use crate::pipeline::{Comparison, Matcher};

/// The parameters of a request, which may come several times.
pub(super) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Which alerts, groups or silences are listed.
#[derive(Debug)]
pub(super) struct Filter {
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
    /// Those that people hear of, that are silenced, that are inhibited, that are in no group.
    pub(super) active: bool,
    pub(super) silenced: bool,
    pub(super) inhibited: bool,
    pub(super) unprocessed: bool,
}

impl Filter {
    pub(super) fn read(parameters: Parameters) -> Result<Self, Refusal> {
        let mut filter = Self {
            matchers: Vec::new(),
            receiver: None,
            active: true,
            silenced: true,
            inhibited: true,
            unprocessed: true,
        };
        for (name, value) in parameters?.0 {
            match name.as_str() {
                "filter" => filter.matchers.extend(Matcher::parse_all(&value).map_err(wrong)?),
                "receiver" if value.is_empty() => {}
                "receiver" => {
                    let receiver = Matcher::new("receiver", Comparison::Regex, &value);
                    filter.receiver = Some(receiver.map_err(wrong)?);
                }
                "active" => filter.active = flag(&name, &value)?,
                "silenced" => filter.silenced = flag(&name, &value)?,
                "inhibited" => filter.inhibited = flag(&name, &value)?,
                "unprocessed" => filter.unprocessed = flag(&name, &value)?,
                // As there, what is not known is passed over.
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Returns whether all matchers hold. A label that is not there is an empty one.
    pub(super) fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = |name: &str| labels.get(name).map_or("", String::as_str);
        self.matchers.iter().all(|matcher| matcher.holds(value(matcher.name())))
    }

    pub(super) fn takes_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|receiver| receiver.holds(name))
    }
}

fn wrong(why: String) -> Refusal {
    Refusal::invalid(format!("bad matcher format: {why}"))
}

fn flag(name: &str, value: &str) -> Result<bool, Refusal> {
    value.parse().map_err(|_| Refusal::invalid(format!("`{name}` is neither true nor false")))
}
