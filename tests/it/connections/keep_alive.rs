//! Connections that are kept for a further request, and those that end with a response.

use std::time::Duration;

use crate::support::client::{chat_of, key, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::{HELLO, OK};
use crate::support::upstream::{Upstream, json, stream};

/// A chat in HTTP/1.0 whose client would keep the connection.
fn old_chat(model: &str, stream: bool) -> String {
    let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
    let head = "POST /v1/chat/completions HTTP/1.0\r\nconnection: keep-alive\r\n";
    format!("{head}{}content-length: {}\r\n\r\n{body}", key(), body.len())
}

#[test]
fn a_stream_to_a_client_of_http_1_0_ends_with_its_connection() {
    let upstream = Upstream::start().on("m", json(OK)).on("stream", stream(&[HELLO, "data: [DONE]\n\n"]));
    let aurora = gateway(&upstream, "timeouts: {idle: 1h}", "");
    let mut client = aurora.client();
    client.send(old_chat("m", false));
    let response = client.response();
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), Some("keep-alive")));
    client.send(old_chat("stream", true));
    let response = client.response();
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.header("transfer-encoding"), None);
    assert_eq!(response.text(), format!("{HELLO}data: [DONE]\n\n"));
}

#[test]
fn a_line_end_behind_a_body_begins_no_request() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "timeouts: {header: 50ms, idle: 1h}", "");
    let mut client = aurora.client();
    for line_end in ["\r\n", "\n", "\r\n\r\n"] {
        client.send([chat_of("m", false), line_end.into()].concat());
        assert_eq!(client.response().status_and_text(), (200, OK));
        assert!(!client.closes_within(Duration::from_millis(200)), "{line_end:?}");
    }
    client.send("\r\nG");
    assert_eq!(client.closed(), b"");
}

#[test]
fn nothing_is_served_behind_malformed_chunks() {
    let upstream = Upstream::start();
    let aurora = gateway(&upstream, "workers: 1", "");
    let health = || request("GET", "/health", "", "");
    // Data that has the form of a last chunk with a request behind it, then a size that is none.
    let data = [b"0\r\n\r\n", &health()[..]].concat();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{}transfer-encoding: chunked\r\n\r\n",
        key()
    );
    let mut client = aurora.client();
    client.send(format!("{head}{:x}\r\n{{", data.len() + 1));
    // The only worker has read the part when it has responded to somebody else.
    assert_eq!(aurora.send(health()).status, 200);
    client.send([&data, &b"\r\nx\r\n"[..]].concat());
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (400, Some("close")));
    assert_eq!(client.closed(), b"");
}
