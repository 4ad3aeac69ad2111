//! The writer of an exposition: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.
//!
//! They differ in little. OpenMetrics names a counter without `_total` in its head, states units, writes bucket edges
//! canonically, may have exemplars behind buckets and ends with `# EOF`.

use crate::metrics::Pace;
use crate::metrics::catalog::families::Family;
use crate::metrics::catalog::labels::{Format, Label};
use crate::metrics::parser::escape_label_value;
use crate::metrics::series::cells::Totals;
use crate::metrics::series::exemplars::Exemplar;

/// Bytes of an exposition between two steps of its pace: about 20 µs of writing or compressing.
pub(crate) const STEP: usize = 32 << 10;

/// An exposition that is being written.
pub(crate) struct Page<'p> {
    text: String,
    pace: &'p mut Pace,
    /// Length from which on the next step is due.
    next_step: usize,
    format: Format,
    /// Labels of the series that is being written.
    labels: String,
    /// Beginning of the lines of its buckets.
    bucket: String,
}

/// The ends of the labels of a histogram's buckets, `+Inf` included.
pub(crate) struct Edges(Vec<String>);

/// A whole number of parts, `scale` (a power of ten) of them to one, written without rounding.
pub(crate) struct Scaled {
    pub(crate) value: u64,
    pub(crate) scale: u64,
}

/// A value of a sample.
pub(crate) trait Number {
    fn write(self, text: &mut String);
}

impl<'p> Page<'p> {
    pub(crate) fn new(format: Format, capacity: usize, pace: &'p mut Pace) -> Self {
        Self {
            text: String::with_capacity(capacity),
            pace,
            next_step: STEP,
            format,
            labels: String::new(),
            bucket: String::new(),
        }
    }

    /// HELP and TYPE, and in OpenMetrics UNIT.
    pub(crate) fn head(&mut self, family: &Family) {
        let (name, unit) = match self.format {
            Format::Text => (family.name, ""),
            Format::OpenMetrics => (family.name.strip_suffix("_total").unwrap_or(family.name), family.unit),
        };
        self.push(&["# HELP ", name, " ", family.help, "\n# TYPE ", name, " ", family.kind.name(), "\n"]);
        if !unit.is_empty() {
            self.push(&["# UNIT ", name, " ", unit, "\n"]);
        }
    }

    pub(crate) fn sample(&mut self, family: &Family, labels: &[Label], value: impl Number) {
        self.label(family, labels);
        self.line(family.name, "", value);
    }

    pub(crate) fn edges(&self, family: &Family) -> Edges {
        let upper = family.buckets.map_or(&[][..], |buckets| buckets.upper);
        let edge = |edge: &f64| match self.format {
            Format::Text => format!("{edge}\"}} "),
            Format::OpenMetrics => format!("{}\"}} ", canonical(*edge)),
        };
        Edges(upper.iter().map(edge).chain(["+Inf\"} ".to_owned()]).collect())
    }

    pub(crate) fn histogram(&mut self, family: &Family, labels: &[Label], edges: &Edges, totals: &Totals) {
        self.label(family, labels);
        self.bucket.clear();
        for part in
            [family.name, "_bucket{", &self.labels, if labels.is_empty() { "le=\"" } else { ",le=\"" }]
        {
            self.bucket.push_str(part);
        }
        let scale = family.buckets.map_or(1, |buckets| buckets.scale);
        let exemplars = totals.exemplars.as_deref().filter(|_| self.format == Format::OpenMetrics);
        let mut cumulative = 0;
        for (bucket, edge) in edges.0.iter().enumerate() {
            cumulative += totals.counts[bucket];
            self.text.push_str(&self.bucket);
            self.text.push_str(edge);
            cumulative.write(&mut self.text);
            if let Some(exemplar) = exemplars.and_then(|exemplars| exemplars[bucket]) {
                self.exemplar(exemplar, scale);
            }
            self.text.push('\n');
        }
        self.line(family.name, "_sum", Scaled { value: totals.sum, scale });
        self.line(family.name, "_count", cumulative);
    }

    pub(crate) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn line(&mut self, name: &str, suffix: &str, value: impl Number) {
        self.push(&[name, suffix]);
        if !self.labels.is_empty() {
            self.text.push('{');
            self.text.push_str(&self.labels);
            self.text.push('}');
        }
        self.text.push(' ');
        value.write(&mut self.text);
        self.text.push('\n');
    }

    /// Labels (40 of at most 128 characters), value and time of an exemplar.
    fn exemplar(&mut self, Exemplar { trace_id, value, time }: Exemplar, scale: u64) {
        self.push(&[" # {trace_id=\"", &trace_id.to_string(), "\"} "]);
        Scaled { value, scale }.write(&mut self.text);
        self.text.push(' ');
        Scaled { value: time, scale: 1000 }.write(&mut self.text);
    }

    /// Begins a series.
    fn label(&mut self, family: &Family, values: &[Label]) {
        if self.text.len() >= self.next_step {
            self.pace.step();
            self.next_step = self.text.len() + STEP;
        }
        self.labels.clear();
        for (name, value) in family.labels.iter().zip(values) {
            self.labels.push_str(if self.labels.is_empty() { "" } else { "," });
            self.labels.push_str(name);
            self.labels.push_str("=\"");
            match value {
                Label::Static(word) => self.labels.push_str(word),
                Label::Shared(name) => self.labels.push_str(&escape_label_value(name)),
            }
            self.labels.push('"');
        }
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
    }
}

/// A bucket edge as Go writes a float, and never as a whole number.
fn canonical(edge: f64) -> String {
    if (1e-4..1e6).contains(&edge) {
        return format!("{edge:?}");
    }
    let text = format!("{edge:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

impl Number for u64 {
    fn write(self, text: &mut String) {
        text.push_str(itoa::Buffer::new().format(self));
    }
}

impl Number for i64 {
    fn write(self, text: &mut String) {
        text.push_str(itoa::Buffer::new().format(self));
    }
}

impl Number for f64 {
    fn write(self, text: &mut String) {
        if self.is_infinite() {
            text.push_str(if self > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            text.push_str(&self.to_string());
        }
    }
}

impl Number for Scaled {
    fn write(self, text: &mut String) {
        (self.value / self.scale).write(text);
        if self.scale > 1 {
            // A one before the parts keeps their leading zeros; the point takes its place.
            let parts = self.scale + self.value % self.scale;
            text.push('.');
            text.push_str(&itoa::Buffer::new().format(parts)[1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU128;

    use super::*;
    use crate::metrics::TraceId;
    use crate::metrics::catalog::buckets;
    use crate::metrics::catalog::families::{self, Kind};

    const HISTOGRAM: Family = Family {
        name: "aurora_x_seconds",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["model"],
        buckets: Some(&buckets::GAP),
        help: "Time.",
    };

    fn page(format: Format) -> String {
        let mut pace = Pace::unbroken();
        let mut page = Page::new(format, 0, &mut pace);
        page.head(&families::COST);
        let labels = [Label::of_name("p"), Label::of_name(r#"a\"b"#)];
        page.sample(&families::COST, &labels, Scaled { value: 1_020_000_000_000, scale: 1_000_000_000_000 });
        page.head(&HISTOGRAM);
        let mut totals = Totals { sum: 1_000_000_007, ..Totals::default() };
        totals.counts[0] = 2;
        totals.counts[4] = 1;
        totals.counts[12] = 1;
        let exemplars = totals.exemplars.get_or_insert_default();
        let trace_id = TraceId(NonZeroU128::new(0xa1).unwrap());
        exemplars[4] = Some(Exemplar { trace_id, value: 700_000_007, time: 1_795_785_600_070 });
        exemplars[12] = Some(Exemplar { trace_id, value: 301_000_000_000, time: 0 });
        let edges = page.edges(&HISTOGRAM);
        page.histogram(&HISTOGRAM, &[Label::of_name("m")], &edges, &totals);
        page.head(&families::PROCESS_MAX_FDS);
        page.sample(&families::PROCESS_MAX_FDS, &[], f64::INFINITY);
        page.end()
    }

    /// With the edges that OpenMetrics writes otherwise.
    const TEXT: &str = r#"# HELP aurora_cost_usd_total Cost in US dollars of the declared tokens at the configured prices.
# TYPE aurora_cost_usd_total counter
aurora_cost_usd_total{provider="p",model="a\\\"b"} 1.020000000000
# HELP aurora_x_seconds Time.
# TYPE aurora_x_seconds histogram
aurora_x_seconds_bucket{model="m",le="0.05"} 2
aurora_x_seconds_bucket{model="m",le="0.1"} 2
aurora_x_seconds_bucket{model="m",le="0.25"} 2
aurora_x_seconds_bucket{model="m",le="0.5"} 2
aurora_x_seconds_bucket{model="m",le="1"} 3
aurora_x_seconds_bucket{model="m",le="2"} 3
aurora_x_seconds_bucket{model="m",le="5"} 3
aurora_x_seconds_bucket{model="m",le="10"} 3
aurora_x_seconds_bucket{model="m",le="30"} 3
aurora_x_seconds_bucket{model="m",le="60"} 3
aurora_x_seconds_bucket{model="m",le="120"} 3
aurora_x_seconds_bucket{model="m",le="300"} 3
aurora_x_seconds_bucket{model="m",le="+Inf"} 4
aurora_x_seconds_sum{model="m"} 1.000000007
aurora_x_seconds_count{model="m"} 4
# HELP process_max_fds Maximum number of open file descriptors.
# TYPE process_max_fds gauge
process_max_fds +Inf
"#;

    #[test]
    fn text() {
        assert_eq!(page(Format::Text), TEXT);
    }

    #[test]
    fn open_metrics() {
        let mut expected = TEXT
            .replace("HELP aurora_cost_usd_total", "HELP aurora_cost_usd")
            .replace(
                "TYPE aurora_cost_usd_total counter\n",
                "TYPE aurora_cost_usd counter\n# UNIT aurora_cost_usd usd\n",
            )
            .replace(
                "TYPE aurora_x_seconds histogram\n",
                "TYPE aurora_x_seconds histogram\n# UNIT aurora_x_seconds seconds\n",
            );
        for edge in ["1", "2", "5", "10", "30", "60", "120", "300"] {
            expected = expected.replace(&format!("le=\"{edge}\""), &format!("le=\"{edge}.0\""));
        }
        let trace = r#" # {trace_id="000000000000000000000000000000a1"} "#;
        for (bucket, exemplar) in
            [(r#"le="1.0"} 3"#, "0.700000007 1795785600.070"), (r#"le="+Inf"} 4"#, "301.000000000 0.000")]
        {
            expected = expected.replace(bucket, &format!("{bucket}{trace}{exemplar}"));
        }
        assert_eq!(page(Format::OpenMetrics), expected + "# EOF\n");
    }

    #[test]
    fn edges_are_written_as_go_writes_them() {
        let written =
            [0.00005, 0.0001, 0.25, 1.0, 300.0, 262_144.0, 1_048_576.0, 67_108_864.0].map(canonical);
        let expected =
            ["5e-05", "0.0001", "0.25", "1.0", "300.0", "262144.0", "1.048576e+06", "6.7108864e+07"];
        assert_eq!(written, expected);
    }
}
