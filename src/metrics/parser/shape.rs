//! Rules for the samples of a family.

use std::collections::HashMap;

use super::line::{quoted, read_float};
use super::{Family, Kind, Malformed, Sample};

/// True when a sample of this name belongs to the family.
pub(crate) fn holds(family: &Family, sample: &str) -> bool {
    let Some(suffix) = sample.strip_prefix(family.name.as_str()) else { return false };
    match family.kind {
        Kind::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count"),
        Kind::Summary => matches!(suffix, "" | "_sum" | "_count"),
        Kind::Counter | Kind::Gauge | Kind::Untyped => suffix.is_empty(),
    }
}

/// Checks a complete family.
pub(crate) fn check(family: &Family) -> Result<(), Malformed> {
    match family.kind {
        Kind::Counter => family.samples.iter().try_for_each(check_counter),
        Kind::Histogram => check_histogram(family),
        Kind::Summary => family.samples.iter().try_for_each(|sample| check_quantile(family, sample)),
        Kind::Gauge | Kind::Untyped => Ok(()),
    }
}

fn fault(sample: &Sample, what: String) -> Malformed {
    Malformed { line: sample.line, what }
}

fn check_counter(sample: &Sample) -> Result<(), Malformed> {
    if sample.value >= 0.0 {
        return Ok(());
    }
    Err(fault(
        sample,
        format!("the counter {} is {}: a counter starts at 0 and grows", sample.name, sample.value),
    ))
}

fn check_quantile(family: &Family, sample: &Sample) -> Result<(), Malformed> {
    let quantile = sample.label("quantile");
    if *sample.name != *family.name || read_float(quantile).is_some() {
        return Ok(());
    }
    Err(fault(sample, format!("the quantile of {} is {}, not a number", sample.name, quoted(quantile))))
}

/// One label set of a histogram, as its lines come.
#[derive(Default)]
struct Buckets<'a> {
    last: Option<(&'a Sample, f64)>,
    sum: bool,
    count: Option<&'a Sample>,
}

fn check_histogram(family: &Family) -> Result<(), Malformed> {
    let mut order = Vec::new();
    let mut sets: HashMap<Vec<(&str, &str)>, Buckets<'_>> = HashMap::new();
    for sample in &family.samples {
        let identity = sample
            .labels
            .iter()
            .filter(|(label, value)| *label != "le" && !value.is_empty())
            .collect::<Vec<_>>();
        if !sets.contains_key(&identity) {
            order.push((identity.clone(), sample));
        }
        let set = sets.entry(identity).or_default();
        match sample.name.strip_prefix(family.name.as_str()) {
            Some("_bucket") => set.add_bucket(sample)?,
            Some("_sum") => set.sum = true,
            _ => set.count = Some(sample),
        }
    }
    for (identity, first) in order {
        sets[&identity].check(&family.name, first)?;
    }
    Ok(())
}

impl<'a> Buckets<'a> {
    fn add_bucket(&mut self, sample: &'a Sample) -> Result<(), Malformed> {
        let raw = sample.label("le");
        let edge = match read_float(raw) {
            Some(edge) if !edge.is_nan() => edge,
            _ => {
                let what = format!("the bucket edge le of {} is {}, not a number", sample.name, quoted(raw));
                return Err(fault(sample, what));
            }
        };
        let (last_count, last_edge) = match self.last {
            Some((last, edge)) => (last.value, edge),
            None => (0.0, f64::NEG_INFINITY),
        };
        if self.last.is_some() && edge <= last_edge {
            return Err(fault(sample, format!("the bucket le={raw:?} of {} is out of order", sample.name)));
        }
        if sample.value.is_nan() || sample.value < last_count {
            return Err(fault(
                sample,
                format!(
                    "the bucket le={raw:?} of {} counts {}, the one before it {last_count}: buckets are cumulative",
                    sample.name, sample.value
                ),
            ));
        }
        self.last = Some((sample, edge));
        Ok(())
    }

    fn check(&self, name: &str, first: &Sample) -> Result<(), Malformed> {
        let Some((infinite, f64::INFINITY)) = self.last else {
            return Err(fault(first, format!("a series of {name} has no bucket le=\"+Inf\"")));
        };
        let Some(count) = self.count else {
            return Err(fault(first, format!("a series of {name} has no {name}_count")));
        };
        if !self.sum {
            return Err(fault(first, format!("a series of {name} has no {name}_sum")));
        }
        if count.value == infinite.value {
            return Ok(());
        }
        Err(fault(
            count,
            format!("{name}_count is {}, but its bucket le=\"+Inf\" counts {}", count.value, infinite.value),
        ))
    }
}
