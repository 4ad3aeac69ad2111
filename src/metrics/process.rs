//! The `process_*` families, read from /proc at each scrape. (The `prometheus` crate's own collector truncates CPU
//! time to whole seconds.)

use std::fs;
use std::io;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use super::families::{self, Family, Kind};

/// Collects the facts of this process.
pub(super) struct Process {
    descriptors: Vec<Desc>,
    /// Seconds since the epoch; does not change.
    started: f64,
}

const FAMILIES: [&Family; 7] = [
    &families::PROCESS_CPU,
    &families::PROCESS_MAX_FDS,
    &families::PROCESS_OPEN_FDS,
    &families::PROCESS_RESIDENT,
    &families::PROCESS_START,
    &families::PROCESS_THREADS,
    &families::PROCESS_VIRTUAL,
];

impl Process {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let describe =
            |family: &&Family| Desc::new(family.name.into(), family.help.into(), vec![], Default::default());
        let descriptors = FAMILIES.iter().map(describe).collect::<Result<_, _>>()?;
        Ok(Self { descriptors, started: start_time().unwrap_or(0.0) })
    }

    fn facts(&self) -> io::Result<[f64; 7]> {
        let stat = Stat::read()?;
        let descriptors = fs::read_dir("/proc/self/fd")?.count();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Ok([
            as_float(stat.cpu_ticks) / as_float(rustix::param::clock_ticks_per_second()),
            limit.map_or(f64::INFINITY, as_float),
            // The directory is itself open while it is read.
            as_float(descriptors.saturating_sub(1) as u64),
            as_float(stat.resident_pages) * as_float(rustix::param::page_size() as u64),
            self.started,
            as_float(stat.threads),
            as_float(stat.virtual_bytes),
        ])
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptors.iter().collect()
    }

    /// Nothing where /proc cannot be read.
    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(facts) = self.facts() else { return Vec::new() };
        FAMILIES.iter().zip(facts).map(|(family, value)| one_sample(family, value)).collect()
    }
}

fn one_sample(family: &Family, value: f64) -> MetricFamily {
    let mut metric = Metric::default();
    let kind = if family.kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
        MetricType::COUNTER
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
        MetricType::GAUGE
    };
    let mut proto = MetricFamily::default();
    proto.set_name(family.name.into());
    proto.set_help(family.help.into());
    proto.set_field_type(kind);
    proto.set_metric(vec![metric]);
    proto
}

/// Fields of `/proc/self/stat` (proc(5)).
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // The second field, the program's name in parentheses, may hold spaces: count from its end.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        let field = |number: usize| -> io::Result<u64> {
            let text = fields.get(number - 3).copied().unwrap_or_default();
            text.parse()
                .map_err(|_| io::Error::other(format!("/proc/self/stat: field {number} is no number")))
        };
        Ok(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the process started, in Unix seconds: boot time and ticks since.
fn start_time() -> io::Result<f64> {
    let kernel = fs::read_to_string("/proc/stat")?;
    let boot = kernel.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    let boot = boot.ok_or_else(|| io::Error::other("/proc/stat: no btime"))?;
    let ticks = Stat::read()?.start_ticks;
    Ok(as_float(boot) + as_float(ticks) / as_float(rustix::param::clock_ticks_per_second()))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats; these are below 2^53")]
fn as_float(n: u64) -> f64 {
    n as f64
}
