//! Reads what only some sensors tell of a process.

use super::NOT_AVAILABLE;
use crate::{Argument, ContainerProbe, Field, Process, Value, event::symbol::capability_names};

impl Process {
    pub(super) fn extra_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let probe = match field {
            Field::ProcIsContainerHealthcheck => Some(ContainerProbe::Health),
            Field::ProcIsContainerLivenessProbe => Some(ContainerProbe::Liveness),
            Field::ProcIsContainerReadinessProbe => Some(ContainerProbe::Readiness),
            _ => None,
        };
        if let Some(probe) = probe {
            let told = self.extra.as_deref().and_then(|extra| extra.probe);
            let found = told.or_else(|| self.container_probe());
            return Some(Value::Bool(found == Some(probe)));
        }
        match field {
            Field::SakerProcEntered => {
                return Some(Value::Bool(self.extra.as_deref().is_some_and(|it| it.entered)));
            }
            Field::SakerProcFromOutside => return Some(Value::Bool(self.is_from_outside())),
            _ => {}
        }
        let Some(extra) = self.extra.as_deref() else {
            return matches!(field, Field::UserHomedir | Field::UserShell)
                .then_some(Value::text(NOT_AVAILABLE));
        };
        Some(match field {
            Field::ProcPgid => Value::I64(extra.group_id?.into()),
            Field::ProcVpgid => Value::I64(extra.virtual_group_id?.into()),
            Field::ProcIsPgidLeader => Value::Bool(extra.group_id? == self.key.pid),
            Field::ProcIsVpgidLeader => Value::Bool(extra.virtual_group_id? == self.vpid),
            Field::ThreadCapPermitted => Value::Text(capability_names(extra.permitted?).into()),
            Field::ThreadCapInheritable => Value::Text(capability_names(extra.inheritable?).into()),
            Field::UserHomedir => Value::text(extra.home.as_deref().unwrap_or(NOT_AVAILABLE)),
            Field::UserShell => Value::text(extra.shell.as_deref().unwrap_or(NOT_AVAILABLE)),
            Field::ThreadCgroups if extra.cgroups.is_empty() => return None,
            Field::ThreadCgroups => Value::Text(extra.cgroups.join(" ").into()),
            Field::ThreadCgroup => {
                let Argument::Key(subsystem) = argument else { return None };
                let mut cgroups = extra.cgroups.iter().filter_map(|text| text.split_once('='));
                let (_, path) = cgroups.find(|(name, _)| **name == **subsystem)?;
                Value::text(path)
            }
            Field::ProcPidnsInitStartTs => Value::U64(extra.namespace_start_ns?),
            Field::SakerEnforced => Value::text(extra.enforced.as_ref()?.outcome.name()),
            Field::SakerEnforcedBy => Value::Text(extra.enforced.as_ref()?.rules.join(", ").into()),
            _ => return self.usage_value(field),
        })
    }

    fn usage_value(&self, field: Field) -> Option<Value<'_>> {
        let usage = self.extra.as_deref()?.usage?;
        Some(Value::U64(match field {
            Field::ProcFdopencount => usage.files,
            Field::ProcFdlimit => usage.files_max,
            Field::ProcFdusage => usage.files.saturating_mul(100).checked_div(usage.files_max)?,
            Field::ProcVmsize | Field::ThreadVmsize => usage.virtual_kib,
            Field::ProcVmrss | Field::ThreadVmrss => usage.resident_kib,
            Field::ProcVmswap => usage.swapped_kib,
            Field::ProcNthreads => usage.threads,
            Field::ProcNchilds => usage.threads.saturating_sub(1),
            Field::ThreadPfmajor => usage.faults_major,
            Field::ThreadPfminor => usage.faults_minor,
            _ => return None,
        }))
    }
}
