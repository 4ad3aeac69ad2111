//! Requests that are not what they must be, and odd ones that are.

use std::fmt::Write as _;

use crate::requests::http_surface::start;
use crate::support::aurora::Setup;
use crate::support::client::{chat, key, request};
use crate::support::exposition::yaml;
use crate::support::fixtures::{MASTER_KEY, OK, refusal};
use crate::support::upstream::{LAST_CHUNK, Upstream, chunk, json};

#[test]
fn a_body_must_be_one_object_with_a_model() {
    let (upstream, aurora) = start();
    let json_error =
        |what: &str| refusal(&format!("The body is not a JSON object: {what}."), "", "invalid_json");
    let twice = |name: &str| {
        refusal(
            &format!("Duplicate field `{name}` in the request body; send it once."),
            name,
            "duplicate_member",
        )
    };
    let missing = refusal("`model` is missing: name the model to use.", "model", "missing_model");
    let no_string = refusal("`model` must be a string.", "model", "invalid_model");
    let no_boolean = refusal("`stream` must be true or false.", "stream", "invalid_stream");
    let cases: Vec<(&[u8], String)> = vec![
        (b"", json_error("EOF while parsing a value at line 1 column 0")),
        (b" ", json_error("EOF while parsing a value at line 1 column 1")),
        (b"{", json_error("EOF while parsing an object at line 1 column 1")),
        (b"[]", json_error("invalid type: sequence, expected an object at line 1 column 0")),
        (b"null", json_error("invalid type: null, expected an object at line 1 column 4")),
        (b"\"m\"", json_error("invalid type: string \\\"m\\\", expected an object at line 1 column 3")),
        (b"{\"model\":\"m\"} x", json_error("trailing characters at line 1 column 15")),
        (b"{\"model\":\"m\",}", json_error("trailing comma at line 1 column 14")),
        (b"{\"model\":\"m\",\"n\":01}", json_error("invalid number at line 1 column 19")),
        (b"{\"model\":\"m\",\"x\":[}", json_error("expected value at line 1 column 19")),
        (b"{'model':'m'}", json_error("key must be a string at line 1 column 2")),
        (b"\xef\xbb\xbf{}", json_error("expected value at line 1 column 1")),
        (b"{\"model\":\"m\xff\"}", refusal("The body is not UTF-8 (byte 11).", "", "invalid_json")),
        (
            b"{\"model\":\"m\0\"}",
            json_error(
                "control character (\\\\u0000-\\\\u001F) found while parsing a string at line 1 column 11",
            ),
        ),
        (b"{}", missing.clone()),
        (b"{\"Model\":\"m\",\"nested\":{\"model\":\"m\"}}", missing),
        (b"{\"model\":null}", no_string.clone()),
        (b"{\"model\":true}", no_string.clone()),
        (b"{\"model\":1}", no_string.clone()),
        (b"{\"model\":1e999}", no_string.clone()),
        (b"{\"model\":[\"m\"]}", no_string.clone()),
        (b"{\"model\":{\"m\":1}}", no_string.clone()),
        (b"{\"model\":\"\\ud800\"}", no_string),
        (b"{\"model\":\"m\",\"stream\":\"true\"}", no_boolean.clone()),
        (b"{\"model\":\"m\",\"stream\":1}", no_boolean.clone()),
        (b"{\"model\":\"m\",\"stream\":{}}", no_boolean),
        (b"{\"model\":\"m\",\"model\":\"m\"}", twice("model")),
        (b"{\"model\":\"m\",\"mod\\u0065l\":\"m\"}", twice("model")),
        (b"{\"model\":\"m\",\"stream\":true,\"stream\":true}", twice("stream")),
        (b"{\"model\":\"m\",\"stream_options\":{},\"stream_options\":{}}", twice("stream_options")),
    ];
    for (body, expected) in &cases {
        let response = aurora.send(chat(body));
        let shown = String::from_utf8_lossy(body);
        assert_eq!((&*shown, response.status_and_text()), (&*shown, (400, expected.as_str())));
    }
    assert_eq!(upstream.calls().len(), 0);
    aurora.settles("aurora_answers_total", &[format!("unknown caller_error {}", cases.len()).as_str()]);
}

#[test]
fn unknown_fields_are_forwarded() {
    let (upstream, aurora) = start();
    let deep = |depth: usize| format!("{{\"model\":\"m\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let fine = [
        "{\"model\":\"m\",\"stream\":null,\"n\":1e400,\"big\":123456789012345678901234567890,\"x\":\"\\u0000\",\"x\":1}".to_owned(),
        deep(127),
        deep(128),
        deep(129),
        deep(1_000_000),
    ];
    for body in &fine {
        assert_eq!(aurora.send(chat(body)).status_and_text(), (200, OK));
    }
    assert!(upstream.calls().iter().zip(&fine).all(|(call, sent)| call.body == sent.as_bytes()));
}

#[test]
fn a_body_over_the_size_limit_is_refused() {
    let upstream = Upstream::start().on("m", json(OK));
    let text = yaml(&upstream, "body_size_limit: 256K", "");
    let aurora = Setup::new().yaml(&text).start();
    let limit = 256 << 10;
    let body = |size: usize| format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "x".repeat(size - 20));
    let too_large = refusal(
        "The body is over the limit of 262144 bytes (server.body_size_limit, BODY_SIZE_LIMIT).",
        "",
        "body_too_large",
    );
    for size in [limit - 1, limit, limit + 1] {
        let body = body(size);
        assert_eq!(body.len(), size);
        let expected = if size > limit { (413, too_large.as_str()) } else { (200, OK) };
        assert_eq!(aurora.send(chat(&body)).status_and_text(), expected, "{size} bytes");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{}transfer-encoding: chunked\r\n\r\n",
            key()
        );
        let mut client = aurora.client();
        client.send(head);
        for part in body.as_bytes().chunks(10_000) {
            client.send(chunk(part));
        }
        client.send(LAST_CHUNK);
        assert_eq!(client.response().status_and_text(), expected, "{size} bytes in chunks");
    }
    let mut client = aurora.client();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{}expect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n",
        key()
    );
    client.send(head);
    assert_eq!(client.response().status_and_text(), (413, too_large.as_str()));
    assert_eq!(upstream.calls().len(), 4);
    aurora.settles("aurora_answers_total", &["m ok 4", "unknown caller_error 3"]);
}

#[test]
fn an_encoded_body_is_refused() {
    let (upstream, aurora) = start();
    let send = |encoding: &str| {
        let headers = format!("{}content-encoding: {encoding}\r\n", key());
        aurora.send(request("POST", "/v1/chat/completions", &headers, r#"{"model":"m"}"#))
    };
    let message = "The body is encoded; send it as it is, without Content-Encoding.";
    for encoding in ["gzip", "br", "identity, gzip"] {
        assert_eq!(send(encoding).status_and_text(), (415, &*refusal(message, "", "unsupported_encoding")));
    }
    assert_eq!(send("Identity").status_and_text(), (200, OK));
    assert_eq!(upstream.calls().len(), 1);
}

/// A head that is none gets a status, and no body.
#[test]
fn an_invalid_head_is_refused_and_counted() {
    let (upstream, aurora) = start();
    let post = |more: &str| {
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{}{more}\r\n{{\"model\":\"m\"}}", key())
    };
    let get = |more: &str| format!("GET /health HTTP/1.1\r\n{more}\r\n");
    let mut many = String::new();
    for number in 0..101 {
        write!(many, "x-{number}: y\r\n").expect("a string");
    }
    let bad = [
        "GARBAGE\r\n\r\n".to_owned(),
        "GET  /health HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(),
        get("no colon\r\n"),
        get("na me: x\r\n"),
        get(": x\r\n"),
        get("name : x\r\n"),
        get("a: b\r\n folded\r\n"),
        get("a: b\0\r\n"),
        post("content-length: 13\r\ncontent-length: 14\r\n"),
        post("content-length: +13\r\n"),
        post("content-length: -1\r\n"),
        post("content-length: 0x10\r\n"),
        post("content-length: 13, 14\r\n"),
        post("content-length: 99999999999999999999999999\r\n"),
        post("transfer-encoding: gzip\r\n"),
        post("transfer-encoding: chunked, gzip\r\n"),
        "POST /health HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ];
    for head in &bad {
        let mut client = aurora.client();
        client.send(head);
        assert_eq!((head, client.response().status), (head, 400));
        assert_eq!(client.closed(), b"");
    }
    for head in [get(&many), get(&format!("x: {}\r\n", "y".repeat(200 << 10)))] {
        let mut client = aurora.client();
        // It may be refused before it is all there.
        client.try_send(&head);
        assert_eq!(client.response().status, 431);
    }
    let mut client = aurora.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.closed();
    assert_eq!(upstream.calls().len(), 0);
    aurora.settles(
        "aurora_http_requests_total",
        &[&format!("unmatched other 400 ok {}", bad.len() + 1), "unmatched other 431 ok 2"],
    );
}

#[test]
fn unusual_requests_never_get_a_500() {
    let (upstream, aurora) = start();
    let body = r#"{"model":"m"}"#;
    let post = |more: &str, body: &str| {
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{}{more}\r\n{body}", key())
    };
    let chunks = |text: &str| post("transfer-encoding: chunked\r\n", text);
    let cases = [
        (200, "GET /health HTTP/1.0\r\n\r\n".to_owned()),
        (200, "GET /health HTTP/1.1\nhost: a\n\n".to_owned()),
        (200, "\r\n\r\nGET /health HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        (200, "GET /health HTTP/1.1\r\nhost:\r\n\r\n".to_owned()),
        (200, "GET http://A/health HTTP/1.1\r\nhost: a:80\r\n\r\n".to_owned()),
        (404, "CONNECT aurora:443 HTTP/1.1\r\nhost: aurora:443\r\n\r\n".to_owned()),
        (404, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        (200, post("upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 13\r\n", body)),
        (200, post("content-length: 13\r\ncontent-length: 13\r\n", body)),
        (200, chunks("5;ext=1\r\n{\"mod\r\n8\r\nel\":\"m\"}\r\n0\r\ntrailer: x\r\n\r\n")),
        (400, chunks("z\r\n{}\r\n0\r\n\r\n")),
        (400, chunks("-1\r\n{}\r\n0\r\n\r\n")),
        (400, chunks("fffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
        (400, chunks("2\r\n{}x\r\n0\r\n\r\n")),
    ];
    for (status, bytes) in &cases {
        let mut client = aurora.client();
        client.send(bytes);
        assert_eq!((bytes, client.response().status), (bytes, *status));
    }
    assert_eq!(upstream.calls().len(), 3);
    assert!(
        upstream.calls().iter().all(|call| call.body == body.as_bytes() && !call.head.contains("upgrade"))
    );
    assert_eq!(aurora.get(&format!("/v1/models/{MASTER_KEY}")).status, 404);
}

#[test]
fn requests_on_one_connection_are_served_in_order() {
    let (upstream, aurora) = start();
    let mut client = aurora.client();
    let health = request("GET", "/health", "", "");
    client.send([health.clone(), chat(r#"{"model":"m"}"#), health.clone(), health].concat());
    let statuses: Vec<String> = (0..4).map(|_| client.response().text().to_owned()).collect();
    let ok = r#"{"status":"ok"}"#;
    assert_eq!(statuses, [ok, OK, ok, ok]);
    assert_eq!(upstream.calls().len(), 1);
}

#[test]
fn http_1_1_requires_exactly_one_host() {
    let (upstream, aurora) = start();
    let missing = refusal("The Host header is missing; HTTP/1.1 requires one.", "", "missing_host");
    let duplicate = refusal("Duplicate Host header; send it once.", "", "duplicate_host");
    let invalid = refusal("The Host header is not a host with an optional port.", "", "invalid_host");
    let mismatch =
        refusal("The Host header differs from the host of the request target.", "", "host_mismatch");
    let cases = [
        ("GET /health", "", &missing),
        ("GET /health", "host: a\r\nHost: a\r\n", &duplicate),
        ("DELETE /health", "host: a\r\nhost: b\r\n", &duplicate),
        ("GET /nowhere", "host: a b\r\n", &invalid),
        ("GET /v1/models", "host: user@a\r\n", &invalid),
        ("GET http://b/v1/models", "host: a\r\n", &mismatch),
        ("GET http://a:81/v1/models", "host: a\r\n", &mismatch),
    ];
    for (line, hosts, expected) in cases {
        let response = aurora.send(format!("{line} HTTP/1.1\r\n{hosts}{}\r\n", key()));
        assert_eq!((line, hosts, response.status_and_text()), (line, hosts, (400, expected.as_str())));
    }
    let body = r#"{"model":"m"}"#;
    let post = format!("POST /v1/chat/completions HTTP/1.1\r\n{}content-length: 13\r\n\r\n{body}", key());
    assert_eq!(aurora.send(post).status_and_text(), (400, missing.as_str()));
    assert_eq!(
        aurora.send("GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n").status_and_text(),
        (400, &*duplicate)
    );
    assert_eq!(aurora.send("GET /health HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(upstream.calls().len(), 0);
    aurora.settles(
        "aurora_http_requests_total",
        &[
            "/health DELETE 400 ok 1",
            "/health GET 400 ok 3",
            "/v1/chat/completions POST 400 ok 1",
            "/v1/models GET 400 ok 3",
            "unmatched GET 400 ok 1",
        ],
    );
    aurora.settles("aurora_rejected_requests_total", &["invalid_request 9"]);
    aurora.settles("aurora_answers_total", &[]);
}
