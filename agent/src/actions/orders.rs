//! Remembers orders, so that the same one twice is carried out once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use alert::order::{KillOrder, KillReport};
use tokio::sync::watch;

const REMEMBERED: Duration = Duration::from_secs(600);
const ORDERS_MAX: usize = 1024;

type Answer = watch::Receiver<Option<KillReport>>;

/// Orders of the last ten minutes, with their reports or the promise of one.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<String, Remembered>>);

#[derive(Debug)]
struct Remembered {
    order: KillOrder,
    came: Instant,
    answer: Answer,
}

/// What to do with an order.
#[derive(Debug)]
pub(super) enum Turn {
    /// Carry it out and give the report to the sender.
    First(watch::Sender<Option<KillReport>>, Answer),
    /// It is known: this is, or will be, its report.
    Repeated(Answer),
    /// The id is known from another order.
    Conflict,
    /// Too many orders are remembered.
    Full,
}

impl Orders {
    pub(super) fn turn(&self, order: &KillOrder, now: Instant) -> Turn {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = orders.get(&order.id)
            && now.duration_since(known.came) < REMEMBERED
        {
            let repeated = known.order == *order;
            return if repeated { Turn::Repeated(known.answer.clone()) } else { Turn::Conflict };
        }
        if orders.len() >= ORDERS_MAX {
            orders.retain(|_, known| now.duration_since(known.came) < REMEMBERED);
        }
        if orders.len() >= ORDERS_MAX {
            return Turn::Full;
        }
        let (sender, answer) = watch::channel(None);
        let remembered = Remembered { order: order.clone(), came: now, answer: answer.clone() };
        orders.insert(order.id.clone(), remembered);
        Turn::First(sender, answer)
    }
}

/// Waits for a report; `None` when whoever was to give it is gone.
pub(super) async fn answered(mut answer: Answer) -> Option<KillReport> {
    let report = answer.wait_for(Option::is_some).await.ok()?;
    report.clone()
}

#[cfg(test)]
mod tests {
    use alert::{
        ProcessKey,
        order::{KillOutcome, Scope},
    };

    use super::*;

    fn order(id: &str, pid: i32) -> KillOrder {
        KillOrder {
            id: id.to_owned(),
            process: ProcessKey { pid, start_boot_ns: 1 },
            container: None,
            scope: Scope::Process,
            dry_run: false,
            wait_ms: 1,
        }
    }

    #[tokio::test]
    async fn an_order_is_remembered_for_ten_minutes() {
        let (orders, now) = (Orders::default(), Instant::now());
        let Turn::First(sender, _) = orders.turn(&order("a", 7), now) else { panic!("not first") };
        let Turn::Repeated(answer) = orders.turn(&order("a", 7), now) else { panic!("not known") };
        let report = KillReport { outcome: KillOutcome::Dead, processes: Vec::new() };
        sender.send(Some(report.clone())).unwrap();
        drop(sender);
        assert_eq!(answered(answer).await, Some(report));
        let nearly = now + REMEMBERED - Duration::from_millis(1);
        assert!(matches!(orders.turn(&order("a", 8), nearly), Turn::Conflict));
        assert!(matches!(orders.turn(&order("a", 8), now + REMEMBERED), Turn::First(..)));
    }

    #[test]
    fn more_orders_than_can_be_remembered_are_turned_away_until_old_ones_are_forgotten() {
        let (orders, now) = (Orders::default(), Instant::now());
        for number in 0..ORDERS_MAX {
            assert!(matches!(orders.turn(&order(&number.to_string(), 7), now), Turn::First(..)));
        }
        assert!(matches!(orders.turn(&order("more", 7), now), Turn::Full));
        assert!(matches!(orders.turn(&order("more", 7), now + REMEMBERED), Turn::First(..)));
    }
}
