//! What is wrong, for how long, and what people were told of it. A value without clock or I/O.
//!
//! Trouble is told once it held for a while, and is over once it was away for a while: what comes and
//! goes within that is neither told nor ended.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// Trouble must be away for this long to be over.
pub(super) const AWAY: Duration = Duration::from_secs(60);
/// While it goes on, it is said again this often.
pub(super) const REPEAT: Duration = Duration::from_secs(60);
/// The longest trouble may have to hold. Less than [`super::alerts::ENDS_AFTER`], so that trouble that
/// goes on over a restart does not end by it.
pub(super) const HOLD_MAX: Duration = Duration::from_secs(600);

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    OutputFailing,
    OutputDisabled,
    NotificationsWaiting,
    SenderSilent,
    SenderLosing,
    DiskNearlyFull,
    ClockJumped,
    ConfigRefused,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::OutputFailing,
        Self::OutputDisabled,
        Self::NotificationsWaiting,
        Self::SenderSilent,
        Self::SenderLosing,
        Self::DiskNearlyFull,
        Self::ClockJumped,
        Self::ConfigRefused,
    ];

    /// Returns the name of its rule.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::OutputFailing => "Saker output fails",
            Self::OutputDisabled => "Saker output disabled",
            Self::NotificationsWaiting => "Saker notifications wait",
            Self::SenderSilent => "Saker sender silent",
            Self::SenderLosing => "Saker sender loses alerts",
            Self::DiskNearlyFull => "Saker disk nearly full",
            Self::ClockJumped => "Saker clock jumped",
            Self::ConfigRefused => "Saker configuration refused",
        }
    }

    /// Returns the page that says what to do.
    pub(super) const fn runbook(self) -> &'static str {
        match self {
            Self::OutputFailing => "docs/runbooks/output-failing.md",
            Self::OutputDisabled => "docs/runbooks/output-disabled.md",
            Self::NotificationsWaiting => "docs/runbooks/notifications-waiting.md",
            Self::SenderSilent => "docs/runbooks/sender-silent.md",
            Self::SenderLosing => "docs/runbooks/sender-losing.md",
            Self::DiskNearlyFull => "docs/runbooks/disk-nearly-full.md",
            Self::ClockJumped => "docs/runbooks/clock-jumped.md",
            Self::ConfigRefused => "docs/runbooks/config-refused.md",
        }
    }
}

/// One thing that is wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// What it is wrong with; with the kind, its identity.
    pub(super) subject: String,
    pub(super) summary: String,
    /// How long it must hold before it is told.
    pub(super) hold: Duration,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) trouble: Trouble,
    pub(super) is_over: bool,
    /// It was not told before.
    pub(super) is_first: bool,
}

#[derive(Debug)]
struct Entry {
    trouble: Trouble,
    since: Instant,
    told: Option<Instant>,
    away: Option<Instant>,
}

/// All trouble there is. As many as outputs and senders are configured, and a hundred
/// senders that lose alerts, at most.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<(Kind, String), Entry>);

impl Troubles {
    /// Takes in what is wrong now, and returns what is to be told of it.
    pub(super) fn observe(&mut self, now: Instant, seen: &[Trouble]) -> Vec<Step> {
        for trouble in seen {
            let key = (trouble.kind, trouble.subject.clone());
            let entry = self.0.entry(key).or_insert_with(|| Entry {
                trouble: trouble.clone(),
                since: now,
                told: None,
                away: None,
            });
            entry.trouble = trouble.clone();
            entry.away = None;
        }
        let mut steps = Vec::new();
        self.0.retain(|(kind, subject), entry| {
            let is_seen = seen.iter().any(|it| it.kind == *kind && it.subject == *subject);
            entry.turn(now, is_seen, &mut steps)
        });
        steps
    }

    /// Returns how much of a kind people were told of and goes on.
    pub(super) fn told(&self, kind: Kind) -> usize {
        self.0.values().filter(|entry| entry.trouble.kind == kind && entry.told.is_some()).count()
    }
}

impl Entry {
    /// Returns whether it is still of interest.
    fn turn(&mut self, now: Instant, is_seen: bool, steps: &mut Vec<Step>) -> bool {
        let mut step = |is_over, is_first| {
            steps.push(Step { trouble: self.trouble.clone(), is_over, is_first });
        };
        let Some(told) = self.told else {
            if is_seen && now - self.since >= self.trouble.hold {
                step(false, true);
                self.told = Some(now);
            }
            return is_seen;
        };
        if !is_seen && now - *self.away.get_or_insert(now) >= AWAY {
            step(true, true);
            return false;
        }
        if now - told >= REPEAT {
            step(false, false);
            self.told = Some(now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    /// Looks every ten seconds; `!` trouble, `.` none. Returns what is told: `+` first, `r` again, `-`
    /// over, and nothing as a blank.
    fn check(looks: &str) -> String {
        let (mut troubles, start) = (Troubles::default(), Instant::now());
        let trouble = Trouble {
            kind: Kind::OutputFailing,
            subject: "soc".to_owned(),
            summary: "it fails".to_owned(),
            hold: HOLD,
        };
        let mut told = String::new();
        for (look, index) in looks.chars().zip(0_u64..) {
            let seen: &[_] = if look == '!' { std::slice::from_ref(&trouble) } else { &[] };
            let steps = troubles.observe(start + Duration::from_secs(10 * index), seen);
            told.push(match &steps[..] {
                [] => ' ',
                [Step { is_over: true, .. }] => '-',
                [Step { is_first: true, .. }] => '+',
                [_] => 'r',
                more => panic!("{more:?}"),
            });
        }
        told
    }

    #[test]
    fn trouble_is_told_once_it_held_and_over_once_it_was_away() {
        assert_eq!(check("..!!!!!!........."), "     +     r  -  ");
    }

    #[test]
    fn what_comes_and_goes_is_not_told() {
        assert_eq!(check("!!!.!!!.!!!."), " ".repeat(12));
    }

    #[test]
    fn a_short_absence_is_no_end_and_what_goes_on_is_said_again() {
        assert_eq!(check("!!!!..!!...!!!!.......!"), "   +     r     r     - ");
    }

    #[test]
    fn each_subject_is_trouble_of_its_own() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        let of = |subject: &str| Trouble {
            kind: Kind::SenderSilent,
            subject: subject.to_owned(),
            summary: String::new(),
            hold: Duration::ZERO,
        };
        assert_eq!(troubles.observe(now, &[of("a"), of("b")]).len(), 2);
        assert_eq!(troubles.told(Kind::SenderSilent), 2);
        let steps = troubles.observe(now + AWAY, &[of("a")]);
        assert!(steps.iter().all(|step| !step.is_over), "{steps:?}");
        let steps = troubles.observe(now + AWAY + AWAY, &[of("a")]);
        let over: Vec<_> = steps.iter().filter(|step| step.is_over).collect();
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].trouble.subject, "b");
    }
}
