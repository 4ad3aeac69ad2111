//! The integration tests: one binary, one module per subject.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where its ground gives way")]

#[cfg(feature = "real-software")]
mod anthropic_sdk;
mod architecture;
mod aurora;
mod auth;
mod bad_requests;
mod body_memory;
mod books;
mod bounds;
mod breaker;
mod breaker_failures;
mod caller;
mod chaos;
mod cli;
mod client;
mod compression;
mod conditional;
mod config;
mod connections;
mod cross_site;
mod demo;
mod exposition;
mod fallbacks;
mod formats;
mod gemini;
mod generated;
#[cfg(feature = "real-software")]
mod hanging_lookups;
mod health;
mod http_surface;
mod invariants;
mod keys;
mod leaving;
mod limits;
mod log_output;
mod logging;
mod metrics_listener;
mod metrics_truth;
mod model_labels;
mod monitoring;
#[cfg(feature = "real-software")]
mod monitoring_commands;
#[cfg(feature = "real-software")]
mod monitoring_real;
mod multipart;
#[cfg(feature = "real-software")]
mod nginx;
#[cfg(feature = "real-software")]
mod openai_sdk;
#[cfg(feature = "real-software")]
mod page;
#[cfg(all(feature = "panic-points", debug_assertions))]
mod panics;
#[cfg(feature = "real-software")]
mod parsers;
mod passthrough;
mod probe;
mod probe_command;
#[cfg(feature = "real-software")]
mod prometheus;
mod promql;
mod providers_table;
mod proxy;
mod raw_requests;
#[cfg(feature = "real-software")]
mod readme;
#[cfg(feature = "real-software")]
mod real;
mod relay;
mod reliability;
mod reload;
mod reload_guard;
#[cfg(feature = "real-software")]
mod replicas;
mod request_lines;
mod response_validation;
mod retries;
mod retry_rules;
#[cfg(feature = "real-software")]
mod rolling;
mod route_table;
mod scripted;
mod scrubbing;
#[cfg(feature = "real-software")]
mod sdk;
mod shapes;
mod shutdown;
#[cfg(feature = "real-software")]
mod smuggling;
mod start_warnings;
mod stored;
mod stream_truth;
mod streams;
mod tls_upstream;
mod upstream;
mod upstream_connections;
mod upstream_faults;
