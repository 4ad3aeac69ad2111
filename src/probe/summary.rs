//! What the numbers of an exposition say. Reported, never judged.

use std::collections::BTreeMap;

use crate::metrics::parser::{Exposition, Family, Sample};

/// The numbers of one exposition.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Dispatches to providers; `None` when the family is absent.
    pub requests: Option<f64>,
    /// Those that failed.
    pub errors: Option<f64>,
    /// Failed ones among all; `None` without requests.
    pub error_ratio: Option<f64>,
    /// Dispatches that run right now; `None` when the family is absent.
    pub in_flight: Option<f64>,
    /// Tokens that upstreams declared; `None` when the family is absent.
    pub tokens: Option<Tokens>,
    /// How full each family is; empty where the server does not say.
    pub label_sets: Vec<LabelSets>,
    /// Models with requests, by provider and name.
    pub models: Vec<Model>,
    /// Whether the process was started anew between two scrapes.
    pub restarted: bool,
}

/// Tokens by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Tokens {
    /// Tokens of requests.
    pub input: f64,
    /// Tokens of answers.
    pub output: f64,
}

/// How many label sets a family has.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LabelSets {
    /// The family.
    pub family: String,
    /// Its label sets.
    pub used: f64,
    /// How many it may have before label values are folded.
    pub limit: f64,
}

/// The numbers of one model at one provider.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Model {
    /// Label `provider`.
    pub provider: String,
    /// Label `model`.
    pub model: String,
    /// Dispatches.
    pub requests: f64,
    /// Failed ones among all; `None` without requests.
    pub error_ratio: Option<f64>,
    /// Half of the dispatches took at most so many seconds; estimated from the buckets, like the other two.
    pub p50_s: Option<f64>,
    /// 95 % of the dispatches took at most so many seconds.
    pub p95_s: Option<f64>,
    /// 99 % of the dispatches took at most so many seconds.
    pub p99_s: Option<f64>,
}

impl Summary {
    /// Reads the numbers.
    pub(super) fn of(exposition: &Exposition, restarted: bool) -> Self {
        let samples = |name: &str| exposition.family(name).map(|family| family.samples.as_slice());
        let requests = samples("aurora_requests_total");
        let total = requests.map(sum);
        let errors = requests.map(errors);
        Self {
            requests: total,
            errors,
            error_ratio: total.zip(errors).and_then(|(total, errors)| ratio(errors, total)),
            in_flight: samples("aurora_requests_in_flight").map(sum),
            tokens: samples("aurora_tokens_total").map(tokens),
            label_sets: label_sets(
                samples("aurora_metrics_label_sets").unwrap_or_default(),
                samples("aurora_metrics_label_sets_limit").unwrap_or_default(),
            ),
            models: models(
                requests.unwrap_or_default(),
                exposition.family("aurora_request_duration_seconds"),
            ),
            restarted,
        }
    }
}

fn sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> f64 {
    samples.into_iter().fold(0.0, |sum, sample| sum + sample.value)
}

fn errors<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> f64 {
    sum(samples.into_iter().filter(|sample| sample.label("status_type") == "error"))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn tokens(samples: &[Sample]) -> Tokens {
    let of = |direction: &str| sum(samples.iter().filter(|sample| sample.label("direction") == direction));
    Tokens { input: of("input"), output: of("output") }
}

fn label_sets(used: &[Sample], limits: &[Sample]) -> Vec<LabelSets> {
    let limit_of = |family: &str| limits.iter().find(|limit| limit.label("family") == family);
    let pair = |used: &Sample| {
        let family = used.label("family").to_owned();
        let limit = limit_of(&family)?.value;
        Some(LabelSets { family, used: used.value, limit })
    };
    used.iter().filter_map(pair).collect()
}

fn models(requests: &[Sample], durations: Option<&Family>) -> Vec<Model> {
    let mut by_model: BTreeMap<(&str, &str), (Vec<&Sample>, Buckets)> = BTreeMap::new();
    for sample in requests {
        by_model.entry((sample.label("provider"), sample.label("model"))).or_default().0.push(sample);
    }
    let buckets = durations.map(|family| family.samples.as_slice()).unwrap_or_default();
    for sample in buckets.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        by_model.entry((sample.label("provider"), sample.label("model"))).or_default().1.add(sample);
    }
    let row = |((provider, model), (requests, buckets)): ((&str, &str), (Vec<&Sample>, Buckets))| {
        let total = sum(requests.iter().copied());
        Model {
            provider: provider.to_owned(),
            model: model.to_owned(),
            requests: total,
            error_ratio: ratio(errors(requests), total),
            p50_s: buckets.quantile(0.5),
            p95_s: buckets.quantile(0.95),
            p99_s: buckets.quantile(0.99),
        }
    };
    by_model.into_iter().map(row).filter(|model| model.requests > 0.0).collect()
}

/// Cumulative counts by upper edge, summed over series.
#[derive(Debug, Default)]
struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    fn add(&mut self, bucket: &Sample) {
        let Ok(edge) = bucket.label("le").parse::<f64>() else { return };
        match self.0.binary_search_by(|(known, _)| known.total_cmp(&edge)) {
            Ok(place) => self.0[place].1 += bucket.value,
            Err(place) => self.0.insert(place, (edge, bucket.value)),
        }
    }

    /// As `histogram_quantile` of Prometheus: linear inside a bucket, the last finite edge beyond it.
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let (_, total) = *self.0.last()?;
        let finite = &self.0[..self.0.len() - 1];
        let last_edge = finite.last()?.0;
        if total <= 0.0 {
            return None;
        }
        let rank = quantile * total;
        let place = finite.iter().position(|(_, count)| *count >= rank);
        let Some(place) = place else { return Some(last_edge) };
        let (edge, count) = finite[place];
        let (lower, below) = match place.checked_sub(1) {
            Some(previous) => finite[previous],
            None if edge <= 0.0 => return Some(edge),
            None => (0.0, 0.0),
        };
        Some(lower + (edge - lower) * (rank - below) / (count - below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_histogram_quantile() {
        let buckets =
            |counts: [f64; 4]| Buckets([0.1, 1.0, 2.0, f64::INFINITY].into_iter().zip(counts).collect());
        for (counts, quantile, expected) in [
            ([0.0, 0.0, 0.0, 0.0], 0.5, None),
            ([4.0, 4.0, 4.0, 4.0], 0.5, Some(0.05)),
            ([0.0, 10.0, 10.0, 10.0], 0.5, Some(0.55)),
            ([0.0, 5.0, 10.0, 10.0], 0.95, Some(1.9)),
            ([0.0, 0.0, 0.0, 7.0], 0.99, Some(2.0)),
            ([1.0, 1.0, 1.0, 2.0], 0.5, Some(0.1)),
        ] {
            let found = buckets(counts).quantile(quantile);
            let near = found.zip(expected).is_some_and(|(found, expected)| (found - expected).abs() < 1e-12);
            assert!(near || found == expected, "{counts:?} {quantile}: {found:?}");
        }
        assert_eq!(Buckets(vec![(f64::INFINITY, 3.0)]).quantile(0.5), None);
    }
}
