//! The exposition: every family that has a series, by name, its series by label values.
//!
//! Our own writer ([`page`]) instead of the `prometheus` crate's `TextEncoder`: series go from the cells to text
//! without a copy of every number in between (`benches/exposition.rs` has the two side by side).

mod label_sets;
mod page;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::proto;

use super::{Metrics, Pace};
use crate::metrics::catalog::families::{FAMILIES, Family, Kind};
use crate::metrics::catalog::labels::{Format, Label, Overflow};
use crate::metrics::series::cells::{Amounts, Counter, Gauge, Totals};
use crate::metrics::series::hot::HotSnapshot;
use crate::metrics::series::table::observed;
use page::{Page, STEP, Scaled};

/// Picodollars of a US dollar.
const PICODOLLARS: u64 = 1_000_000_000_000;

/// A family with its numbers.
struct Shown {
    family: &'static Family,
    numbers: Numbers,
}

/// Numbers of a family by their source.
enum Numbers {
    Hot(HotSnapshot),
    Facts(Vec<(Vec<Label>, f64)>),
    Counts(Vec<(Vec<Label>, u64)>),
}

impl Metrics {
    /// The exposition in one of its formats, at a pace.
    #[must_use]
    pub fn render(&self, format: Format, pace: &mut Pace) -> String {
        let last = self.page_size.load(Relaxed);
        let shown = self.shown(pace);
        let mut page = Page::new(format, last + last / 8, pace);
        for Shown { family, numbers } in shown {
            page.head(family);
            numbers.write(family, &mut page);
        }
        let text = page.end();
        self.page_size.store(text.len(), Relaxed);
        text
    }

    fn shown(&self, pace: &mut Pace) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (family, snapshot) in self.hot.snapshots(pace) {
            shown.push(Shown { family, numbers: Numbers::Hot(snapshot) });
        }
        shown.extend(self.cold.registry.gather().iter().filter_map(cold_family));
        let about = self.families_about_families(&shown, pace);
        shown.extend(about);
        shown.retain(|shown| shown.numbers.series() > 0);
        shown.sort_by_key(|shown| shown.family.name);
        shown
    }
}

impl Numbers {
    /// Number of label sets.
    fn series(&self) -> usize {
        match self {
            Self::Hot(snapshot) => snapshot.series(),
            Self::Facts(rows) => rows.len(),
            Self::Counts(rows) => rows.len(),
        }
    }

    /// Observations whose name a limit replaced.
    fn overflow(&self) -> [u64; Overflow::COUNT] {
        match self {
            Self::Hot(snapshot) => snapshot.overflow(),
            Self::Facts(_) | Self::Counts(_) => [0; Overflow::COUNT],
        }
    }

    fn write(&self, family: &Family, page: &mut Page) {
        match self {
            Self::Hot(HotSnapshot::Amounts(snapshot)) => {
                let scale = if family.unit == "usd" { PICODOLLARS } else { 1 };
                for (labels, cells) in &snapshot.series {
                    let value = observed(cells).map(Amounts::sum).sum();
                    page.sample(family, labels, Scaled { value, scale });
                }
            }
            Self::Hot(HotSnapshot::Counter(snapshot)) => {
                for (labels, cells) in &snapshot.series {
                    page.sample(family, labels, observed(cells).map(Counter::value).sum::<u64>());
                }
            }
            Self::Hot(HotSnapshot::Gauge(snapshot)) => {
                for (labels, cells) in &snapshot.series {
                    page.sample(family, labels, observed(cells).map(Gauge::value).sum::<i64>());
                }
            }
            Self::Hot(HotSnapshot::Histogram(snapshot)) => {
                let edges = page.edges(family);
                for (labels, cells) in &snapshot.series {
                    let mut totals = Totals::default();
                    for cell in observed(cells) {
                        cell.add_to(&mut totals);
                    }
                    page.histogram(family, labels, &edges, &totals);
                }
            }
            Self::Facts(rows) => {
                for (labels, value) in rows {
                    page.sample(family, labels, *value);
                }
            }
            Self::Counts(rows) => {
                for (labels, value) in rows {
                    page.sample(family, labels, *value);
                }
            }
        }
    }
}

/// Compresses an exposition with gzip at level 1: most of the gain for the least CPU.
///
/// # Errors
/// None in practice: the output is memory.
pub fn gzip(text: &str, pace: &mut Pace) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    for part in text.as_bytes().chunks(STEP) {
        encoder.write_all(part)?;
        pace.step();
    }
    encoder.finish()
}

/// A family of the `prometheus` registry. One that is not in the table is not exposed; a test ensures that there is
/// none.
fn cold_family(proto: &proto::MetricFamily) -> Option<Shown> {
    let family = FAMILIES.iter().find(|family| family.name == proto.name())?;
    let mut rows = Vec::new();
    for metric in proto.get_metric() {
        let value = match family.kind {
            Kind::Gauge => metric.get_gauge().get_value(),
            Kind::Counter | Kind::Histogram => metric.get_counter().get_value(),
        };
        rows.push((in_order(family.labels, metric.get_label()), value));
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Some(Shown { family, numbers: Numbers::Facts(rows) })
}

/// The registry sorts labels by name; the table has them in the order in which they are read.
fn in_order(names: &[&str], pairs: &[proto::LabelPair]) -> Vec<Label> {
    let mut values = Vec::with_capacity(names.len());
    for name in names {
        let pair = pairs.iter().find(|pair| pair.name() == *name);
        values.push(Label::Shared(Arc::from(pair.map_or("", proto::LabelPair::value))));
    }
    values
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read as _;
    use std::time::Duration;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::api::Endpoint;
    use crate::metrics::{Build, Configured, Listing, Live, Pricing, Setup};

    thread_local! {
        static PAUSES: Cell<usize> = const { Cell::new(0) };
    }

    fn pause() {
        PAUSES.set(PAUSES.get() + 1);
    }

    #[test]
    fn an_exposition_is_written_and_compressed_in_steps() {
        let setup = Setup {
            workers: 1,
            routes: &[],
            max_models: 300,
            max_unlisted_models: 20,
            max_series: 1000,
            exemplars: false,
            build: Build { version: "0", revision: "0", rustc: "0" },
            live: Box::new(Live::default),
            configured: Configured { providers: &[("p", "openai")], ..Configured::default() },
        };
        let metrics = Metrics::new(setup).expect("a sound family table");
        for number in 0..300 {
            let model =
                metrics.worker(0).model("p", &format!("m{number}"), Listing::Discovered, Pricing::Off);
            drop(model.begin_dispatch(Endpoint::ChatCompletions, true));
        }
        let text = metrics.render(Format::Text, &mut Pace::new(Duration::ZERO, pause));
        assert!(PAUSES.take() > text.len() / STEP, "a step for each part, and for each family before it");
        let compressed = gzip(&text, &mut Pace::new(Duration::ZERO, pause)).expect("memory");
        assert_eq!(PAUSES.take(), text.len().div_ceil(STEP));
        let mut decompressed = String::new();
        GzDecoder::new(&*compressed).read_to_string(&mut decompressed).expect("gzip");
        assert!(decompressed == text, "another text");
        assert!(metrics.render(Format::Text, &mut Pace::unbroken()).starts_with("# HELP "));
        assert_eq!(PAUSES.take(), 0);
    }
}
