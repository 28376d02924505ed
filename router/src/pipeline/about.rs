//! Who is told of what is wrong with an output: another one, while there is another.

use std::sync::Arc;

use alert::Alert;

use super::{Expected, Pipeline, route::Settings};

/// Field that names the output an alert of the router's own is about. Nobody else can send it.
pub const ABOUT_OUTPUT: &str = "saker.output";
/// Field that names who sent an alert, as the router knows it.
const SENDER: &str = "saker.sender";

/// Numbers of outputs, and their names.
pub(super) type Told = (Arc<[u16]>, Arc<[Arc<str>]>);

impl Pipeline {
    /// Returns the outputs of a route that are told of an alert: all, but for the one it is about. When
    /// that leaves none, all others there are; when there are none, it is told itself.
    pub(super) fn told(&self, alert: &Alert, settings: &Settings) -> Told {
        let all = || (settings.outputs.clone(), settings.output_names.clone());
        let about = alert.text(ABOUT_OUTPUT).and_then(|name| self.destinations.number(name));
        let Some(about) = about.filter(|about| settings.outputs.contains(about)) else {
            return all();
        };
        let others = |outputs: &[u16]| -> Vec<u16> {
            outputs.iter().copied().filter(|output| *output != about).collect()
        };
        let mut told = others(&settings.outputs);
        if told.is_empty() {
            told = others(&self.destinations.resolve(None).0);
        }
        if told.is_empty() {
            return all();
        }
        let names = told.iter().map(|output| self.destinations.name(*output)).collect();
        (told.into(), names)
    }

    /// Returns when each of the senders that are to be heard of was heard last, by the wall clock.
    pub fn heard(&self) -> &super::Heard {
        &self.heard
    }

    /// Returns the senders whose rhythm was learnt, by name.
    pub fn expected(&self) -> Vec<Expected> {
        self.rhythms.expected().collect()
    }

    /// Notes that a sender was heard.
    pub(super) fn hear(&mut self, alert: &Alert) {
        if self.heard.is_empty() && !self.config.learn_senders {
            return;
        }
        let (wall, Some(sender)) = (self.wall(), alert.text(SENDER)) else { return };
        if let Some(at) = self.heard.get_mut(sender) {
            *at = wall;
        } else if self.config.learn_senders {
            self.rhythms.hear(sender, wall);
        }
    }

    /// Waits for the configured senders, for new ones from now on.
    pub(super) fn take_over_senders(&mut self) {
        let (wall, senders) = (self.wall(), &self.config.senders);
        self.heard.retain(|name, _| senders.iter().any(|sender| **sender == **name));
        for sender in senders {
            self.heard.entry(sender.as_str().into()).or_insert(wall);
        }
        if !self.config.learn_senders {
            self.rhythms.clear();
        }
    }
}
