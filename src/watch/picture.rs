//! Rates, ratios and percentiles of an increase: the numbers that are shown.

use serde::Serialize;

use super::history::{History, Interval};
use super::reading::{Counts, Gauges, ModelCounts, Name, Outcomes};
use crate::probe::{Bucket, Durations, Tokens};

/// Numbers over a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Picture {
    /// The time, in seconds.
    pub(crate) seconds: f64,
    /// Model calls of clients.
    pub(crate) requests: f64,
    /// The same per second.
    pub(crate) requests_per_s: f64,
    /// Model calls by outcome.
    pub(crate) outcomes: Outcomes,
    /// Failed ones among all; `None` without calls.
    pub(crate) error_ratio: Option<f64>,
    /// Declared tokens per second.
    pub(crate) tokens_per_s: Tokens,
    /// Time from dispatch to the last byte.
    pub(crate) duration: Percentiles,
    /// Time from dispatch to the first token of a stream.
    pub(crate) first_token: Percentiles,
    /// Models with requests, by provider and name.
    pub(crate) models: Vec<Model>,
    /// Observations whose labels a limit replaced.
    pub(crate) label_overflow: f64,
}

/// Percentiles of a histogram, each the bucket that contains it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Mean in seconds.
    pub(crate) mean_s: Option<f64>,
    /// Half of the observations.
    pub(crate) p50: Option<Bucket>,
    /// 95 % of them.
    pub(crate) p95: Option<Bucket>,
    /// 99 % of them.
    pub(crate) p99: Option<Bucket>,
}

/// Numbers of one model at one provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Model {
    /// Label `provider`.
    pub(crate) provider: String,
    /// Label `model`.
    pub(crate) model: String,
    /// Requests dispatched.
    pub(crate) requests: f64,
    /// The same per second.
    pub(crate) requests_per_s: f64,
    /// Failed ones among all; `None` without requests.
    pub(crate) error_ratio: Option<f64>,
    /// Declared tokens per second.
    pub(crate) tokens_per_s: Tokens,
    /// Time from dispatch to the last byte.
    pub(crate) duration: Percentiles,
    /// Time from dispatch to the first token of a stream.
    pub(crate) first_token: Percentiles,
}

/// A circuit breaker that is not closed everywhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Breaker {
    /// Label `provider`.
    pub(crate) provider: String,
    /// Label `model`; empty for the breaker of the provider itself.
    pub(crate) model: String,
    /// Replicas in which it is closed.
    pub(crate) closed: f64,
    /// Replicas in which it is open.
    pub(crate) open: f64,
    /// Replicas in which it is half-open.
    pub(crate) half_open: f64,
}

impl Picture {
    /// Numbers of an increase; `None` where there is none.
    pub(crate) fn of(Interval { seconds, counts, .. }: &Interval) -> Option<Self> {
        let seconds = *seconds;
        if seconds <= 0.0 {
            return None;
        }
        let Counts { outcomes, overflow, models } = counts;
        let mut all = ModelCounts::default();
        let mut rows = Vec::new();
        for (name, counts) in models {
            all.merge(counts, 1.0);
            if counts.requests > 0.0 {
                rows.push(Model::of(name, counts, seconds));
            }
        }
        let requests = outcomes.total();
        Some(Self {
            seconds,
            requests,
            requests_per_s: requests / seconds,
            outcomes: *outcomes,
            error_ratio: ratio(outcomes.errors, requests),
            tokens_per_s: tokens(&all, seconds),
            duration: Percentiles::of(&all.durations),
            first_token: Percentiles::of(&all.first_token),
            models: rows,
            label_overflow: *overflow,
        })
    }
}

impl Model {
    fn of(name: &Name, counts: &ModelCounts, seconds: f64) -> Self {
        Self {
            provider: name.provider.clone(),
            model: name.model.clone(),
            requests: counts.requests,
            requests_per_s: counts.requests / seconds,
            error_ratio: ratio(counts.errors, counts.requests),
            tokens_per_s: tokens(counts, seconds),
            duration: Percentiles::of(&counts.durations),
            first_token: Percentiles::of(&counts.first_token),
        }
    }
}

impl Percentiles {
    fn of(durations: &Durations) -> Self {
        Self {
            mean_s: durations.mean(),
            p50: durations.quantile(0.5),
            p95: durations.quantile(0.95),
            p99: durations.quantile(0.99),
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}

fn tokens(counts: &ModelCounts, seconds: f64) -> Tokens {
    Tokens { input: counts.input / seconds, output: counts.output / seconds }
}

/// The circuit breakers that are open or half-open somewhere.
pub(crate) fn troubled_breakers(gauges: &Gauges) -> Vec<Breaker> {
    let mut troubled = Vec::new();
    for (Name { provider, model }, [closed, open, half_open]) in &gauges.breakers {
        if *open > 0.0 || *half_open > 0.0 {
            troubled.push(Breaker {
                provider: provider.clone(),
                model: model.clone(),
                closed: *closed,
                open: *open,
                half_open: *half_open,
            });
        }
    }
    troubled
}

/// Families that no page has, in words; `None` where every page is Aurora's.
pub(crate) fn missing(history: &History) -> Option<String> {
    let lacking = history.endpoints.iter().find_map(|endpoint| {
        let families = &endpoint.last.as_ref()?.missing;
        (!families.is_empty()).then_some((&endpoint.url, families))
    });
    let (url, families) = lacking?;
    Some(format!(
        "not a page of Aurora: {url} has no {}; `aurora metrics probe` summarises any page",
        families.join(", ")
    ))
}
