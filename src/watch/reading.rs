//! The numbers of one page that the view needs, and their increase since an earlier page.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::metrics::monitoring::Meaning;
use crate::metrics::parser::{Exposition, Sample};
use crate::probe::{Durations, LabelSets, label_sets};

/// A model at a provider; the model of a provider's own circuit breaker is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) provider: String,
    pub(crate) model: String,
}

/// The numbers of one page.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Time at which the page was made.
    pub(crate) at: Instant,
    /// Start of the process, in seconds since 1970.
    pub(crate) started: Option<f64>,
    pub(crate) counts: Counts,
    pub(crate) gauges: Gauges,
    /// Families that the view needs and the page of another program lacks; empty for a page of Aurora.
    pub(crate) missing: Vec<&'static str>,
}

/// Values of gauges.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Gauges {
    /// Requests dispatched whose response is not complete; `None` where the page does not say.
    pub(crate) in_flight: Option<f64>,
    /// Circuit breakers: how many replicas have each closed, open and half-open.
    pub(crate) breakers: BTreeMap<Name, [f64; 3]>,
    pub(crate) label_sets: Vec<LabelSets>,
}

/// Values of counters: since the start of the process, or their increase.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) outcomes: Outcomes,
    /// Observations whose labels a limit replaced.
    pub(crate) overflow: f64,
    pub(crate) models: BTreeMap<Name, ModelCounts>,
}

/// Model calls by the meaning of their outcome for the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub(crate) struct Outcomes {
    /// Complete responses.
    pub(crate) ok: f64,
    /// Failures of a provider or the gateway, broken streams.
    pub(crate) errors: f64,
    /// Responses 429 of a provider.
    pub(crate) throttled: f64,
    /// Invalid requests.
    pub(crate) refused: f64,
    /// The client disconnected.
    pub(crate) cancelled: f64,
}

/// Counters of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelCounts {
    /// Requests dispatched to the provider.
    pub(crate) requests: f64,
    /// Those that failed.
    pub(crate) errors: f64,
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) durations: Durations,
    pub(crate) first_token: Durations,
}

/// Increase of the counters of one endpoint.
pub(crate) struct Growth {
    pub(crate) counts: Counts,
    /// True if the counters began anew in between.
    pub(crate) restarted: bool,
}

/// Models of one page, each with its row, and circuit breakers; Aurora limits them to 4,000 unless it is configured otherwise.
const MOST_MODELS: usize = 10_000;

/// Characters of a provider or model; Aurora cuts them at 128 bytes.
const LONGEST_NAME: usize = 200;

/// States of a circuit breaker, in the order of [`Gauges::breakers`].
const STATES: [&str; 3] = ["closed", "open", "half_open"];

/// Families without which the view shows nothing.
const NEEDED: [&str; 5] = [
    "aurora_requests_total",
    "aurora_request_duration_seconds",
    "aurora_time_to_first_token_seconds",
    "aurora_tokens_total",
    "aurora_requests_in_flight",
];

impl Reading {
    /// Reads the numbers of a page.
    pub(crate) fn of(page: &Exposition, at: Instant) -> Self {
        let mut reading = Self {
            at,
            started: None,
            counts: Counts::default(),
            gauges: Gauges { label_sets: label_sets(page), ..Gauges::default() },
            missing: Vec::new(),
        };
        for family in &page.families {
            for sample in &family.samples {
                // A counter that is no number counts nothing.
                if sample.value.is_finite() {
                    reading.take(&family.name, sample);
                }
            }
        }
        // The outcome for the client; where no family has it, that of the dispatch.
        let reports_outcomes = page.family("aurora_answers_total").is_some();
        if !reports_outcomes && let Some(dispatched) = page.family("aurora_requests_total") {
            for sample in &dispatched.samples {
                reading.counts.outcomes.add(meaning_of_dispatch(sample), sample.value);
            }
        }
        if page.family("aurora_build_info").is_some() {
            // Aurora has the family from the first request on.
            reading.gauges.in_flight.get_or_insert(0.0);
        } else {
            reading.missing.extend(NEEDED.iter().filter(|name| page.family(name).is_none()));
        }
        reading
    }

    fn take(&mut self, family: &str, sample: &Sample) {
        let value = sample.value;
        match family {
            "aurora_answers_total" => {
                self.counts.outcomes.add(Meaning::of_outcome(sample.label("outcome")), value);
            }
            "aurora_requests_total" => {
                let model = self.model(sample);
                model.requests += value;
                if sample.label("status_type") == "error" {
                    model.errors += value;
                }
            }
            "aurora_request_duration_seconds" => self.model(sample).durations.add(sample),
            "aurora_time_to_first_token_seconds" => self.model(sample).first_token.add(sample),
            "aurora_tokens_total" if sample.label("direction") == "input" => {
                self.model(sample).input += value;
            }
            "aurora_tokens_total" => self.model(sample).output += value,
            "aurora_requests_in_flight" => *self.gauges.in_flight.get_or_insert(0.0) += value,
            "aurora_circuit_breaker_state" => {
                let (breakers, name) = (&mut self.gauges.breakers, Name::of(sample));
                let place = STATES.iter().position(|state| *state == sample.label("state"));
                if let Some(place) = place
                    && (breakers.len() < MOST_MODELS || breakers.contains_key(&name))
                {
                    breakers.entry(name).or_default()[place] += value;
                }
            }
            "aurora_metrics_label_overflow_total" => self.counts.overflow += value,
            "process_start_time_seconds" => self.started = Some(value),
            _ => {}
        }
    }

    fn model(&mut self, sample: &Sample) -> &mut ModelCounts {
        let models = &mut self.counts.models;
        let mut name = Name::of(sample);
        if models.len() >= MOST_MODELS && !models.contains_key(&name) {
            name = Name { provider: String::new(), model: "all others".to_owned() };
        }
        models.entry(name).or_default()
    }

    /// Increase of the counters since an earlier page of the same endpoint. After a restart they began at zero.
    pub(crate) fn since(&self, earlier: &Self) -> Growth {
        let other_process =
            matches!((earlier.started, self.started), (Some(before), Some(now)) if before != now);
        if other_process || self.counts.is_less(&earlier.counts) {
            return Growth { counts: self.counts.clone(), restarted: true };
        }
        Growth { counts: self.counts.since(&earlier.counts), restarted: false }
    }
}

impl Name {
    fn of(sample: &Sample) -> Self {
        let label = |name| sample.label(name).chars().take(LONGEST_NAME).collect();
        Self { provider: label("provider"), model: label("model") }
    }
}

fn meaning_of_dispatch(sample: &Sample) -> Option<Meaning> {
    match (sample.label("status_type"), sample.label("status_code")) {
        ("success", _) => Some(Meaning::Fine),
        ("cancelled", _) => Some(Meaning::Cancelled),
        (_, "429") => Some(Meaning::Throttled),
        _ => Some(Meaning::Error),
    }
}

impl Outcomes {
    fn add(&mut self, meaning: Option<Meaning>, value: f64) {
        match meaning {
            Some(Meaning::Fine) => self.ok += value,
            // An outcome of a later release is none of those that are known to be well.
            Some(Meaning::Error) | None => self.errors += value,
            Some(Meaning::Throttled) => self.throttled += value,
            Some(Meaning::Refused) => self.refused += value,
            Some(Meaning::Cancelled) => self.cancelled += value,
        }
    }

    /// All of them.
    pub(crate) fn total(&self) -> f64 {
        self.values().iter().sum()
    }

    fn values(&self) -> [f64; 5] {
        let Self { ok, errors, throttled, refused, cancelled } = *self;
        [ok, errors, throttled, refused, cancelled]
    }

    fn of(values: [f64; 5]) -> Self {
        let [ok, errors, throttled, refused, cancelled] = values;
        Self { ok, errors, throttled, refused, cancelled }
    }

    fn since(self, earlier: Self) -> Self {
        let (mut values, before) = (self.values(), earlier.values());
        for (value, before) in values.iter_mut().zip(before) {
            *value = (*value - before).max(0.0);
        }
        Self::of(values)
    }

    fn merge(&mut self, other: Self, share: f64) {
        let mut values = self.values();
        for (value, more) in values.iter_mut().zip(other.values()) {
            *value += more * share;
        }
        *self = Self::of(values);
    }
}

impl Counts {
    fn is_less(&self, earlier: &Self) -> bool {
        self.outcomes.total() < earlier.outcomes.total() || self.requests() < earlier.requests()
    }

    /// Requests dispatched.
    fn requests(&self) -> f64 {
        self.models.values().map(|model| model.requests).sum()
    }

    /// The increase; models without one are left out.
    fn since(&self, earlier: &Self) -> Self {
        let mut models = BTreeMap::new();
        for (name, now) in &self.models {
            let increase = match earlier.models.get(name) {
                Some(before) if before == now => continue,
                Some(before) => now.since(before),
                None => now.clone(),
            };
            models.insert(name.clone(), increase);
        }
        let outcomes = self.outcomes.since(earlier.outcomes);
        Self { outcomes, overflow: (self.overflow - earlier.overflow).max(0.0), models }
    }

    /// Adds others, each multiplied by `share`.
    pub(crate) fn merge(&mut self, other: &Self, share: f64) {
        self.outcomes.merge(other.outcomes, share);
        self.overflow += other.overflow * share;
        for (name, counts) in &other.models {
            match self.models.get_mut(name) {
                Some(model) => model.merge(counts, share),
                None => self.models.entry(name.clone()).or_default().merge(counts, share),
            }
        }
    }
}

impl ModelCounts {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: (self.requests - earlier.requests).max(0.0),
            errors: (self.errors - earlier.errors).max(0.0),
            input: (self.input - earlier.input).max(0.0),
            output: (self.output - earlier.output).max(0.0),
            durations: self.durations.since(&earlier.durations),
            first_token: self.first_token.since(&earlier.first_token),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self, share: f64) {
        self.requests += other.requests * share;
        self.errors += other.errors * share;
        self.input += other.input * share;
        self.output += other.output * share;
        self.durations.merge(&other.durations, share);
        self.first_token.merge(&other.first_token, share);
    }
}
