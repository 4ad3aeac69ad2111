//! Increase of counters between two scrapes.

use std::collections::HashMap;

use crate::metrics::parser::{Exposition, Family, Kind, Sample};

/// The second of two scrapes, its counters reduced by their values in the first.
pub(crate) struct Growth {
    /// Gauges and quantiles are as in the second scrape.
    pub(crate) exposition: Exposition,
    /// True if the process restarted in between.
    pub(crate) restarted: bool,
}

/// Subtracts the first scrape from the second. A counter that decreased, or whose process restarted, began at zero: its
/// whole value is the increase.
pub(crate) fn growth(first: &Exposition, second: Exposition) -> Growth {
    let restarted = match (start_time(first), start_time(&second)) {
        (Some(before), Some(after)) => before < after,
        _ => false,
    };
    let mut earlier = HashMap::new();
    if !restarted {
        for family in &first.families {
            for sample in &family.samples {
                earlier.insert((&sample.name, &sample.labels), sample.value);
            }
        }
    }
    let mut exposition = second;
    for family in &mut exposition.families {
        for sample in &mut family.samples {
            if !counts(&family.name, family.kind, sample) {
                continue;
            }
            let before = earlier.get(&(&sample.name, &sample.labels)).copied().unwrap_or(0.0);
            if before <= sample.value {
                sample.value -= before;
            }
        }
    }
    Growth { exposition, restarted }
}

fn counts(family: &str, kind: Kind, sample: &Sample) -> bool {
    match kind {
        Kind::Counter | Kind::Histogram => true,
        Kind::Summary => *sample.name != *family,
        Kind::Gauge | Kind::Untyped => false,
    }
}

fn start_time(exposition: &Exposition) -> Option<f64> {
    let family: &Family = exposition.family("process_start_time_seconds")?;
    Some(family.samples.first()?.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::parser::parse;

    fn grown(first: &str, second: &str) -> (Vec<f64>, bool) {
        let first = parse(first.as_bytes()).expect(first);
        let second = parse(second.as_bytes()).expect(second);
        let growth = growth(&first, second);
        let mut values = Vec::new();
        for family in &growth.exposition.families {
            values.extend(family.samples.iter().map(|sample| sample.value));
        }
        (values, growth.restarted)
    }

    #[test]
    fn counters_are_differences_and_gauges_are_kept() {
        let first = "# TYPE a counter\na{x=\"1\"} 5\na{x=\"2\"} 9\n# TYPE g gauge\ng 7\n";
        let second = "# TYPE a counter\na{x=\"1\"} 8\na{x=\"2\"} 4\na{x=\"3\"} 2\n# TYPE g gauge\ng 1\n";
        assert_eq!(grown(first, second), (vec![3.0, 4.0, 2.0, 1.0], false));
    }

    #[test]
    fn counters_start_at_zero_after_a_restart() {
        let first =
            "# TYPE a counter\na 5\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 10\n";
        let second =
            "# TYPE a counter\na 8\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 20\n";
        assert_eq!(grown(first, second), (vec![8.0, 20.0], true));
    }
}
