//! The provider's key never reaches a client, wherever the provider writes it.

use std::io::Write as _;

use crate::support::client::{Client, chat_of, key, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::{DONE, HELLO, PROVIDER_KEY};
use crate::support::upstream::{LAST_CHUNK, STREAM_HEAD, Step, Upstream, chunk, json, response, stream};

/// The key as JSON may spell it.
fn spellings() -> [String; 4] {
    let escaped: String = PROVIDER_KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let upper: String = PROVIDER_KEY.bytes().map(|byte| format!("\\u{byte:04X}")).collect();
    [PROVIDER_KEY.to_owned(), PROVIDER_KEY.replace('-', "\\u002d"), escaped, upper]
}

/// What takes the place of a spelling.
fn stars(spelling: &str) -> String {
    "*".repeat(spelling.len())
}

#[test]
fn stream_error_events_are_relayed_without_the_key() {
    let event = |text: &str| format!("data: {{\"error\":{{\"message\":\"no {text}, really\"}}}}\n\n");
    let mut upstream = Upstream::start();
    for (index, spelling) in spellings().iter().enumerate() {
        upstream = upstream.on(&format!("m{index}"), stream(&[HELLO, &event(spelling)]));
    }
    let aurora = gateway(&upstream, "", "");
    for (index, spelling) in spellings().iter().enumerate() {
        let response = aurora.send(chat_of(&format!("m{index}"), true));
        assert_eq!(response.status_and_text(), (200, &*[HELLO, &event(&stars(spelling))].concat()));
    }
    aurora.settles(
        "aurora_streams_total",
        &[
            "up m0 upstream_error 1",
            "up m1 upstream_error 1",
            "up m2 upstream_error 1",
            "up m3 upstream_error 1",
        ],
    );
}

#[test]
fn a_key_split_over_chunks_is_removed() {
    let mut upstream = Upstream::start();
    let mut names = Vec::new();
    for (index, spelling) in spellings().iter().enumerate() {
        for at in (1..spelling.len()).step_by(if index == 0 { 1 } else { 5 }) {
            let (first, second) = spelling.split_at(at);
            let name = format!("s{index}-{at}");
            let (first, second) = (format!("data: {{\"error\":\"{first}"), format!("{second}\"}}\n\n"));
            upstream = upstream.on(&name, stream(&[HELLO, &first, &second]));
            names.push((name, spelling.clone()));
        }
    }
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    for (name, spelling) in names {
        client.send(chat_of(&name, true));
        let expected = format!("{HELLO}data: {{\"error\":\"{}\"}}\n\n", stars(&spelling));
        assert_eq!(client.response().status_and_text(), (200, &*expected), "{name}");
    }
}

#[test]
fn a_prefix_of_the_key_is_relayed() {
    let (part, end) = (&PROVIDER_KEY[..PROVIDER_KEY.len() - 1], "\"}}]}\n\n");
    let open = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{part}");
    let upstream = Upstream::start().on("m", stream(&[HELLO, &open, end, DONE])).on("cut", {
        let parts = [chunk(HELLO), chunk(&open), LAST_CHUNK.into()].concat();
        vec![Step::Send([STREAM_HEAD.as_bytes(), &parts].concat())]
    });
    let aurora = gateway(&upstream, "", "");
    assert_eq!(
        aurora.send(chat_of("m", true)).status_and_text(),
        (200, &*[HELLO, &open, end, DONE].concat())
    );
    let cut = aurora.send(chat_of("cut", true));
    assert!(cut.text().starts_with(&format!("{HELLO}{open}\n\ndata: {{\"error\"")), "{}", cut.text());
}

#[test]
fn an_error_in_a_200_is_relayed_without_the_key() {
    let large = format!("{{\"error\":\"{PROVIDER_KEY}\",\"pad\":\"{}\"}}", "x".repeat(300 << 10));
    let mut upstream = Upstream::start().on("large", json(&large)).on("/v1/any", {
        response("200 OK", "content-type: text/plain\r\n", format!("a {PROVIDER_KEY} {PROVIDER_KEY}"))
    });
    for (index, spelling) in spellings().iter().enumerate() {
        upstream =
            upstream.on(&format!("m{index}"), json(&format!("{{\"error\":{{\"message\":\"{spelling}\"}}}}")));
    }
    let aurora = gateway(&upstream, "", "");
    for (index, spelling) in spellings().iter().enumerate() {
        let expected = format!("{{\"error\":{{\"message\":\"{}\"}}}}", stars(spelling));
        assert_eq!(aurora.send(chat_of(&format!("m{index}"), false)).status_and_text(), (200, &*expected));
    }
    let response = aurora.send(chat_of("large", false));
    assert!(response.whole && response.text() == large.replace(PROVIDER_KEY, &stars(PROVIDER_KEY)));
    let stars = stars(PROVIDER_KEY);
    assert_eq!(aurora.get("/p/up/any").status_and_text(), (200, &*format!("a {stars} {stars}")));
}

#[test]
fn error_bodies_are_relayed_without_the_key_in_any_encoding() {
    let mut upstream = Upstream::start();
    let body = |text: &str| format!("{{\"error\":{{\"message\":\"bad key {text}!\"}}}}");
    for (index, spelling) in spellings().iter().enumerate() {
        let response = response("403 Forbidden", "content-type: application/json\r\n", body(spelling));
        upstream = upstream.on(&format!("m{index}"), response);
    }
    let aurora = gateway(&upstream, "", "");
    for (index, spelling) in spellings().iter().enumerate() {
        let response = aurora.send(chat_of(&format!("m{index}"), false));
        assert_eq!(response.status_and_text(), (403, &*body(&stars(spelling))));
    }
}

#[test]
fn compressed_bodies_are_relayed_without_the_key() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let body = format!("{{\"error\":{{\"message\":\"no {PROVIDER_KEY}\"}}}}");
    let event = format!("{HELLO}data: {body}\n\n");
    let headers = |kind: &str| format!("content-type: {kind}\r\ncontent-encoding: gzip\r\n");
    let upstream = Upstream::start()
        .on("ok", response("200 OK", &headers("application/json"), gzip(&body)))
        .on("bad", response("403 Forbidden", &headers("application/json"), gzip(&body)))
        .on("stream", response("200 OK", &headers("text/event-stream"), gzip(&event)));
    let aurora = gateway(&upstream, "", "");
    let clean = |text: &str| text.replace(PROVIDER_KEY, &stars(PROVIDER_KEY));
    assert_eq!(aurora.send(chat_of("ok", false)).status_and_text(), (200, &*clean(&body)));
    assert_eq!(aurora.send(chat_of("bad", false)).status_and_text(), (403, &*clean(&body)));
    assert_eq!(aurora.send(chat_of("stream", true)).status_and_text(), (200, &*clean(&event)));
}

#[test]
fn response_headers_with_the_key_are_dropped() {
    let headers =
        |kind: &str| format!("content-type: {kind}\r\nx-seen: Bearer {PROVIDER_KEY}\r\nx-own: 1\r\n");
    let stream_head =
        STREAM_HEAD.replace("\r\n\r\n", &format!("\r\nx-seen: {PROVIDER_KEY}\r\nx-own: 1\r\n\r\n"));
    let upstream = Upstream::start()
        .on("ok", response("200 OK", &headers("application/json"), "{}"))
        .on("bad", response("400 Bad Request", &headers("application/json"), "{}"))
        .on(
            "stream",
            vec![Step::Send([stream_head.as_bytes(), &chunk(DONE), LAST_CHUNK.as_bytes()].concat())],
        )
        .on("kind", response("200 OK", &format!("content-type: text/{PROVIDER_KEY}\r\n"), "{}"));
    let aurora = gateway(&upstream, "", "log: {level: debug}");
    for (model, status) in [("ok", 200), ("bad", 400), ("stream", 200)] {
        let response = aurora.send(chat_of(model, model == "stream"));
        assert_eq!(
            (response.status, response.header("x-seen"), response.header("x-own")),
            (status, None, Some("1"))
        );
    }
    let mut client: Client = aurora.client();
    client.send(request("GET", "/p/up/models", &key(), ""));
    client.send(chat_of("kind", false));
    for response in [client.response(), client.response()] {
        assert!(!format!("{:?}{}", response.headers, response.text()).contains(PROVIDER_KEY));
    }
    assert!(!aurora.log().concat().contains(PROVIDER_KEY));
}
