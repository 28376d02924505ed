//! Tells which processes of a container were started from outside, and whether it was to see how the
//! container is.

use crate::{Container, ContainerProbe, Process};

impl Process {
    /// Returns the check this process, or one it descends from in its container, was started for.
    ///
    /// A check comes from outside: whoever runs the same command inside is no check.
    pub(super) fn container_probe(&self) -> Option<ContainerProbe> {
        let container = self.container.as_deref()?;
        let texts = [
            (&container.healthcheck, ContainerProbe::Health),
            (&container.liveness_probe, ContainerProbe::Liveness),
            (&container.readiness_probe, ContainerProbe::Readiness),
        ];
        if texts.iter().all(|(text, _)| text.is_none()) {
            return None;
        }
        let first = self.first_inside(container)?;
        let command = first.arguments.join(" ");
        let (_, probe) = texts.iter().find(|(text, _)| text.as_deref() == Some(&*command))?;
        Some(*probe)
    }

    /// Returns whether its parent is known and outside its container.
    pub(super) fn is_from_outside(&self) -> bool {
        let both = self.container.as_deref().zip(self.parent.as_deref());
        both.is_some_and(|(container, parent)| !parent.is_in(container))
    }

    /// Returns the outermost ancestor, or itself, that is in the container without being its first
    /// process, if its own parent is outside.
    fn first_inside(&self, container: &Container) -> Option<&Self> {
        let mut first = self;
        for ancestor in self.ancestors() {
            if !ancestor.is_in(container) {
                return (first.vpid != 1).then_some(first);
            }
            first = ancestor;
        }
        None
    }

    fn is_in(&self, container: &Container) -> bool {
        self.container.as_deref().is_some_and(|of| of.key() == container.key())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Argument, Field, Value};

    fn process(vpid: i32, command: &str, inside: bool, parent: Option<Process>) -> Process {
        let container = Container {
            id: "a1".into(),
            healthcheck: Some("/bin/sh -c test -e /ok".into()),
            readiness_probe: Some("ready now".into()),
            ..Container::default()
        };
        Process {
            vpid,
            arguments: command.split(' ').map(Into::into).collect(),
            container: inside.then(|| Arc::new(container)),
            parent: parent.map(Arc::new),
            ..Process::default()
        }
    }

    fn runtime() -> Process {
        process(900, "runc", false, None)
    }

    #[test]
    fn a_check_and_what_it_starts_are_known_by_the_command() {
        let check = process(20, "/bin/sh -c test -e /ok", true, Some(runtime()));
        assert_eq!(check.container_probe(), Some(ContainerProbe::Health));
        let child = process(21, "cat /ok", true, Some(check));
        assert_eq!(child.container_probe(), Some(ContainerProbe::Health));
        let ready = process(20, "ready now", true, Some(runtime()));
        assert_eq!(ready.container_probe(), Some(ContainerProbe::Readiness));
    }

    #[test]
    fn what_the_container_itself_runs_is_no_check() {
        let init = process(1, "/bin/sh -c test -e /ok", true, Some(runtime()));
        assert_eq!(init.container_probe(), None);
        let same = process(7, "ready now", true, Some(init));
        assert_eq!(same.container_probe(), None);
        let other = process(20, "sh", true, Some(runtime()));
        assert_eq!(other.container_probe(), None);
        assert_eq!(process(20, "ready now", false, Some(runtime())).container_probe(), None);
        assert_eq!(process(20, "ready now", true, None).container_probe(), None);
    }

    #[test]
    fn who_is_started_from_outside_has_a_parent_there() {
        let is = |process: &Process| {
            process.value(Field::SakerProcFromOutside, &Argument::None) == Some(Value::Bool(true))
        };
        let init = process(1, "sh", true, Some(runtime()));
        assert!(is(&init) && is(&process(20, "sh", true, Some(runtime()))));
        assert!(!is(&process(21, "sh", true, Some(init.clone()))));
        // Of a container in the container, the outer one is outside.
        let mut inner = process(22, "sh", true, Some(init));
        let outer = inner.container.take().unwrap();
        let container = Container { outer_id: Some("a1".into()), ..Container::clone(&outer) };
        inner.container = Some(Arc::new(container));
        assert!(is(&inner));
        assert!(!is(&process(20, "sh", true, None)) && !is(&runtime()));
    }

    #[test]
    fn the_field_tells_one_check_from_another() {
        let check = process(20, "ready now", true, Some(runtime()));
        let value = |field| check.value(field, &Argument::None);
        assert_eq!(value(Field::ProcIsContainerReadinessProbe), Some(Value::Bool(true)));
        assert_eq!(value(Field::ProcIsContainerHealthcheck), Some(Value::Bool(false)));
    }
}
