//! The integration tests: one binary, one folder per subject.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where its ground gives way")]

/// Every fault at once for as long as it runs: every number is accounted for.
mod chaos;
/// Commands print, return and exit as documented.
mod cli;
/// A configuration is loaded or refused with its reasons; a reload replaces it whole or not at all.
mod config;
/// Connections are limited, timed, drained and reused; disconnects are noticed.
mod connections;
/// The files of `deploy/` name what exists, and their numbers fit the settings.
mod deploy;
/// The project itself: directions of imports, generated files, promises of README and docs.
mod house;
/// Log lines hold the documented fields, and a slow or closed output stops nothing.
mod logs;
/// Metrics count exactly, within bounds, in each format.
mod metrics;
/// Dashboard, rules and scrape configuration fit the metrics.
mod monitoring;
/// The documentation page about metrics, row by row.
#[cfg(feature = "real-software")]
mod page;
/// Each provider type gets its requests at its URL with its credentials.
mod providers;
/// nginx, Prometheus, Chromium, metric parsers and SDKs work with Aurora.
#[cfg(feature = "real-software")]
mod real_software;
/// Each HTTP route accepts its methods and bodies and refuses malformed requests.
mod requests;
/// A failing upstream is retried, replaced by a fallback or kept out by its breaker; a panic costs one request.
mod resilience;
/// Responses are relayed byte for byte, validated and decoded.
mod responses;
/// Keys open what they should and never reach an output.
mod security;
/// Streams are relayed as they come, end in one outcome and count their tokens.
mod streams;
/// Support code: the binary under test, clients, scripted upstreams, real programs.
mod support;
