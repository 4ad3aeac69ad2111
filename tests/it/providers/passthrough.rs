//! What passes through to a provider by its name, whatever it is.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{PROVIDER_KEY, refusal};
use crate::support::upstream::{Call, Step, Upstream, json, response, stream};

fn line(call: &Call) -> &str {
    call.head.lines().next().unwrap_or_default()
}

fn status(aurora: &Aurora, method: &str, path: &str) -> u16 {
    let mut client = aurora.client();
    client.send(request(method, path, &key(), ""));
    if method == "HEAD" { client.head().status } else { client.response().status }
}

#[test]
fn method_path_and_query_are_forwarded_unchanged() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = Setup::new().yaml(&yaml(&upstream, "base_path: /base", "")).start();
    for (path, expected) in [
        ("chat/completions", "/v1/chat/completions"),
        ("v1/chat/completions", "/v1/chat/completions"),
        ("v1/v1/x", "/v1/v1/x"),
        ("v1beta/x", "/v1/v1beta/x"),
        ("v1/models/m:generate;x=1/?alt=sse&&a=%2F..", "/v1/models/m:generate;x=1/?alt=sse&&a=%2F.."),
        ("x?key=a&b=c&k%65y=d", "/v1/x?b=c"),
        ("x?key=a", "/v1/x"),
        ("x?keys=a&b=key", "/v1/x?keys=a&b=key"),
        ("a%20b/%C3%A9~!$&'()*+,=@", "/v1/a%20b/%C3%A9~!$&'()*+,=@"),
        ("x?provider=other", "/v1/x?provider=other"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(status(&aurora, method, &format!("/base/p/up/{path}")), 404, "{method} {path}");
            assert_eq!(
                line(&upstream.calls().pop().expect("a call")),
                format!("{method} {expected} HTTP/1.1")
            );
        }
    }
}

#[test]
fn bodies_are_relayed_unchanged_both_ways() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at * 13 % 256).expect("a byte")).collect();
    let upstream = Upstream::start()
        .on(
            "/v1/any",
            response(
                "201 Created",
                "content-type: image/png\r\ncontent-encoding: own\r\nx-own: 1\r\n",
                &bytes,
            ),
        )
        .on("/v1/none", response("204 No Content", "", ""))
        .on("/v1/html", response("200 OK", "content-type: text/html\r\n", "<p>"));
    let aurora = gateway(&upstream, "", "");
    let headers = format!(
        "{}content-type: text/x-odd\r\ncontent-encoding: gzip\r\nx-api-key: mine\r\ncookie: a=b\r\n",
        key()
    );
    let response = aurora.send(request("PUT", "/p/up/any", &headers, &bytes));
    let output_text = ["content-type", "content-encoding", "x-own"].map(|name| response.header(name));
    assert_eq!((response.status, output_text), (201, [Some("image/png"), Some("own"), Some("1")]));
    assert!(response.whole && response.body == bytes);
    let call = upstream.call("/v1/any");
    assert!(call.body == bytes);
    let expected = [
        "accept-encoding: identity".to_owned(),
        format!("authorization: Bearer {PROVIDER_KEY}"),
        "content-encoding: gzip".to_owned(),
        "content-length: 300000".to_owned(),
        "content-type: text/x-odd".to_owned(),
        format!("host: {}", upstream.address),
    ];
    let lines: Vec<_> =
        call.headers().into_iter().filter(|line| !line.starts_with("x-request-id: ")).collect();
    assert_eq!(lines, expected);
    let mut client = aurora.client();
    client.send(request("DELETE", "/p/up/v1/none", &key(), ""));
    assert_eq!(client.head().status, 204);
    assert_eq!(aurora.get("/p/up/html").status_and_text(), (200, "<p>"));
    aurora.settles(
        "aurora_requests_total",
        &[
            "up unknown other 200 success false 1",
            "up unknown other 201 success false 1",
            "up unknown other 204 success false 1",
        ],
    );
    aurora.settles("aurora_answers_total", &["unknown ok 3"]);
}

#[test]
fn passthrough_usage_is_counted_under_the_model_of_the_body() {
    let usage = r#"{"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    let events = [
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
    ];
    let odd = "data: anything\n\n";
    let upstream = Upstream::start()
        .on("m", json(usage))
        .on("s", stream(&events))
        .on("o", stream(&[odd]))
        .on("/v1/chat/completions", json("{}"));
    let aurora = gateway(&upstream, "", "");
    let send = |path: &str, kind: &str, body: &str| {
        aurora.send(request("POST", path, &format!("{}content-type: {kind}\r\n", key()), body))
    };
    let sent = "{ \"model\" : \"m\" }";
    assert_eq!(send("/p/up/v1/chat/completions", "application/json", sent).status_and_text(), (200, usage));
    assert_eq!(upstream.call("m").body, sent.as_bytes());
    let body = r#"{"model":"s","stream":true}"#;
    assert_eq!(
        send("/p/up/chat/completions", "application/json", body).status_and_text(),
        (200, &*events.concat())
    );
    assert_eq!(upstream.call("s").body, body.as_bytes(), "nothing is added to it");
    assert_eq!(
        send("/p/up/other/path", "application/json", r#"{"model":"o","stream":true}"#).status_and_text(),
        (200, odd)
    );
    for (kind, body) in
        [("text/plain", sent), ("application/json", "{"), ("application/json", r#"{"model":1}"#)]
    {
        let path = "/p/up/v1/chat/completions";
        assert_eq!(send(path, kind, body).status, 200, "{body}");
    }
    aurora.settles(
        "aurora_requests_total",
        &[
            "up m /chat/completions 200 success false 1",
            "up o other 200 success true 1",
            "up s /chat/completions 200 success true 1",
            "up unknown /chat/completions 200 success false 3",
        ],
    );
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up m input uncached 5",
            "up m output text 3",
            "up s input uncached 7",
            "up s output text 2",
            "up unknown input uncached 5",
            "up unknown output text 3",
        ],
    );
    aurora.settles("aurora_answers_total", &["m ok 1", "o ok 1", "s ok 1", "unknown ok 3"]);
}

/// Paths that a server behind the provider may read as another path.
const AMBIGUOUS_PATHS: &[&str] = &[
    "..",
    "../admin",
    "a/../../admin",
    "a/./b",
    "a//b",
    "/a",
    "%2e%2e/admin",
    "a%2F..%2fadmin",
    "a%5c..",
    "a%252e",
    "a%00b",
    "a%0d%0aX: y",
    "a/..;/b",
    "a/..%3b/b",
    "a/..%3Bx/b",
    "a/%2e%2e%3b/b",
    ".%3b/b",
    "%c0%ae%c0%ae/admin",
    "a/%C0%AE./b",
    "%e0%80%ae%e0%80%ae/b",
    "a%c0%afb",
    "a%ff",
    "a%c2%80b",
    "%ef%bc%8e%ef%bc%8e/b",
    "a%ef%bc%8fb",
    "%e2%80%a5/b",
    "a%zz",
    "v1/..",
    "v1//a",
];

#[test]
fn paths_with_dot_segments_or_encoded_slashes_are_refused() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "", "");
    let message = "The path contains a segment that an upstream may read as another path (dots, encoded slashes): send it in plain form.";
    for path in AMBIGUOUS_PATHS {
        let path = path.replace(' ', "%20");
        let response = aurora.get(&format!("/p/up/{path}"));
        assert_eq!(response.status_and_text(), (400, &*refusal(message, "", "invalid_path")), "{path}");
    }
    let message = "There is no provider of that name; there are `up`.";
    for path in [
        "/p/down/x",
        "/p/UP/x",
        "/p/u%70/x",
        "/p/../x",
        "/p/up%2F/x",
        "/p/127.0.0.1:1/x",
        "/p/up;a/x",
        "/p//x",
    ] {
        assert_eq!(
            aurora.get(path).status_and_text(),
            (404, &*refusal(message, "", "unknown_provider")),
            "{path}"
        );
    }
    let message = "There is no such route.";
    for path in ["/p/up", "/p/up/", "/p/up/v1", "/p/up/v1/", "/P/up/x"] {
        assert_eq!(
            aurora.get(path).status_and_text(),
            (404, &*refusal(message, "", "unknown_route")),
            "{path}"
        );
    }
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn credentials_are_those_of_the_endpoint() {
    let upstream = Upstream::start();
    let address = upstream.address;
    let aurora = Setup::new()
        .yaml(&format!(
            "server: {{master_key: {}}}\nproviders:\n  an: {{type: anthropic, base_url: \"http://{address}/v1\", api_key: k, models: [m]}}\n  \
             az: {{type: azure, base_url: \"http://{address}\", api_key: k, models: [m]}}\n",
            crate::support::fixtures::MASTER_KEY
        ))
        .start();
    let dated = "?api-version=2024-10-21";
    for (path, body, expected, credential) in [
        ("an/v1/messages", "{}", "/v1/messages".to_owned(), "x-api-key: k"),
        ("an/messages/batches", "{}", "/v1/messages/batches".into(), "x-api-key: k"),
        ("an/v1/chat/completions", "{}", "/v1/chat/completions".into(), "authorization: Bearer k"),
        (
            "az/openai/deployments/d/chat/completions",
            r#"{"model":"e"}"#,
            format!("/openai/deployments/d/chat/completions{dated}"),
            "api-key: k",
        ),
        ("az/openai/models?api-version=x", "{}", "/openai/models?api-version=x".into(), "api-key: k"),
        ("az/openai/v1/responses", "{}", "/openai/v1/responses".into(), "api-key: k"),
        (
            "az/v1/chat/completions",
            r#"{"model":"e"}"#,
            format!("/openai/deployments/e/chat/completions{dated}"),
            "api-key: k",
        ),
    ] {
        aurora.send(request(
            "POST",
            &format!("/p/{path}"),
            &format!("{}content-type: application/json\r\n", key()),
            body,
        ));
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), format!("POST {expected} HTTP/1.1"));
        assert!(call.headers().contains(&credential), "{path}: {}", call.head);
        let native = credential.starts_with("x-api-key");
        assert_eq!(call.headers().contains(&"anthropic-version: 2023-06-01"), native, "{path}");
    }
}

#[test]
fn passthrough_failures_have_the_usual_errors() {
    let leaky = format!(r#"{{"error":"bad key {PROVIDER_KEY}"}}"#);
    let upstream = Upstream::start()
        .on("/v1/gone", vec![Step::Close])
        .on("/v1/key", response("401 Unauthorized", "content-type: application/json\r\n", &leaky))
        .on("/v1/bad", response("422 Unprocessable Entity", "content-type: application/json\r\n", &leaky));
    let aurora = gateway(&upstream, "", "");
    for (path, status, text) in [
        ("gone", 502, r#""message":"provider `up`: the connection broke before a response""#),
        ("key", 502, r#""code":"upstream_credentials""#),
        ("bad", 422, r#"{"error":"bad key ******************************"}"#),
    ] {
        let response = aurora.get(&format!("/p/up/{path}"));
        assert!(response.status == status && response.text().contains(text), "{path}: {}", response.text());
    }
}

#[test]
fn head_responses_keep_their_content_length() {
    let raw = |text: &str| vec![Step::Send(text.as_bytes().to_vec())];
    let upstream = Upstream::start()
        .on("/v1/there", raw("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 1234\r\n\r\n"))
        .on("/v1/unsized", raw("HTTP/1.1 200 OK\r\n\r\n"))
        .on("/v1/gone", raw("HTTP/1.1 410 Gone\r\ncontent-length: 56\r\n\r\n"));
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    for (path, status, length) in [("there", 200, "1234"), ("gone", 410, "56"), ("there", 200, "1234")] {
        client.send(request("HEAD", &format!("/p/up/{path}"), &key(), ""));
        let head = client.head();
        assert_eq!((head.status, head.header("content-length")), (status, Some(length)), "{path}");
    }
    client.send(request("HEAD", "/p/up/unsized", &key(), ""));
    assert_eq!(client.head().status, 200);
    aurora.settles("aurora_answers_total", &["unknown caller_error 1", "unknown ok 3"]);
}
