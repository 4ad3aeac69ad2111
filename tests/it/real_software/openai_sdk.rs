//! OpenAI's own Python SDK as the client.

use std::sync::LazyLock;

use crate::support::aurora::Setup;
use crate::support::exposition::gateway;
use crate::support::fixtures::MASTER_KEY;
use crate::support::sdk::{Run, Sdk, assert_as_expected, python_output, settled};
use crate::support::upstream::{Upstream, json, response};

pub(crate) const SDK: Sdk = Sdk { name: "openai", base: "/v1", usual: ["chat.json", "chat-stream.sse"] };

/// The one run that every test looks at.
pub(crate) static RUN: LazyLock<Run> = LazyLock::new(|| SDK.run(stored(Upstream::start())));

const STORED_RESPONSE: &str = r#"{"id":"resp_1","object":"response","created_at":1767225600,"status":"completed","model":"responses","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Paris.","annotations":[]}]}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[]}"#;
const FILE: &str = r#"{"id":"file-1","object":"file","bytes":19,"created_at":1767225600,"filename":"batch.jsonl","purpose":"batch","status":"processed"}"#;
const BATCH: &str = r#"{"id":"batch_1","object":"batch","endpoint":"/v1/chat/completions","input_file_id":"file-1","completion_window":"24h","status":"validating","created_at":1767225600}"#;
const INPUT_ITEMS: &str = r#"{"object":"list","data":[{"id":"msg_0","type":"message","role":"user","content":[{"type":"input_text","text":"Where?"}]}],"first_id":"msg_0","last_id":"msg_0","has_more":false}"#;

const CONVERSATION: &str =
    r#"{"id":"conv_1","object":"conversation","created_at":1767225600,"metadata":{"topic":"towers"}}"#;
const UPLOAD: &str = r#"{"id":"upload_1","object":"upload","bytes":19,"created_at":1767225600,"expires_at":1767229200,"filename":"batch.jsonl","purpose":"batch","status":"pending"}"#;
const STORE: &str = r#"{"id":"vs_1","object":"vector_store","created_at":1767225600,"name":"towers","status":"completed","usage_bytes":1,"last_active_at":null,"metadata":null,"file_counts":{"in_progress":0,"completed":1,"failed":0,"cancelled":0,"total":1}}"#;
const STORED_FILE: &str = r#"{"id":"file-1","object":"vector_store.file","created_at":1767225600,"vector_store_id":"vs_1","status":"completed","usage_bytes":1,"last_error":null}"#;
const STORED_BATCH: &str = r#"{"id":"vsfb_1","object":"vector_store.file_batch","created_at":1767225600,"vector_store_id":"vs_1","status":"in_progress","file_counts":{"in_progress":1,"completed":0,"failed":0,"cancelled":0,"total":1}}"#;

/// Responses to requests that name no model, and of models whose responses are no text.
fn stored(upstream: Upstream) -> Upstream {
    let list = |item: &str| json(&format!(r#"{{"object":"list","data":[{item}],"has_more":false}}"#));
    let deleted = |id: &str| json(&format!(r#"{{"id":"{id}","object":"file","deleted":true}}"#));
    let item = r#"{"id":"msg_0","type":"message","role":"user","status":"completed","content":[{"type":"input_text","text":"Where?"}]}"#.to_owned();
    let part = r#"{"id":"part_1","object":"upload.part","created_at":1767225600,"upload_id":"upload_1"}"#;
    let completed = UPLOAD.replace(r#""pending"}"#, &format!(r#""completed","file":{FILE}}}"#));
    let found = r#"{"object":"vector_store.search_results.page","search_query":["Where?"],"data":[{"file_id":"file-1","filename":"batch.jsonl","score":0.5,"attributes":null,"content":[{"type":"text","text":"Paris."}]}],"has_more":false,"next_page":null}"#;
    let content = r#"{"object":"vector_store.file_content.page","data":[{"type":"text","text":"Paris."}],"has_more":false,"next_page":null}"#;
    upstream
        .on("speech", response("200 OK", "content-type: audio/mpeg\r\n", b"ID3\x04\x00\xff\xfb and more"))
        .on("GET /v1/responses/resp_1", json(STORED_RESPONSE))
        .on("DELETE /v1/responses/resp_1", deleted("resp_1"))
        .on("/v1/responses/resp_1/cancel", json(&STORED_RESPONSE.replace("completed", "cancelled")))
        .on("/v1/responses/resp_1/input_items", json(INPUT_ITEMS))
        .on("POST /v1/files", json(FILE))
        .on("/v1/files?purpose=batch", list(FILE))
        .on("GET /v1/files/file-1", json(FILE))
        .on("DELETE /v1/files/file-1", deleted("file-1"))
        .on(
            "/v1/files/file-1/content",
            response("200 OK", "content-type: application/octet-stream\r\n", "{}\n"),
        )
        .on("POST /v1/batches", json(BATCH))
        .on("GET /v1/batches", list(BATCH))
        .on("/v1/batches/batch_1", json(BATCH))
        .on("/v1/batches/batch_1/cancel", json(&BATCH.replace("validating", "cancelling")))
        .on("POST /v1/conversations", json(CONVERSATION))
        .on("GET /v1/conversations/conv_1", json(CONVERSATION))
        .on("POST /v1/conversations/conv_1", json(CONVERSATION))
        .on("DELETE /v1/conversations/conv_1", deleted("conv_1"))
        .on("/v1/conversations/conv_1/items", json(INPUT_ITEMS))
        .on("GET /v1/conversations/conv_1/items/msg_0", json(&item))
        .on("DELETE /v1/conversations/conv_1/items/msg_0", json(CONVERSATION))
        .on("/v1/uploads", json(UPLOAD))
        .on("/v1/uploads/upload_1/parts", json(part))
        .on("/v1/uploads/upload_1/complete", json(&completed))
        .on("/v1/uploads/upload_1/cancel", json(&UPLOAD.replace("pending", "cancelled")))
        .on("POST /v1/vector_stores", json(STORE))
        .on("GET /v1/vector_stores", list(STORE))
        .on("GET /v1/vector_stores/vs_1", json(STORE))
        .on("POST /v1/vector_stores/vs_1", json(STORE))
        .on("DELETE /v1/vector_stores/vs_1", deleted("vs_1"))
        .on("/v1/vector_stores/vs_1/search", json(found))
        .on("POST /v1/vector_stores/vs_1/files", json(STORED_FILE))
        .on("GET /v1/vector_stores/vs_1/files", list(STORED_FILE))
        .on("GET /v1/vector_stores/vs_1/files/file-1", json(STORED_FILE))
        .on("DELETE /v1/vector_stores/vs_1/files/file-1", deleted("file-1"))
        .on("/v1/vector_stores/vs_1/files/file-1/content", json(content))
        .on("/v1/vector_stores/vs_1/file_batches", json(STORED_BATCH))
        .on(
            "/v1/vector_stores/vs_1/file_batches/vsfb_1/cancel",
            json(&STORED_BATCH.replace("in_progress\"", "cancelled\"")),
        )
}

#[test]
fn every_feature_of_the_sdk_works() {
    assert_as_expected("openai.said.txt", &RUN.output_text);
}

#[test]
fn azure_clients_work_with_another_endpoint_and_key() {
    let upstream = stored(SDK.files(Upstream::start()));
    let aurora = SDK.start(&upstream, "");
    let output_text = python_output("azure_sdk.py", &[&aurora.url("")]);
    assert_as_expected("azure.said.txt", &output_text);
    assert_as_expected("azure.counted.txt", &settled(&aurora, "azure.counted.txt"));
}

#[test]
fn metrics_count_the_sdk_requests() {
    assert_as_expected("openai.counted.txt", &RUN.counted);
}

#[test]
fn metrics_count_refused_sdk_requests() {
    assert_as_expected("openai.crowded.counted.txt", &RUN.crowded);
}

#[test]
fn sdk_disconnects_and_timeouts_reach_the_provider() {
    for name in ["endless-sync", "endless-async", "silent-sync", "silent-async"] {
        RUN.upstream.over(name);
    }
}

#[test]
fn rate_limit_retries_are_not_multiplied() {
    let limited = |headers: &str| {
        let kind = "content-type: application/json\r\n";
        let body = r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
        response("429 Too Many Requests", &format!("{kind}{headers}"), body)
    };
    let upstream = Upstream::start()
        .on("limited", limited(""))
        .on("later", limited("retry-after: 2\r\n"))
        .on("final", limited("x-should-retry: false\r\nretry-after: 0\r\n"));
    let aurora = gateway(&upstream, "", "resilience: {retry: {initial_backoff: 1s, max_backoff: 1s}}");
    for url in [format!("http://{}/v1", upstream.address), aurora.url("/v1")] {
        let before = upstream.calls().len();
        let output_text = python_output("openai_retries.py", &[&url, "limited", "later", "final"]);
        let refused = ["limited", "later", "final"]
            .map(|model| format!("{model} RateLimitError 429 rate_limit_exceeded\n"));
        assert_eq!(output_text, refused.concat());
        let calls: Vec<String> = upstream.calls().drain(before..).map(|call| call.name).collect();
        assert_eq!(calls, ["limited", "limited", "later", "later", "final"], "{url}");
    }
    aurora.settles("aurora_retries_total", &[]);
}

#[test]
fn the_demo_works_with_the_sdk() {
    let setup = Setup::new().arguments(&["--demo"]).variable("AURORA_MASTER_KEY", MASTER_KEY);
    let aurora = setup.variable("RETRY_MAX_RETRIES", "0").start();
    let output_text = python_output("openai_demo.py", &[&aurora.url("/v1")]);
    assert_as_expected("openai_demo.said.txt", &output_text);
    assert_as_expected("openai_demo.counted.txt", &settled(&aurora, "openai_demo.counted.txt"));
}
