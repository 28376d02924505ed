//! `saker rules top`: what each rule of a running agent costs.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    args::{Format, TopArgs},
    exit::{Code, fail},
    print, screen,
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Looks come no closer than this, so that looking costs nothing.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What the agent answers to `GET /rules`.
#[derive(Debug, Deserialize)]
struct Answer {
    rules: Vec<Counted>,
    seconds: f64,
}

/// The counts of a rule since it was loaded.
#[derive(Clone, Debug, Deserialize)]
struct Counted {
    rule: String,
    evaluated: u64,
    matched: u64,
    timed: u64,
    timed_ns: u64,
}

/// What a rule cost in some time.
#[derive(Debug, PartialEq, Serialize)]
struct Cost {
    rule: String,
    /// Of the time all rules took, from 0 to 1.
    share: f64,
    evaluated_per_second: f64,
    evaluated: u64,
    matched: u64,
    /// Of one evaluation, on average; absent until one was timed.
    nanoseconds: Option<f64>,
}

pub(super) async fn execute(arguments: &TopArgs) -> anyhow::Result<Code> {
    let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let url = format!("{}/rules", arguments.agent.trim_end_matches('/'));
    let mut before: HashMap<String, Counted> = HashMap::new();
    let answer = look(&http, &url).await?;
    if arguments.once {
        show(arguments, &costs(&answer.rules, &before, answer.seconds), "since they were loaded")?;
        return Ok(Code::Success);
    }
    before.extend(answer.rules.into_iter().map(|counted| (counted.rule.clone(), counted)));
    let interval = arguments.interval.0.max(INTERVAL_MIN);
    loop {
        tokio::time::sleep(interval).await;
        let answer = look(&http, &url).await?;
        let costs = costs(&answer.rules, &before, interval.as_secs_f64());
        show(arguments, &costs, &format!("in {}s", interval.as_secs_f64()))?;
        before = answer.rules.into_iter().map(|counted| (counted.rule.clone(), counted)).collect();
    }
}

async fn look(http: &reqwest::Client, url: &str) -> anyhow::Result<Answer> {
    let unreachable = |error: reqwest::Error| {
        let cause = service::ErrorChain(&error).to_string();
        fail(Code::Unreachable, format!("cannot reach an agent at {url}: {cause}"))
    };
    let response = http.get(url).send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        let message = format!("{url} answered {}; is it an agent?", response.status());
        return Err(fail(Code::Failure, message));
    }
    let bytes = response.bytes().await.map_err(unreachable)?;
    anyhow::ensure!(bytes.len() <= ANSWER_BYTES_MAX, "the agent's answer is too long");
    serde_json::from_slice(&bytes)
        .context("the agent's answer is not what this version of saker expects")
}

/// Returns what each rule cost since `before`, the dearest first.
fn costs(now: &[Counted], before: &HashMap<String, Counted>, seconds: f64) -> Vec<Cost> {
    let mut spent = Vec::with_capacity(now.len());
    for counted in now {
        // Rules that were loaded again count from zero.
        let earlier = before.get(&counted.rule).filter(|old| old.evaluated <= counted.evaluated);
        let since =
            |count: fn(&Counted) -> u64| count(counted).saturating_sub(earlier.map_or(0, count));
        // The average of all samples steadies that of a short time.
        let nanoseconds =
            (counted.timed > 0).then(|| counted.timed_ns as f64 / counted.timed as f64);
        let evaluated = since(|counted| counted.evaluated);
        let cost = Cost {
            rule: counted.rule.clone(),
            share: evaluated as f64 * nanoseconds.unwrap_or_default(),
            evaluated_per_second: evaluated as f64 / seconds.max(0.001),
            evaluated,
            matched: since(|counted| counted.matched),
            nanoseconds,
        };
        spent.push(cost);
    }
    let all: f64 = spent.iter().map(|cost| cost.share).sum();
    for cost in &mut spent {
        cost.share /= all.max(1.0);
    }
    spent.sort_by(|a, b| b.share.total_cmp(&a.share).then(b.evaluated.cmp(&a.evaluated)));
    spent
}

fn show(arguments: &TopArgs, costs: &[Cost], when: &str) -> anyhow::Result<()> {
    let shown = &costs[..arguments.max.min(costs.len())];
    if arguments.format == Format::Json {
        return print::json(&serde_json::json!({ "rules": shown }));
    }
    let row = |cost: &Cost| {
        vec![
            format!("{:.1}%", 100.0 * cost.share),
            format!("{:.1}", cost.evaluated_per_second),
            cost.matched.to_string(),
            cost.nanoseconds.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}")),
            print::plain(&cost.rule),
        ]
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let clear = if screen::color() && !arguments.once { "\x1b[H\x1b[2J" } else { "" };
    let head = ["share", "evaluated/s", "matched", "ns each", "rule"];
    print::line(format_args!(
        "{clear}{}\n\n{} rules, {when}",
        print::table(&head, &rows),
        costs.len()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(rule: &str, evaluated: u64, matched: u64, timed_ns: u64) -> Counted {
        Counted { rule: rule.to_owned(), evaluated, matched, timed: 10, timed_ns }
    }

    #[test]
    fn the_dearest_of_the_interval_comes_first_and_shares_add_up() {
        let before: HashMap<_, _> = [("a", 1000), ("b", 10), ("gone", 5)]
            .map(|(rule, evaluated)| (rule.to_owned(), counted(rule, evaluated, 1, 100)))
            .into();
        let now = [counted("a", 1100, 1, 100), counted("b", 110, 4, 300), counted("new", 0, 0, 0)];
        let costs = costs(&now, &before, 2.0);
        let names: Vec<&str> = costs.iter().map(|cost| &*cost.rule).collect();
        assert_eq!(names, ["b", "a", "new"]);
        assert_eq!((costs[0].share, costs[0].evaluated_per_second), (0.75, 50.0));
        assert_eq!((costs[0].matched, costs[0].nanoseconds), (3, Some(30.0)));
        assert!((costs.iter().map(|cost| cost.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn rules_that_were_loaded_again_count_from_zero() {
        let before = [("a".to_owned(), counted("a", 1000, 900, 100))].into();
        let costs = costs(&[counted("a", 7, 2, 100)], &before, 1.0);
        assert_eq!((costs[0].evaluated, costs[0].matched), (7, 2));
    }
}
