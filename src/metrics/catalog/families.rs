//! The metric contract as a table: every family Aurora exposes, in the order of its name. No family is declared
//! anywhere else; HELP texts, `aurora metrics list` and the reference come from here.

use crate::metrics::series::cells::MAX_EDGES;

/// What a family measures with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Observations by bucket.
    Histogram,
}

impl Kind {
    /// The word of a `# TYPE` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Bucket edges: as the exposition shows them, and as observations are compared: nanoseconds for seconds, else as shown.
#[derive(Debug)]
pub struct Buckets {
    /// Upper edges in the family's unit, ascending, without `+Inf`.
    pub upper: &'static [f64],
    edges: &'static [u64],
    /// By the number of bits of an observation, how many edges have fewer: where the search for its bucket begins.
    shorter: [u8; 65],
    /// What one unit is in observations.
    pub(crate) scale: u64,
}

impl Buckets {
    /// The bucket of an observation. Edges are so far apart that a step or two are left after the first guess.
    pub(crate) fn place(&self, value: u64) -> usize {
        let mut place = usize::from(self.shorter[bits(value)]);
        while self.edges.get(place).is_some_and(|edge| *edge < value) {
            place += 1;
        }
        place
    }
}

/// How many bits a number has without leading zeros.
const fn bits(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()) as usize
}

/// See [`Buckets`].
const fn shorter(edges: &[u64]) -> [u8; 65] {
    let mut counts = [0; 65];
    let mut length = 0;
    while length < counts.len() {
        let mut i = 0;
        while i < edges.len() && bits(edges[i]) < length {
            i += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_EDGES")]
        {
            counts[length] = i as u8;
        }
        length += 1;
    }
    counts
}

/// One row of the contract.
#[derive(Debug)]
pub struct Family {
    /// Its name in the exposition.
    pub name: &'static str,
    /// What it measures with.
    pub kind: Kind,
    /// Unit of its values, empty for plain counts.
    pub unit: &'static str,
    /// Label names, in the order of the exposition.
    pub labels: &'static [&'static str],
    /// Edges, for histograms.
    pub buckets: Option<&'static Buckets>,
    /// One sentence for `# HELP`.
    pub help: &'static str,
}

impl Family {
    /// Whether names fold into `other` once it has `metrics.max_series` label sets. Where there is no model, the
    /// configuration alone bounds the names, and circuit breakers are shown for admitted models only.
    #[must_use]
    pub fn folds(&self) -> bool {
        self.labels.contains(&"model") && self.name != BREAKER_STATE.name
    }
}

/// Nanoseconds of a second.
const SECONDS: u64 = 1_000_000_000;
/// Bytes are observed as they are.
const BYTES: u64 = 1;

/// Edges as whole observations.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "edges are positive and far below the 584 years that fit; evaluated at compile time"
)]
const fn observed<const N: usize>(upper: [f64; N], scale: u64) -> [u64; N] {
    assert!(N <= MAX_EDGES);
    let mut edges = [0; N];
    let mut i = 0;
    while i < N {
        edges[i] = (upper[i] * scale as f64 + 0.5) as u64;
        i += 1;
    }
    edges
}

macro_rules! buckets {
    ($(#[$doc:meta])* $name:ident $scale:ident: $($edge:literal)+) => {
        $(#[$doc])*
        pub static $name: Buckets = {
            const UPPER: &[f64] = &[$($edge),+];
            static EDGES: [u64; UPPER.len()] = observed([$($edge),+], $scale);
            Buckets { upper: UPPER, edges: &EDGES, shorter: shorter(&EDGES), scale: $scale }
        };
    };
}

buckets! {
    /// Whole answers: embeddings take tens of milliseconds, reasoning models minutes.
    DURATION SECONDS: 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0 600.0
}
buckets! {
    /// First tokens: the range in which people notice a wait, up to the longest reasoning pause.
    TTFT SECONDS: 0.025 0.05 0.1 0.25 0.5 0.75 1.0 1.5 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0
}
buckets! {
    /// Time per output token: from a small model on fast hardware to one that is barely alive.
    TPOT SECONDS: 0.001 0.0025 0.005 0.01 0.015 0.025 0.05 0.075 0.1 0.15 0.25 0.5 1.0 2.5
}
buckets! {
    /// Silences inside a stream: from a hiccup to the default of `http.stream_idle`.
    GAP SECONDS: 0.05 0.1 0.25 0.5 1.0 2.0 5.0 10.0 30.0 60.0 120.0 300.0
}
buckets! {
    /// Phases: from the gateway's own microseconds to a whole answer.
    PHASE SECONDS: 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.5 5.0 10.0 30.0 60.0
        120.0 300.0 600.0
}
buckets! {
    /// What the gateway itself costs: tens of microseconds, unless something is wrong.
    OVERHEAD SECONDS: 0.00005 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 5.0
}
buckets! {
    /// Sizes: from an error to a batch of embeddings, each edge four times the one before.
    SIZE BYTES: 256.0 1024.0 4096.0 16384.0 65536.0 262144.0 1048576.0 4194304.0 16777216.0 67108864.0
}

macro_rules! families {
    ($($id:ident = $name:literal $kind:ident $unit:literal [$($label:literal)*] $buckets:expr, $help:literal;)+) => {
        $(pub(crate) static $id: Family = Family {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            buckets: $buckets,
            help: $help,
        };)+

        /// Every family, by name.
        pub static FAMILIES: &[&Family] = &[$(&$id),+];
    };
}

families! {
    ANSWERS = "aurora_answers_total" Counter "" ["model" "outcome"] None,
        "Authenticated model calls by requested model and by how they ended for the caller.";
    AUTH_FAILURES = "aurora_auth_failures_total" Counter "" ["surface" "reason"] None,
        "Requests refused for their credential.";
    BUILD_INFO = "aurora_build_info" Gauge "" ["version" "revision" "rustc"] None,
        "Always 1; the build that runs. Replicas add up to the number of replicas.";
    CALLER_REQUESTS = "aurora_caller_requests_total" Counter "" ["caller"] None,
        "Authenticated model calls by the name of their key.";
    CALLER_TOKENS = "aurora_caller_tokens_total" Counter "" ["caller" "direction"] None,
        "Tokens as declared by the provider, by the name of the caller's key.";
    BREAKER_STATE = "aurora_circuit_breaker_state" Gauge "" ["provider" "model" "state"] None,
        "1 for the state that the breaker of a model is in, or of the provider itself (model is empty, failures to connect). Replicas add up to the number of replicas in it.";
    BREAKER_TRANSITIONS = "aurora_circuit_breaker_transitions_total" Counter "" ["provider" "to"] None,
        "Changes of the state of a provider's circuit breakers, those of its models included.";
    CLIENT_DISCONNECTS = "aurora_client_disconnects_total" Counter "" ["endpoint" "stage"] None,
        "Callers that left before their answer was complete.";
    CONFIG_INFO = "aurora_config_info" Gauge "" ["hash"] None,
        "Always 1; a digest of the effective configuration without its secrets, alike on replicas that are configured alike.";
    RELOAD_TIME = "aurora_config_last_reload_success_timestamp_seconds" Gauge "seconds" [] None,
        "When the configuration in effect was loaded, in Unix time. Not meaningful as a sum over replicas.";
    RELOAD_SUCCESSFUL = "aurora_config_last_reload_successful" Gauge "" [] None,
        "1 if the last attempt to load the configuration succeeded, 0 if it was refused. Not meaningful as a sum over replicas.";
    COST = "aurora_cost_usd_total" Counter "usd" ["provider" "model"] None,
        "What the declared tokens cost at the configured prices.";
    FALLBACKS = "aurora_fallbacks_total" Counter "" ["from_provider" "to_provider" "outcome"] None,
        "Requests that went on to the next target of their route, by how that one ended.";
    OVERHEAD_SECONDS = "aurora_gateway_overhead_seconds" Histogram "seconds" ["endpoint" "stream"] Some(&OVERHEAD),
        "Time the gateway itself added to an answer, waiting for callers and providers aside.";
    PHASE_DURATION = "aurora_gateway_phase_duration_seconds" Histogram "seconds"
        ["endpoint" "phase" "status" "stream"] Some(&PHASE),
        "Time spent in each phase of a model call.";
    HTTP_CONNECTIONS = "aurora_http_connections" Gauge "" ["state"] None,
        "Open connections of callers.";
    HTTP_DURATION = "aurora_http_request_duration_seconds" Histogram "seconds" ["route" "status_class"]
        Some(&DURATION),
        "Time from a request's head to the last byte of its answer, as the caller sees it.";
    HTTP_IN_FLIGHT = "aurora_http_requests_in_flight" Gauge "" [] None,
        "HTTP requests being served, which is what load shedding looks at.";
    HTTP_IN_FLIGHT_LIMIT = "aurora_http_requests_in_flight_limit" Gauge "" [] None,
        "Requests in flight at which new ones are refused.";
    HTTP_REQUESTS = "aurora_http_requests_total" Counter "" ["route" "method" "status_code" "outcome"] None,
        "HTTP requests received, health checks and authorised scrapes aside.";
    RESPONSE_SIZE = "aurora_http_response_size_bytes" Histogram "bytes" ["route"] Some(&SIZE),
        "Bytes of response bodies as sent.";
    LOG_LINES_DROPPED = "aurora_log_lines_dropped_total" Counter "" [] None,
        "Log lines that stderr did not take.";
    LABEL_OVERFLOW = "aurora_metrics_label_overflow_total" Counter "" ["family" "reason"] None,
        "Observations whose model or provider a limit replaced by other, or for max_unlisted_models by unknown.";
    LABEL_SETS = "aurora_metrics_label_sets" Gauge "" ["family"] None,
        "Label sets that the family has. Not meaningful as a sum over replicas.";
    LABEL_SETS_LIMIT = "aurora_metrics_label_sets_limit" Gauge "" ["family"] None,
        "Label sets from which on names fold into other. Not meaningful as a sum over replicas.";
    SCRAPES = "aurora_metrics_scrapes_total" Counter "" ["format" "code"] None,
        "Authorised scrapes answered.";
    PANICS = "aurora_panics_total" Counter "" [] None,
        "Panics: defects of the gateway, each of which cost at most the request or connection it happened in.";
    DISCOVERY_TIME = "aurora_provider_discovery_last_success_timestamp_seconds" Gauge "seconds" ["provider"] None,
        "When the provider last listed its models, in Unix time; 0 before that. Not meaningful as a sum over replicas.";
    PROVIDER_INFO = "aurora_provider_info" Gauge "" ["provider" "type"] None,
        "Always 1; the type of each configured provider. Replicas add up to the number of replicas.";
    REJECTED = "aurora_rejected_requests_total" Counter "" ["reason"] None,
        "Requests turned away before any provider was asked, credentials aside.";
    REQUEST_DURATION = "aurora_request_duration_seconds" Histogram "seconds"
        ["provider" "model" "endpoint" "stream" "status_type"] Some(&DURATION),
        "Time from dispatch to the last byte of the answer.";
    REQUESTS_IN_FLIGHT = "aurora_requests_in_flight" Gauge "" ["provider" "endpoint" "stream"] None,
        "Dispatched requests whose answer is not complete yet.";
    REQUESTS = "aurora_requests_total" Counter ""
        ["provider" "model" "endpoint" "status_code" "status_type" "stream"] None,
        "Requests dispatched to a provider by how they ended.";
    RETRIES = "aurora_retries_total" Counter "" ["provider" "reason"] None,
        "Retries of the same target, by reason.";
    STREAM_GAP = "aurora_stream_max_gap_seconds" Histogram "seconds" ["provider" "model"] Some(&GAP),
        "The longest silence inside each stream.";
    STREAMS = "aurora_streams_total" Counter "" ["provider" "model" "outcome"] None,
        "Streams that began, by how they ended.";
    TPOT_SECONDS = "aurora_time_per_output_token_seconds" Histogram "seconds" ["provider" "model"] Some(&TPOT),
        "Time per output token after the first, of streams that declare their usage.";
    TTFT_SECONDS = "aurora_time_to_first_token_seconds" Histogram "seconds" ["provider" "model" "endpoint"]
        Some(&TTFT),
        "Time from dispatch to the first event with content, reasoning or a tool call.";
    TOKENS = "aurora_tokens_total" Counter "" ["provider" "model" "direction" "kind"] None,
        "Tokens as declared by the provider; kinds do not overlap.";
    UNPRICED = "aurora_unpriced_requests_total" Counter "" ["provider" "reason"] None,
        "Answers that the cost leaves out; moves only where prices are configured.";
    ATTEMPTS = "aurora_upstream_attempts_total" Counter "" ["provider" "model" "outcome"] None,
        "Attempts at a provider, retries one by one, by how each ended.";
    USAGE_REPORTS = "aurora_usage_reports_total" Counter "" ["provider" "source"] None,
        "Answers that bear tokens, by where their counts come from.";
    PROCESS_CPU = "process_cpu_seconds_total" Counter "seconds" [] None,
        "User and system CPU time of the process.";
    PROCESS_MAX_FDS = "process_max_fds" Gauge "" [] None,
        "Most file descriptors the process may open.";
    PROCESS_OPEN_FDS = "process_open_fds" Gauge "" [] None,
        "File descriptors the process has open.";
    PROCESS_RESIDENT = "process_resident_memory_bytes" Gauge "bytes" [] None,
        "Memory of the process that is in RAM.";
    PROCESS_START = "process_start_time_seconds" Gauge "seconds" [] None,
        "When the process started, in Unix time. Not meaningful as a sum over replicas.";
    PROCESS_THREADS = "process_threads" Gauge "" [] None,
        "Threads of the process.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes" Gauge "bytes" [] None,
        "Address space of the process.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_observation_has_its_bucket() {
        for family in FAMILIES {
            let Some(buckets) = family.buckets else { continue };
            let near = buckets.edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]);
            for value in near.chain((0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit])).chain([u64::MAX]) {
                let expected = buckets.edges.partition_point(|edge| *edge < value);
                assert_eq!(buckets.place(value), expected, "{value} in {}", family.name);
            }
        }
    }

    #[test]
    fn names_end_in_their_unit_and_are_in_order() {
        assert!(FAMILIES.is_sorted_by_key(|family| family.name));
        for Family { name, kind, unit, help, .. } in FAMILIES {
            let counter = name.strip_suffix("_total");
            assert_eq!(*kind == Kind::Counter, counter.is_some(), "{name}");
            assert!(unit.is_empty() || counter.unwrap_or(name).ends_with(&format!("_{unit}")), "{name}");
            assert!(!help.contains(['\\', '"', '\n']), "{name}: HELP would need escapes");
        }
    }
}
