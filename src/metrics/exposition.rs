//! The text exposition, format 0.0.4: families by name, series by label values.
//!
//! Our own writer instead of the `prometheus` crate's `TextEncoder`: series go from the cells to text without a
//! copy of every number in between (`benches/exposition.rs` has the two side by side).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::proto;

use super::Metrics;
use super::cells::{Counter, Gauge, Histogram, Totals};
use super::families::{Family, Kind};
use super::labels::Label;
use super::series::SeriesTable;

/// `Content-Type` of [`Metrics::render`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many make a dollar.
const PICODOLLARS: u64 = 1_000_000_000_000;

/// A family, ready to be written in its place.
type Rendered = (&'static str, String);

impl Metrics {
    /// Every family that has a series, as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut families = self.hot_families();
        families.retain(|(_, text)| text.lines().any(|line| !line.starts_with('#')));
        for family in self.cold.registry.gather() {
            if let Some(rendered) = cold_family(&family) {
                families.push(rendered);
            }
        }
        families.sort_by_key(|(name, _)| *name);
        let mut text = String::with_capacity(families.iter().map(|(_, text)| text.len()).sum());
        for (_, family) in families {
            text.push_str(&family);
        }
        text
    }

    fn hot_families(&self) -> Vec<Rendered> {
        vec![
            counters(&self.answers),
            counters(&self.attempts),
            counters(&self.caller_requests),
            counters(&self.caller_tokens),
            counters(&self.cost),
            counters(&self.http_requests),
            counters(&self.requests),
            counters(&self.streams),
            counters(&self.tokens),
            counters(&self.unpriced),
            counters(&self.usage_reports),
            gauges(&self.requests_in_flight),
            histograms(&self.http_duration),
            histograms(&self.overhead),
            histograms(&self.phase_duration),
            histograms(&self.request_duration),
            histograms(&self.response_size),
            histograms(&self.stream_max_gap),
            histograms(&self.time_per_output_token),
            histograms(&self.time_to_first_token),
        ]
    }
}

/// Compresses an exposition with gzip at level 1: most of the gain for the least CPU.
///
/// # Errors
/// None in practice: the output is memory.
pub fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn head(family: &Family) -> String {
    let mut text = String::new();
    write_line(&mut text, format_args!("# HELP {} {}", family.name, family.help));
    write_line(&mut text, format_args!("# TYPE {} {}", family.name, family.kind.name()));
    text
}

fn counters(table: &SeriesTable<Counter>) -> Rendered {
    let scale = if table.family.unit == "usd" { PICODOLLARS } else { 1 };
    let mut text = head(table.family);
    for (labels, cells) in table.snapshot() {
        let sum: u64 = cells.iter().filter_map(|cell| cell.get()).map(|cell| cell.value()).sum();
        let sum = Scaled { value: sum, scale };
        sample(&mut text, table.family.name, "", &label_text(table.family.labels, &labels), sum);
    }
    (table.family.name, text)
}

fn gauges(table: &SeriesTable<Gauge>) -> Rendered {
    let mut text = head(table.family);
    for (labels, cells) in table.snapshot() {
        let sum: i64 = cells.iter().filter_map(|cell| cell.get()).map(|cell| cell.value()).sum();
        sample(&mut text, table.family.name, "", &label_text(table.family.labels, &labels), sum);
    }
    (table.family.name, text)
}

fn histograms(table: &SeriesTable<Histogram>) -> Rendered {
    let mut text = head(table.family);
    let Some(buckets) = table.family.buckets else { return (table.family.name, text) };
    let edges: Vec<String> = buckets.upper.iter().map(f64::to_string).collect();
    for (labels, cells) in table.snapshot() {
        let mut totals = Totals::default();
        for cell in cells.iter().filter_map(|cell| cell.get()) {
            cell.add_to(&mut totals);
        }
        histogram(&mut text, table.family, &label_text(table.family.labels, &labels), &edges, &totals);
    }
    (table.family.name, text)
}

fn histogram(text: &mut String, family: &Family, labels: &str, edges: &[String], totals: &Totals) {
    let separator = if labels.is_empty() { "" } else { "," };
    let mut cumulative = 0;
    for (edge, count) in edges.iter().map(String::as_str).chain(["+Inf"]).zip(totals.counts) {
        cumulative += count;
        let mut number = itoa::Buffer::new();
        for part in [family.name, "_bucket{", labels, separator, "le=\"", edge, "\"} "] {
            text.push_str(part);
        }
        text.push_str(number.format(cumulative));
        text.push('\n');
    }
    let scale = family.buckets.map_or(1, |buckets| buckets.scale);
    sample(text, family.name, "_sum", labels, Scaled { value: totals.sum, scale });
    sample(text, family.name, "_count", labels, cumulative);
}

/// A whole number of parts, `scale` (a power of ten) of them to one, shown without rounding.
struct Scaled {
    value: u64,
    scale: u64,
}

impl std::fmt::Display for Scaled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.scale == 1 {
            return self.value.fmt(f);
        }
        let digits = self.scale.ilog10() as usize;
        write!(f, "{}.{:0digits$}", self.value / self.scale, self.value % self.scale)
    }
}

/// A family of the `prometheus` registry. One that is not in the table is not shown; a test sees to it that there is none.
fn cold_family(proto: &proto::MetricFamily) -> Option<Rendered> {
    let family = super::families::FAMILIES.iter().find(|family| family.name == proto.name())?;
    let mut text = head(family);
    let mut samples: Vec<(Vec<Label>, f64)> = proto
        .get_metric()
        .iter()
        .map(|metric| {
            let value = match family.kind {
                Kind::Gauge => metric.get_gauge().get_value(),
                Kind::Counter | Kind::Histogram => metric.get_counter().get_value(),
            };
            (in_order(family.labels, metric.get_label()), value)
        })
        .collect();
    samples.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (labels, value) in samples {
        sample(&mut text, family.name, "", &label_text(family.labels, &labels), value);
    }
    Some((family.name, text))
}

/// The registry sorts labels by name; the table has them in the order in which they are read.
fn in_order(names: &[&str], pairs: &[proto::LabelPair]) -> Vec<Label> {
    let value = |name: &&str| pairs.iter().find(|pair| pair.name() == *name).map_or("", |pair| pair.value());
    names.iter().map(|name| Label::Shared(Arc::from(value(name)))).collect()
}

fn sample(text: &mut String, name: &str, suffix: &str, labels: &str, value: impl std::fmt::Display) {
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    write_line(text, format_args!("{name}{suffix}{open}{labels}{close} {value}"));
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    if text.write_fmt(line).is_ok() {
        text.push('\n');
    }
}

fn label_text(names: &[&str], values: &[Label]) -> String {
    let mut text = String::with_capacity(64);
    for (name, value) in names.iter().zip(values) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.as_str().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}
