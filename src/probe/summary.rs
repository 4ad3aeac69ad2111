//! Numbers of an exposition. They are reported and never fail a probe.

use std::collections::BTreeMap;

use crate::metrics::parser::{Exposition, Sample};

/// The numbers of one exposition.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Dispatches to providers; `None` when the family is absent.
    pub requests: Option<f64>,
    /// Those that failed.
    pub errors: Option<f64>,
    /// Failed ones among all; `None` without requests.
    pub error_ratio: Option<f64>,
    /// Dispatches in flight; `None` when the family is absent.
    pub in_flight: Option<f64>,
    /// Tokens that upstreams declared; `None` when the family is absent.
    pub tokens: Option<Tokens>,
    /// Label sets of each family; empty if the server does not report them.
    pub label_sets: Vec<LabelSets>,
    /// Models with requests, by provider and name.
    pub models: Vec<Model>,
    /// True if the process restarted between the two scrapes.
    pub restarted: bool,
}

/// Tokens by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Tokens {
    /// Tokens of requests.
    pub input: f64,
    /// Tokens of responses.
    pub output: f64,
}

/// Label sets of a family.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LabelSets {
    /// The family.
    pub family: String,
    /// Its label sets.
    pub used: f64,
    /// Limit beyond which label values become `other`.
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
    /// Mean duration of a dispatch, in seconds; `None` without observations, like the percentiles.
    pub mean_s: Option<f64>,
    /// Bucket of the duration that half of the dispatches did not exceed.
    pub p50: Option<Bucket>,
    /// Bucket of the duration that 95 % of the dispatches did not exceed.
    pub p95: Option<Bucket>,
    /// Bucket of the duration that 99 % of the dispatches did not exceed.
    pub p99: Option<Bucket>,
}

/// A bucket of a histogram: durations above `lower_s`, up to and including `upper_s`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bucket {
    /// Lower edge in seconds, 0 for the first bucket.
    pub lower_s: f64,
    /// Upper edge in seconds; `None` for the last bucket, which has none.
    pub upper_s: Option<f64>,
}

impl Summary {
    /// Reads the numbers.
    pub(crate) fn of(exposition: &Exposition, restarted: bool) -> Self {
        let requests = samples(exposition, "aurora_requests_total");
        let durations = samples(exposition, "aurora_request_duration_seconds");
        let total = requests.map(sum);
        let errors = requests.map(errors);
        Self {
            requests: total,
            errors,
            error_ratio: ratio(errors.unwrap_or_default(), total.unwrap_or_default()),
            in_flight: samples(exposition, "aurora_requests_in_flight").map(sum),
            tokens: samples(exposition, "aurora_tokens_total").map(tokens),
            label_sets: label_sets(
                samples(exposition, "aurora_metrics_label_sets").unwrap_or_default(),
                samples(exposition, "aurora_metrics_label_sets_limit").unwrap_or_default(),
            ),
            models: models(requests.unwrap_or_default(), durations.unwrap_or_default()),
            restarted,
        }
    }
}

/// Samples of a family; `None` when it is absent.
fn samples<'a>(exposition: &'a Exposition, family: &str) -> Option<&'a [Sample]> {
    Some(&exposition.family(family)?.samples)
}

fn sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> f64 {
    let mut sum = 0.0;
    for sample in samples {
        sum += sample.value;
    }
    sum
}

fn errors<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> f64 {
    sum(samples.into_iter().filter(|sample| sample.label("status_type") == "error"))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}

fn tokens(samples: &[Sample]) -> Tokens {
    Tokens { input: tokens_of(samples, "input"), output: tokens_of(samples, "output") }
}

fn tokens_of(samples: &[Sample], direction: &str) -> f64 {
    sum(samples.iter().filter(|sample| sample.label("direction") == direction))
}

fn label_sets(used: &[Sample], limits: &[Sample]) -> Vec<LabelSets> {
    let mut label_sets = Vec::new();
    for used in used {
        let family = used.label("family");
        if let Some(limit) = limits.iter().find(|limit| limit.label("family") == family) {
            label_sets.push(LabelSets { family: family.to_owned(), used: used.value, limit: limit.value });
        }
    }
    label_sets
}

fn models(requests: &[Sample], durations: &[Sample]) -> Vec<Model> {
    let mut by_model: BTreeMap<(&str, &str), (Vec<&Sample>, Durations)> = BTreeMap::new();
    for sample in requests {
        by_model.entry((sample.label("provider"), sample.label("model"))).or_default().0.push(sample);
    }
    for sample in durations {
        by_model.entry((sample.label("provider"), sample.label("model"))).or_default().1.add(sample);
    }
    let mut models = Vec::new();
    for ((provider, model), (requests, durations)) in by_model {
        let total = sum(requests.iter().copied());
        let model = Model {
            provider: provider.to_owned(),
            model: model.to_owned(),
            requests: total,
            error_ratio: ratio(errors(requests), total),
            mean_s: ratio(durations.sum, durations.count),
            p50: durations.quantile(0.5),
            p95: durations.quantile(0.95),
            p99: durations.quantile(0.99),
        };
        if total > 0.0 {
            models.push(model);
        }
    }
    models
}

/// Durations of a model, summed over series.
#[derive(Debug, Default)]
struct Durations {
    /// Cumulative counts by upper edge.
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

impl Durations {
    fn add(&mut self, sample: &Sample) {
        if sample.name.ends_with("_sum") {
            self.sum += sample.value;
        } else if sample.name.ends_with("_count") {
            self.count += sample.value;
        } else if let Ok(edge) = sample.label("le").parse::<f64>() {
            match self.buckets.binary_search_by(|(known, _)| known.total_cmp(&edge)) {
                Ok(place) => self.buckets[place].1 += sample.value,
                Err(place) => self.buckets.insert(place, (edge, sample.value)),
            }
        }
    }

    /// The bucket that contains a quantile. A histogram records nothing finer.
    fn quantile(&self, quantile: f64) -> Option<Bucket> {
        let (_, total) = *self.buckets.last()?;
        if total <= 0.0 {
            return None;
        }
        let place = self.buckets.iter().position(|(_, count)| *count >= quantile * total)?;
        let lower_s = if place == 0 { 0.0 } else { self.buckets[place - 1].0 };
        let upper = self.buckets[place].0;
        Some(Bucket { lower_s, upper_s: upper.is_finite().then_some(upper) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(lower_s: f64, upper_s: Option<f64>) -> Option<Bucket> {
        Some(Bucket { lower_s, upper_s })
    }

    #[test]
    fn quantile_is_the_bucket_that_contains_it() {
        for (counts, quantile, expected) in [
            ([0.0, 0.0, 0.0, 0.0], 0.5, None),
            ([4.0, 4.0, 4.0, 4.0], 0.5, bucket(0.0, Some(0.1))),
            ([0.0, 10.0, 10.0, 10.0], 0.5, bucket(0.1, Some(1.0))),
            ([5.0, 10.0, 10.0, 10.0], 0.5, bucket(0.0, Some(0.1))),
            ([0.0, 5.0, 10.0, 10.0], 0.95, bucket(1.0, Some(2.0))),
            ([0.0, 0.0, 0.0, 7.0], 0.99, bucket(2.0, None)),
        ] {
            let buckets = [0.1, 1.0, 2.0, f64::INFINITY].into_iter().zip(counts).collect();
            let durations = Durations { buckets, ..Durations::default() };
            assert_eq!(durations.quantile(quantile), expected, "{counts:?} {quantile}");
        }
        let unbounded = Durations { buckets: vec![(f64::INFINITY, 3.0)], ..Durations::default() };
        assert_eq!(unbounded.quantile(0.5), bucket(0.0, None));
    }
}
