//! Each alert to 1, 10 and 50 webhooks: deliveries a second in all.

use std::time::{Duration, Instant};

use crate::{
    load::{Answer, Connection, Receiver, alert},
    processes::{Router, wait_until},
    say,
};

/// To one webhook each needs a group of its own: there are 17,576 made-up programs.
const DELIVERIES: u64 = 15_000;

pub(crate) fn run() -> anyhow::Result<()> {
    say("outputs  alerts  deliveries/s  router CPU us/delivery");
    for outputs in [1, 10, 50] {
        measure(outputs)?;
    }
    Ok(())
}

fn measure(outputs: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(Answer::After(Duration::ZERO))?;
    let names: Vec<String> = (0..outputs).map(|number| format!("hook{number}")).collect();
    let url = format!("http://{}/", receiver.address);
    let one = |name: &String| format!("  {name}: {{ webhook: {{ url: \"{url}\" }} }}");
    let text: Vec<String> = names.iter().map(one).collect();
    let list = names.join(", ");
    let routes =
        format!("  - {{ outputs: [{list}], group_by: [rule, proc.name], group_wait: 0s }}");
    let router = Router::start(folder.path(), &text.join("\n"), &routes)?;
    let alerts = DELIVERIES / outputs;
    let before = router.process.cpu_seconds()?;
    let started = Instant::now();
    let mut connection = Connection::open(router.input, "/")?;
    for first in (0..alerts).step_by(100) {
        let body: String =
            (first..alerts.min(first + 100)).map(|number| alert(number, alerts) + "\n").collect();
        anyhow::ensure!(connection.post(body.as_bytes())? == 200, "the router refused a batch");
    }
    let all = alerts * outputs;
    wait_until("all are delivered", Duration::from_secs(120), || Ok(receiver.count() >= all))?;
    let rate = all as f64 / started.elapsed().as_secs_f64();
    let cost = (router.process.cpu_seconds()? - before) * 1e6 / all as f64;
    say(format_args!("{outputs:>7}  {alerts:>6}  {rate:>12.0}  {cost:>22.1}"));
    Ok(())
}
