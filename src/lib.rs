//! Aurora, an LLM gateway you can see through: one binary that speaks the OpenAI API to callers, forwards to any
//! configured provider, and exposes Prometheus metrics that are true on streams, bounded in size and practically free.
//!
//! # The path of one request
//!
//! ```text
//! client ── accept ───── route ──── auth ──── body ──── read ─────── targets ─── dispatch ─── relay ── client
//!           server::     handlers:: http::    http::    request::    request::   dispatch::   response::
//!           connection   routes     auth      body      operation    targets     attempts     relay_body, tap
//! ```
//!
//! All of it is in [`gateway`]. The body passes as received in both directions; what Aurora wants to know it reads on
//! the side. Two observers of [`metrics`], one for the exchange with the caller and one for the call to the provider,
//! move along into the response body and record once, when they are dropped, whatever happened.
//!
//! # Modules
//!
//! - [`api`]: the API that clients use, as data: one row for every endpoint.
//! - [`cli`]: clap types and one file per command; every command loads its settings through [`config`].
//! - [`config`]: file, `.env`, environment and flags, each value with where it came from; knows no HTTP.
//! - [`gateway`]: server → handlers → dispatch → response → observe → state → request → http; a room imports only what
//!   stands to its right.
//! - [`providers`]: the configured accounts, which of them serves a model, the upstream client, discovery.
//! - [`metrics`]: families, cells, observers, label admission, exposition, a parser for expositions, and the
//!   monitoring that ships with them: rules, alerts, dashboard, scrape stanza.
//! - [`probe`]: fetches a metrics endpoint and judges it.
//! - [`demo`]: the embedded upstream of `serve --demo`.
//! - [`panics`]: counted and logged, wherever they happen.
//! - [`logging`], [`table`], [`terminal`], [`tls`], [`version`]: as their names say.
//!
//! Dependencies point one way: cli → gateway → providers → config, gateway → metrics, providers → metrics,
//! probe → metrics (the parser).

pub mod api;
pub mod cli;
pub mod config;
pub mod demo;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod logging;
pub mod metrics;
pub mod panics;
pub mod probe;
pub mod providers;
pub mod table;
pub mod terminal;
pub mod tls;
pub mod version;
