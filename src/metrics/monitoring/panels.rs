//! The panels of the dashboard, a table: what each shows, in which unit, from which expressions.
//!
//! In an expression `@job`, `@provider` and `@model` are placeholders of the matchers of the variables, each including the
//! ones before it. Durations and identifiers that begin with `$__` are Grafana's own.

/// Panels under one heading; all rows but the first are collapsed.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: &'static [Panel],
}

/// One panel.
pub(crate) struct Panel {
    pub(crate) view: View,
    pub(crate) title: &'static str,
    /// Unit by Grafana's name.
    pub(crate) unit: &'static str,
    /// Its description.
    pub(crate) about: &'static str,
    /// Legend and expression of each query.
    pub(crate) queries: &'static [(&'static str, &'static str)],
    /// Colours from a value on; none where the value is neither good nor bad.
    pub(crate) thresholds: &'static [(&'static str, Option<f64>)],
    /// Alerts about what it shows.
    pub(crate) alerts: &'static [&'static str],
}

/// Visualization of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The latest value, large.
    Stat,
    /// Lines over time.
    Lines,
    /// Lines that add up.
    Stack,
    /// Buckets over time.
    Heatmap,
    /// A row per series, as of now.
    Table,
}

use super::palette::AMBER;
use View::{Heatmap, Lines, Stack, Stat, Table};

const fn panel(
    view: View,
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { view, title, unit, about, queries, thresholds: &[], alerts: &[] }
}

impl Panel {
    const fn thresholds(self, thresholds: &'static [(&'static str, Option<f64>)]) -> Self {
        Self { thresholds, ..self }
    }

    const fn alerts(self, alerts: &'static [&'static str]) -> Self {
        Self { alerts, ..self }
    }
}

/// Every row, in the order of the dashboard: one per question.
pub(crate) const ROWS: &[Row] = &[
    Row { title: "Is it well?", panels: HEALTH },
    Row { title: "Traffic", panels: TRAFFIC },
    Row { title: "Latency", panels: LATENCY },
    Row { title: "Streams", panels: STREAMS },
    Row { title: "Tokens and cost", panels: TOKENS },
    Row { title: "Providers", panels: PROVIDERS },
    Row { title: "Gateway", panels: GATEWAY },
    Row { title: "Cardinality", panels: CARDINALITY },
];

const HEALTH: &[Panel] = &[
    panel(
        Stat,
        "Availability, last hour",
        "percentunit",
        "Share of successful responses; errors of the client and disconnects do not count. \
         From the recording rules.",
        &[("{{job}}", "job:aurora_availability:ratio_1h{@job}")],
    )
    .thresholds(&[("red", None), (AMBER, Some(0.99)), ("green", Some(0.995))])
    .alerts(&["AuroraErrorBudgetBurnFast", "AuroraErrorBudgetBurnSlow"]),
    panel(
        Stat,
        "Error budget burn, last hour",
        "none",
        "1 spends the budget of the objective exactly; 14.4 spends that of a month in two days and pages.",
        &[(
            "{{job}}",
            "(1 - job:aurora_availability:ratio_1h{@job}) / (1 - scalar(aurora:availability:objective))",
        )],
    )
    .thresholds(&[("green", None), (AMBER, Some(1.0)), ("red", Some(6.0))])
    .alerts(&["AuroraErrorBudgetBurnFast", "AuroraErrorBudgetBurnSlow"]),
    panel(
        Stat,
        "Firing alerts",
        "none",
        "Alerts of this job that fire now; those that are pending do not count.",
        &[("", r#"count(ALERTS{alertstate="firing", @job}) or vector(0)"#)],
    )
    .thresholds(&[("green", None), ("red", Some(1.0))]),
    panel(
        Stat,
        "Saturation",
        "percentunit",
        "Requests in flight against their limit, the fullest replica. At 100 % new requests get 503.",
        &[("", "max(aurora_http_requests_in_flight{@job} / aurora_http_requests_in_flight_limit{@job})")],
    )
    .thresholds(&[("green", None), (AMBER, Some(0.6)), ("red", Some(0.8))])
    .alerts(&["AuroraSaturated"]),
    panel(
        Stat,
        "Time to first token, p95",
        "s",
        "Of all streams of the last five minutes; the alert looks at each model.",
        &[(
            "",
            "histogram_quantile(0.95, sum by (le) (rate(aurora_time_to_first_token_seconds_bucket{@model}[5m])))",
        )],
    )
    .thresholds(&[("green", None), (AMBER, Some(5.0)), ("red", Some(10.0))])
    .alerts(&["AuroraFirstTokenSlow"]),
    panel(
        Stat,
        "Replicas",
        "none",
        "Processes that Prometheus has scraped.",
        &[("", "count(aurora_build_info{@job})")],
    )
    .alerts(&["AuroraDown", "AuroraReplicaDown", "AuroraAbsent"]),
    panel(
        Stack,
        "Responses by outcome",
        "reqps",
        "Each authenticated model call by its outcome for the client.",
        &[(
            "{{outcome}}",
            r#"sum by (outcome) (rate(aurora_answers_total{@job, model=~"$model"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        Lines,
        "Availability by model",
        "percentunit",
        "As above, over five minutes, by requested model.",
        &[("{{model}}", r#"job_model:aurora_availability:ratio_5m{@job, model=~"$model"}"#)],
    ),
    panel(
        Table,
        "Alerts",
        "none",
        "Alerts of this job that fire now, with the provider where there is one.",
        &[("", r#"count by (alertname, severity, provider) (ALERTS{alertstate="firing", @job})"#)],
    ),
    panel(
        Stack,
        "Requests by model",
        "reqps",
        "Dispatched, by the model's name at the provider.",
        &[("{{model}}", "sum by (model) (rate(aurora_requests_total{@model}[$__rate_interval]))")],
    ),
    panel(
        Lines,
        "Duration of responses",
        "s",
        "Dispatch to last byte, successes only.",
        &[
            (
                "p50",
                r#"histogram_quantile(0.5, sum by (le) (rate(aurora_request_duration_seconds_bucket{@model, status_type="success"}[$__rate_interval])))"#,
            ),
            (
                "p95",
                r#"histogram_quantile(0.95, sum by (le) (rate(aurora_request_duration_seconds_bucket{@model, status_type="success"}[$__rate_interval])))"#,
            ),
            (
                "p99",
                r#"histogram_quantile(0.99, sum by (le) (rate(aurora_request_duration_seconds_bucket{@model, status_type="success"}[$__rate_interval])))"#,
            ),
        ],
    ),
    panel(
        Lines,
        "Time to first token",
        "s",
        "Dispatch to the first content, reasoning or tool call of a stream.",
        &[
            (
                "p50",
                "histogram_quantile(0.5, sum by (le) (rate(aurora_time_to_first_token_seconds_bucket{@model}[$__rate_interval])))",
            ),
            (
                "p95",
                "histogram_quantile(0.95, sum by (le) (rate(aurora_time_to_first_token_seconds_bucket{@model}[$__rate_interval])))",
            ),
            (
                "p99",
                "histogram_quantile(0.99, sum by (le) (rate(aurora_time_to_first_token_seconds_bucket{@model}[$__rate_interval])))",
            ),
        ],
    ),
];

const TRAFFIC: &[Panel] = &[
    panel(
        Stack,
        "HTTP requests by route",
        "reqps",
        "All requests received, without health checks and scrapes.",
        &[("{{route}}", "sum by (route) (rate(aurora_http_requests_total{@job}[$__rate_interval]))")],
    ),
    panel(
        Stack,
        "HTTP responses by status",
        "reqps",
        "Responses as clients received them.",
        &[(
            "{{status_code}}",
            "sum by (status_code) (rate(aurora_http_requests_total{@job}[$__rate_interval]))",
        )],
    ),
    panel(
        Stack,
        "Requests by client",
        "reqps",
        "By the name of the key that was sent; empty as long as no keys have names.",
        &[("{{caller}}", "sum by (caller) (rate(aurora_caller_requests_total{@job}[$__rate_interval]))")],
    ),
    panel(
        Stack,
        "Rejected before dispatch",
        "reqps",
        "Requests that were not dispatched, by reason.",
        &[("{{reason}}", "sum by (reason) (rate(aurora_rejected_requests_total{@job}[$__rate_interval]))")],
    ),
    panel(
        Stack,
        "Refused credentials",
        "reqps",
        "Of clients (api) and of scrapers (metrics).",
        &[(
            "{{surface}} {{reason}}",
            "sum by (surface, reason) (rate(aurora_auth_failures_total{@job}[$__rate_interval]))",
        )],
    ),
    panel(
        Stack,
        "Client disconnects",
        "reqps",
        "By the stage of the response.",
        &[("{{stage}}", "sum by (stage) (rate(aurora_client_disconnects_total{@job}[$__rate_interval]))")],
    ),
];

const LATENCY: &[Panel] = &[
    panel(
        Lines,
        "Duration of responses by model, p95",
        "s",
        "Dispatch to last byte, successes only; streams (true) last until their last event.",
        &[(
            "{{model}} stream={{stream}}",
            r#"histogram_quantile(0.95, sum by (model, stream, le) (rate(aurora_request_duration_seconds_bucket{@model, status_type="success"}[$__rate_interval])))"#,
        )],
    ),
    panel(
        Heatmap,
        "Durations",
        "s",
        "Number of responses by duration.",
        &[(
            "{{le}}",
            "sum by (le) (increase(aurora_request_duration_seconds_bucket{@model}[$__rate_interval]))",
        )],
    ),
    panel(
        Lines,
        "Duration by route, p95",
        "s",
        "As clients see it: from the request headers to the last byte.",
        &[(
            "{{route}}",
            "histogram_quantile(0.95, sum by (route, le) (rate(aurora_http_request_duration_seconds_bucket{@job}[$__rate_interval])))",
        )],
    ),
    panel(
        Lines,
        "Time to first token by model, p95",
        "s",
        "Dispatch to the first content, reasoning or tool call of a stream.",
        &[(
            "{{provider}}/{{model}}",
            "histogram_quantile(0.95, sum by (provider, model, le) (rate(aurora_time_to_first_token_seconds_bucket{@model}[$__rate_interval])))",
        )],
    )
    .alerts(&["AuroraFirstTokenSlow"]),
];

const STREAMS: &[Panel] = &[
    panel(
        Stack,
        "Streams by outcome",
        "reqps",
        "Known at the last byte.",
        &[("{{outcome}}", "sum by (outcome) (rate(aurora_streams_total{@model}[$__rate_interval]))")],
    )
    .alerts(&["AuroraStreamsBroken"]),
    panel(
        Lines,
        "Time per output token by model, p95",
        "s",
        "Between first and last token, for streams that declared their usage.",
        &[(
            "{{provider}}/{{model}}",
            "histogram_quantile(0.95, sum by (provider, model, le) (rate(aurora_time_per_output_token_seconds_bucket{@model}[$__rate_interval])))",
        )],
    ),
    panel(
        Lines,
        "Longest gap by model, p95",
        "s",
        "Longest time between two events of a stream.",
        &[(
            "{{provider}}/{{model}}",
            "histogram_quantile(0.95, sum by (provider, model, le) (rate(aurora_stream_max_gap_seconds_bucket{@model}[$__rate_interval])))",
        )],
    ),
];

const TOKENS: &[Panel] = &[
    panel(
        Stack,
        "Tokens by kind",
        "short",
        "Per second. Kinds do not overlap: their sum is the number of tokens.",
        &[(
            "{{direction}} {{kind}}",
            "sum by (direction, kind) (rate(aurora_tokens_total{@model}[$__rate_interval]))",
        )],
    ),
    panel(
        Stack,
        "Tokens by model",
        "short",
        "Per second, input and output.",
        &[("{{model}}", "sum by (model) (rate(aurora_tokens_total{@model}[$__rate_interval]))")],
    ),
    panel(
        Lines,
        "Input served from the provider's cache",
        "percentunit",
        "Share of input tokens that were read from a cache.",
        &[(
            "{{provider}}",
            r#"sum by (provider) (rate(aurora_tokens_total{@model, kind="cache_read"}[$__rate_interval])) / sum by (provider) (rate(aurora_tokens_total{@model, direction="input"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        Stat,
        "Cost in this range",
        "currencyUSD",
        "Of models with a configured price.",
        &[("", "sum(increase(aurora_cost_usd_total{@model}[$__range]))")],
    ),
    panel(
        Stack,
        "Cost per hour by model",
        "currencyUSD",
        "Of models with a configured price.",
        &[(
            "{{provider}}/{{model}}",
            "3600 * sum by (provider, model) (rate(aurora_cost_usd_total{@model}[$__rate_interval]))",
        )],
    ),
    panel(
        Stack,
        "Usage reports by source",
        "reqps",
        "native: declared without Aurora's request; injected: requested by Aurora; missing: the tokens of these responses are not counted.",
        &[("{{source}}", "sum by (source) (rate(aurora_usage_reports_total{@provider}[$__rate_interval]))")],
    )
    .alerts(&["AuroraUsageMissing"]),
    panel(
        Stack,
        "Requests without a price",
        "reqps",
        "no_price: none is configured; no_usage: nothing to multiply it with.",
        &[(
            "{{provider}} {{reason}}",
            "sum by (provider, reason) (rate(aurora_unpriced_requests_total{@provider}[$__rate_interval]))",
        )],
    ),
];

const PROVIDERS: &[Panel] = &[
    panel(
        Stack,
        "Requests by provider",
        "reqps",
        "Dispatched; each fallback is one more.",
        &[("{{provider}}", "sum by (provider) (rate(aurora_requests_total{@model}[$__rate_interval]))")],
    ),
    panel(
        Lines,
        "Error share by provider",
        "percentunit",
        "Dispatched requests that failed, without client disconnects.",
        &[(
            "{{provider}}",
            r#"1 - sum by (provider) (rate(aurora_requests_total{@model, status_type="success"}[$__rate_interval])) / sum by (provider) (rate(aurora_requests_total{@model, status_type!="cancelled"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        Stack,
        "Failed requests by status",
        "reqps",
        "The provider's status; network_error when there was none, 504 after a timeout of Aurora, 503 when the \
         breaker was open, 200 when a stream broke.",
        &[(
            "{{provider}} {{status_code}}",
            r#"sum by (provider, status_code) (rate(aurora_requests_total{@model, status_type="error"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        Lines,
        "Availability of providers",
        "percentunit",
        "Attempts that succeeded, over five minutes; from the recording rules.",
        &[("{{provider}}", r#"job_provider:aurora_availability:ratio_5m{@provider}"#)],
    )
    .alerts(&["AuroraProviderFailing"]),
    panel(
        Stack,
        "Attempts by outcome",
        "reqps",
        "Every attempt of every request.",
        &[(
            "{{outcome}}",
            "sum by (outcome) (rate(aurora_upstream_attempts_total{@model}[$__rate_interval]))",
        )],
    )
    .alerts(&["AuroraProviderFailing", "AuroraProviderRefused", "AuroraProviderRateLimited"]),
    panel(
        Stack,
        "Retries",
        "reqps",
        "Retries of the same target, by reason.",
        &[(
            "{{provider}} {{reason}}",
            "sum by (provider, reason) (rate(aurora_retries_total{@provider}[$__rate_interval]))",
        )],
    ),
    panel(
        Stack,
        "Fallbacks",
        "reqps",
        "Fallbacks to the next target of a route, by outcome there.",
        &[(
            "{{from_provider}} → {{to_provider}} {{outcome}}",
            r#"sum by (from_provider, to_provider, outcome) (rate(aurora_fallbacks_total{@job, from_provider=~"$provider"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        Lines,
        "Circuit breakers that are not closed",
        "none",
        "Number of replicas; without a model it is the provider's own, which counts failures to connect.",
        &[
            (
                "{{provider}} {{state}}",
                r#"sum by (provider, state) (aurora_circuit_breaker_state{@provider, model="", state!="closed"}) > 0"#,
            ),
            (
                "{{provider}} {{model}} {{state}}",
                r#"sum by (provider, model, state) (aurora_circuit_breaker_state{@model, model!="", state!="closed"}) > 0"#,
            ),
        ],
    )
    .alerts(&["AuroraBreakerOpen"]),
    panel(
        Lines,
        "Breaker transitions",
        "none",
        "Changes of state within the interval.",
        &[(
            "{{provider}} to {{to}}",
            "sum by (provider, to) (increase(aurora_circuit_breaker_transitions_total{@provider}[$__rate_interval]))",
        )],
    ),
    panel(
        Table,
        "Providers",
        "none",
        "By type, with the number of replicas that have them.",
        &[("", "sum by (provider, type) (aurora_provider_info{@provider})")],
    ),
    panel(
        Lines,
        "Age of the model lists",
        "s",
        "Time since a provider last listed its models, the oldest replica; not for providers with configured models.",
        &[(
            "{{provider}}",
            "time() - min by (provider) (aurora_provider_discovery_last_success_timestamp_seconds{@provider} > 0)",
        )],
    ),
];

const GATEWAY: &[Panel] = &[
    panel(
        Stat,
        "Requests in flight",
        "none",
        "Received without a complete response yet, all replicas together.",
        &[("", "sum(aurora_http_requests_in_flight{@job})")],
    ),
    panel(
        Lines,
        "In flight",
        "none",
        "At the limit a replica responds with 503.",
        &[
            ("received", "sum(aurora_http_requests_in_flight{@job})"),
            ("limit", "sum(aurora_http_requests_in_flight_limit{@job})"),
            ("at {{provider}}", "sum by (provider) (aurora_requests_in_flight{@provider})"),
        ],
    ),
    panel(
        Stack,
        "Connections",
        "none",
        "Open client connections.",
        &[("{{state}}", "sum by (state) (aurora_http_connections{@job})")],
    ),
    panel(
        Lines,
        "Overhead of Aurora",
        "s",
        "Reading, resolving and relaying, without waiting for clients and providers.",
        &[
            (
                "p50",
                "histogram_quantile(0.5, sum by (le) (rate(aurora_gateway_overhead_seconds_bucket{@job}[$__rate_interval])))",
            ),
            (
                "p95",
                "histogram_quantile(0.95, sum by (le) (rate(aurora_gateway_overhead_seconds_bucket{@job}[$__rate_interval])))",
            ),
            (
                "p99",
                "histogram_quantile(0.99, sum by (le) (rate(aurora_gateway_overhead_seconds_bucket{@job}[$__rate_interval])))",
            ),
        ],
    ),
    panel(
        Lines,
        "Phases, p95",
        "s",
        "Of a model call; provider_dispatch is the wait for the provider, decode includes a slow upload.",
        &[(
            "{{phase}}",
            "histogram_quantile(0.95, sum by (phase, le) (rate(aurora_gateway_phase_duration_seconds_bucket{@job}[$__rate_interval])))",
        )],
    ),
    panel(
        Lines,
        "Size of responses by route, p95",
        "bytes",
        "Responses as clients received them.",
        &[(
            "{{route}}",
            "histogram_quantile(0.95, sum by (route, le) (rate(aurora_http_response_size_bytes_bucket{@job}[$__rate_interval])))",
        )],
    ),
    panel(
        Lines,
        "CPU",
        "none",
        "Cores in use.",
        &[(
            "{{instance}}",
            "rate(process_cpu_seconds_total{@job}[$__rate_interval]) and on (job, instance) aurora_build_info",
        )],
    ),
    panel(
        Lines,
        "Memory",
        "bytes",
        "Resident.",
        &[("{{instance}}", "process_resident_memory_bytes{@job} and on (job, instance) aurora_build_info")],
    ),
    panel(
        Lines,
        "File descriptors",
        "percentunit",
        "Open, and their maximum.",
        &[(
            "{{instance}}",
            "process_open_fds{@job} / process_max_fds{@job} and on (job, instance) aurora_build_info",
        )],
    ),
    panel(
        Lines,
        "Uptime",
        "s",
        "Since the process started.",
        &[(
            "{{instance}}",
            "time() - process_start_time_seconds{@job} and on (job, instance) aurora_build_info",
        )],
    ),
    panel(
        Table,
        "Builds",
        "none",
        "With the number of replicas that run them.",
        &[("", "count by (version, revision, rustc) (aurora_build_info{@job})")],
    ),
    panel(
        Table,
        "Configurations",
        "none",
        "By hash, with the number of replicas that run them; more than one is drift.",
        &[("", "count by (hash) (aurora_config_info{@job})")],
    )
    .alerts(&["AuroraConfigDrift"]),
    panel(
        Lines,
        "Refused reloads",
        "none",
        "Replicas whose last reload was refused.",
        &[(
            "",
            "count(aurora_config_last_reload_successful{@job}) - sum(aurora_config_last_reload_successful{@job})",
        )],
    )
    .alerts(&["AuroraReloadFailed"]),
    panel(
        Lines,
        "Panics and log lines not written",
        "none",
        "Within the interval. Lost lines are missing; for suppressed ones another line says how many it stands for.",
        &[
            ("panics", "sum(increase(aurora_panics_total{@job}[$__rate_interval]))"),
            ("lost log lines", "sum(increase(aurora_log_lines_dropped_total{@job}[$__rate_interval]))"),
            ("suppressed log lines", "sum(increase(aurora_log_lines_suppressed_total{@job}[$__rate_interval]))"),
        ],
    )
    .alerts(&["AuroraPanicked"]),
];

const CARDINALITY: &[Panel] = &[
    panel(
        Lines,
        "Label sets against the limit",
        "percentunit",
        "The fullest replica, by family. At the limit further names count as `other`.",
        &[(
            "{{family}}",
            "max by (family) (aurora_metrics_label_sets{@job} / aurora_metrics_label_sets_limit{@job})",
        )],
    )
    .alerts(&["AuroraCardinalityNearLimit"]),
    panel(
        Lines,
        "Label sets",
        "none",
        "The fullest replica, by family.",
        &[("{{family}}", "max by (family) (aurora_metrics_label_sets{@job})")],
    ),
    panel(
        Lines,
        "Folded observations",
        "cps",
        "Counted under `other` because a limit was reached.",
        &[(
            "{{family}} {{reason}}",
            "sum by (family, reason) (rate(aurora_metrics_label_overflow_total{@job}[$__rate_interval]))",
        )],
    )
    .alerts(&["AuroraCardinalityFolding"]),
    panel(
        Lines,
        "Scrapes",
        "reqps",
        "Of this endpoint, by format and status.",
        &[(
            "{{format}} {{code}}",
            "sum by (format, code) (rate(aurora_metrics_scrapes_total{@job}[$__rate_interval]))",
        )],
    ),
];
