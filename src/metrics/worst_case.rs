//! How many series the families can grow to: the product of what their labels can hold.

use super::families::Family;
use super::labels::{
    Answer, AuthFailure, DisconnectStage, Endpoint, HttpOutcome, Phase, Stream, Surface, TokenKind,
};

/// Final status codes that are registered: 18 below 400, 41 from there on.
const CODES: (u64, u64) = (18, 41);

/// Ways one dispatch ends: below 400 well or badly, above badly, or without a status: `network_error`, or 499 when
/// the caller left.
const DISPATCH_ENDINGS: u64 = 2 * CODES.0 + CODES.1 + 2;

/// Methods that have a label value, `other` included.
const METHODS: u64 = 8;

/// What a configuration bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Configured providers.
    pub providers: u64,
    /// (provider, model) pairs with a label value of their own: `metrics.max_models`.
    pub models: u64,
    /// Routes of the gateway, `unmatched` included.
    pub routes: u64,
}

/// The most series that `family` can have.
#[must_use]
pub fn series(family: &Family, bounds: Bounds) -> u64 {
    family.labels.iter().map(|label| values(label, family.labels, bounds)).product()
}

/// The most lines with a value that `family` adds to a scrape: a histogram has one per bucket, `+Inf`, a sum and a
/// count.
#[must_use]
pub fn samples(family: &Family, bounds: Bounds) -> u64 {
    let per_series = family.buckets.map_or(1, |buckets| count(buckets.upper.len()) + 3);
    series(family, bounds) * per_series
}

/// How many values a label takes for each combination of those that are counted elsewhere.
fn values(label: &str, beside: &[&str], bounds: Bounds) -> u64 {
    let with = |other: &str| beside.contains(&other);
    match label {
        // With a model the pair is bounded as a whole; `unknown` and `other` come per provider.
        "provider" if with("model") => 1,
        "provider" => bounds.providers,
        "model" if with("provider") => bounds.models + 2 * bounds.providers,
        "model" => bounds.models + 2,
        "endpoint" => count(Endpoint::COUNT),
        "status_code" if with("status_type") => DISPATCH_ENDINGS,
        "status_code" => CODES.0 + CODES.1 + 1,
        "status_type" if with("status_code") => 1,
        "status_type" => 3,
        "stream" if with("phase") => count(Stream::COUNT),
        "status" | "stream" => 2,
        "phase" => count(Phase::COUNT),
        "route" => bounds.routes,
        "method" => METHODS,
        "outcome" if with("route") => count(HttpOutcome::COUNT),
        "outcome" => count(Answer::COUNT),
        "stage" => count(DisconnectStage::COUNT),
        "surface" => count(Surface::COUNT),
        "reason" => count(AuthFailure::COUNT),
        "kind" => count(TokenKind::COUNT),
        // What remains follows from another label or is fixed for the process.
        _ => 1,
    }
}

const fn count(length: usize) -> u64 {
    length as u64
}

#[cfg(test)]
mod tests {
    use super::super::families::FAMILIES;
    use super::*;

    const BOUNDS: Bounds = Bounds { providers: 2, models: 10, routes: 5 };

    fn of(name: &str) -> (u64, u64) {
        let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
        (series(family, BOUNDS), samples(family, BOUNDS))
    }

    #[test]
    fn labels_multiply_and_pairs_are_bounded_as_pairs() {
        assert_eq!(of("aurora_requests_total"), (14 * 4 * 79 * 2, 14 * 4 * 79 * 2));
        assert_eq!(of("aurora_request_duration_seconds"), (14 * 4 * 2 * 3, 14 * 4 * 2 * 3 * (17 + 3)));
        assert_eq!(of("aurora_requests_in_flight"), (2 * 4 * 2, 2 * 4 * 2));
        assert_eq!(of("aurora_tokens_total"), (14 * 7, 14 * 7));
        assert_eq!(of("aurora_answers_total"), (12 * 9, 12 * 9));
        assert_eq!(of("aurora_http_requests_total"), (5 * 8 * 60 * 3, 5 * 8 * 60 * 3));
        assert_eq!(of("aurora_build_info"), (1, 1));
        assert_eq!(of("process_threads"), (1, 1));
    }

    #[test]
    fn every_label_is_known() {
        let fixed = ["version", "revision", "rustc", "direction"];
        for family in FAMILIES {
            for label in family.labels {
                let alone = values(label, &[label], BOUNDS);
                assert!(alone > 1 || fixed.contains(label), "{label} of {} has no bound", family.name);
            }
        }
    }
}
