//! What every daemon tells Prometheus of itself, and the text it is told in.

use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};

/// Registers a metric and returns it. A name used twice is a mistake of the program: the metric
/// then counts for itself and is not exposed, and the log says so.
pub fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> M {
    if let Err(error) = registry.register(Box::new(metric.clone())) {
        tracing::error!(%error, "failed to register a metric");
    }
    metric
}

/// Registers `saker_build_info` and the `process_*` family.
pub fn register_process(registry: &Registry, version: &str) {
    let labels = Opts::new("saker_build_info", "Always 1; the labels say what runs.");
    if let Ok(info) = IntGaugeVec::new(labels, &["version"]) {
        register(registry, info).with_label_values(&[version]).set(1);
    }
    register(registry, process::Process::new());
}

/// Returns all metrics in Prometheus's text format.
pub fn render(registry: &Registry) -> String {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
        tracing::error!(%error, "failed to encode the metrics");
    }
    String::from_utf8_lossy(&text).into_owned()
}

mod process {
    //! The seven metrics Prometheus's client libraries give, read from `/proc/self` (proc(5)).

    use std::fs;

    use prometheus::{
        Gauge,
        core::{Collector, Desc},
        proto::MetricFamily,
    };

    #[derive(Clone, Debug)]
    pub(super) struct Process {
        gauges: Vec<Gauge>,
    }

    const NAMES: [(&str, &str); 6] = [
        ("process_cpu_seconds_total", "User and system CPU time in seconds."),
        ("process_resident_memory_bytes", "Resident memory in bytes."),
        ("process_virtual_memory_bytes", "Virtual memory in bytes."),
        ("process_start_time_seconds", "Start of the process, seconds since 1970."),
        ("process_open_fds", "Open file descriptors."),
        ("process_threads", "Threads of the process."),
    ];

    impl Process {
        pub(super) fn new() -> Self {
            let gauges =
                NAMES.iter().filter_map(|(name, help)| Gauge::new(*name, *help).ok()).collect();
            Self { gauges }
        }
    }

    impl Collector for Process {
        fn desc(&self) -> Vec<&Desc> {
            self.gauges.iter().flat_map(Collector::desc).collect()
        }

        fn collect(&self) -> Vec<MetricFamily> {
            let Some(values) = read() else { return Vec::new() };
            for (gauge, value) in self.gauges.iter().zip(values) {
                gauge.set(value);
            }
            self.gauges.iter().flat_map(Collector::collect).collect()
        }
    }

    fn read() -> Option<[f64; 6]> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<f64> =
            after_name.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as f64;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64;
        Some([
            (field(14) + field(15)) / ticks,
            field(24) * page,
            field(23),
            boot + field(22) / ticks,
            descriptors,
            field(20),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_tells_of_itself() {
        let registry = Registry::new();
        register_process(&registry, "1.2.3");
        let text = render(&registry);
        assert!(text.contains("saker_build_info{version=\"1.2.3\"} 1"), "{text}");
        let resident = text
            .lines()
            .find_map(|line| line.strip_prefix("process_resident_memory_bytes "))
            .unwrap();
        assert!(resident.parse::<f64>().unwrap() > 1e6, "{text}");
    }
}
