//! Retries of the same target: conditions, number, delays, counts.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{chat, chat_of};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{BUSY, DONE, HELLO, OK, ROLE};
use crate::support::upstream::{STREAM_HEAD, Step, Upstream, chunk, json, opening, response, stream};

/// Three retries after next to no pause.
const QUICK: &str =
    "resilience: {retry: {initial_backoff: 1ms, max_backoff: 20ms}, circuit_breaker: {failure_threshold: 0}}";

fn failure(status: &str) -> Vec<Step> {
    response(status, "content-type: application/json\r\n", BUSY)
}

/// What the counters say of every attempt and every request.
fn counted(aurora: &Aurora, attempts: &[&str], retries: &[&str], requests: &[&str], responses: &[&str]) {
    aurora.settles("aurora_upstream_attempts_total", attempts);
    aurora.settles("aurora_retries_total", retries);
    aurora.settles("aurora_requests_total", requests);
    aurora.settles("aurora_answers_total", responses);
    aurora.settles("aurora_requests_in_flight", &[]);
}

#[test]
fn transient_errors_are_retried() {
    let statuses = ["429 Slow Down", "502 Bad Gateway", "503 Busy", "504 Late"];
    let mut upstream = Upstream::start();
    for status in statuses {
        let busy = response(status, "content-type: application/json\r\nretry-after: 0\r\n", BUSY);
        upstream = upstream.on(&status[..3], busy).on(&status[..3], json(OK));
    }
    let aurora = gateway(&upstream, "", &format!("{QUICK}\nlog: {{requests: all}}"));
    for status in statuses {
        let body = format!(r#"{{"messages": [], "model" : "up/{}", "n":1}}"#, &status[..3]);
        assert_eq!(aurora.send(chat(body)).status_and_text(), (200, OK));
    }
    let calls = upstream.calls();
    assert_eq!(calls.len(), 8);
    for (pair, status) in calls.chunks(2).zip(statuses) {
        let expected = format!(r#"{{"messages": [], "model" : "{}", "n":1}}"#, &status[..3]);
        assert_eq!(pair[0].body, expected.as_bytes());
        assert_eq!((&pair[0].head, &pair[0].body), (&pair[1].head, &pair[1].body));
    }
    counted(
        &aurora,
        &[
            "up 429 rate_limited 1",
            "up 429 success 1",
            "up 502 server_error 1",
            "up 502 success 1",
            "up 503 server_error 1",
            "up 503 success 1",
            "up 504 server_error 1",
            "up 504 success 1",
        ],
        &["up rate_limited 1", "up server_error 3"],
        &[
            "up 429 /chat/completions 200 success false 1",
            "up 502 /chat/completions 200 success false 1",
            "up 503 /chat/completions 200 success false 1",
            "up 504 /chat/completions 200 success false 1",
        ],
        &["429 ok_after_retry 1", "502 ok_after_retry 1", "503 ok_after_retry 1", "504 ok_after_retry 1"],
    );
    assert_eq!(aurora.line("request")["attempts"], Value::from(2));
}

#[test]
fn permanent_errors_are_not_retried() {
    let statuses = [
        "400 Bad Request",
        "402 Pay",
        "403 No",
        "404 Not Found",
        "408 Slow",
        "409 Conflict",
        "422 No",
        "500 Oops",
        "501 What",
        "529 Full",
    ];
    let mut upstream = Upstream::start();
    for status in statuses {
        upstream = upstream.on(&status[..3], failure(status)).on(&status[..3], json(OK));
    }
    let upstream = upstream
        .on("401", failure("401 Who"))
        .on("307", response("307 There", "location: /\r\n", ""))
        .on("html", response("200 OK", "content-type: text/html\r\n", "<p>"))
        .on("garbled", vec![Step::Send(b"HTTP/1.1 2".to_vec()), Step::Close])
        .on("half", vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()), Step::Close])
        .on("silent", vec![Step::Stall]);
    let aurora = gateway(&upstream, "", &format!("{QUICK}\nhttp: {{timeout: 200ms}}"));
    for status in statuses {
        assert_eq!(
            aurora.send(chat_of(&status[..3], false)).status_and_text(),
            (status[..3].parse().unwrap(), BUSY)
        );
    }
    let others = ["401", "307", "html", "garbled", "half", "silent"];
    let responses = others.map(|model| aurora.send(chat_of(model, false)).status);
    assert_eq!(responses, [502, 502, 502, 502, 502, 504]);
    assert_eq!(upstream.calls().len(), statuses.len() + others.len());
    counted_attempts(&aurora, statuses.len() + others.len());
    aurora.settles("aurora_retries_total", &[]);
}

fn counted_attempts(aurora: &Aurora, expected: usize) {
    let attempts = aurora.counts("aurora_upstream_attempts_total");
    let sum: usize =
        attempts.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(sum, expected, "{attempts:?}");
}

#[test]
fn the_last_response_is_relayed_unchanged() {
    let upstream = Upstream::start().on("m", response("503 Busy", "retry-after: 0\r\nx-theirs: 1\r\n", BUSY));
    let aurora = gateway(&upstream, "", QUICK);
    let response = aurora.send(chat_of("m", false));
    assert_eq!(response.status_and_text(), (503, BUSY));
    assert_eq!((response.header("retry-after"), response.header("x-theirs")), (Some("0"), Some("1")));
    assert_eq!(upstream.calls().len(), 4);
    counted(
        &aurora,
        &["up m server_error 4"],
        &["up server_error 3"],
        &["up m /chat/completions 503 error false 1"],
        &["m upstream_error 1"],
    );
}

#[test]
fn connect_errors_are_retried() {
    let refusing = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let upstream = Upstream::start().on("m", json(OK));
    let text = yaml(&upstream, "", QUICK);
    let text = text.replace(&upstream.address.to_string(), &refusing.to_string());
    let aurora = Setup::new().yaml(&text).start();
    assert_eq!(aurora.send(chat_of("m", false)).status, 502);
    counted(
        &aurora,
        &["up m connect_error 4"],
        &["up connect_error 3"],
        &["up m /chat/completions network_error error false 1"],
        &["m upstream_error 1"],
    );
}

#[test]
fn requests_sent_on_a_broken_connection_are_not_retried() {
    for end in [Step::Close, Step::Reset] {
        let upstream = Upstream::start().on("m", vec![end]).on("m", json(OK));
        let aurora = gateway(&upstream, "", QUICK);
        assert_eq!(aurora.send(chat_of("m", false)).status, 502);
        assert_eq!(upstream.calls().len(), 1);
        counted(
            &aurora,
            &["up m server_error 1"],
            &[],
            &["up m /chat/completions network_error error false 1"],
            &["m upstream_error 1"],
        );
    }
}

#[test]
fn a_kept_connection_that_closes_on_use_is_replaced_without_a_retry() {
    let ends = [Step::Close, Step::Reset];
    for end in ends {
        let upstream = Upstream::start().on("m", json(OK)).on("m", vec![end]).on("m", json(OK));
        // Not even a retry is needed.
        let aurora = gateway(&upstream, "workers: 1", "");
        for _ in 0..2 {
            assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
        }
        let connections: Vec<usize> = upstream.calls().iter().map(|call| call.connection).collect();
        assert_eq!(connections, [0, 0, 1]);
        counted(
            &aurora,
            &["up m server_error 1", "up m success 2"],
            &[],
            &["up m /chat/completions 200 success false 2"],
            &["m ok 2"],
        );
    }
}

#[test]
fn retry_after_delays_the_retry() {
    let busy = |after: &str| response("429 Slow Down", &format!("retry-after: {after}\r\n"), BUSY);
    let upstream = Upstream::start()
        .on("soon", busy("0.3"))
        .on("soon", json(OK))
        .on("past", busy("Thu, 01 Jan 1970 00:00:00 GMT"))
        .on("past", json(OK))
        .on("late", busy("2"))
        .on("late", json(OK));
    let aurora = gateway(&upstream, "", &QUICK.replace("20ms", "1s"));
    let begun = Instant::now();
    assert_eq!(aurora.send(chat_of("soon", false)).status_and_text(), (200, OK));
    assert!(begun.elapsed() >= Duration::from_millis(300), "took {:?}", begun.elapsed());
    assert_eq!(aurora.send(chat_of("past", false)).status_and_text(), (200, OK));
    let late = aurora.send(chat_of("late", false));
    assert_eq!((late.status_and_text(), late.header("retry-after")), ((429, BUSY), Some("2")));
    counted(
        &aurora,
        &[
            "up late rate_limited 1",
            "up past rate_limited 1",
            "up past success 1",
            "up soon rate_limited 1",
            "up soon success 1",
        ],
        &["up rate_limited 2"],
        &[
            "up late /chat/completions 429 error false 1",
            "up past /chat/completions 200 success false 1",
            "up soon /chat/completions 200 success false 1",
        ],
        &["late rate_limited 1", "past ok_after_retry 1", "soon ok_after_retry 1"],
    );
}

#[test]
fn quota_errors_differ_from_rate_limits() {
    let body = |member: &str| format!(r#"{{"error":{{"message":"x","{member}":"insufficient_quota"}}}}"#);
    let upstream = Upstream::start()
        .on("code", response("429 Pay", "", body("code")))
        .on("type", response("429 Pay", "", body("type")))
        .on("402", failure("402 Pay"))
        .on("haste", response("429 Slow", "", r#"{"error":{"code":429,"type":"insufficient_quota_soon"}}"#));
    let aurora = gateway(&upstream, "", "");
    for model in upstream.models() {
        aurora.send(chat_of(&model, false));
    }
    aurora.settles(
        "aurora_upstream_attempts_total",
        &["up 402 quota 1", "up code quota 1", "up haste rate_limited 1", "up type quota 1"],
    );
}

#[test]
fn no_backoff_exceeds_the_timeout() {
    let upstream = Upstream::start().on("m", failure("503 Busy"));
    let slow = QUICK.replace("1ms", "50s").replace("20ms", "50s");
    let aurora = gateway(&upstream, "", &format!("{slow}\nhttp: {{timeout: 40s, stream_first_event: 40s}}"));
    for streamed in [false, true] {
        // A client of the tests waits for less than the timeout.
        assert_eq!(aurora.send(chat_of("m", streamed)).status_and_text(), (503, BUSY));
    }
    assert_eq!(upstream.calls().len(), 2);
    // A retry gets the remaining time, not all of it again.
    let upstream = Upstream::start().on("m", failure("503 Busy")).on("m", vec![Step::Stall]);
    let aurora = gateway(&upstream, "", &format!("{QUICK}\nhttp: {{timeout: 300ms}}"));
    assert_eq!(aurora.send(chat_of("m", false)).status, 504);
    counted(
        &aurora,
        &["up m server_error 1", "up m timeout 1"],
        &["up server_error 1"],
        &["up m /chat/completions 504 error false 1"],
        &["m upstream_error 1"],
    );
}

#[test]
fn the_retry_budget_limits_retries_of_a_provider() {
    let upstream = Upstream::start().on("bad", failure("503 Busy")).on("good", json(OK));
    let aurora = gateway(&upstream, "", QUICK);
    for _ in 0..6 {
        assert_eq!(aurora.send(chat_of("bad", false)).status, 503);
    }
    assert_eq!(upstream.calls().len(), 6 + 10);
    aurora.settles("aurora_retries_total", &["up server_error 10"]);
    aurora.settles("aurora_upstream_attempts_total", &["up bad server_error 16"]);

    let upstream = Upstream::start().on("bad", failure("503 Busy")).on("good", json(OK));
    let aurora = gateway(&upstream, "", QUICK);
    let mut client = aurora.client();
    for _ in 0..190 {
        client.send(chat_of("good", false));
        assert_eq!(client.response().status, 200);
    }
    for _ in 0..10 {
        client.send(chat_of("bad", false));
        assert_eq!(client.response().status, 503);
    }
    aurora.settles("aurora_retries_total", &["up server_error 20"]);
    assert_eq!(upstream.calls().len(), 200 + 20);
}

#[test]
fn a_client_disconnect_ends_the_backoff() {
    let upstream = Upstream::start().on("m", failure("503 Busy")).on("m", json(OK));
    let slow = QUICK.replace("1ms", "50s").replace("20ms", "50s");
    let aurora = gateway(&upstream, "", &format!("{slow}\nlog: {{level: debug}}"));
    let mut client = aurora.client();
    client.send(chat_of("m", false));
    aurora.line("retry");
    drop(client);
    counted(
        &aurora,
        &["up m server_error 1"],
        &[],
        &["up m /chat/completions 499 cancelled false 1"],
        &["m cancelled 1"],
    );
    aurora.settles("aurora_client_disconnects_total", &["/chat/completions before_headers 1"]);
    assert_eq!(upstream.calls().len(), 1);
}

#[test]
fn a_shutdown_ends_the_backoff() {
    let upstream = Upstream::start().on("m", failure("503 Busy"));
    let slow = QUICK.replace("1ms", "50s").replace("20ms", "50s");
    let aurora = gateway(&upstream, "shutdown: {grace: 100ms}", &format!("{slow}\nlog: {{level: debug}}"));
    let mut client = aurora.client();
    client.send(chat_of("m", false));
    aurora.line("retry");
    let (status, _) = aurora.stop();
    assert_eq!((status.code(), client.response().status), (Some(0), 503));
}

#[test]
fn a_stream_is_retried_until_it_begins() {
    let broken = [STREAM_HEAD.as_bytes(), &chunk(ROLE), &chunk(HELLO)].concat();
    let upstream = Upstream::start()
        .on("early", failure("502 Bad Gateway"))
        .on("early", failure("503 Busy"))
        .on("early", stream(&[ROLE, HELLO, DONE]))
        .on("headers", vec![opening(&[])[0].clone(), Step::Close])
        .on("headers", stream(&[ROLE, HELLO, DONE]))
        .on("mid", vec![Step::Send(broken), Step::Reset])
        .on("mid", stream(&[ROLE, HELLO, DONE]));
    let aurora = gateway(&upstream, "", QUICK);
    assert_eq!(aurora.send(chat_of("early", true)).status_and_text(), (200, &*[ROLE, HELLO, DONE].concat()));
    assert_eq!(aurora.send(chat_of("headers", true)).status, 502);
    let mid = aurora.send(chat_of("mid", true));
    assert!(mid.text().starts_with(&[ROLE, HELLO].concat()), "{}", mid.text());
    assert!(mid.text().contains("\"error\""), "{}", mid.text());
    assert_eq!(upstream.calls().len(), 3 + 1 + 1);
    counted(
        &aurora,
        &[
            "up early server_error 2",
            "up early success 1",
            "up headers server_error 1",
            "up mid server_error 1",
        ],
        &["up server_error 2"],
        &[
            "up early /chat/completions 200 success true 1",
            "up headers /chat/completions 200 error true 1",
            "up mid /chat/completions 200 error true 1",
        ],
        &["early ok_after_retry 1", "headers upstream_error 1", "mid broken_stream 1"],
    );
}

#[test]
fn retry_settings_of_a_provider_override_the_global_ones() {
    let upstream = Upstream::start().on("m", failure("503 Busy"));
    let own = ", resilience: {retry: {max_retries: 1}}";
    let aurora =
        crate::support::exposition::gateways(&[("own", &upstream, own), ("other", &upstream, "")], QUICK);
    assert_eq!(aurora.send(chat_of("own/m", false)).status, 503);
    assert_eq!(upstream.calls().len(), 2);
    assert_eq!(aurora.send(chat_of("other/m", false)).status, 503);
    assert_eq!(upstream.calls().len(), 2 + 4);
    aurora.settles("aurora_retries_total", &["other server_error 3", "own server_error 1"]);
}
