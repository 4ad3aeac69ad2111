//! The metric contract as a table: every family Aurora exposes, in the order of its name. No family is declared
//! anywhere else; HELP texts, `aurora metrics list` and the reference come from here.

use super::buckets::{Buckets, DURATION, GAP, OVERHEAD, PHASE, SIZE, TPOT, TTFT};

/// Type of a metric.
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

/// One row of the contract.
#[derive(Debug)]
pub struct Family {
    /// Its name in the exposition.
    pub name: &'static str,
    /// Type of its metric.
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
    /// True when names fold into `other` once the family has `metrics.max_series` label sets. Without a model the
    /// configuration alone bounds the names, and circuit breakers are exposed for admitted models only.
    #[must_use]
    pub fn folds(&self) -> bool {
        self.labels.contains(&"model") && self.name != BREAKER_STATE.name
    }

    /// True when its buckets may have exemplars: those from which one looks for a request.
    #[must_use]
    pub fn has_exemplars(&self) -> bool {
        [REQUEST_DURATION.name, TTFT_SECONDS.name].contains(&self.name)
    }
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
        "Authenticated model calls by requested model and outcome for the client.";
    AUTH_FAILURES = "aurora_auth_failures_total" Counter "" ["surface" "reason"] None,
        "Requests refused for their credential, by reason.";
    BUILD_INFO = "aurora_build_info" Gauge "" ["version" "revision" "rustc"] None,
        "Build information; always 1. Summed over replicas, the number of replicas.";
    CALLER_REQUESTS = "aurora_caller_requests_total" Counter "" ["caller"] None,
        "Authenticated model calls, by name of the client's key.";
    CALLER_TOKENS = "aurora_caller_tokens_total" Counter "" ["caller" "direction"] None,
        "Tokens as declared by the provider, by name of the client's key.";
    BREAKER_STATE = "aurora_circuit_breaker_state" Gauge "" ["provider" "model" "state"] None,
        "State of the circuit breaker of a model, or of the provider itself (model is empty, counts failures to connect): 1 for the state it is in, else 0. Summed over replicas, the number of replicas in that state.";
    BREAKER_TRANSITIONS = "aurora_circuit_breaker_transitions_total" Counter "" ["provider" "to"] None,
        "State changes of the circuit breakers of a provider and its models, by new state.";
    CLIENT_DISCONNECTS = "aurora_client_disconnects_total" Counter "" ["endpoint" "stage"] None,
        "Clients that disconnected before the response was complete, by stage.";
    CONFIG_INFO = "aurora_config_info" Gauge "" ["hash"] None,
        "Digest of the effective configuration without its secrets; always 1. Replicas with the same configuration have the same digest.";
    RELOAD_TIME = "aurora_config_last_reload_success_timestamp_seconds" Gauge "seconds" [] None,
        "Unix time in seconds at which the active configuration was loaded. Not meaningful summed over replicas.";
    RELOAD_SUCCESSFUL = "aurora_config_last_reload_successful" Gauge "" [] None,
        "Whether the last attempt to load the configuration succeeded. Not meaningful summed over replicas.";
    COST = "aurora_cost_usd_total" Counter "usd" ["provider" "model"] None,
        "Cost in US dollars of the declared tokens at the configured prices.";
    FALLBACKS = "aurora_fallbacks_total" Counter "" ["from_provider" "to_provider" "outcome"] None,
        "Fallbacks to the next target of a route, by outcome at that target.";
    OVERHEAD_SECONDS = "aurora_gateway_overhead_seconds" Histogram "seconds" ["endpoint" "stream"] Some(&OVERHEAD),
        "Time in seconds that the gateway itself added before the response, without waiting for the client or the provider.";
    PHASE_DURATION = "aurora_gateway_phase_duration_seconds" Histogram "seconds"
        ["endpoint" "phase" "status" "stream"] Some(&PHASE),
        "Time in seconds spent in each phase of a model call.";
    HTTP_CONNECTIONS = "aurora_http_connections" Gauge "" ["state"] None,
        "Open client connections, by state.";
    HTTP_DURATION = "aurora_http_request_duration_seconds" Histogram "seconds" ["route" "status_class"]
        Some(&DURATION),
        "Time in seconds from the request headers to the last byte of the response, as the client sees it.";
    HTTP_IN_FLIGHT = "aurora_http_requests_in_flight" Gauge "" [] None,
        "HTTP requests in flight, as limited by server.max_in_flight.";
    HTTP_IN_FLIGHT_LIMIT = "aurora_http_requests_in_flight_limit" Gauge "" [] None,
        "Maximum number of HTTP requests in flight; beyond it requests are rejected.";
    HTTP_REQUESTS = "aurora_http_requests_total" Counter "" ["route" "method" "status_code" "outcome"] None,
        "HTTP requests received, without health checks and authorized scrapes.";
    RESPONSE_SIZE = "aurora_http_response_size_bytes" Histogram "bytes" ["route"] Some(&SIZE),
        "Size in bytes of response bodies as sent.";
    LOG_LINES_DROPPED = "aurora_log_lines_dropped_total" Counter "" [] None,
        "Log lines dropped because stderr was blocked or closed.";
    LOG_LINES_SUPPRESSED = "aurora_log_lines_suppressed_total" Counter "" [] None,
        "Request log lines left out by their limits per second; other lines say for how many requests they stand.";
    LABEL_OVERFLOW = "aurora_metrics_label_overflow_total" Counter "" ["family" "reason"] None,
        "Observations whose model or provider label a limit replaced by other, or by unknown for max_unlisted_models.";
    LABEL_SETS = "aurora_metrics_label_sets" Gauge "" ["family"] None,
        "Number of label sets of the family. Not meaningful summed over replicas.";
    LABEL_SETS_LIMIT = "aurora_metrics_label_sets_limit" Gauge "" ["family"] None,
        "Maximum number of label sets of the family before new names count as other. Not meaningful summed over replicas.";
    SCRAPES = "aurora_metrics_scrapes_total" Counter "" ["format" "code"] None,
        "Authorized scrapes, by format and status code.";
    PANICS = "aurora_panics_total" Counter "" [] None,
        "Panics, each confined to the request or connection in which it happened.";
    DISCOVERY_TIME = "aurora_provider_discovery_last_success_timestamp_seconds" Gauge "seconds" ["provider"] None,
        "Unix time in seconds at which the provider last listed its models; 0 if never. Not meaningful summed over replicas.";
    PROVIDER_INFO = "aurora_provider_info" Gauge "" ["provider" "type"] None,
        "Type of each configured provider; always 1. Summed over replicas, the number of replicas.";
    REJECTED = "aurora_rejected_requests_total" Counter "" ["reason"] None,
        "Requests rejected before dispatch to a provider, by reason; without those refused for their credential.";
    REQUEST_DURATION = "aurora_request_duration_seconds" Histogram "seconds"
        ["provider" "model" "endpoint" "stream" "status_type"] Some(&DURATION),
        "Time in seconds from dispatch to the last byte of the provider's response.";
    REQUESTS_IN_FLIGHT = "aurora_requests_in_flight" Gauge "" ["provider" "endpoint" "stream"] None,
        "Requests dispatched to a provider whose response is not complete yet.";
    REQUESTS = "aurora_requests_total" Counter ""
        ["provider" "model" "endpoint" "status_code" "status_type" "stream"] None,
        "Requests dispatched to a provider, by status code and outcome.";
    RETRIES = "aurora_retries_total" Counter "" ["provider" "reason"] None,
        "Retries of the same target, by reason.";
    STREAM_GAP = "aurora_stream_max_gap_seconds" Histogram "seconds" ["provider" "model"] Some(&GAP),
        "Longest time in seconds between two events of a stream.";
    STREAMS = "aurora_streams_total" Counter "" ["provider" "model" "outcome"] None,
        "Streams that began, by outcome.";
    TPOT_SECONDS = "aurora_time_per_output_token_seconds" Histogram "seconds" ["provider" "model"] Some(&TPOT),
        "Time in seconds per output token after the first, of streams that declare their usage.";
    TTFT_SECONDS = "aurora_time_to_first_token_seconds" Histogram "seconds" ["provider" "model" "endpoint"]
        Some(&TTFT),
        "Time in seconds from dispatch to the first event with content, reasoning or a tool call.";
    TOKENS = "aurora_tokens_total" Counter "" ["provider" "model" "direction" "kind"] None,
        "Tokens as declared by the provider; kinds do not overlap.";
    UNPRICED = "aurora_unpriced_requests_total" Counter "" ["provider" "reason"] None,
        "Responses that aurora_cost_usd_total leaves out, by reason; counted only where prices are configured.";
    ATTEMPTS = "aurora_upstream_attempts_total" Counter "" ["provider" "model" "outcome"] None,
        "Attempts at a provider, each retry included, by outcome.";
    USAGE_REPORTS = "aurora_usage_reports_total" Counter "" ["provider" "source"] None,
        "Responses whose endpoint reports token usage, by source of the counts.";
    PROCESS_CPU = "process_cpu_seconds_total" Counter "seconds" [] None,
        "Total user and system CPU time spent in seconds.";
    PROCESS_MAX_FDS = "process_max_fds" Gauge "" [] None,
        "Maximum number of open file descriptors.";
    PROCESS_OPEN_FDS = "process_open_fds" Gauge "" [] None,
        "Number of open file descriptors.";
    PROCESS_RESIDENT = "process_resident_memory_bytes" Gauge "bytes" [] None,
        "Resident memory size in bytes.";
    PROCESS_START = "process_start_time_seconds" Gauge "seconds" [] None,
        "Start time of the process since unix epoch in seconds. Not meaningful summed over replicas.";
    PROCESS_THREADS = "process_threads" Gauge "" [] None,
        "Number of OS threads in the process.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes" Gauge "bytes" [] None,
        "Virtual memory size in bytes.";
}

#[cfg(test)]
mod tests {
    use super::*;

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
