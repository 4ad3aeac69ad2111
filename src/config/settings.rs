//! The one settings table: loading, `config check` and the reference all read it.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::paths;
use super::problem::Severity;
use super::setting::{Default, Setting, Slot, Word};
use super::{CircuitBreaker, Config, LogFormat, LogRequests, Resilience, Retry};

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(86_400));
const PAUSE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3600));

const fn time(range: (Duration, Duration), set: fn(&mut Config, Duration)) -> Slot {
    Slot::Time { min: range.0, max: range.1, set }
}

const fn row(
    key: &'static str,
    environment: &'static [&'static str],
    default: &'static str,
    slot: Slot,
    help: &'static str,
) -> Setting {
    Setting { key, environment, default: Default::Text(default), slot, help }
}

const fn derived(
    key: &'static str,
    environment: &'static [&'static str],
    default: &'static str,
    slot: Slot,
    help: &'static str,
) -> Setting {
    Setting { key, environment, default: Default::Derived(default), slot, help }
}

const fn later(key: &'static str, environment: &'static [&'static str]) -> Setting {
    Setting { key, environment, default: Default::Text(""), slot: Slot::Later(Severity::Error), help: "" }
}

/// Every setting, the two that people look for first.
pub(super) const SETTINGS: &[Setting] = &[
    row(
        "metrics.enabled",
        &["METRICS_ENABLED"],
        "false",
        Slot::Flag(|c, on| c.metrics.enabled = on),
        "Collect and expose Prometheus metrics; off, nothing is collected and the endpoint answers 404",
    ),
    row(
        "metrics.endpoint",
        &["METRICS_ENDPOINT"],
        "/metrics",
        Slot::Text {
            expected: "a path with a leading slash",
            check: paths::endpoint,
            set: |c, path| c.metrics.endpoint = path,
        },
        "Path of the metrics endpoint, below server.base_path",
    ),
    row(
        "metrics.max_models",
        &["METRICS_MAX_MODELS"],
        "200",
        Slot::Count { min: 1, max: 100_000, set: |c, n| c.metrics.max_models = n },
        "(provider, model) pairs with a label value of their own; the rest count as `other`",
    ),
    row(
        "server.host",
        &["AURORA_HOST"],
        "0.0.0.0",
        Slot::Text {
            expected: "a name or an address",
            check: paths::host,
            set: |c, host| c.server.host = host,
        },
        "Address to listen on; `serve --demo` listens on 127.0.0.1",
    ),
    row("server.port", &["PORT"], "8080", Slot::Port(|c, port| c.server.port = port), "Port to listen on"),
    row(
        "server.base_path",
        &["BASE_PATH"],
        "/",
        Slot::Text {
            expected: "a path with a leading slash",
            check: paths::base_path,
            set: |c, path| c.server.base_path = path,
        },
        "Prefix of every route, the metrics endpoint included",
    ),
    derived(
        "server.master_key",
        &["AURORA_MASTER_KEY", "AURORA_MASTER_KEY_FILE"],
        "none",
        Slot::Secret(|c, key| c.server.master_key = key),
        "Key that callers and scrapers must present; without one the gateway is open",
    ),
    derived(
        "server.workers",
        &["AURORA_WORKERS"],
        "number of cores",
        Slot::Count {
            min: 1,
            max: 1024,
            set: |c, n| c.server.workers = NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN),
        },
        "Worker threads",
    ),
    row(
        "server.body_size_limit",
        &["BODY_SIZE_LIMIT"],
        "32M",
        Slot::Size { min: 1 << 10, max: 1 << 30, set: |c, n| c.server.body_size_limit = n },
        "Largest request body",
    ),
    derived(
        "server.max_connections",
        &[],
        "10000, or what the file descriptor limit allows",
        Slot::Count { min: 1, max: 1_000_000, set: |c, n| c.server.max_connections = Some(n) },
        "Open connections, all workers together",
    ),
    derived(
        "server.max_in_flight",
        &[],
        "10000, or what the file descriptor limit allows",
        Slot::Count { min: 1, max: 1_000_000, set: |c, n| c.server.max_in_flight = Some(n) },
        "Requests in flight, all workers together",
    ),
    row(
        "server.timeouts.first_byte",
        &[],
        "10s",
        time(TIMEOUT, |c, t| c.server.timeouts.first_byte = t),
        "From accepting a connection to its first byte",
    ),
    row(
        "server.timeouts.header",
        &[],
        "10s",
        time(TIMEOUT, |c, t| c.server.timeouts.header = t),
        "From the first byte of a request's head to its last",
    ),
    row(
        "server.timeouts.body",
        &[],
        "120s",
        time(TIMEOUT, |c, t| c.server.timeouts.body = t),
        "From the end of the head to the end of the body",
    ),
    row(
        "server.timeouts.idle",
        &[],
        "75s",
        time(TIMEOUT, |c, t| c.server.timeouts.idle = t),
        "Between two requests of a connection",
    ),
    row(
        "server.timeouts.write",
        &[],
        "60s",
        time(TIMEOUT, |c, t| c.server.timeouts.write = t),
        "Without progress while a response is written",
    ),
    row(
        "server.shutdown.delay",
        &[],
        "0s",
        time(PAUSE, |c, t| c.server.shutdown.delay = t),
        "Not ready but still serving, before the drain begins",
    ),
    row(
        "server.shutdown.grace",
        &[],
        "25s",
        time(PAUSE, |c, t| c.server.shutdown.grace = t),
        "Time for requests in flight to finish",
    ),
    row(
        "log.format",
        &["LOG_FORMAT"],
        "auto",
        Slot::Choice(&[
            Word(&["auto"], |c| c.log.format = LogFormat::Auto),
            Word(&["json"], |c| c.log.format = LogFormat::Json),
            Word(&["text"], |c| c.log.format = LogFormat::Text),
        ]),
        "Log lines; auto is text on a terminal and JSON elsewhere",
    ),
    row(
        "log.level",
        &["LOG_LEVEL"],
        "info",
        Slot::Choice(&[
            Word(&["debug", "dbg"], |c| c.log.level = tracing::Level::DEBUG),
            Word(&["info", "inf"], |c| c.log.level = tracing::Level::INFO),
            Word(&["warn", "warning"], |c| c.log.level = tracing::Level::WARN),
            Word(&["error", "err"], |c| c.log.level = tracing::Level::ERROR),
        ]),
        "Least level that is logged",
    ),
    row(
        "log.requests",
        &["LOG_REQUESTS"],
        "errors",
        Slot::Choice(&[
            Word(&["all"], |c| c.log.requests = LogRequests::All),
            Word(&["errors"], |c| c.log.requests = LogRequests::Errors),
            Word(&["off"], |c| c.log.requests = LogRequests::Off),
        ]),
        "Requests that get a line; health checks and scrapes never do",
    ),
    row(
        "http.timeout",
        &["HTTP_TIMEOUT"],
        "600s",
        time(TIMEOUT, |c, t| c.http.timeout = t),
        "The whole upstream call of a request that does not stream",
    ),
    row(
        "http.connect_timeout",
        &[],
        "5s",
        time(TIMEOUT, |c, t| c.http.connect_timeout = t),
        "Connecting to an upstream, TLS included",
    ),
    row(
        "http.stream_first_event",
        &[],
        "600s",
        time(TIMEOUT, |c, t| c.http.stream_first_event = t),
        "From dispatch to the first event of a stream",
    ),
    row(
        "http.stream_idle",
        &[],
        "300s",
        time(TIMEOUT, |c, t| c.http.stream_idle = t),
        "Silence inside a stream",
    ),
    derived(
        "providers.NAME.type",
        &[],
        "required",
        Slot::ProviderText,
        "Provider type, a row of the table below",
    ),
    derived("providers.NAME.api_key", &["T_API_KEY"], "none", Slot::ProviderSecret, "Key for the upstream"),
    derived(
        "providers.NAME.api_key_file",
        &[],
        "none",
        Slot::ProviderText,
        "File that holds the key, instead of api_key",
    ),
    derived(
        "providers.NAME.base_url",
        &["T_BASE_URL"],
        "that of the type",
        Slot::ProviderText,
        "Where the upstream's API starts",
    ),
    derived(
        "providers.NAME.api_version",
        &["T_API_VERSION"],
        "that of the type",
        Slot::ProviderText,
        "`api-version` of Azure",
    ),
    derived(
        "providers.NAME.models",
        &["T_MODELS"],
        "asks the upstream",
        Slot::ProviderList,
        "All the models it serves",
    ),
    later("server.keys", &[]),
    later("metrics.listen", &["METRICS_LISTEN"]),
    later("metrics.token", &["METRICS_TOKEN", "METRICS_TOKEN_FILE"]),
    later("metrics.max_series", &["METRICS_MAX_SERIES"]),
    Setting {
        slot: Slot::Later(Severity::Warning),
        ..later(
            "http.proxy",
            &["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"],
        )
    },
    later("http.ca_file", &[]),
    later("resilience.retry.max_retries", &["RETRY_MAX_RETRIES"]),
    later("resilience.retry.initial_backoff", &["RETRY_INITIAL_BACKOFF"]),
    later("resilience.retry.max_backoff", &["RETRY_MAX_BACKOFF"]),
    later("resilience.retry.backoff_factor", &["RETRY_BACKOFF_FACTOR"]),
    later("resilience.retry.jitter_factor", &["RETRY_JITTER_FACTOR"]),
    later("resilience.circuit_breaker.failure_threshold", &["CIRCUIT_BREAKER_FAILURE_THRESHOLD"]),
    later("resilience.circuit_breaker.success_threshold", &["CIRCUIT_BREAKER_SUCCESS_THRESHOLD"]),
    later("resilience.circuit_breaker.timeout", &["CIRCUIT_BREAKER_TIMEOUT"]),
    later("providers.NAME.inject_usage", &[]),
    later("providers.NAME.resilience", &[]),
    later("providers.NAME.prices", &[]),
    later("routes", &[]),
];

/// No retry, no breaker.
pub(super) const RESILIENCE: Resilience = Resilience {
    retry: Retry {
        max_retries: 0,
        initial_backoff: SECOND,
        max_backoff: SECOND,
        backoff_factor: 1.0,
        jitter_factor: 0.0,
    },
    circuit_breaker: CircuitBreaker { failure_threshold: 0, success_threshold: 1, timeout: SECOND },
};

/// A configuration before its defaults are read; what [`Default::Derived`] stands for is already right.
pub(super) fn blank() -> Config {
    use super::{Http, Log, Metrics, Proxy, Server, ServerTimeouts, Shutdown};
    Config {
        server: Server {
            host: String::new(),
            port: 0,
            base_path: String::new(),
            master_key: None,
            keys: Vec::new(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            body_size_limit: 0,
            max_connections: None,
            max_in_flight: None,
            timeouts: ServerTimeouts {
                first_byte: SECOND,
                header: SECOND,
                body: SECOND,
                idle: SECOND,
                write: SECOND,
            },
            shutdown: Shutdown { delay: SECOND, grace: SECOND },
        },
        metrics: Metrics {
            enabled: false,
            endpoint: String::new(),
            listen: None,
            token: None,
            max_models: 0,
            max_series: 4000,
        },
        log: Log { format: LogFormat::Auto, level: tracing::Level::INFO, requests: LogRequests::Errors },
        http: Http {
            timeout: SECOND,
            connect_timeout: SECOND,
            stream_first_event: SECOND,
            stream_idle: SECOND,
            proxy: Proxy::default(),
            ca_file: None,
        },
        resilience: RESILIENCE,
        providers: Vec::new(),
        routes: Vec::new(),
        secret_files: Vec::new(),
    }
}
