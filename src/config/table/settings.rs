//! The one settings table: loading, `config check` and the reference all read it.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::{Default, Setting, Shape, Slot, Word};
use crate::config::values::paths;
use crate::config::{CircuitBreaker, Config, LogFormat, LogRequests, Resilience, Retry};

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(86_400));
const PAUSE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3600));
const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3600));

/// Series of a family per model that has a label value of its own, where `metrics.max_series` is not set.
pub(crate) const SERIES_PER_MODEL: usize = 20;

const fn time(range: (Duration, Duration), set: fn(&mut Config, Duration)) -> Slot {
    Slot::Time { min: range.0, max: range.1, set }
}

const fn row(
    key: Key,
    environment: &'static [&'static str],
    default: &'static str,
    slot: Slot,
    help: &'static str,
) -> Setting {
    Setting { key, environment, default: Default::Text(default), slot, help }
}

const fn derived(
    key: Key,
    environment: &'static [&'static str],
    default: &'static str,
    slot: Slot,
    help: &'static str,
) -> Setting {
    Setting { key, environment, default: Default::Derived(default), slot, help }
}

/// The function that stores a value in a field of the configuration.
macro_rules! field {
    ($($part:ident).+) => {
        |config, value| config.$($part).+ = value
    };
    ($($part:ident).+ as usize) => {
        |config, value| config.$($part).+ = value as usize
    };
}

/// One word of a choice: its spellings, the field of the configuration and its value.
macro_rules! word {
    ([$($spelling:literal),+] => $($part:ident).+ = $value:expr) => {
        Word(&[$($spelling),+], |config| config.$($part).+ = $value)
    };
}

fn set_workers(config: &mut Config, number: u32) {
    config.server.workers = NonZeroUsize::new(number as usize).unwrap_or(NonZeroUsize::MIN);
}

const fn count(min: u32, max: u32, set: fn(&mut Config, u32)) -> Slot {
    Slot::Count { min, max, set }
}

/// A value of an entry, whose default is put in words.
const fn entry(
    key: Key,
    environment: &'static [&'static str],
    default: &'static str,
    shape: Shape,
    help: &'static str,
) -> Setting {
    derived(key, environment, default, Slot::Entry(shape), help)
}

/// Makes [`Key`] and [`SETTINGS`] from one list, a row per setting: its key, and how it is given, checked and stored.
macro_rules! settings {
    ($($key:ident = $path:literal $kind:ident($($column:expr),+ $(,)?),)+) => {
        /// Name of a setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the row of each has its meaning")]
        pub enum Key {
            $($key),+
        }

        impl Key {
            /// Dotted path; `NAME` and `MODEL` stand for any name, `[]` for any item of a list.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$key => $path),+
                }
            }
        }

        /// Every setting; the two that are looked up most come first.
        pub(crate) static SETTINGS: &[Setting] = &[$($kind(Key::$key, $($column),+)),+];
    };
}

impl Key {
    /// The row of this setting.
    pub(crate) fn setting(self) -> &'static Setting {
        &SETTINGS[self as usize]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

settings! {
    MetricsEnabled = "metrics.enabled" row(&["METRICS_ENABLED"], "false",
        Slot::Flag(field!(metrics.enabled)),
        "Collect and expose Prometheus metrics; when off, nothing is collected and the endpoint returns 404",
    ),
    MetricsEndpoint = "metrics.endpoint" row(&["METRICS_ENDPOINT"], "/metrics",
        Slot::Text {
            expected: "a path with a leading slash",
            check: paths::endpoint,
            set: field!(metrics.endpoint),
        },
        "Path of the metrics endpoint, below server.base_path",
    ),
    MetricsMaxModels = "metrics.max_models" row(&["METRICS_MAX_MODELS"], "200",
        count(1, 100_000, field!(metrics.max_models as usize)),
        "(provider, model) pairs with a label value of their own; the rest count as `other`",
    ),
    MetricsMaxUnlistedModels = "metrics.max_unlisted_models" row(&["METRICS_MAX_UNLISTED_MODELS"], "20",
        count(0, 100_000, field!(metrics.max_unlisted_models as usize)),
        "Models of a provider that get a label value after a successful response although neither the provider nor \
         the configuration lists them; the rest count as `unknown`",
    ),
    MetricsMaxSeries = "metrics.max_series" derived(&["METRICS_MAX_SERIES"], "20 × metrics.max_models",
        count(100, 10_000_000, field!(metrics.max_series as usize)),
        "Label sets of one family; past them models, then providers, count as `other`",
    ),
    MetricsExemplars = "metrics.exemplars" row(&["METRICS_EXEMPLARS"], "false",
        Slot::Flag(field!(metrics.exemplars)),
        "Trace ids as exemplars of the request duration and the time to first token, in OpenMetrics only",
    ),
    MetricsListen = "metrics.listen" derived(&["METRICS_LISTEN"], "none",
        Slot::Address(|c, address| c.metrics.listen = Some(address)),
        "Listener of its own for the metrics endpoint, which is then served there only, without server.base_path; \
         port 0 is any free one",
    ),
    MetricsToken = "metrics.token" derived(&["METRICS_TOKEN", "METRICS_TOKEN_FILE"], "none",
        Slot::Secret(field!(metrics.token)),
        "Key for the metrics endpoint only, beside server.master_key",
    ),
    ServerHost = "server.host" row(&["AURORA_HOST"], "0.0.0.0",
        Slot::Text {
            expected: "a name or an address",
            check: paths::host,
            set: field!(server.host),
        },
        "Address to listen on; `serve --demo` listens on 127.0.0.1",
    ),
    ServerPort = "server.port" row(&["PORT"], "8080",
        Slot::Port(field!(server.port)),
        "Port to listen on",
    ),
    ServerBasePath = "server.base_path" row(&["BASE_PATH"], "/",
        Slot::Text {
            expected: "a path with a leading slash",
            check: paths::base_path,
            set: field!(server.base_path),
        },
        "Prefix of every route, the metrics endpoint included",
    ),
    ServerPage = "server.page" row(&["AURORA_PAGE"], "true",
        Slot::Flag(field!(server.page)),
        "Serve the live page to browsers at `/` of the listener that has the metrics endpoint; without metrics there is none",
    ),
    ServerMasterKey = "server.master_key" derived(&["AURORA_MASTER_KEY", "AURORA_MASTER_KEY_FILE"], "none",
        Slot::Secret(field!(server.master_key)),
        "Key for everything; without it and server.keys the gateway is open",
    ),
    ServerKeyName = "server.keys[].name" entry(&[], "required",
        Shape::Text,
        "Name of the client in metrics and logs; `server.keys` is a list, and all its keys are valid",
    ),
    ServerKeyKey = "server.keys[].key" entry(&[], "required",
        Shape::Secret,
        "Key for the API, not for the metrics endpoint",
    ),
    ServerKeyKeyFile = "server.keys[].key_file" entry(&[], "none",
        Shape::Text,
        "File that holds the key, instead of key",
    ),
    ServerWorkers = "server.workers" derived(&["AURORA_WORKERS"], "number of cores",
        count(1, 1024, set_workers),
        "Worker threads",
    ),
    ServerBodySizeLimit = "server.body_size_limit" row(&["BODY_SIZE_LIMIT"], "32M",
        Slot::Size { min: 1 << 10, max: 1 << 30, set: field!(server.body_size_limit) },
        "Largest request body",
    ),
    ServerBodyMemory = "server.body_memory" derived(&["BODY_MEMORY"], "a quarter of the memory limit of the control group or machine",
        Slot::Size { min: 1 << 10, max: 1 << 40, set: |c, n| c.server.body_memory = Some(n) },
        "Memory that the bodies of all requests may take together; beyond it requests get 503",
    ),
    ServerMaxConnections = "server.max_connections" derived(&[], "10000, or what the file descriptor limit allows",
        count(1, 1_000_000, |c, n| c.server.max_connections = Some(n as usize)),
        "Open connections, all workers together",
    ),
    ServerMaxInFlight = "server.max_in_flight" derived(&[], "10000, or what the file descriptor limit allows",
        count(1, 1_000_000, |c, n| c.server.max_in_flight = Some(n as usize)),
        "Requests in flight, all workers together",
    ),
    TimeoutsFirstByte = "server.timeouts.first_byte" row(&[], "10s",
        time(TIMEOUT, field!(server.timeouts.first_byte)),
        "Time from accepting a connection to its first byte",
    ),
    TimeoutsHeader = "server.timeouts.header" row(&[], "10s",
        time(TIMEOUT, field!(server.timeouts.header)),
        "Time from the first byte of the request headers to the last",
    ),
    TimeoutsBody = "server.timeouts.body" row(&[], "120s",
        time(TIMEOUT, field!(server.timeouts.body)),
        "Time from the end of the request headers to the end of the body",
    ),
    TimeoutsIdle = "server.timeouts.idle" row(&[], "75s",
        time(TIMEOUT, field!(server.timeouts.idle)),
        "Idle time between two requests of a connection",
    ),
    TimeoutsWrite = "server.timeouts.write" row(&[], "60s",
        time(TIMEOUT, field!(server.timeouts.write)),
        "Time without progress while a response is written",
    ),
    ShutdownDelay = "server.shutdown.delay" row(&[], "0s",
        time(PAUSE, field!(server.shutdown.delay)),
        "Time of serving while not ready, before the drain begins",
    ),
    ShutdownGrace = "server.shutdown.grace" row(&[], "25s",
        time(PAUSE, field!(server.shutdown.grace)),
        "Time for requests in flight to finish",
    ),
    LogFormat = "log.format" row(&["LOG_FORMAT"], "auto",
        Slot::Choice(&[
            word!(["auto"] => log.format = LogFormat::Auto),
            word!(["json"] => log.format = LogFormat::Json),
            word!(["text"] => log.format = LogFormat::Text),
        ]),
        "Log format; auto is text on a terminal and JSON elsewhere",
    ),
    LogLevel = "log.level" row(&["LOG_LEVEL"], "info",
        Slot::Choice(&[
            word!(["debug", "dbg"] => log.level = tracing::Level::DEBUG),
            word!(["info", "inf"] => log.level = tracing::Level::INFO),
            word!(["warn", "warning"] => log.level = tracing::Level::WARN),
            word!(["error", "err"] => log.level = tracing::Level::ERROR),
        ]),
        "Least level that is logged",
    ),
    LogRequests = "log.requests" row(&["LOG_REQUESTS"], "errors",
        Slot::Choice(&[
            word!(["all"] => log.requests = LogRequests::All),
            word!(["errors"] => log.requests = LogRequests::Errors),
            word!(["off"] => log.requests = LogRequests::Off),
        ]),
        "Requests that get a log line; health checks and scrapes never do",
    ),
    LogSampleAbove = "log.sample_above" row(&["LOG_SAMPLE_ABOVE"], "1000",
        count(1, 1_000_000, field!(log.sample_above)),
        "Lines of successful requests per second, shared equally by the workers; beyond it a line stands for several requests, and failed ones keep theirs",
    ),
    HttpTimeout = "http.timeout" row(&["HTTP_TIMEOUT"], "600s",
        time(TIMEOUT, field!(http.timeout)),
        "Timeout of the whole upstream request, unless it streams",
    ),
    HttpConnectTimeout = "http.connect_timeout" row(&[], "5s",
        time(TIMEOUT, field!(http.connect_timeout)),
        "Timeout of connecting to an upstream, TLS included",
    ),
    HttpStreamFirstEvent = "http.stream_first_event" row(&[], "600s",
        time(TIMEOUT, field!(http.stream_first_event)),
        "Timeout from dispatch to the first event of a stream",
    ),
    HttpStreamIdle = "http.stream_idle" row(&[], "300s",
        time(TIMEOUT, field!(http.stream_idle)),
        "Timeout between two events of a stream",
    ),
    HttpProxy = "http.proxy" derived(&["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"], "none",
        Slot::Proxy,
        "Proxy on the way to every upstream, such as http://proxy.internal:3128",
    ),
    HttpCaFile = "http.ca_file" derived(&[], "none",
        Slot::Text {
            expected: "a path",
            check: paths::as_given,
            set: |c, path| c.http.ca_file = Some(path.into()),
        },
        "PEM file of certificates to trust beside the machine's own",
    ),
    RetryMaxRetries = "resilience.retry.max_retries" row(&["RETRY_MAX_RETRIES"], "3",
        count(0, 10, field!(resilience.retry.max_retries)),
        "Maximum number of retries of one target",
    ),
    RetryInitialBackoff = "resilience.retry.initial_backoff" row(&["RETRY_INITIAL_BACKOFF"], "250ms",
        time(BACKOFF, field!(resilience.retry.initial_backoff)),
        "Pause before the first retry",
    ),
    RetryMaxBackoff = "resilience.retry.max_backoff" row(&["RETRY_MAX_BACKOFF"], "30s",
        time(BACKOFF, field!(resilience.retry.max_backoff)),
        "Longest pause; a longer Retry-After means no retry, and a 429 is retried only where it has one",
    ),
    RetryBackoffFactor = "resilience.retry.backoff_factor" row(&["RETRY_BACKOFF_FACTOR"], "2.0",
        Slot::Factor { min: 1.0, max: 10.0, set: field!(resilience.retry.backoff_factor) },
        "Factor from one pause to the next",
    ),
    RetryJitterFactor = "resilience.retry.jitter_factor" row(&["RETRY_JITTER_FACTOR"], "0.1",
        Slot::Factor { min: 0.0, max: 1.0, set: field!(resilience.retry.jitter_factor) },
        "Share of a pause that is random",
    ),
    BreakerFailureThreshold = "resilience.circuit_breaker.failure_threshold" row(&["CIRCUIT_BREAKER_FAILURE_THRESHOLD"], "5",
        count(0, 1000, field!(resilience.circuit_breaker.failure_threshold)),
        "Consecutive failures that open the circuit breaker of a model, or of a provider that cannot be reached; 0 disables it",
    ),
    BreakerSuccessThreshold = "resilience.circuit_breaker.success_threshold" row(&["CIRCUIT_BREAKER_SUCCESS_THRESHOLD"], "2",
        count(1, 1000, field!(resilience.circuit_breaker.success_threshold)),
        "Consecutive successful probes that close the circuit breaker",
    ),
    BreakerTimeout = "resilience.circuit_breaker.timeout" row(&["CIRCUIT_BREAKER_TIMEOUT"], "30s",
        time(TIMEOUT, field!(resilience.circuit_breaker.timeout)),
        "Time from the last failure to the first probe",
    ),
    ProviderType = "providers.NAME.type" entry(&[], "required",
        Shape::Text,
        "Provider type, a row of the table below",
    ),
    ProviderApiKey = "providers.NAME.api_key" entry(&["T_API_KEY"], "none",
        Shape::Secret,
        "Key for the upstream",
    ),
    ProviderApiKeyFile = "providers.NAME.api_key_file" entry(&["T_API_KEY_FILE"], "none",
        Shape::Text,
        "File that holds the key, instead of api_key",
    ),
    ProviderBaseUrl = "providers.NAME.base_url" entry(&["T_BASE_URL"], "that of the type",
        Shape::Text,
        "Where the upstream's API starts",
    ),
    ProviderApiVersion = "providers.NAME.api_version" entry(&["T_API_VERSION"], "that of the type",
        Shape::Text,
        "`api-version` of Azure",
    ),
    ProviderOrganization = "providers.NAME.organization" entry(&[], "none",
        Shape::Text,
        "`openai-organization` of every request; one that the client sends is dropped",
    ),
    ProviderProject = "providers.NAME.project" entry(&[], "none",
        Shape::Text,
        "`openai-project` of every request; one that the client sends is dropped",
    ),
    ProviderModels = "providers.NAME.models" entry(&["T_MODELS"], "asks the upstream",
        Shape::List,
        "All models that it serves",
    ),
    ProviderInjectUsage = "providers.NAME.inject_usage" entry(&[], "that of the type",
        Shape::Flag,
        "Request usage of streams where the client does not",
    ),
    ProviderResilience = "providers.NAME.resilience" entry(&[], "those of `resilience`",
        Shape::Section,
        "Any setting of `resilience`, for this provider only",
    ),
    PriceInput = "providers.NAME.prices.MODEL.input" entry(&[], "required",
        Shape::Price,
        "Price of input tokens, once the model has prices at all",
    ),
    PriceOutput = "providers.NAME.prices.MODEL.output" entry(&[], "required",
        Shape::Price,
        "Price of output tokens",
    ),
    PriceCacheRead = "providers.NAME.prices.MODEL.cache_read" entry(&[], "that of input",
        Shape::Price,
        "Price of input tokens read from the upstream's cache",
    ),
    PriceCacheWrite = "providers.NAME.prices.MODEL.cache_write" entry(&[], "that of input",
        Shape::Price,
        "Price of input tokens written to the upstream's cache",
    ),
    RouteTargets = "routes.MODEL.targets" entry(&[], "required",
        Shape::List,
        "`provider/model`, in the order they are tried; a route may be this list alone",
    ),
    RouteStrategy = "routes.MODEL.strategy" row(&[], "first",
        Slot::Entry(Shape::Word(&["first", "round_robin"])),
        "First target of a request: always the first one, or each in turn; the others are fallbacks",
    ),
}

/// The row of a dotted path.
pub(crate) fn find(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key.as_str() == path)
}

/// The row of a setting as it is shown, where names take the place of `NAME` and `MODEL`.
pub(crate) fn row_of(shown: &str) -> Option<&'static Setting> {
    let matches = |setting: &&Setting| {
        let key = setting.key.as_str();
        match (key.split_once("NAME."), key.split_once("MODEL.")) {
            (_, Some((before, field))) | (Some((before, field)), None) => {
                let section = before.split('.').next().unwrap_or(before);
                shown.starts_with(&format!("{section}.")) && shown.ends_with(&format!(".{field}"))
            }
            // A provider overrides the settings of all by the very same rows.
            (None, None) => {
                shown == key || shown.starts_with("providers.") && shown.ends_with(&format!(".{key}"))
            }
        }
    };
    SETTINGS.iter().filter(matches).max_by_key(|setting| setting.key.as_str().len())
}

/// No retry, no breaker.
pub(crate) const NO_RESILIENCE: Resilience = Resilience {
    retry: Retry {
        max_retries: 0,
        initial_backoff: SECOND,
        max_backoff: SECOND,
        backoff_factor: 1.0,
        jitter_factor: 0.0,
    },
    circuit_breaker: CircuitBreaker { failure_threshold: 0, success_threshold: 1, timeout: SECOND },
};

/// A configuration before its defaults are read; values of [`Default::Derived`] are already set.
pub(crate) fn blank() -> Config {
    use crate::config::{Http, Log, Metrics, Proxy, Server, ServerTimeouts, Shutdown};
    Config {
        server: Server {
            host: String::new(),
            port: 0,
            base_path: String::new(),
            page: false,
            master_key: None,
            keys: Vec::new(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            body_size_limit: 0,
            body_memory: None,
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
            max_unlisted_models: 0,
            max_series: 0,
            exemplars: false,
        },
        log: Log {
            format: LogFormat::Auto,
            level: tracing::Level::INFO,
            requests: LogRequests::Errors,
            sample_above: 0,
        },
        http: Http {
            timeout: SECOND,
            connect_timeout: SECOND,
            stream_first_event: SECOND,
            stream_idle: SECOND,
            proxy: Proxy::default(),
            ca_file: None,
        },
        resilience: NO_RESILIENCE,
        providers: Vec::new(),
        routes: Vec::new(),
        secret_files: Vec::new(),
    }
}
