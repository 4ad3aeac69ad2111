//! Conditional requests and redirects: responses that are relayed, and headers that are not forwarded.

use crate::support::aurora::Aurora;
use crate::support::client::{Response, key, request};
use crate::support::exposition::gateway;
use crate::support::upstream::{Upstream, json, response};

/// Every header that makes a request conditional or partial.
const CONDITIONS: &str = "if-none-match: \"a\"\r\nif-modified-since: Thu, 01 Jan 2026 00:00:00 GMT\r\nif-match: \"b\"\r\n\
                          if-unmodified-since: Thu, 01 Jan 2026 00:00:00 GMT\r\nif-range: \"c\"\r\nrange: bytes=0-9\r\n";

fn send(aurora: &Aurora, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let mut client = aurora.client();
    let headers = format!("{}content-type: application/json\r\n{headers}", key());
    client.send(request(method, path, &headers, body));
    client.head()
}

/// The names of the conditional headers that a script was sent.
fn conditions(upstream: &Upstream, name: &str) -> Vec<String> {
    let call = upstream.call(name);
    let names = call.headers().into_iter().filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
    names.filter(|name| name.starts_with("if-") || *name == "range").map(str::to_owned).collect()
}

const ALL: [&str; 6] =
    ["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"];

#[test]
fn a_304_to_a_conditional_request_is_relayed() {
    let kept = response("304 Not Modified", "etag: \"a\"\r\ncache-control: max-age=5\r\n", "");
    let kept = || kept.clone();
    let upstream = Upstream::start()
        .on("/v1/files/f", kept())
        .on("/v1/files/f/content", kept())
        .on("/v1/responses/resp_1", kept())
        .on("/v1/any", kept());
    let aurora = gateway(&upstream, "", "");
    for path in ["/v1/files/f", "/v1/files/f/content", "/v1/responses/resp_1", "/p/up/any"] {
        for method in ["GET", "HEAD"] {
            if method == "HEAD" && !path.starts_with("/p/") {
                continue;
            }
            let response = send(&aurora, method, path, "if-none-match: \"a\"\r\n", "");
            let headers = ["etag", "cache-control", "content-type"].map(|name| response.header(name));
            assert_eq!(
                (response.status, headers),
                (304, [Some("\"a\""), Some("max-age=5"), None]),
                "{method} {path}"
            );
        }
    }
    // The request was not conditional.
    assert_eq!(send(&aurora, "GET", "/v1/files/f", "", "").status, 502);
    aurora.settles("aurora_upstream_attempts_total", &["up unknown server_error 1", "up unknown success 5"]);
    aurora.settles("aurora_answers_total", &["unknown ok 5", "unknown upstream_error 1"]);
}

#[test]
fn a_redirect_of_passthrough_is_relayed_and_not_followed() {
    let upstream = Upstream::start()
        .on("/v1/moved", response("307 There", "location: https://elsewhere.example/x?y=1\r\n", "gone"))
        .on("/v1/kept", response("304 Not Modified", "etag: \"a\"\r\n", ""))
        .on("/v1/files/f", response("302 Found", "location: /v1/moved\r\n", ""))
        .on("m", response("308 There", "location: /v1/moved\r\n", ""));
    let aurora = gateway(&upstream, "", "");
    let moved = aurora.get("/p/up/moved");
    assert_eq!(moved.status_and_text(), (307, "gone"));
    assert_eq!(moved.header("location"), Some("https://elsewhere.example/x?y=1"));
    assert_eq!(send(&aurora, "POST", "/p/up/moved", "", "{}").status, 307);
    assert_eq!(send(&aurora, "GET", "/p/up/kept", "", "").status, 304);
    let refused = aurora.get("/v1/files/f");
    assert_eq!((refused.status, refused.header("location")), (502, None));
    assert_eq!(send(&aurora, "POST", "/v1/chat/completions", "", r#"{"model":"m"}"#).status, 502);
    assert_eq!(upstream.calls().len(), 5);
}

#[test]
fn conditional_headers_go_upstream_only_where_a_304_can_be_relayed() {
    let upstream = Upstream::start()
        .on("m", json("{}"))
        .on(
            "GET /v1/files/f/content",
            response("206 Partial Content", "content-range: bytes 0-9/99\r\n", "0123456789"),
        )
        .on("DELETE /v1/files/f", json("{}"))
        .on("GET /v1/any", json("{}"))
        .on("PUT /v1/any", json("{}"));
    let aurora = gateway(&upstream, "", "");
    assert_eq!(send(&aurora, "POST", "/v1/chat/completions", CONDITIONS, r#"{"model":"m"}"#).status, 200);
    assert_eq!(send(&aurora, "DELETE", "/v1/files/f", CONDITIONS, "").status, 200);
    assert_eq!(send(&aurora, "GET", "/p/up/any", CONDITIONS, "").status, 200);
    // A write that is meant for one version of a thing stays meant for it.
    assert_eq!(send(&aurora, "PUT", "/p/up/any", CONDITIONS, "x").status, 200);
    let part = send(&aurora, "GET", "/v1/files/f/content", CONDITIONS, "");
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 0-9/99")));
    assert_eq!(conditions(&upstream, "m"), [""; 0]);
    assert_eq!(conditions(&upstream, "DELETE /v1/files/f"), [""; 0]);
    for name in ["GET /v1/files/f/content", "GET /v1/any", "PUT /v1/any"] {
        assert_eq!(conditions(&upstream, name), ALL, "{name}");
    }
}
