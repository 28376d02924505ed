//! Reads the family of a process: its parent, its session, its process group, its ancestors.

use super::CHAIN_MAX;
use crate::{Argument, Field, Leader, Process, Value};

/// A leader, wherever it is told of.
struct LeaderView<'a> {
    name: &'a str,
    argument: Option<&'a str>,
    path: &'a str,
}

impl<'a> From<&'a Leader> for LeaderView<'a> {
    fn from(leader: &'a Leader) -> Self {
        Self { name: &leader.name, argument: leader.argument.as_deref(), path: &leader.path }
    }
}

impl<'a> From<&'a Process> for LeaderView<'a> {
    fn from(process: &'a Process) -> Self {
        Self {
            name: &process.name,
            argument: process.arguments.first().map(|argument| &**argument),
            path: &process.executable.path,
        }
    }
}

impl Process {
    pub(super) fn family_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let parent = self.parent.as_deref();
        Some(match field {
            Field::ProcPname => Value::text(&parent?.name),
            Field::ProcPexe => Value::text(parent?.arguments.first()?),
            Field::ProcPexepath => Value::text(&parent?.executable.path),
            Field::ProcPcmdline => Value::Text(parent?.command_line().into()),
            Field::ProcPvpid => Value::I64(parent?.vpid.into()),
            Field::ProcPpidTs => Value::U64(parent?.start_ns),
            Field::ProcSname => Value::text(self.session_leader()?.name),
            Field::ProcSidExe => Value::text(self.session_leader()?.argument?),
            Field::ProcSidExepath => Value::text(self.session_leader()?.path),
            Field::ProcPgidName | Field::ProcVpgidName => Value::text(self.group_leader()?.name),
            Field::ProcPgidExe | Field::ProcVpgidExe => Value::text(self.group_leader()?.argument?),
            Field::ProcPgidExepath | Field::ProcVpgidExepath => {
                Value::text(self.group_leader()?.path)
            }
            Field::ProcLoginshellid => Value::I64(self.login_shell()?.key.pid.into()),
            Field::ProcAname
            | Field::ProcAexe
            | Field::ProcAexepath
            | Field::ProcAargs
            | Field::ProcAcmdline
            | Field::ProcAenv
            | Field::ProcApid => return self.ancestor_value(field, argument),
            Field::SakerProcChain => Value::Text(self.chain()?.into()),
            _ => return None,
        })
    }

    /// Returns the names of the nearest ancestors, the parent first.
    fn chain(&self) -> Option<String> {
        // A process chooses its name: it must not be able to add links.
        let names: Vec<_> = self
            .ancestors()
            .take(CHAIN_MAX)
            .map(|process| process.name.replace('<', "\u{2039}"))
            .collect();
        (!names.is_empty()).then(|| names.join(" < "))
    }

    /// Returns the process and its ancestors, the nearest first.
    fn line(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(self).chain(self.ancestors())
    }

    fn session_leader(&self) -> Option<LeaderView<'_>> {
        let elsewhere = self.extra.as_deref().and_then(|extra| extra.session_leader.as_deref());
        let leads = |process: &&Process| process.key.pid == self.sid;
        elsewhere.map(LeaderView::from).or_else(|| self.line().find(leads).map(LeaderView::from))
    }

    /// Returns who leads the process group, which has one leader in every numbering.
    fn group_leader(&self) -> Option<LeaderView<'_>> {
        let extra = self.extra.as_deref()?;
        if let Some(leader) = extra.group_leader.as_deref() {
            return Some(leader.into());
        }
        let leads = |process: &&Process| match (extra.group_id, extra.virtual_group_id) {
            (Some(group), _) => process.key.pid == group,
            (None, Some(group)) => process.vpid == group,
            (None, None) => false,
        };
        self.line().find(leads).map(LeaderView::from)
    }

    /// Returns the oldest ancestor that has the name of a shell.
    fn login_shell(&self) -> Option<&Process> {
        self.line().filter(|process| process.name.ends_with("sh")).last()
    }

    fn ancestor_value(&self, field: Field, argument: &Argument) -> Option<Value<'_>> {
        let own = match field {
            Field::ProcAname => Field::ProcName,
            Field::ProcAexe => Field::ProcExe,
            Field::ProcAexepath => Field::ProcExepath,
            Field::ProcAargs => Field::ProcArgs,
            Field::ProcAcmdline => Field::ProcCmdline,
            Field::ProcAenv => Field::ProcEnv,
            _ => Field::ProcPid,
        };
        match argument {
            Argument::Index(index) => self.line().nth(*index as usize)?.value(own, &Argument::None),
            // A variable of the nearest ancestor that has it.
            Argument::Key(_) => self.ancestors().find_map(|process| process.value(own, argument)),
            Argument::None => {
                let values: Vec<_> = self
                    .ancestors()
                    .filter_map(|process| process.value(own, &Argument::None))
                    .collect();
                (!values.is_empty()).then_some(Value::List(values))
            }
        }
    }
}
