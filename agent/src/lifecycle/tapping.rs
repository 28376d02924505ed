//! Puts a tap on the running agent's events.

use super::{AgentHandle, locked};
use crate::tap::{Choice, Tapped, tap};

impl AgentHandle {
    /// Hands events of this choice to the other end of a tap, from the next one on; a tap before it
    /// ends. Returns also the kinds that no rule in force makes the sensor report.
    pub(crate) fn tap(
        &self,
        choice: &Choice,
        events_max: u32,
    ) -> Result<(Tapped, Vec<String>), String> {
        let rules = self.shared.rules.current().load_full();
        let (tap, tapped) = tap(choice, events_max, &rules)?;
        let watched = rules.requirements().kinds;
        let unwatched = tapped.kinds.iter().filter(|kind| !watched.contains(kind));
        let unwatched: Vec<String> = unwatched.map(|kind| kind.name().to_owned()).collect();
        if unwatched.len() == tapped.kinds.len() {
            return Err(match unwatched.len() {
                0 => "no event that the sensor reports can satisfy this condition".to_owned(),
                _ => format!(
                    "no rule in force needs events of the kind {}, so the sensor reports none: \
                     load a rule that does",
                    unwatched.join(", ")
                ),
            });
        }
        match self.work.upgrade() {
            Some(work) => {
                locked(&work).tap = Some(tap);
                self.shared.put_filter(None);
            }
            None => return Err("the agent stops".to_owned()),
        }
        Ok((tapped, unwatched))
    }
}
