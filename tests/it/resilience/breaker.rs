//! Circuit breaker: opening, probing, closing.

use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, WAIT_LIMIT};
use crate::support::client::{Response, chat_of};
use crate::support::exposition::{gateway, gateways, yaml};
use crate::support::fixtures::{HELLO, OK, ROLE};
use crate::support::upstream::{Step, Upstream, json, opening, response, stream};

const OPEN: &str = r#"{"error":{"message":"provider `up`: circuit breaker open after repeated failures of this model; the last one: it responded with 500 Internal Server Error","type":"upstream_error","param":null,"code":"upstream_circuit_open"}}"#;
const BUSY: &str = r#"{"error":{"message":"provider `up`: circuit breaker open after repeated failures of this model; the last one: it responded with 503 Service Unavailable","type":"upstream_error","param":null,"code":"upstream_circuit_open"}}"#;

/// Settings with no retries and this breaker.
fn breaker(failures: u32, successes: u32, timeout: &str) -> String {
    format!(
        "resilience: {{retry: {{max_retries: 0}}, circuit_breaker: {{failure_threshold: {failures}, \
         success_threshold: {successes}, timeout: {timeout}}}}}"
    )
}

fn failure(status: &str) -> Vec<Step> {
    response(status, "", "{}")
}

/// Sends until something else than the breaker responses.
fn ask_until_let_through(aurora: &Aurora) -> Response {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let response = aurora.send(chat_of("m", false));
        if ![OPEN, BUSY].contains(&response.text()) {
            return response;
        }
        assert!(Instant::now() < until, "the breaker stays open");
    }
}

#[test]
fn the_breaker_opens_after_failures_in_a_row() {
    let upstream =
        Upstream::start().on("m", vec![Step::Close]).on("m", failure("500 Oops")).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 2", &breaker(2, 1, "30s"));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    assert_eq!([(); 2].map(|()| aurora.send(chat_of("m", false)).status), [502, 500]);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m open 1"]);
    for streamed in [false, true] {
        let response = aurora.send(chat_of("m", streamed));
        assert_eq!((response.status_and_text(), response.header("retry-after")), ((503, OPEN), Some("30")));
        assert_eq!(response.header("x-aurora-provider"), None);
    }
    assert_eq!(upstream.calls().len(), 2);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 1"]);
    aurora.settles("aurora_upstream_attempts_total", &["up m breaker_open 2", "up m server_error 2"]);
    aurora.settles(
        "aurora_requests_total",
        &[
            "up m /chat/completions 500 error false 1",
            "up m /chat/completions 503 error false 1",
            "up m /chat/completions 503 error true 1",
            "up m /chat/completions network_error error false 1",
        ],
    );
    aurora.settles("aurora_answers_total", &["m upstream_error 4"]);
    aurora.settles("aurora_rejected_requests_total", &[]);
}

#[test]
fn the_breaker_closes_after_enough_successes() {
    let upstream = Upstream::start()
        .on("m", failure("500 Oops"))
        .on("m", failure("503 Busy"))
        .on("m", failure("400 No"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(1, 2, "20ms"));
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    // The first probe fails.
    assert_eq!(ask_until_let_through(&aurora).status, 503);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up half_open 1", "up open 2"]);
    // A response is a response: the provider is back.
    assert_eq!(ask_until_let_through(&aurora).status, 400);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m half_open 1"]);
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora
        .settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up half_open 2", "up open 2"]);
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn a_half_open_breaker_admits_one_request_even_if_its_client_disconnects() {
    let upstream =
        Upstream::start().on("m", failure("500 Oops")).on("m", vec![Step::Stall]).on("m", json(OK));
    let timeout = Duration::from_millis(1);
    let aurora = gateway(&upstream, "", &breaker(1, 1, "1ms"));
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    let opened = Instant::now();
    while opened.elapsed() <= timeout {}
    let mut probe = aurora.client();
    probe.send(chat_of("m", false));
    upstream.called(2);
    let other = aurora.send(chat_of("m", false));
    assert_eq!((other.status_and_text(), other.header("retry-after")), ((503, OPEN), Some("1")));
    drop(probe);
    upstream.over("m");
    assert_eq!(ask_until_let_through(&aurora).status_and_text(), (200, OK));
    aurora
        .settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up half_open 1", "up open 1"]);
    assert_eq!(upstream.calls().len(), 3);
}

#[test]
fn rate_limits_and_disconnects_do_not_open_the_breaker() {
    let upstream = Upstream::start()
        .on("m", failure("500 Oops"))
        .on("m", failure("429 Slow Down"))
        .on("m", vec![Step::Stall])
        .on("m", failure("500 Oops"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    assert_eq!([(); 2].map(|()| aurora.send(chat_of("m", false)).status), [500, 429]);
    let mut disconnecting = aurora.client();
    disconnecting.send(chat_of("m", false));
    upstream.called(3);
    drop(disconnecting);
    upstream.over("m");
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (503, OPEN));
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn any_response_resets_the_failure_count() {
    let upstream = Upstream::start();
    let statuses = ["500 Oops", "400 No", "500 Oops", "401 Who", "500 Oops", "404 Where", "500 Oops"];
    let upstream = statuses.iter().fold(upstream, |upstream, status| upstream.on("m", failure(status)));
    let upstream = upstream.on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    let responses = [(); 8].map(|()| aurora.send(chat_of("m", false)).status);
    assert_eq!(responses, [500, 400, 500, 502, 500, 404, 500, 200]);
}

#[test]
fn timeouts_count_as_failures_and_invalid_responses_do_not() {
    let upstream = Upstream::start()
        .on("m", vec![Step::Stall])
        .on("m", response("200 OK", "content-type: text/html\r\n", "<p>"))
        .on("m", vec![Step::Stall])
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &format!("{}\nhttp: {{timeout: 100ms}}", breaker(2, 1, "30s")));
    assert_eq!([(); 3].map(|()| aurora.send(chat_of("m", false)).status), [504, 502, 504]);
    assert_eq!(aurora.send(chat_of("m", false)).status, 503);
    assert_eq!(upstream.calls().len(), 3);
}

#[test]
fn a_broken_stream_counts_as_failure() {
    let broken = || vec![opening(&[ROLE, HELLO])[0].clone(), Step::Reset];
    let upstream = Upstream::start()
        .on("m", broken())
        .on("m", stream(&[ROLE, HELLO, "data: [DONE]\n\n"]))
        .on("m", broken())
        .on("m", failure("500 Oops"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    let responses = [(); 5].map(|()| {
        let response = aurora.send(chat_of("m", true));
        aurora.settles("aurora_requests_in_flight", &[]);
        response.status
    });
    assert_eq!(responses, [200, 200, 200, 500, 503]);
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn a_request_with_retries_counts_as_one_failure() {
    let upstream = Upstream::start().on("m", failure("503 Busy"));
    let settings = "resilience: {retry: {max_retries: 2, initial_backoff: 1ms, max_backoff: 1ms}, \
                    circuit_breaker: {failure_threshold: 2, timeout: 30s}}";
    let aurora = gateway(&upstream, "", settings);
    for _ in 0..2 {
        assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (503, "{}"));
    }
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (503, BUSY));
    assert_eq!(upstream.calls().len(), 6);
}

#[test]
fn every_provider_has_its_own_breaker() {
    let upstream = Upstream::start().on("m", failure("500 Oops"));
    let own = ", resilience: {circuit_breaker: {failure_threshold: 1, timeout: 1h}}";
    let providers = [("own", &upstream, own), ("off", &upstream, "")];
    let aurora = gateways(&providers, &breaker(0, 1, "30s"));
    for _ in 0..20 {
        assert_eq!(aurora.send(chat_of("off/m", false)).status_and_text(), (500, "{}"));
    }
    assert_eq!(aurora.send(chat_of("own/m", false)).status, 500);
    let response = aurora.send(chat_of("own/m", false));
    assert_eq!((response.status, response.header("retry-after")), (503, Some("3600")));
    assert_eq!(upstream.calls().len(), 21);
    aurora.settles(
        "aurora_circuit_breaker_state",
        &["off  closed 1", "off m closed 1", "own  closed 1", "own m open 1"],
    );
}

#[test]
fn the_breaker_survives_a_reload() {
    let upstream = Upstream::start().on("m", failure("500 Oops")).on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(1, 1, "1h"));
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    aurora.signal("HUP");
    aurora.line("configuration reloaded");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (503, OPEN));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m open 1"]);
    // Switched off it is closed.
    aurora.replace("config.yaml", &yaml(&upstream, "", &breaker(0, 1, "1h")));
    aurora.signal("HUP");
    aurora.lines("configuration reloaded", 2);
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up open 1"]);
}

#[test]
fn the_breaker_resets_when_url_or_key_change() {
    let broken = Upstream::start().on("m", failure("500 Oops"));
    let sound = Upstream::start().on("m", json(OK));
    let text = |upstream: &Upstream, key: &str, more: &str| {
        let text = yaml(upstream, more, &breaker(1, 1, "30s"));
        text.replace(crate::support::fixtures::PROVIDER_KEY, key)
    };
    let aurora = crate::support::aurora::Setup::new().yaml(&text(&broken, "one", "")).start();
    let mut reloads = 0;
    let mut reload = |text: String| {
        aurora.replace("config.yaml", &text);
        aurora.signal("HUP");
        reloads += 1;
        aurora.lines("configuration reloaded", reloads);
    };
    let state = |expected: &str| aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", expected]);
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    state("up m open 1");
    reload(text(&broken, "one", "body_size_limit: 1M"));
    state("up m open 1");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (503, OPEN));
    reload(text(&broken, "two", ""));
    state("up m closed 1");
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    state("up m open 1");
    reload(text(&sound, "two", ""));
    state("up m closed 1");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 2"]);
}

#[test]
fn requests_from_before_a_reload_do_not_count_against_the_new_breaker() {
    let gate = crate::support::upstream::Gate::default();
    let mut late = vec![Step::Await(gate.clone())];
    late.extend(failure("500 Oops"));
    let upstream = Upstream::start().on("m", late);
    let settings = breaker(1, 1, "30s");
    let aurora = gateway(&upstream, "", &settings);
    let mut client = aurora.client();
    client.send(chat_of("m", false));
    upstream.called(1);
    aurora.replace("config.yaml", &yaml(&upstream, "", &settings).replace("/v1\"", "/v2\""));
    aurora.signal("HUP");
    aurora.lines("configuration reloaded", 1);
    gate.open();
    assert_eq!(client.response().status, 500);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 500 error false 1"]);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &[]);
}
