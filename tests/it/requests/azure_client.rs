//! Azure's clients: the model in the path, `api-key`, `api-version`, and the API under `/openai`.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Response, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{MASTER_KEY, PROVIDER_KEY, refusal};
use crate::support::upstream::{Call, Upstream, json, stream};

const USAGE: &str = r#"{"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
const DATED: &str = "api-version=2024-10-21";

fn line(call: &Call) -> &str {
    call.head.lines().next().unwrap_or_default()
}

fn send(aurora: &Aurora, method: &str, path: &str, kind: &str, body: &str) -> Response {
    aurora.send(request(method, path, &format!("api-key: {MASTER_KEY}\r\ncontent-type: {kind}\r\n"), body))
}

fn post(aurora: &Aurora, path: &str, body: &str) -> Response {
    send(aurora, "POST", path, "application/json", body)
}

#[test]
fn the_path_names_the_model_and_the_body_is_given_it() {
    let upstream = Upstream::start().on("m", json(USAGE));
    let aurora = gateway(&upstream, "", "routes: {fast: [up/m]}");
    for (model, body, expected) in [
        ("m", r#"{"messages":[]}"#, r#"{"model":"m","messages":[]}"#),
        ("m", r#"{"messages":[],"model":"m"}"#, r#"{"messages":[],"model":"m"}"#),
        ("m", r#"{"messages":[],"model":"gpt-4o"}"#, r#"{"messages":[],"model":"m"}"#),
        ("up/m", "{}", r#"{"model":"m"}"#),
        ("up%2Fm", "{}", r#"{"model":"m"}"#),
        ("fast", r#"{"model":"fast"}"#, r#"{"model":"m"}"#),
    ] {
        let response = post(&aurora, &format!("/openai/deployments/{model}/chat/completions?{DATED}"), body);
        assert_eq!(response.status_and_text(), (200, USAGE), "{model} {body}");
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(String::from_utf8_lossy(&call.body), expected);
        assert!(call.headers().contains(&&*format!("authorization: Bearer {PROVIDER_KEY}")), "{}", call.head);
        assert!(!call.head.contains("api-key"), "{}", call.head);
    }
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 success false 6"]);
    aurora.settles("aurora_answers_total", &["fast ok 1", "m ok 5"]);
    aurora.settles("aurora_tokens_total", &["up m input uncached 30", "up m output text 18"]);
    let route = "/openai/deployments/{model}/{rest} POST 200 ok 6";
    aurora.settles("aurora_http_requests_total", &[route]);
}

#[test]
fn every_endpoint_of_a_deployment_is_found_behind_the_model() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "base_path: /base", "");
    let form =
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n\0\u{1}\r\n--x--\r\n";
    let named = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
    for (endpoint, is_form) in [
        ("/completions", false),
        ("/embeddings", false),
        ("/images/generations", false),
        ("/images/edits", true),
        ("/audio/speech", false),
        ("/audio/transcriptions", true),
        ("/audio/translations", true),
    ] {
        let path = format!("/base/openai/deployments/m{endpoint}");
        let (kind, body) =
            if is_form { ("multipart/form-data; boundary=x", form) } else { ("application/json", "{}") };
        assert_eq!(send(&aurora, "POST", &path, kind, body).status_and_text(), (200, "{}"), "{endpoint}");
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), format!("POST /v1{endpoint} HTTP/1.1"));
        let expected = if is_form { format!("{named}{form}") } else { r#"{"model":"m"}"#.to_owned() };
        assert_eq!(String::from_utf8_lossy(&call.body), expected, "{endpoint}");
    }
    for path in
        ["responses", "files", "chat", "images/variations", "chat%2Fcompletions", "chat/completions/x"]
    {
        let response = post(&aurora, &format!("/base/openai/deployments/m/{path}"), "{}");
        let expected = refusal("There is no such route.", "", "unknown_route");
        assert_eq!(response.status_and_text(), (404, &*expected), "{path}");
    }
    assert_eq!(upstream.calls().len(), 7);
}

#[test]
fn a_stream_of_a_deployment_is_relayed_and_its_usage_asked_for() {
    let text =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\n";
    let upstream = Upstream::start().on("m", stream(&[text, usage, "data: [DONE]\n\n"]));
    let text_of = yaml(&upstream, "", "").replace("type: openai_compatible", "type: openai");
    let aurora = Setup::new().yaml(&text_of).start();
    let response = post(&aurora, "/openai/deployments/m/chat/completions", r#"{"stream":true}"#);
    assert_eq!(response.status_and_text(), (200, &*format!("{text}data: [DONE]\n\n")));
    let call = upstream.call("m");
    let expected = r#"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#;
    assert_eq!(String::from_utf8_lossy(&call.body), expected);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 success true 1"]);
    aurora.settles("aurora_streams_total", &["up m completed 1"]);
    aurora.settles("aurora_tokens_total", &["up m input uncached 5", "up m output text 3"]);
}

#[test]
fn the_version_of_the_client_goes_on_to_deployments_alone() {
    let upstream = Upstream::start().on("m", json("{}"));
    for (base, query, expected) in [
        ("", "?api-version=2025-04-01&a=1", "/openai/deployments/m/embeddings?api-version=2025-04-01&a=1"),
        ("", "", "/openai/deployments/m/embeddings?api-version=2024-10-21"),
        ("/openai/v1", "?api-version=2025-04-01&a=1", "/openai/v1/embeddings?a=1"),
    ] {
        let yaml = yaml(&upstream, "", "").replace("type: openai_compatible", "type: azure");
        let aurora = Setup::new().yaml(&yaml.replace("/v1\"", &format!("{base}\""))).start();
        assert_eq!(post(&aurora, &format!("/openai/deployments/m/embeddings{query}"), "{}").status, 200);
        assert_eq!(line(&upstream.calls().pop().expect("a call")), format!("POST {expected} HTTP/1.1"));
    }
}

#[test]
fn the_whole_api_is_there_under_the_prefixes_of_azure() {
    let upstream = Upstream::start()
        .on("m", json("{}"))
        .on("/v1/files/file-1", json("{}"))
        .on("/v1/files?limit=1", json("{}"))
        .on("/v1/models", json(r#"{"data":[]}"#));
    let aurora = gateway(&upstream, "", "");
    for prefix in ["/openai", "/openai/v1"] {
        for (method, path, expected) in [
            ("POST", "/responses", "POST /v1/responses HTTP/1.1"),
            ("POST", "/chat/completions", "POST /v1/chat/completions HTTP/1.1"),
            ("GET", "/files/file-1", "GET /v1/files/file-1 HTTP/1.1"),
            ("GET", "/files", "GET /v1/files?limit=1 HTTP/1.1"),
        ] {
            let query = if path == "/files" { "&limit=1&provider=up" } else { "" };
            let body = if method == "POST" { r#"{"model":"up/m"}"# } else { "" };
            let path = format!("{prefix}{path}?{DATED}{query}");
            assert_eq!(
                send(&aurora, method, &path, "application/json", body).status_and_text(),
                (200, "{}"),
                "{path}"
            );
            assert_eq!(line(&upstream.calls().pop().expect("a call")), expected);
        }
        let models = send(&aurora, "GET", &format!("{prefix}/models?{DATED}"), "text/plain", "");
        assert_eq!(models.status_and_text(), aurora.get("/v1/models").status_and_text());
        assert_eq!(send(&aurora, "GET", &format!("{prefix}/models/up/m"), "text/plain", "").status, 200);
    }
    aurora.settles(
        "aurora_http_requests_total",
        &[
            "/v1/chat/completions POST 200 ok 2",
            "/v1/files GET 200 ok 2",
            "/v1/files/{id} GET 200 ok 2",
            "/v1/models GET 200 ok 4",
            "/v1/models/{id} GET 200 ok 2",
            "/v1/responses POST 200 ok 2",
        ],
    );
}

#[test]
fn a_wrong_model_or_key_is_refused_as_anywhere() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "", "");
    for (model, shown) in [("n", "n"), ("..", ".."), ("m%0d%0a", "m"), ("m%00", "m"), ("%c3%a9", "é")] {
        let response = post(&aurora, &format!("/openai/deployments/{model}/embeddings"), "{}");
        let message = format!(
            "The model `{shown}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        assert_eq!(
            response.status_and_text(),
            (404, &*refusal(&message, "model", "model_not_found")),
            "{model}"
        );
    }
    let open = aurora.send(request("POST", "/openai/deployments/m/embeddings", "api-key: x\r\n", "{}"));
    assert_eq!(open.status, 401);
    assert_eq!(upstream.calls().len(), 0);
}
