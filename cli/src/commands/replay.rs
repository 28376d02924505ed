//! `saker replay`: recorded events through rules, on any machine and without root.

use alert::wire;

use super::rules::{compile, sources};
use crate::{
    args::{Format, ReplayArgs},
    exit::Code,
    print, screen,
};

pub(crate) fn execute(arguments: &ReplayArgs) -> anyhow::Result<Code> {
    let rules = compile(&sources(&arguments.rules)?)?;
    let color = screen::color();
    let mut alerts = 0_u64;
    let mut sink = |alert: &alert::Alert| {
        alerts += 1;
        match arguments.format {
            Format::Text => print::line(outputs::human::alert_line(alert, color, None)),
            Format::Json => {
                let mut line = Vec::new();
                wire::write_falco(alert, &mut line);
                print::line(String::from_utf8_lossy(&line));
            }
        }
    };
    let selection = arguments.selection.of(&arguments.events)?;
    let replayed = agent::replay(&arguments.events, selection, &rules, &mut sink)?;
    print::note(format_args!("{} events, {alerts} alerts", replayed.events));
    Ok(Code::Success)
}
