//! How much all actions together have done, and may still do. Exact: the same spends in any order
//! of questions give the same answers, and a flood of questions spends nothing.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Budget, Budgets};

/// Spends older than any window are forgotten; so many are kept at most.
const SPENDS_MAX: usize = 100_000;

/// Whose budget an action comes out of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account {
    pub namespace: String,
    /// `Deployment/web`; a pod without a controller is its own.
    pub workload: String,
}

/// Which budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Workload,
    Namespace,
    Cluster,
}

/// What was spent, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Spending {
    spends: VecDeque<(Timestamp, Account)>,
}

impl Spending {
    /// Notes an action. Called once for each intent, also when they are read back from the audit.
    pub fn spend(&mut self, at: Timestamp, account: Account) {
        self.spends.push_back((at, account));
        if self.spends.len() > SPENDS_MAX {
            self.spends.pop_front();
        }
    }

    /// Forgets what no window reaches any more.
    pub fn forget(&mut self, budgets: &Budgets, now: Timestamp) {
        let longest = [budgets.workload, budgets.namespace, budgets.cluster];
        let longest = longest.iter().map(|budget| budget.per.0).max().unwrap_or_default();
        // The breaker looks back as well.
        let longest = longest.max(Duration::from_secs(24 * 3600));
        while self.spends.front().is_some_and(|(at, _)| age(*at, now) >= longest) {
            self.spends.pop_front();
        }
    }

    /// Returns the first budget that does not allow one more action, if there is one. `shares` is
    /// how many namespaces share the cluster's budget.
    pub fn exhausted(
        &self,
        budgets: &Budgets,
        shares: usize,
        account: &Account,
        now: Timestamp,
    ) -> Option<Scope> {
        let of_workload = self.count(budgets.workload, now, |other| other == account);
        if of_workload >= budgets.workload.actions_max {
            return Some(Scope::Workload);
        }
        let same = |other: &Account| other.namespace == account.namespace;
        if self.count(budgets.namespace, now, same) >= budgets.namespace.actions_max {
            return Some(Scope::Namespace);
        }
        (self.left_of_cluster(budgets, shares, &account.namespace, now) == 0)
            .then_some(Scope::Cluster)
    }

    /// Returns how many more actions the cluster's budget has for a namespace: what is left of its
    /// own share, and of what is shared.
    pub fn left_of_cluster(
        &self,
        budgets: &Budgets,
        shares: usize,
        namespace: &str,
        now: Timestamp,
    ) -> u32 {
        let budget = budgets.cluster;
        let shares = u32::try_from(shares).unwrap_or(u32::MAX).max(1);
        let share = budget.actions_max / shares;
        let common = budget.actions_max - share * shares;
        let used = self.by_namespace(budget, now);
        let over: u32 = used.iter().map(|(_, count)| count.saturating_sub(share)).sum();
        let own = used.iter().find(|(name, _)| *name == namespace).map_or(0, |(_, count)| *count);
        share.saturating_sub(own) + common.saturating_sub(over)
    }

    /// Returns how many actions a workload had in the last `within`.
    pub fn of_workload(&self, account: &Account, within: Duration, now: Timestamp) -> u32 {
        let budget = Budget { actions_max: 0, per: service::config::HumanDuration(within) };
        self.count(budget, now, |other| other == account)
    }

    /// Returns how much is left of a namespace's own budget.
    pub fn left_of_namespace(&self, budgets: &Budgets, namespace: &str, now: Timestamp) -> u32 {
        let used = self.count(budgets.namespace, now, |other| other.namespace == namespace);
        budgets.namespace.actions_max.saturating_sub(used)
    }

    fn count(&self, budget: Budget, now: Timestamp, is_it: impl Fn(&Account) -> bool) -> u32 {
        let recent = self.spends.iter().rev().filter(|(at, _)| age(*at, now) < budget.per.0);
        u32::try_from(recent.filter(|(_, account)| is_it(account)).count()).unwrap_or(u32::MAX)
    }

    fn by_namespace(&self, budget: Budget, now: Timestamp) -> Vec<(&str, u32)> {
        let mut counts: Vec<(&str, u32)> = Vec::new();
        for (_, account) in self.spends.iter().filter(|(at, _)| age(*at, now) < budget.per.0) {
            match counts.iter_mut().find(|(name, _)| *name == account.namespace) {
                Some((_, count)) => *count += 1,
                None => counts.push((&account.namespace, 1)),
            }
        }
        counts
    }
}

/// A spend from the future was noted before the clock was set back: it counts as made now.
fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn account(namespace: &str, workload: &str) -> Account {
        Account { namespace: namespace.into(), workload: workload.into() }
    }

    fn budgets(text: &str) -> Budgets {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_workload_is_acted_on_once_and_again_when_its_time_is_over() {
        let budgets = Budgets::default();
        let mut spending = Spending::default();
        let web = account("shop", "Deployment/web");
        assert_eq!(spending.exhausted(&budgets, 1, &web, at(0)), None);
        spending.spend(at(0), web.clone());
        assert_eq!(spending.exhausted(&budgets, 1, &web, at(599)), Some(Scope::Workload));
        assert_eq!(spending.exhausted(&budgets, 1, &web, at(600)), None);
        let other = account("shop", "Deployment/api");
        assert_eq!(spending.exhausted(&budgets, 1, &other, at(1)), None);
    }

    #[test]
    fn decoys_in_other_namespaces_cannot_spend_a_namespaces_share() {
        let budgets = budgets(
            r#"{"workload": {"actions_max": 1, "per": "10m"},
                "namespace": {"actions_max": 100, "per": "1h"},
                "cluster": {"actions_max": 10, "per": "1h"}}"#,
        );
        let mut spending = Spending::default();
        // Three namespaces share ten: three each, one in common.
        let mut spent = 0;
        for decoy in 0..100 {
            let decoy = account("decoys", &format!("Pod/{decoy}"));
            if spending.exhausted(&budgets, 3, &decoy, at(1)).is_none() {
                spending.spend(at(1), decoy);
                spent += 1;
            }
        }
        assert_eq!(spent, 4);
        let victim = account("shop", "Deployment/web");
        assert_eq!(spending.exhausted(&budgets, 3, &victim, at(2)), None);
        assert_eq!(spending.left_of_cluster(&budgets, 3, "shop", at(2)), 3);
    }

    #[test]
    fn a_clock_set_back_gives_no_budget_back() {
        let budgets = Budgets::default();
        let mut spending = Spending::default();
        let web = account("shop", "Deployment/web");
        spending.spend(at(5000), web.clone());
        assert_eq!(spending.exhausted(&budgets, 1, &web, at(0)), Some(Scope::Workload));
    }

    proptest! {
        #[test]
        fn no_flood_gets_more_than_the_budgets(
            tries in prop::collection::vec((0..5_usize, 0..20_usize, 0..4000_i64), 0..2000),
        ) {
            let budgets = Budgets::default();
            let mut spending = Spending::default();
            let mut times: Vec<_> = tries.clone();
            times.sort_by_key(|(_, _, second)| *second);
            let mut spent: Vec<(i64, Account)> = Vec::new();
            for (namespace, workload, second) in times {
                let account = account(&format!("n{namespace}"), &format!("Pod/{workload}"));
                if spending.exhausted(&budgets, 5, &account, at(second)).is_none() {
                    spending.spend(at(second), account.clone());
                    spent.push((second, account));
                }
            }
            for (second, account) in &spent {
                let window = |per: i64| {
                    spent.iter().filter(move |(at, _)| at <= second && second - at < per)
                };
                prop_assert!(window(3600).count() <= 10);
                let same = |other: &&(i64, Account)| other.1.namespace == account.namespace;
                prop_assert!(window(3600).filter(same).count() <= 3);
                prop_assert!(window(600).filter(|other| other.1 == *account).count() <= 1);
            }
        }
    }
}
