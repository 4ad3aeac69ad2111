//! Routes: the next target where one fails, and pools whose targets take turns.

use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use crate::support::aurora::{MARGIN, Setup};
use crate::support::client::{chat, chat_of, post};
use crate::support::exposition::gateways;
use crate::support::fixtures::{DONE, HELLO, MASTER_KEY, OK, ROLE};
use crate::support::upstream::{Step, Upstream, json, opening, response, stream};

/// No retries, no breaker, and this route.
fn route(targets: &str) -> String {
    format!(
        "resilience: {{retry: {{max_retries: 0}}, circuit_breaker: {{failure_threshold: 0}}}}\nroutes: {{smart: {targets}}}"
    )
}

fn failure(status: &str) -> Vec<Step> {
    response(status, "", r#"{"from":"a"}"#)
}

/// An upstream at an address without a listener.
fn nobody() -> Upstream {
    let mut upstream = Upstream::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    upstream.address = listener.local_addr().expect("bound");
    upstream
}

/// Failures of the first target that lead to the second, with their counts.
fn failures() -> Vec<(Vec<Step>, &'static str, &'static str)> {
    vec![
        (failure("500 Oops"), "500", "server_error"),
        (failure("503 Busy"), "503", "server_error"),
        (failure("529 Full"), "529", "server_error"),
        (failure("429 Slow Down"), "429", "rate_limited"),
        (failure("401 Who"), "401", "unauthorized"),
        (response("200 OK", "content-type: text/html\r\n", "<p>"), "200", "server_error"),
        (vec![Step::Close], "network_error", "server_error"),
        (vec![Step::Send(b"HTTP/1.1 2".to_vec()), Step::Close], "network_error", "server_error"),
        (vec![Step::Stall], "504", "timeout"),
    ]
}

#[test]
fn a_failing_target_falls_back_to_the_next() {
    for (steps, status, attempt) in failures() {
        for streamed in [false, true] {
            let (good, whole) = if streamed {
                (stream(&[ROLE, HELLO, DONE]), [ROLE, HELLO, DONE].concat())
            } else {
                (json(OK), OK.into())
            };
            let a = Upstream::start().on("a-model", steps.clone());
            let b = Upstream::start().on("org/b-model", good);
            let patience = if status == "504" { "300ms" } else { "20s" };
            let route = route("[a/a-model, b/org/b-model]")
                + &format!("\nhttp: {{timeout: {patience}, stream_first_event: {patience}}}");
            let aurora = gateways(&[("a", &a, ""), ("b", &b, ", models: [org/b-model]")], &route);
            let response = aurora.send(chat(format!(r#"{{"n":1, "model":"smart","stream":{streamed}}}"#)));
            assert_eq!((status, response.status_and_text()), (status, (200, &*whole)));
            let who = (response.header("x-aurora-provider"), response.header("x-aurora-model"));
            assert_eq!(who, (Some("b"), Some("org/b-model")));
            for (upstream, model, key) in [(&a, "a-model", "k-a"), (&b, "org/b-model", "k-b")] {
                let calls = upstream.calls();
                assert_eq!(calls.len(), 1);
                assert!(calls[0].headers().contains(&&*format!("authorization: Bearer {key}")));
                let body = format!(r#"{{"n":1, "model":"{model}","stream":{streamed}}}"#);
                assert_eq!(calls[0].body, body.as_bytes());
            }
            aurora.settles(
                "aurora_requests_total",
                &[
                    &format!("a a-model /chat/completions {status} error {streamed} 1"),
                    &format!("b org/b-model /chat/completions 200 success {streamed} 1"),
                ],
            );
            aurora.settles(
                "aurora_upstream_attempts_total",
                &[&format!("a a-model {attempt} 1"), "b org/b-model success 1"],
            );
            aurora.settles("aurora_fallbacks_total", &["a b success 1"]);
            aurora.settles("aurora_answers_total", &["smart ok_after_fallback 1"]);
            aurora.settles("aurora_requests_in_flight", &[]);
            let line = aurora.line("request");
            assert_eq!(["provider", "model"].map(|field| line[field].clone()), ["b", "org/b-model"]);
            assert_eq!(line["attempts"], Value::from(2));
        }
    }
}

#[test]
fn an_unreachable_target_falls_back_to_the_next() {
    let b = Upstream::start().on("m", json(OK));
    let a = nobody();
    let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], &route("[a/m, b/m]"));
    assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_upstream_attempts_total", &["a m connect_error 1", "b m success 1"]);
    aurora.settles("aurora_fallbacks_total", &["a b success 1"]);
}

#[test]
fn a_connect_timeout_falls_back_and_counts_as_connect_error() {
    // A full backlog drops the next SYN.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    full.listen(0).expect("listens");
    let mut a = Upstream::start().on("m", json(OK)).on("n", json(OK));
    a.address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
    let _first = std::net::TcpStream::connect(a.address).expect("the one that fits");
    let b = Upstream::start().on("m", json(OK));
    let breaker = ", resilience: {circuit_breaker: {failure_threshold: 1, timeout: 1h}}";
    let settings = "http: {connect_timeout: 300ms}\nroutes: {smart: [a/m, b/m]}";
    let aurora = gateways(&[("a", &a, breaker), ("b", &b, "")], settings);
    for _ in 0..2 {
        let begun = std::time::Instant::now();
        assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (200, OK));
        assert!(
            begun.elapsed() < std::time::Duration::from_millis(800) + MARGIN,
            "took {:?}",
            begun.elapsed()
        );
    }
    // The provider is closed off with all its models.
    assert_eq!(aurora.send(chat_of("a/n", false)).status, 503);
    aurora.settles(
        "aurora_circuit_breaker_state",
        &["a  open 1", "a m closed 1", "a n closed 1", "b  closed 1", "b m closed 1"],
    );
    aurora.settles(
        "aurora_upstream_attempts_total",
        &["a m breaker_open 1", "a m timeout 1", "a n breaker_open 1", "b m success 2"],
    );
    aurora.settles("aurora_fallbacks_total", &["a b success 2"]);
    aurora.settles("aurora_retries_total", &[]);
}

#[test]
fn an_open_breaker_falls_back_to_the_next() {
    let a = Upstream::start().on("m", failure("500 Oops"));
    let b = Upstream::start().on("m", json(OK));
    let breaker = ", resilience: {circuit_breaker: {failure_threshold: 1, timeout: 1h}}";
    let aurora = gateways(&[("a", &a, breaker), ("b", &b, "")], &route("[a/m, b/m]"));
    for _ in 0..3 {
        assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (200, OK));
    }
    assert_eq!((a.calls().len(), b.calls().len()), (1, 3));
    aurora.settles(
        "aurora_upstream_attempts_total",
        &["a m breaker_open 2", "a m server_error 1", "b m success 3"],
    );
    aurora.settles("aurora_fallbacks_total", &["a b success 3"]);
    aurora.settles("aurora_answers_total", &["smart ok_after_fallback 3"]);
}

#[test]
fn client_errors_do_not_fall_back() {
    for status in ["400 No", "403 No", "404 No", "413 No", "422 No"] {
        let a = Upstream::start().on("m", failure(status));
        let b = Upstream::start().on("m", json(OK));
        let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], &route("[a/m, b/m]"));
        let response = aurora.send(chat_of("smart", false));
        assert_eq!(response.status_and_text(), (status[..3].parse().unwrap(), r#"{"from":"a"}"#));
        assert_eq!(response.header("x-aurora-provider"), Some("a"));
        assert_eq!(b.calls().len(), 0);
        aurora.settles("aurora_fallbacks_total", &[]);
        aurora.settles("aurora_answers_total", &["smart caller_error 1"]);
    }
}

#[test]
fn the_last_error_is_returned() {
    let a = Upstream::start().on("m", failure("500 Oops")).on("n", failure("401 Who"));
    let b = Upstream::start()
        .on("m", failure("401 Who"))
        .on("n", response("503 Busy", "retry-after: 9\r\n", "{}"));
    let routes = "[a/m, b/m], other: [a/n, b/n, c/gone]";
    let c = nobody();
    let aurora = gateways(&[("a", &a, ""), ("b", &b, ""), ("c", &c, "")], &route(routes));
    let credentials = r#"{"error":{"message":"provider `b`: it refused the configured credential; the operator has to check its api_key","type":"upstream_error","param":null,"code":"upstream_credentials"}}"#;
    assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (502, credentials));
    let refused = r#"{"error":{"message":"provider `c`: connection refused","type":"upstream_error","param":null,"code":"upstream_unreachable"}}"#;
    assert_eq!(aurora.send(chat_of("other", false)).status_and_text(), (502, refused));
    aurora.settles("aurora_fallbacks_total", &["a b error 2", "b c error 1"]);
    aurora.settles("aurora_answers_total", &["other upstream_error 1", "smart upstream_error 1"]);
}

#[test]
fn retries_come_before_fallbacks() {
    let a = Upstream::start()
        .on("m", failure("503 Busy"))
        .on("late", response("429 Slow", "retry-after: 60\r\n", "{}"));
    let b = Upstream::start().on("m", json(OK));
    let settings = "resilience: {retry: {max_retries: 2, initial_backoff: 1ms, max_backoff: 1ms}}\n\
                    routes: {smart: [a/m, b/m], late: [a/late, b/m]}";
    let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], settings);
    assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (200, OK));
    assert_eq!((a.calls().len(), b.calls().len()), (3, 1));
    assert_eq!(aurora.line("request")["attempts"], Value::from(4));
    // A pause over the limit is not waited for.
    assert_eq!(aurora.send(chat_of("late", false)).status_and_text(), (200, OK));
    assert_eq!((a.calls().len(), b.calls().len()), (4, 2));
    aurora.settles("aurora_retries_total", &["a server_error 2"]);
    aurora.settles(
        "aurora_requests_total",
        &[
            "a late /chat/completions 429 error false 1",
            "a m /chat/completions 503 error false 1",
            "b m /chat/completions 200 success false 2",
        ],
    );
    aurora.settles("aurora_answers_total", &["late ok_after_fallback 1", "smart ok_after_fallback 1"]);
}

#[test]
fn a_stream_that_has_begun_does_not_fall_back() {
    let a = Upstream::start().on("m", vec![opening(&[ROLE, HELLO])[0].clone(), Step::Reset]);
    let b = Upstream::start().on("m", stream(&[ROLE, HELLO, DONE]));
    let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], &route("[a/m, b/m]"));
    let response = aurora.send(chat_of("smart", true));
    assert_eq!(response.header("x-aurora-provider"), Some("a"));
    assert_eq!((response.status, b.calls().len()), (200, 0));
    aurora.settles("aurora_answers_total", &["smart broken_stream 1"]);
}

#[test]
fn a_fallback_has_the_outcome_of_its_last_byte() {
    let a = Upstream::start().on("m", failure("500 Oops")).on("n", failure("500 Oops"));
    let b = Upstream::start()
        .on("m", vec![opening(&[ROLE, HELLO])[0].clone(), Step::Reset])
        .on("n", vec![opening(&[ROLE, HELLO])[0].clone(), Step::Stall]);
    let routes = route("[a/m, b/m], left: [a/n, b/n]");
    let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], &routes);
    assert_eq!(aurora.send(chat_of("smart", true)).status, 200);
    aurora.settles("aurora_fallbacks_total", &["a b error 1"]);
    let mut client = aurora.client();
    client.send(chat_of("left", true));
    client.head();
    client.read_until("Hello");
    drop(client);
    aurora.settles("aurora_fallbacks_total", &["a b cancelled 1", "a b error 1"]);
}

#[test]
fn a_target_without_the_endpoint_is_skipped() {
    let a = Upstream::start().on("m", failure("503 Busy"));
    let [b, c] = [(); 2].map(|()| Upstream::start().on("m", json(OK)));
    // With the query, the address is longer than one can be.
    let far = format!("http://{}/{}/v1", b.address, "x".repeat(2000));
    let text = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\n{}\nproviders:\n  \
         a: {{type: openai_compatible, base_url: \"http://{}/v1\"}}\n  \
         b: {{type: openai_compatible, base_url: \"{far}\", models: [m]}}\n  \
         c: {{type: openai_compatible, base_url: \"http://{}/v1\"}}\n",
        route("[a/m, b/m], last: [b/m, c/m], none: [b/m]"),
        a.address,
        c.address,
    );
    let aurora = Setup::new().yaml(&text).start();
    let send = |model: &str| {
        let path = format!("/v1/chat/completions?{}", "q".repeat(64_000));
        aurora.send(post(&path, format!(r#"{{"model":"{model}"}}"#)))
    };
    assert_eq!(send("smart").status_and_text(), (503, r#"{"from":"a"}"#));
    assert_eq!(send("last").status_and_text(), (200, OK));
    let unknown = send("none");
    assert!(unknown.status == 404 && unknown.text().contains("model_not_found"), "{}", unknown.text());
    assert_eq!(b.calls().len(), 0);
    aurora.settles("aurora_fallbacks_total", &[]);
    aurora
        .settles("aurora_answers_total", &["last ok 1", "smart upstream_error 1", "unknown caller_error 1"]);
}

#[test]
fn a_disconnect_during_a_fallback_is_counted() {
    let a = Upstream::start().on("m", failure("500 Oops"));
    let b = Upstream::start().on("m", vec![Step::Stall]);
    let aurora = gateways(&[("a", &a, ""), ("b", &b, "")], &route("[a/m, b/m]"));
    let mut client = aurora.client();
    client.send(chat_of("smart", false));
    b.call("m");
    drop(client);
    b.over("m");
    aurora.settles("aurora_fallbacks_total", &["a b cancelled 1"]);
    aurora.settles(
        "aurora_requests_total",
        &["a m /chat/completions 500 error false 1", "b m /chat/completions 499 cancelled false 1"],
    );
    aurora.settles("aurora_answers_total", &["smart cancelled 1"]);
}

#[test]
fn round_robin_targets_take_turns() {
    let upstreams = [(); 3].map(|()| Upstream::start().on("m", json(OK)));
    let [a, b, c] = &upstreams;
    let pool = "{targets: [a/m, b/m, c/m], strategy: round_robin}";
    let aurora = gateways(&[("a", a, ""), ("b", b, ""), ("c", c, "")], &route(pool));
    let order: Vec<String> = (0..6)
        .map(|_| aurora.send(chat_of("smart", false)).header("x-aurora-provider").unwrap().to_owned())
        .collect();
    assert_eq!(order, ["a", "b", "c", "a", "b", "c"]);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..9 {
                    assert_eq!(aurora.send(chat_of("smart", false)).status, 200);
                }
            });
        }
    });
    assert_eq!(upstreams.each_ref().map(|upstream| upstream.calls().len()), [20, 20, 20]);
    aurora.settles("aurora_answers_total", &["smart ok 60"]);
    aurora.settles("aurora_fallbacks_total", &[]);
}

#[test]
fn round_robin_falls_back_from_the_current_target() {
    let a = Upstream::start().on("m", json(OK));
    let b = Upstream::start().on("m", failure("500 Oops"));
    let c = Upstream::start().on("m", failure("500 Oops"));
    let pool = "{targets: [a/m, b/m, c/m], strategy: round_robin}";
    let aurora = gateways(&[("a", &a, ""), ("b", &b, ""), ("c", &c, "")], &route(pool));
    for _ in 0..3 {
        assert_eq!(aurora.send(chat_of("smart", false)).header("x-aurora-provider"), Some("a"));
    }
    assert_eq!([&a, &b, &c].map(|upstream| upstream.calls().len()), [3, 1, 2]);
    aurora.settles("aurora_fallbacks_total", &["b c error 1", "c a success 2"]);
    aurora.settles("aurora_answers_total", &["smart ok 1", "smart ok_after_fallback 2"]);
}

#[test]
fn a_route_shadows_only_the_model_of_its_name() {
    let a = Upstream::start().on("gpt", json(r#"{"from":"a"}"#));
    let b = Upstream::start().on("other", json(r#"{"from":"b"}"#));
    let models = [("a", &a, ", models: [gpt]"), ("b", &b, ", models: [other]")];
    let aurora = gateways(&models, "routes: {gpt: [b/other], \"team/fast\": [a/gpt]}");
    let body = |model: &str| aurora.send(chat_of(model, false)).text().to_owned();
    assert_eq!(body("gpt"), r#"{"from":"b"}"#);
    assert_eq!(body("team/fast"), r#"{"from":"a"}"#);
    assert_eq!(body("a/gpt"), r#"{"from":"a"}"#);
    assert_eq!(body("other"), r#"{"from":"b"}"#);
    assert_eq!(aurora.send(chat_of("none", false)).status, 404);
    aurora.settles(
        "aurora_answers_total",
        &["gpt ok 2", "other ok 1", "team/fast ok 1", "unknown caller_error 1"],
    );
}
