//! Most series that the families can grow to.

use super::families::{BREAKER_STATE, FAMILIES, Family, LABEL_SETS};
use super::labels::{Overflow, TokenKind};
use super::vocabulary::words;
use crate::metrics::series::exemplars::Exemplars;

/// Final status codes that are registered: 18 below 400, 41 from there on.
const CODES: (u64, u64) = (18, 41);

/// Outcomes of one dispatch: success or error below 400, error above, or none: `network_error`, or 499 when
/// the client disconnected.
const DISPATCH_ENDINGS: u64 = 2 * CODES.0 + CODES.1 + 2;

/// Bounds that a configuration sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Configured providers.
    pub providers: u64,
    /// (provider, model) pairs with a label value of their own: `metrics.max_models`.
    pub models: u64,
    /// Configured routes of models.
    pub model_routes: u64,
    /// Names of clients: 0 without `server.keys`, else the keys and the master key.
    pub clients: u64,
    /// Routes of the gateway, `unmatched` included.
    pub routes: u64,
    /// Label sets of a family from which on names fold into `other`: `metrics.max_series`.
    pub max_series: u64,
}

/// The most series that `family` can have: one for each combination of what its labels can hold; where names fold,
/// `metrics.max_series` and one for each combination without the names.
#[must_use]
pub fn series(family: &Family, bounds: Bounds) -> u64 {
    let all = combinations(family, family.labels.iter().copied(), bounds);
    if !family.folds() {
        return all;
    }
    let rest = family.labels.iter().copied().filter(|label| !["provider", "model"].contains(label));
    all.min(bounds.max_series.saturating_add(combinations(family, rest, bounds)))
}

/// The most lines with a value that `family` adds to a scrape: a histogram has one per bucket, `+Inf`, a sum and a
/// count.
#[must_use]
pub fn samples(family: &Family, bounds: Bounds) -> u64 {
    let per_series = family.buckets.map_or(1, |buckets| count(buckets.upper.len()) + 3);
    series(family, bounds) * per_series
}

/// Size of the exemplars of one series at one worker.
pub(crate) const EXEMPLARS_SIZE: u64 = count(size_of::<Exemplars>());

/// The most bytes that exemplars take: of each series at each worker, and of those without the name of a model as often
/// again for each limit that may have replaced it.
#[must_use]
pub fn exemplar_bytes(bounds: Bounds, workers: u64) -> u64 {
    let mut kept = 0;
    for family in FAMILIES.iter().filter(|family| family.has_exemplars()) {
        let nameless = series(family, Bounds { models: 0, ..bounds });
        kept += series(family, bounds) + nameless * count(Overflow::COUNT);
    }
    kept * workers * EXEMPLARS_SIZE
}

fn combinations<'a>(family: &Family, labels: impl Iterator<Item = &'a str>, bounds: Bounds) -> u64 {
    labels.map(|label| values(label, family, bounds)).product()
}

/// Number of values of a label for each combination of those that are counted elsewhere.
fn values(label: &str, family: &Family, bounds: Bounds) -> u64 {
    let with = |other: &str| family.labels.contains(&other);
    match label {
        // With a model the pair is bounded as a whole; `unknown` and `other` come per provider.
        "provider" if with("model") => 1,
        "provider" | "from_provider" | "to_provider" => bounds.providers,
        // The provider's own breaker has an empty model; no other name is shown before it is admitted.
        "model" if family.name == BREAKER_STATE.name => bounds.models + bounds.providers,
        "model" if with("provider") => bounds.models + 2 * bounds.providers,
        "model" => bounds.models + bounds.model_routes + 2,
        "caller" => bounds.clients,
        "route" => bounds.routes,
        "status_code" if with("status_type") => DISPATCH_ENDINGS,
        "status_code" => CODES.0 + CODES.1 + 1,
        "status_type" if with("status_code") => 1,
        "direction" if with("kind") => 1,
        "kind" => count(TokenKind::COUNT),
        "family" => count(FAMILIES.iter().filter(|counted| counts(family, counted)).count()),
        // What remains is a closed set, follows from another label or is fixed for the process.
        label => words(family, label).map_or(1, |words| count(words.len())),
    }
}

/// True when a family about families counts this one.
fn counts(family: &Family, counted: &Family) -> bool {
    if family.name == LABEL_SETS.name { !counted.labels.is_empty() } else { counted.folds() }
}

const fn count(length: usize) -> u64 {
    length as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINTS: u64 = crate::api::Endpoint::COUNT as u64;
    const BOUNDS: Bounds =
        Bounds { providers: 2, models: 10, model_routes: 3, clients: 4, routes: 5, max_series: 100_000 };

    fn of(name: &str, bounds: Bounds) -> (u64, u64) {
        let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
        (series(family, bounds), samples(family, bounds))
    }

    #[test]
    fn labels_multiply_and_pairs_are_bounded_as_pairs() {
        for (name, expected) in [
            ("aurora_requests_total", 14 * ENDPOINTS * 79 * 2),
            ("aurora_requests_in_flight", 2 * ENDPOINTS * 2),
            ("aurora_tokens_total", 14 * 7),
            ("aurora_answers_total", 15 * 9),
            ("aurora_caller_tokens_total", 4 * 2),
            ("aurora_circuit_breaker_state", 12 * 3),
            ("aurora_fallbacks_total", 2 * 2 * 3),
            ("aurora_http_requests_total", 5 * 8 * 60 * 3),
            ("aurora_metrics_label_overflow_total", 10 * 3),
            ("aurora_metrics_scrapes_total", 2 * 2),
            ("aurora_build_info", 1),
            ("process_threads", 1),
        ] {
            assert_eq!(of(name, BOUNDS), (expected, expected), "{name}");
        }
        let duration = 14 * ENDPOINTS * 2 * 3;
        assert_eq!(of("aurora_request_duration_seconds", BOUNDS), (duration, duration * (17 + 3)));
    }

    #[test]
    fn names_fold_and_the_rest_does_not() {
        let bounds = Bounds { max_series: 100, ..BOUNDS };
        let rest = ENDPOINTS * 2 * 3;
        assert_eq!(of("aurora_request_duration_seconds", bounds), (100 + rest, (100 + rest) * (17 + 3)));
        assert_eq!(of("aurora_tokens_total", bounds), (14 * 7, 14 * 7));
        assert_eq!(of("aurora_tokens_total", Bounds { max_series: 10, ..BOUNDS }), (10 + 7, 10 + 7));
        assert_eq!(of("aurora_http_requests_total", bounds), (5 * 8 * 60 * 3, 5 * 8 * 60 * 3));
    }

    #[test]
    fn exemplars_are_kept_for_two_families() {
        let bounds = Bounds { max_series: 100, ..BOUNDS };
        let duration = 100 + ENDPOINTS * 2 * 3;
        let nameless = 4 * ENDPOINTS * 2 * 3;
        let nameless = nameless.min(duration);
        let first_token = (14 * ENDPOINTS).min(100 + ENDPOINTS);
        let nameless_first_token = (4 * ENDPOINTS).min(100 + ENDPOINTS);
        let kept = duration + first_token + 3 * (nameless + nameless_first_token);
        assert_eq!(exemplar_bytes(bounds, 2), kept * 2 * EXEMPLARS_SIZE);
    }

    #[test]
    fn every_label_is_known() {
        let fixed = ["version", "revision", "rustc", "hash", "type"];
        for family in FAMILIES {
            for label in family.labels {
                let alone = Family { labels: std::slice::from_ref(label), ..**family };
                let known = values(label, &alone, BOUNDS) > 1 || fixed.contains(label);
                assert!(known, "{label} of {} has no bound", family.name);
            }
        }
    }
}
