//! Anthropic's own Python SDK as the client.

use std::sync::LazyLock;

use crate::support::sdk::{Run, Sdk, assert_as_expected};
use crate::support::upstream::{Upstream, json, response};

pub(crate) const SDK: Sdk =
    Sdk { name: "anthropic", base: "", usual: ["messages.json", "messages-stream.sse"] };

/// The one run that every test looks at.
pub(crate) static RUN: LazyLock<Run> = LazyLock::new(|| SDK.run(stored(Upstream::start())));

const BATCH: &str = r#"{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress","request_counts":{"processing":1,"succeeded":0,"errored":0,"canceled":0,"expired":0},"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-02T00:00:00Z","archived_at":null,"cancel_initiated_at":null,"ended_at":null,"results_url":null}"#;

/// Responses to requests that name no model.
fn stored(upstream: Upstream) -> Upstream {
    let path = "/v1/messages/batches/msgbatch_1";
    let list =
        format!(r#"{{"data":[{BATCH}],"has_more":false,"first_id":"msgbatch_1","last_id":"msgbatch_1"}}"#);
    let deleted = r#"{"id":"msgbatch_1","type":"message_batch_deleted"}"#;
    let results = "{\"custom_id\":\"one\",\"result\":{\"type\":\"canceled\"}}\n";
    upstream
        .on("POST /v1/messages/batches", json(BATCH))
        .on("GET /v1/messages/batches", json(&list))
        .on(&format!("GET {path}"), json(BATCH))
        .on(&format!("DELETE {path}"), json(deleted))
        .on(&format!("{path}/cancel"), json(&BATCH.replace("in_progress", "canceling")))
        .on(&format!("{path}/results"), response("200 OK", "content-type: application/x-jsonl\r\n", results))
}

#[test]
fn every_feature_of_the_sdk_works() {
    assert_as_expected("anthropic.said.txt", &RUN.output_text);
}

#[test]
fn metrics_count_the_sdk_requests() {
    assert_as_expected("anthropic.counted.txt", &RUN.counted);
}

#[test]
fn metrics_count_refused_sdk_requests() {
    assert_as_expected("anthropic.crowded.counted.txt", &RUN.crowded);
}

#[test]
fn sdk_disconnects_and_timeouts_reach_the_provider() {
    for name in ["endless-sync", "endless-async", "silent-sync", "silent-async"] {
        RUN.upstream.over(name);
    }
}
