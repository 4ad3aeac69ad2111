//! The embedded upstream of `serve --demo`, over HTTP like any other.

use std::time::{Duration, Instant};

use aurora::demo::{self, DemoUpstream};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

struct Response {
    status: StatusCode,
    headers: HeaderMap,
    /// `None` when the connection closed before the end of the body.
    body: Option<Bytes>,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_ref().expect("a whole body")).expect("JSON")
    }

    /// The data of every event but `[DONE]`, and whether that came last.
    fn events(&self) -> (Vec<Value>, bool) {
        let text = std::str::from_utf8(self.body.as_ref().expect("a whole body")).expect("UTF-8");
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let done = data.last() == Some(&"[DONE]");
        let events = data.iter().filter(|data| **data != "[DONE]");
        (events.map(|data| serde_json::from_str(data).expect("JSON")).collect(), done)
    }
}

async fn send(demo: &DemoUpstream, path: &str, body: Option<Value>) -> Response {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = Full::from(body.map(|body| body.to_string()).unwrap_or_default());
    let request = Request::builder().method(method).uri(format!("{}{path}", demo.base_url())).body(body);
    let response = client.request(request.expect("a request")).await.expect("a response");
    let (head, body) = response.into_parts();
    let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
    Response { status: head.status, headers: head.headers, body }
}

fn chat(model: &str, stream: bool) -> Option<Value> {
    Some(json!({
        "model": model, "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "What is a histogram?"}],
    }))
}

const TEXT: &str = "Hello! You asked: \"What is a histogram?\" I am a demo inside Aurora: every word of this answer \
                    is a token, and you find each of them on the metrics endpoint.";

#[tokio::test]
async fn models_are_listed() {
    let demo = demo::start().unwrap();
    let list = send(&demo, "/models", None).await.json();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, demo::MODELS);
    assert_eq!(send(&demo, "/models/demo-fast", None).await.json(), list["data"][1]);
}

#[tokio::test]
async fn chat_and_stream_have_the_same_text_and_usage() {
    let demo = demo::start().unwrap();
    let whole = send(&demo, "/chat/completions", chat("demo-fast", false)).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], TEXT);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole["usage"]["prompt_tokens"], 4);
    assert_eq!(whole["usage"]["completion_tokens"], TEXT.split(' ').count());

    let response = send(&demo, "/chat/completions", chat("demo-fast", true)).await;
    assert_eq!(response.headers["content-type"], "text/event-stream");
    let (events, done) = response.events();
    assert!(done);
    let deltas = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), TEXT);
    let (usage, chunks) = events.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()), "only the last chunk has a usage");
}

#[tokio::test]
async fn usage_is_sent_only_when_requested() {
    let demo = demo::start().unwrap();
    let body = json!({"model": "demo-fast", "stream": true, "prompt": "Hi", "max_tokens": 3});
    let (events, done) = send(&demo, "/completions", Some(body)).await.events();
    assert!(done);
    assert_eq!(
        events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect::<String>(),
        "Hello! You asked:"
    );
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "length");
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn messages_have_the_same_text_in_their_own_format() {
    let demo = demo::start().unwrap();
    let body = |stream| {
        let messages = [json!({"role": "user", "content": "What is a histogram?"})];
        Some(json!({"model": "demo-fast", "max_tokens": 100, "stream": stream, "messages": messages}))
    };
    let whole = send(&demo, "/messages", body(false)).await.json();
    assert_eq!(whole["content"], json!([{"type": "text", "text": TEXT}]));
    assert_eq!(whole["stop_reason"], "end_turn");
    assert_eq!(whole["usage"], json!({"input_tokens": 4, "output_tokens": TEXT.split(' ').count()}));
    assert_eq!(send(&demo, "/messages/count_tokens", body(false)).await.json(), json!({"input_tokens": 4}));

    let (events, _) = send(&demo, "/messages", body(true)).await.events();
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.dedup();
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(types, expected);
    let deltas = events.iter().filter_map(|event| event["delta"]["text"].as_str());
    assert_eq!(deltas.collect::<String>(), TEXT);
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
}

#[tokio::test]
async fn rerank_orders_documents_by_words_shared_with_the_query() {
    let demo = demo::start().unwrap();
    let documents = ["a dog barks", "gauges and counters", "counters count"];
    let body = json!({"model": "demo-embed", "query": "counters", "documents": documents, "top_n": 2});
    let ranked = send(&demo, "/rerank", Some(body)).await.json();
    let order: Vec<&Value> = ranked["results"].as_array().unwrap().iter().map(|row| &row["index"]).collect();
    assert_eq!(order, [2, 1]);
    assert_eq!(ranked["usage"], json!({"total_tokens": 9}));
}

#[tokio::test]
async fn responses_stream_their_events_in_order() {
    let demo = demo::start().unwrap();
    let body =
        |stream| Some(json!({"model": "demo-fast", "input": "What is a histogram?", "stream": stream}));
    let whole = send(&demo, "/responses", body(false)).await.json();
    assert_eq!(whole["output"][0]["content"][0]["text"], TEXT);

    let (events, _) = send(&demo, "/responses", body(true)).await.events();
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.dedup();
    assert_eq!(
        types,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(events.iter().filter_map(|event| event["delta"].as_str()).collect::<String>(), TEXT);
    assert_eq!(events.last().unwrap()["response"]["usage"], whole["usage"]);
    assert_eq!(whole["usage"]["input_tokens"], 4);
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn embeddings_are_floats_or_base64() {
    let demo = demo::start().unwrap();
    let body = |format| json!({"model": "demo-embed", "input": ["one two", "three"], "dimensions": 2, "encoding_format": format});
    let plain = send(&demo, "/embeddings", Some(body("float"))).await.json();
    assert_eq!(plain["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert_eq!(plain["data"].as_array().unwrap().len(), 2);
    assert_eq!(plain["data"][1]["embedding"].as_array().unwrap().len(), 2);
    let packed = send(&demo, "/embeddings", Some(body("base64"))).await.json();
    assert_eq!(packed["data"][1]["embedding"].as_str().unwrap().len(), 12, "8 bytes are 12 digits of base64");
}

#[tokio::test]
async fn models_named_after_failures_fail_so() {
    let demo = demo::start().unwrap();
    let limited = send(&demo, "/chat/completions", chat("demo-429", true)).await;
    assert_eq!(
        (limited.status, &limited.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"2".parse().unwrap())
    );
    assert_eq!(
        limited.json(),
        json!({"error": {
            "message": "demo-429 is always rate-limited.", "type": "requests", "param": null,
            "code": "rate_limit_exceeded",
        }})
    );
    let failed = send(&demo, "/chat/completions", chat("demo-500", false)).await;
    assert_eq!(
        (failed.status, failed.json()["error"]["type"].as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("server_error"))
    );
    for stream in [true, false] {
        let cut = send(&demo, "/chat/completions", chat("demo-cut", stream)).await;
        assert_eq!((cut.status, cut.body), (StatusCode::OK, None), "stream: {stream}");
    }
}

#[tokio::test]
async fn streams_keep_their_configured_pace() {
    let demo = demo::start().unwrap();
    let start = Instant::now();
    let limited = json!({"model": "demo-chat", "stream": true, "prompt": "Hi", "max_tokens": 10});
    send(&demo, "/completions", Some(limited)).await;
    assert!(start.elapsed() >= Duration::from_millis(500), "ten words took {:?}", start.elapsed());
    let start = Instant::now();
    let slow = send(&demo, "/chat/completions", chat("demo-slow", false)).await;
    assert!(start.elapsed() >= Duration::from_secs(5), "demo-slow took {:?}", start.elapsed());
    assert_eq!(slow.status, StatusCode::OK);
}

#[tokio::test]
async fn unsupported_requests_get_openai_errors() {
    let demo = demo::start().unwrap();
    let unknown = send(&demo, "/chat/completions", chat("gpt-4", false)).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(
        unknown.json(),
        json!({"error": {
            "message": "The model `gpt-4` does not exist; the demo has demo-chat, demo-fast, demo-embed, demo-429, \
                        demo-500, demo-slow, demo-cut.",
            "type": "invalid_request_error", "param": "model", "code": "model_not_found",
        }})
    );
    let path = send(&demo, "/nothing", None).await;
    assert_eq!(
        (path.status, path.json()["error"]["message"].as_str()),
        (StatusCode::NOT_FOUND, Some("Unknown request: GET /v1/nothing"))
    );
    let body = send(&demo, "/chat/completions", Some(json!({"model": "demo-fast"}))).await;
    assert_eq!(
        (body.status, body.json()["error"]["param"].as_str()),
        (StatusCode::BAD_REQUEST, Some("messages"))
    );
}

#[test]
fn demo_server_stops_when_dropped() {
    let demo = demo::start().unwrap();
    let url = demo.base_url();
    let address = (url.host_str().unwrap(), url.port().unwrap());
    drop(std::net::TcpStream::connect(address).expect("it listens"));
    drop(demo);
    assert_eq!(
        std::net::TcpStream::connect(address).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
}
