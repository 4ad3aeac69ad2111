//! The `process_*` families, read from /proc at each scrape. (The `prometheus` crate's own collector truncates CPU
//! time to whole seconds.)

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use crate::metrics::catalog::families::{self, Family, Kind};

/// Collects the facts of this process.
pub(crate) struct Process {
    descriptors: Vec<Desc>,
    /// Kept open, so that it can be read when no more files can be opened.
    stat: File,
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
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let descriptors = FAMILIES.into_iter().map(descriptor).collect::<Result<_, _>>()?;
        let stat =
            File::open("/proc/self/stat").map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        let started = start_time(&stat).unwrap_or(0.0);
        Ok(Self { descriptors, stat, started })
    }

    fn facts(&self) -> io::Result<[f64; 7]> {
        let stat = Stat::read(&self.stat)?;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.map_or(f64::INFINITY, as_float);
        // The directory is itself open while it is read; where it cannot be opened, all are in use.
        let open = fs::read_dir("/proc/self/fd").map_or(limit, |files| as_float(files.count() as u64 - 1));
        Ok([
            as_float(stat.cpu_ticks) / as_float(rustix::param::clock_ticks_per_second()),
            limit,
            open,
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

fn descriptor(family: &Family) -> Result<Desc, prometheus::Error> {
    Desc::new(family.name.into(), family.help.into(), vec![], HashMap::new())
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
    fn read(file: &File) -> io::Result<Self> {
        let mut text = [0; 1024];
        let length = file.read_at(&mut text, 0)?;
        let stat = String::from_utf8_lossy(&text[..length]);
        // The second field, the program's name in parentheses, may hold spaces: count from its end.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        Ok(Self {
            cpu_ticks: field(&fields, 14)? + field(&fields, 15)?,
            threads: field(&fields, 20)?,
            start_ticks: field(&fields, 22)?,
            virtual_bytes: field(&fields, 23)?,
            resident_pages: field(&fields, 24)?,
        })
    }
}

/// A field by its number in proc(5); `fields` begin with the third.
fn field(fields: &[&str], number: usize) -> io::Result<u64> {
    let text = fields.get(number - 3).copied().unwrap_or_default();
    text.parse().map_err(|_| io::Error::other(format!("/proc/self/stat: field {number} is no number")))
}

/// Start of the process in Unix seconds: boot time and ticks since.
fn start_time(stat: &File) -> io::Result<f64> {
    let kernel = fs::read_to_string("/proc/stat")?;
    let boot = kernel.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    let Some(boot) = boot else { return Err(io::Error::other("/proc/stat: no btime")) };
    let ticks = Stat::read(stat)?.start_ticks;
    Ok(as_float(boot) + as_float(ticks) / as_float(rustix::param::clock_ticks_per_second()))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats; these are below 2^53")]
fn as_float(n: u64) -> f64 {
    n as f64
}
