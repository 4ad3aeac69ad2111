//! Aurora, an LLM gateway: one binary that takes requests of the OpenAI API, forwards them to any configured provider,
//! and exposes Prometheus metrics that are true on streams, bounded in size and practically free.
//!
//! # The path of one request
//!
//! ```text
//! client ── accept ───── route ──── auth ──── body ──── read ─────── targets ─── dispatch ─── relay ── client
//!           server::     handlers:: http::    http::    request::    request::   dispatch::   response::
//!           connection   routes     auth      body      operation    targets     call         relay_body, tap
//! ```
//!
//! All of it is in [`gateway`]. The body passes as received in both directions; what Aurora wants to know it reads on
//! the side. One record keeps the facts of the request; it moves into the response body, and when it is dropped,
//! whatever happened, metrics and request log read it.
//!
//! The functions of a streamed chat in their order, by file of `src/`:
//!
//! | file | functions | step |
//! |---|---|---|
//! | `gateway/server/accept.rs` | `accept`, `take_in` | a connection is accepted, within its limits |
//! | `gateway/server/spread.rs` | `register` | the worker with the fewest connections is found, which serves it |
//! | `gateway/server/connection/mod.rs` | `serve`, `serve_requests`, `poll_head` | its requests, one after the other, within the deadlines of the client |
//! | `gateway/server/connection/request_head.rs` | `take`, `parse` | the head is found in what was read |
//! | `gateway/server/connection/mod.rs` | `respond` | one request |
//! | `gateway/request/router.rs` | `plain`, `matching` | the route is found |
//! | `gateway/handlers/serve.rs` | `serve`, `admit`, `handle`, `enter` | head and credential are checked, the record begins, a place in flight is taken |
//! | `gateway/handlers/model_call.rs` | `call`, `body` | the body is read and parsed, the targets are found |
//! | `gateway/handlers/client_body.rs` | `read`, `collect` | the body arrives, within its limits |
//! | `gateway/request/operation.rs` | `of_model_call`, `new` | model and stream are read of it; they make an operation |
//! | `gateway/state/worker.rs` | `targets` | the targets of the model, with their handles to metrics |
//! | `gateway/dispatch/call.rs` | `dispatch`, `run` | the operation is dispatched to a target; where it fails, to the next |
//! | `gateway/dispatch/call.rs` | `attempt`, `send`, `retry` | an attempt at the target, and its retries |
//! | `gateway/request/operation.rs` | `request_to` | the request to the upstream |
//! | `providers/client/pool.rs` | `take`, `put` | an idle connection to the upstream is taken, and comes back after the response |
//! | `providers/client/connection.rs` | `send`, `poll_head` | the request is written and the head of the response read, by who waits for it |
//! | `providers/client/upstream_body.rs` | `poll_bytes` | the body, as much of it at once as has arrived |
//! | `gateway/dispatch/upstream_response.rs` | `read`, `hold` | the upstream's response is read until it is known to be valid |
//! | `gateway/dispatch/classify.rs` | `of`, `of_success`, `of_error_status`, `of_fault` | the outcome is classified: retry, fallback, breaker, attempt, ending |
//! | `gateway/dispatch/upstream_response.rs` | `into_response` | the response to the client |
//! | `gateway/handlers/serve.rs` | `respond` | its status is decided; the record moves into its body |
//! | `gateway/server/connection/sending.rs` | `new`, `gather` | the head is written, and the body as it comes |
//! | `gateway/response/recorded_body.rs` | `new`, `poll_bytes` | the body is polled |
//! | `gateway/response/relay_body.rs` | `poll_bytes`, `poll_upstream`, `pass` | bytes of the upstream go on, within its timeout |
//! | `gateway/response/body_reader.rs` | `read`, `note_stream` | the tap reads them on the side: events, first token, usage |
//! | `gateway/observe/record.rs` | `first_token` | the time of the first token is taken |
//! | `gateway/response/relay_body.rs` | `finish`, `end` | the stream ends; one that broke gets an error event |
//! | `gateway/response/body_reader.rs` | `end` | complete or broken, by the events that came |
//! | `gateway/response/recorded_body.rs` | `end_dispatch` | the dispatch is recorded |
//! | `gateway/observe/dispatch_record.rs` | `record_dispatch` | the facts of the dispatch |
//! | `metrics/observers/dispatch.rs` | `record_dispatch` | its metrics |
//! | `gateway/server/connection/mod.rs` | `poll_send`, `poll_write` | the rest is written |
//! | `gateway/response/recorded_body.rs` | `sent`, `drop` | the kernel has accepted the last byte, or never will |
//! | `gateway/observe/record.rs` | `drop` | the last drop: the record is read by its sinks |
//! | `metrics/observers/http.rs` | `record_request` | metrics |
//! | `gateway/observe/log.rs` | `write` | request log |
//!
//! Questions that are often asked of it:
//!
//! | file | functions | step |
//! |---|---|---|
//! | `gateway/dispatch/classify.rs` | `retry` | which response is retried: a 429 only where the upstream names a time |
//! | `gateway/dispatch/call.rs` | `retry` | whether that retry is within the limits |
//! | `providers/resilience/retry.rs` | `pause` | the pause before it |
//! | `gateway/observe/record.rs` | `first_token` | the time to first token: metrics count from the dispatch, the log from the head |
//! | `metrics/series/cardinality.rs` | `admit`, `admit_unlisted` | a model name becomes a label value: a listed one at once, another after its first success |
//! | `gateway/server/connection/mod.rs` | `notice_disconnect` | a client's disconnect is noticed, from the end of its request to the last byte |
//! | `gateway/http/client_socket.rs` | `poll_body` | the same while its request body arrives |
//! | `gateway/state/reload/mod.rs` | `try_reload` | a reload: loaded, checked, then put in force |
//! | `gateway/state/active.rs` | `renewed` | all that a reload replaces, and what it keeps |
//! | `gateway/state/reload/rules.rs` | `keep_fixed` | settings that need a restart |
//!
//! # Modules
//!
//! - [`api`]: the API that clients use, as data: one row for every endpoint.
//! - [`cli`]: clap types and one file per command; every command loads its settings through [`config`].
//! - [`config`]: file, `.env`, environment and flags, each value with where it came from; knows no HTTP.
//! - [`gateway`]: server → handlers → dispatch → response → observe → state → request → http; a folder imports only what
//!   is to its right.
//! - [`providers`]: the configured accounts, which of them serves a model, the upstream client, discovery.
//! - `http1`: bodies of HTTP/1.1, for the server in [`gateway`] and the client in [`providers`].
//! - [`metrics`]: families, cells, observers, label admission, exposition, a parser for expositions, and the
//!   monitoring that ships with them: rules, alerts, dashboard, scrape stanza.
//! - [`probe`]: fetches a metrics endpoint and judges it.
//! - [`watch`]: the live view over metrics endpoints.
//! - [`demo`]: the embedded upstream of `serve --demo`.
//! - [`panics`]: counted and logged, wherever they happen.
//! - [`logging`], [`table`], [`terminal`], [`tls`], [`version`]: as their names say.
//!
//! Dependencies point one way: cli → gateway → providers → config, gateway → metrics, providers → metrics,
//! watch → probe → metrics (the parser).

pub mod api;
pub mod cli;
pub mod config;
pub mod demo;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
mod http1;
pub mod logging;
pub mod metrics;
pub mod panics;
pub mod probe;
pub mod providers;
pub mod table;
pub mod terminal;
pub mod tls;
pub mod version;
pub mod watch;
