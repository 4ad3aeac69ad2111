//! Reads of the clock by a record, with each sink on and off.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};

use super::clock;
use super::record::RequestRecord;
use crate::api::{Endpoint, Tokens};
use crate::config::{self, Environment, Sources};
use crate::gateway::http::headers::{RequestIds, TraceContext};
use crate::gateway::state::connections::Connections;
use crate::gateway::state::worker::{AppState, WorkerState};
use crate::logging::DroppedLines;
use crate::metrics::{CallOutcome, HttpOutcome, StreamOutcome, UsageSource};
use crate::providers::Client;

fn worker(metrics: &str, log: &str) -> WorkerState {
    let variables = [("OPENAI_API_KEY", "sk-test"), ("METRICS_ENABLED", metrics), ("LOG_REQUESTS", log)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Environment = variables.into_iter().collect();
    let directory = std::env::temp_dir().join("aurora-no-such-folder");
    let sources = Sources { environment, directory, ..Sources::default() };
    let config = config::load(&sources).config.expect("a valid configuration");
    let routes = ["unmatched", "/v1/chat/completions"];
    let app = Arc::new(AppState::new(config, DroppedLines::default(), &routes).expect("a usable one"));
    let client = Client::new(&app.egress, app.limits.idle_upstream);
    let metrics = app.metrics.as_ref().map(|metrics| metrics.worker(0));
    WorkerState::new(app, client, metrics)
}

/// Serves one streamed chat as far as its record sees it, and counts the reads of the clock.
fn reads(metrics: &str, log: &str) -> u32 {
    let worker = worker(metrics, log);
    let targets = worker.targets("openai/gpt-4o").expect("a target");
    let before = clock::READS.get();
    let trace = TraceContext::of(&HeaderMap::new());
    let ids = RequestIds { request_id: HeaderValue::from_static("r"), trace };
    let connection = Arc::<Connections>::default().register();
    let route = (1, "/v1/chat/completions");
    let mut record = RequestRecord::start(&worker, &connection.state, route, &Method::POST, &ids);
    record.model_call(Endpoint::ChatCompletions);
    record.body_awaited();
    record.body_read();
    record.decoded(true);
    record.begin_dispatch(&targets.all[0], None);
    record.begin_attempt(None);
    record.upstream_responded(200);
    record.received();
    record.streaming();
    record.responded(200, CallOutcome::Ok);
    for _ in 0..3 {
        record.progress();
        record.first_token();
        record.sent(10);
    }
    record.used(Tokens::default(), UsageSource::Native, Some(3));
    record.body_ended(StreamOutcome::Completed);
    record.ended(HttpOutcome::Ok);
    record.record_dispatch();
    drop(record);
    clock::READS.get() - before
}

#[test]
fn the_clock_is_read_only_for_sinks_that_are_on() {
    assert_eq!(reads("false", "off"), 0);
    // Start, first token and end.
    assert_eq!(reads("false", "all"), 3);
    // The same, six marks, the dispatch, and three chunks of the stream; the log adds none.
    assert_eq!((reads("true", "off"), reads("true", "all")), (13, 13));
}
