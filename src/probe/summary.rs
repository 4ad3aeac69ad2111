//! Numbers of an exposition. They are reported and never fail a probe.

mod durations;

use std::collections::{BTreeMap, HashMap};

pub use durations::Bucket;
pub(crate) use durations::Durations;

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
            label_sets: label_sets(exposition),
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

/// Label sets of each family; empty if the server does not report them.
pub(crate) fn label_sets(exposition: &Exposition) -> Vec<LabelSets> {
    let used = samples(exposition, "aurora_metrics_label_sets").unwrap_or_default();
    let mut limits = HashMap::new();
    for limit in samples(exposition, "aurora_metrics_label_sets_limit").unwrap_or_default() {
        limits.entry(limit.label("family")).or_insert(limit.value);
    }
    let mut label_sets = Vec::new();
    for used in used {
        let family = used.label("family");
        // What is no number, or no limit, is no share of it.
        if let Some(&limit) = limits.get(family)
            && used.value.is_finite()
            && limit > 0.0
        {
            label_sets.push(LabelSets { family: family.to_owned(), used: used.value, limit });
        }
    }
    label_sets
}

/// The family whose label sets are nearest to their limit.
pub(crate) fn fullest(label_sets: &[LabelSets]) -> Option<&LabelSets> {
    label_sets.iter().max_by(|one, other| (one.used / one.limit).total_cmp(&(other.used / other.limit)))
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
            mean_s: durations.mean(),
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
