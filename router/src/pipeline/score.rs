//! How much a finding matters here and now: 0 to 100, itemised.

use std::{sync::Arc, time::Duration};

use alert::{Priority, ScoreItem};
use rules::Subject;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use super::{attack, config::ScoreConfig};

const CHAIN_TACTICS_MIN: u8 = 3;
/// Half-lives after which nothing is left of 100 points.
const HALF_LIVES_MAX: u128 = 8;

/// Points every priority starts from.
const fn base(priority: Priority) -> i32 {
    match priority {
        Priority::Debug => 5,
        Priority::Informational => 10,
        Priority::Notice => 20,
        Priority::Warning => 40,
        Priority::Error => 55,
        Priority::Critical => 75,
        Priority::Alert => 85,
        Priority::Emergency => 95,
    }
}

/// A score and why it is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Score {
    pub(super) points: u8,
    pub(super) items: Arc<[ScoreItem]>,
}

impl Score {
    /// Returns what is left of it when nothing came for so long: what is above its priority's own
    /// points halves with every half-life, evenly in between.
    pub(super) fn points_after(
        &self,
        unseen: Duration,
        half_life: Duration,
        priority: Priority,
    ) -> u8 {
        let floor = base(priority).clamp(0, 100) as u8;
        let (unseen, half_life) = (unseen.as_millis(), half_life.as_millis());
        if self.points <= floor || half_life == 0 || unseen == 0 {
            return self.points;
        }
        let halved = unseen / half_life;
        if halved >= HALF_LIVES_MAX {
            return floor;
        }
        let above = u128::from(self.points - floor) * (2 * half_life - unseen % half_life);
        let whole = (2 * half_life) << halved;
        floor + ((2 * above + whole) / (2 * whole)) as u8
    }

    /// As [`Self::points_after`], with what time took as an item of its own.
    pub(super) fn after(&self, unseen: Duration, half_life: Duration, priority: Priority) -> Self {
        let points = self.points_after(unseen, half_life, priority);
        if points == self.points {
            return self.clone();
        }
        let unit = if unseen.as_secs() < 60 { 1 } else { 60 };
        let unseen = HumanDuration(Duration::from_secs(unseen.as_secs() / unit * unit));
        let reason = format!("not seen for {unseen}");
        let taken = ScoreItem { reason, points: i32::from(points) - sum(&self.items) };
        Self { points, items: self.items.iter().cloned().chain([taken]).collect() }
    }
}

fn sum(items: &[ScoreItem]) -> i32 {
    items.iter().map(|item| item.points).sum()
}

/// Returns the score of a finding's alert. `tactics` is how many its workload went through in order,
/// `rare` whether its fingerprint is new.
pub(super) fn score(config: &ScoreConfig, subject: &Subject<'_>, tactics: u8, rare: bool) -> Score {
    let mut items = Vec::with_capacity(2);
    let priority = subject.alert.priority;
    items.push(ScoreItem { reason: format!("priority {priority}"), points: base(priority) });
    let lists = [
        ("", &config.criticality),
        ("exposure: ", &config.exposure),
        ("sender: ", &config.sender_trust),
    ];
    for (about, rules) in lists {
        for rule in rules.iter().filter(|rule| rule.condition.matches(subject)) {
            let reason = rule.reason.as_deref().unwrap_or(rule.condition.text());
            let reason = format!("{about}{reason}");
            items.push(ScoreItem { reason, points: rule.points.into() });
        }
    }
    if tactics >= CHAIN_TACTICS_MIN && config.chain_points > 0 {
        let version = attack::VERSION;
        let reason = format!("{tactics} tactics of ATT&CK v{version} in order in this workload");
        items.push(ScoreItem { reason, points: config.chain_points.into() });
    }
    if rare && config.rarity_points > 0 {
        let reason = "not seen before".to_owned();
        items.push(ScoreItem { reason, points: config.rarity_points.into() });
    }
    Score { points: sum(&items).clamp(0, 100) as u8, items: items.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::alert_with;

    #[test]
    fn a_score_is_the_sum_of_its_items_within_bounds() {
        let mut alert = alert_with(serde_json::json!({}));
        let check = |alert: &alert::Alert, tactics, rare| {
            let subject = Subject::new(alert);
            score(&ScoreConfig::default(), &subject, tactics, rare)
        };
        let scored = check(&alert, 3, true);
        assert_eq!((i32::from(scored.points), scored.items.len()), (sum(&scored.items), 3));
        alert.priority = Priority::Emergency;
        assert_eq!(check(&alert, 14, true).points, 100);
        assert_eq!(check(&alert, 2, false).points, 95);
    }
    #[test]
    fn what_lists_of_conditions_say_is_itemised_by_what_it_is_about() {
        let config: ScoreConfig = serde_json::from_value(serde_json::json!({
            "criticality": [{"match": "rule = \"test rule\"", "points": 7}],
            "exposure": [
                {"match": "container.privileged = true", "points": 10, "reason": "privileged"},
                {"match": "rule = other", "points": 50},
            ],
            "sender_trust": [{"match": "saker.sender = lab", "points": -20}],
            "rarity_points": 0,
        }))
        .unwrap();
        let fields = serde_json::json!({"container.privileged": true, "saker.sender": "lab"});
        let alert = alert_with(fields);
        let scored = score(&config, &Subject::new(&alert), 0, false);
        let items: Vec<_> =
            scored.items.iter().map(|it| format!("{} {}", it.points, it.reason)).collect();
        expect_test::expect![[r#"
            40 priority Warning
            7 rule = "test rule"
            10 exposure: privileged
            -20 sender: saker.sender = lab"#]]
        .assert_eq(&items.join("\n"));
        assert_eq!(scored.points, 37);
    }

    #[test]
    fn a_score_falls_to_what_its_priority_gives() {
        let item = |points| ScoreItem { reason: String::new(), points };
        let score = |items: &[i32]| {
            let items: Arc<[ScoreItem]> = items.iter().map(|points| item(*points)).collect();
            Score { points: sum(&items).clamp(0, 100) as u8, items }
        };
        let hour = Duration::from_secs(3600);
        let after =
            |score: &Score, hours: f64| score.after(hour.mul_f64(hours), hour, Priority::Warning);
        let warning = score(&[40, 32]);
        let points: Vec<u8> = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 7.0, 1e9]
            .map(|hours| after(&warning, hours).points)
            .to_vec();
        assert_eq!(points, [72, 64, 56, 52, 48, 44, 41, 41, 40, 40]);
        let items = after(&warning, 2.0).items;
        assert_eq!(items[2], ScoreItem { reason: "not seen for 2h".into(), points: -24 });
        for score in [warning, score(&[40, -30]), score(&[40, 90]), score(&[40])] {
            let mut last = score.points;
            for minutes in (0..600).step_by(7) {
                let now = score.after(Duration::from_secs(60 * minutes), hour, Priority::Warning);
                assert!(now.points <= last && now.points >= score.points.min(40));
                assert_eq!(i32::from(now.points), sum(&now.items).clamp(0, 100), "it adds up");
                last = now.points;
            }
            assert_eq!(score.after(hour * 9, Duration::ZERO, Priority::Warning), score);
        }
    }
}
