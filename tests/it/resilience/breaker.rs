//! A provider that fails again and again is left alone for a while.

use std::time::{Duration, Instant};

use crate::streams::relay::{HELLO, ROLE};
use crate::support::aurora::{Aurora, PATIENCE};
use crate::support::client::{Answer, chat_of};
use crate::support::exposition::{gateway, gateways, yaml};
use crate::support::upstream::{Step, Upstream, answer, json, opening, stream};

const OK: &str = r#"{"choices":[]}"#;
const OPEN: &str = r#"{"error":{"message":"provider `up`: circuit breaker open after repeated failures of this model; the last one: it answered 500 Internal Server Error","type":"upstream_error","param":null,"code":"upstream_circuit_open"}}"#;
const BUSY: &str = r#"{"error":{"message":"provider `up`: circuit breaker open after repeated failures of this model; the last one: it answered 503 Service Unavailable","type":"upstream_error","param":null,"code":"upstream_circuit_open"}}"#;

/// Settings with no retries and this breaker.
fn breaker(failures: u32, successes: u32, timeout: &str) -> String {
    format!(
        "resilience: {{retry: {{max_retries: 0}}, circuit_breaker: {{failure_threshold: {failures}, \
         success_threshold: {successes}, timeout: {timeout}}}}}"
    )
}

fn failure(status: &str) -> Vec<Step> {
    answer(status, "", "{}")
}

/// Asks until something else than the breaker answers.
fn ask_until_let_through(aurora: &Aurora) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = aurora.ask(chat_of("m", false));
        if ![OPEN, BUSY].contains(&answer.text()) {
            return answer;
        }
        assert!(Instant::now() < until, "the breaker stays open");
    }
}

#[test]
fn failures_in_a_row_open_it() {
    let upstream =
        Upstream::start().on("m", vec![Step::Close]).on("m", failure("500 Oops")).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 2", &breaker(2, 1, "30s"));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    assert_eq!([(); 2].map(|()| aurora.ask(chat_of("m", false)).status), [502, 500]);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m open 1"]);
    for streamed in [false, true] {
        let answer = aurora.ask(chat_of("m", streamed));
        assert_eq!((answer.said(), answer.header("retry-after")), ((503, OPEN), Some("30")));
        assert_eq!(answer.header("x-aurora-provider"), None);
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
fn it_closes_after_enough_successes() {
    let upstream = Upstream::start()
        .on("m", failure("500 Oops"))
        .on("m", failure("503 Busy"))
        .on("m", failure("400 No"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(1, 2, "20ms"));
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    // The first probe fails.
    assert_eq!(ask_until_let_through(&aurora).status, 503);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up half_open 1", "up open 2"]);
    // An answer is an answer: the provider is back.
    assert_eq!(ask_until_let_through(&aurora).status, 400);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m half_open 1"]);
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (200, OK));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora
        .settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up half_open 2", "up open 2"]);
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn one_request_probes_and_its_caller_may_leave() {
    let upstream =
        Upstream::start().on("m", failure("500 Oops")).on("m", vec![Step::Stall]).on("m", json(OK));
    let timeout = Duration::from_millis(1);
    let aurora = gateway(&upstream, "", &breaker(1, 1, "1ms"));
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    let opened = Instant::now();
    while opened.elapsed() <= timeout {}
    let mut probe = aurora.caller();
    probe.send(chat_of("m", false));
    upstream.called(2);
    let other = aurora.ask(chat_of("m", false));
    assert_eq!((other.said(), other.header("retry-after")), ((503, OPEN), Some("1")));
    drop(probe);
    upstream.over("m");
    assert_eq!(ask_until_let_through(&aurora).said(), (200, OK));
    aurora
        .settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up half_open 1", "up open 1"]);
    assert_eq!(upstream.calls().len(), 3);
}

#[test]
fn haste_and_leaving_say_nothing_about_a_provider() {
    let upstream = Upstream::start()
        .on("m", failure("500 Oops"))
        .on("m", failure("429 Slow Down"))
        .on("m", vec![Step::Stall])
        .on("m", failure("500 Oops"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    assert_eq!([(); 2].map(|()| aurora.ask(chat_of("m", false)).status), [500, 429]);
    let mut leaving = aurora.caller();
    leaving.send(chat_of("m", false));
    upstream.called(3);
    drop(leaving);
    upstream.over("m");
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (503, OPEN));
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn any_answer_ends_the_row() {
    let upstream = Upstream::start();
    let statuses = ["500 Oops", "400 No", "500 Oops", "401 Who", "500 Oops", "404 Where", "500 Oops"];
    let upstream = statuses.iter().fold(upstream, |upstream, status| upstream.on("m", failure(status)));
    let upstream = upstream.on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    let answers = [(); 8].map(|()| aurora.ask(chat_of("m", false)).status);
    assert_eq!(answers, [500, 400, 500, 502, 500, 404, 500, 200]);
}

#[test]
fn silence_is_a_failure_and_an_invalid_response_is_none() {
    let upstream = Upstream::start()
        .on("m", vec![Step::Stall])
        .on("m", answer("200 OK", "content-type: text/html\r\n", "<p>"))
        .on("m", vec![Step::Stall])
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &format!("{}\nhttp: {{timeout: 100ms}}", breaker(2, 1, "30s")));
    assert_eq!([(); 3].map(|()| aurora.ask(chat_of("m", false)).status), [504, 502, 504]);
    assert_eq!(aurora.ask(chat_of("m", false)).status, 503);
    assert_eq!(upstream.calls().len(), 3);
}

#[test]
fn a_stream_that_breaks_is_a_failure_and_its_beginning_no_success() {
    let broken = || vec![opening(&[ROLE, HELLO])[0].clone(), Step::Reset];
    let upstream = Upstream::start()
        .on("m", broken())
        .on("m", stream(&[ROLE, HELLO, "data: [DONE]\n\n"]))
        .on("m", broken())
        .on("m", failure("500 Oops"))
        .on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(2, 1, "30s"));
    let answers = [(); 5].map(|()| {
        let answer = aurora.ask(chat_of("m", true));
        aurora.settles("aurora_requests_in_flight", &[]);
        answer.status
    });
    assert_eq!(answers, [200, 200, 200, 500, 503]);
    assert_eq!(upstream.calls().len(), 4);
}

#[test]
fn a_request_with_its_retries_is_one_failure() {
    let upstream = Upstream::start().on("m", failure("503 Busy"));
    let settings = "resilience: {retry: {max_retries: 2, initial_backoff: 1ms, max_backoff: 1ms}, \
                    circuit_breaker: {failure_threshold: 2, timeout: 30s}}";
    let aurora = gateway(&upstream, "", settings);
    for _ in 0..2 {
        assert_eq!(aurora.ask(chat_of("m", false)).said(), (503, "{}"));
    }
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (503, BUSY));
    assert_eq!(upstream.calls().len(), 6);
}

#[test]
fn every_provider_has_its_own() {
    let upstream = Upstream::start().on("m", failure("500 Oops"));
    let own = ", resilience: {circuit_breaker: {failure_threshold: 1, timeout: 1h}}";
    let providers = [("own", &upstream, own), ("off", &upstream, "")];
    let aurora = gateways(&providers, &breaker(0, 1, "30s"));
    for _ in 0..20 {
        assert_eq!(aurora.ask(chat_of("off/m", false)).said(), (500, "{}"));
    }
    assert_eq!(aurora.ask(chat_of("own/m", false)).status, 500);
    let answer = aurora.ask(chat_of("own/m", false));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3600")));
    assert_eq!(upstream.calls().len(), 21);
    aurora.settles(
        "aurora_circuit_breaker_state",
        &["off  closed 1", "off m closed 1", "own  closed 1", "own m open 1"],
    );
}

#[test]
fn it_outlives_a_reload() {
    let upstream = Upstream::start().on("m", failure("500 Oops")).on("m", json(OK));
    let aurora = gateway(&upstream, "", &breaker(1, 1, "1h"));
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    aurora.signal("HUP");
    aurora.line("configuration reloaded");
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (503, OPEN));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m open 1"]);
    // Switched off it is closed.
    aurora.replace("config.yaml", &yaml(&upstream, "", &breaker(0, 1, "1h")));
    aurora.signal("HUP");
    aurora.lines("configuration reloaded", 2);
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (200, OK));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up closed 1", "up open 1"]);
}

#[test]
fn it_is_forgotten_with_the_address_or_the_key_that_failed() {
    let broken = Upstream::start().on("m", failure("500 Oops"));
    let sound = Upstream::start().on("m", json(OK));
    let text = |upstream: &Upstream, key: &str, more: &str| {
        let text = yaml(upstream, more, &breaker(1, 1, "30s"));
        text.replace(crate::support::exposition::PROVIDER_KEY, key)
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
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    state("up m open 1");
    reload(text(&broken, "one", "body_size_limit: 1M"));
    state("up m open 1");
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (503, OPEN));
    reload(text(&broken, "two", ""));
    state("up m closed 1");
    assert_eq!(aurora.ask(chat_of("m", false)).status, 500);
    state("up m open 1");
    reload(text(&sound, "two", ""));
    state("up m closed 1");
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (200, OK));
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 2"]);
}

#[test]
fn calls_under_way_tell_nothing_of_the_breaker_that_is_in_force() {
    let gate = crate::support::upstream::Gate::default();
    let mut late = vec![Step::Await(gate.clone())];
    late.extend(failure("500 Oops"));
    let upstream = Upstream::start().on("m", late);
    let settings = breaker(1, 1, "30s");
    let aurora = gateway(&upstream, "", &settings);
    let mut caller = aurora.caller();
    caller.send(chat_of("m", false));
    upstream.called(1);
    aurora.replace("config.yaml", &yaml(&upstream, "", &settings).replace("/v1\"", "/v2\""));
    aurora.signal("HUP");
    aurora.lines("configuration reloaded", 1);
    gate.open();
    assert_eq!(caller.answer().status, 500);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 500 error false 1"]);
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &[]);
}
