//! The metric contract as a table: every family Aurora exposes, in the order of its name. No family is declared
//! anywhere else; HELP texts, `aurora metrics list` and the reference come from here.

use super::cells::MAX_EDGES;

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

/// Bucket edges: as the exposition shows them, in seconds, and as observations are compared, in nanoseconds.
#[derive(Debug)]
pub struct Buckets {
    /// Upper edges in seconds, ascending, without `+Inf`.
    pub seconds: &'static [f64],
    pub(super) edges: &'static [u64],
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

/// Whole nanoseconds of edges given in seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "edges are positive and far below the 584 years that fit; evaluated at compile time"
)]
const fn nanoseconds<const N: usize>(seconds: [f64; N]) -> [u64; N] {
    assert!(N <= MAX_EDGES);
    let mut edges = [0; N];
    let mut i = 0;
    while i < N {
        edges[i] = (seconds[i] * 1e9 + 0.5) as u64;
        i += 1;
    }
    edges
}

macro_rules! buckets {
    ($(#[$doc:meta])* $name:ident: $($edge:literal)+) => {
        $(#[$doc])*
        pub static $name: Buckets = {
            const SECONDS: &[f64] = &[$($edge),+];
            static EDGES: [u64; SECONDS.len()] = nanoseconds([$($edge),+]);
            Buckets { seconds: SECONDS, edges: &EDGES }
        };
    };
}

buckets! {
    /// Whole answers: embeddings take tens of milliseconds, reasoning models minutes.
    DURATION: 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0 600.0
}
buckets! {
    /// First tokens: the range in which people notice a wait, up to the longest reasoning pause.
    TTFT: 0.025 0.05 0.1 0.25 0.5 0.75 1.0 1.5 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0
}
buckets! {
    /// Phases: from the gateway's own microseconds to a whole answer.
    PHASE: 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.5 5.0 10.0 30.0 60.0
        120.0 300.0 600.0
}

macro_rules! families {
    ($($id:ident = $name:literal $kind:ident $unit:literal [$($label:literal)*] $buckets:expr, $help:literal;)+) => {
        $(pub(super) static $id: Family = Family {
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
        "Authenticated model calls by how they ended for the caller.";
    AUTH_FAILURES = "aurora_auth_failures_total" Counter "" ["surface" "reason"] None,
        "Requests refused for their credential.";
    BUILD_INFO = "aurora_build_info" Gauge "" ["version" "revision" "rustc"] None,
        "Always 1; the build that runs. Replicas add up to the number of replicas.";
    CLIENT_DISCONNECTS = "aurora_client_disconnects_total" Counter "" ["endpoint" "stage"] None,
        "Callers that left before their answer was complete.";
    PHASE_DURATION = "aurora_gateway_phase_duration_seconds" Histogram "seconds"
        ["endpoint" "phase" "status" "stream"] Some(&PHASE),
        "Time spent in each phase of a model call.";
    HTTP_REQUESTS = "aurora_http_requests_total" Counter "" ["route" "method" "status_code" "outcome"] None,
        "HTTP requests received, health checks and authorised scrapes aside.";
    REQUEST_DURATION = "aurora_request_duration_seconds" Histogram "seconds"
        ["provider" "model" "endpoint" "stream" "status_type"] Some(&DURATION),
        "Time from dispatch to the last byte of the answer.";
    REQUESTS_IN_FLIGHT = "aurora_requests_in_flight" Gauge "" ["provider" "endpoint" "stream"] None,
        "Dispatched requests whose answer is not complete yet.";
    REQUESTS = "aurora_requests_total" Counter ""
        ["provider" "model" "endpoint" "status_code" "status_type" "stream"] None,
        "Requests dispatched to a provider by how they ended.";
    TTFT_SECONDS = "aurora_time_to_first_token_seconds" Histogram "seconds" ["provider" "model" "endpoint"]
        Some(&TTFT),
        "Time from dispatch to the first event with content, reasoning or a tool call.";
    TOKENS = "aurora_tokens_total" Counter "" ["provider" "model" "direction" "kind"] None,
        "Tokens as declared by the provider; kinds do not overlap.";
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
