//! Several keys at once: what each of them opens, and whose requests are counted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Response, request};
use crate::support::fixtures::{CHAT_RESPONSE, MASTER_KEY, METRICS_TOKEN};
use crate::support::upstream::{Upstream, json};

const ALICE: &str = "canary-key-of-alice-0123456789";
const BOB: &str = "canary-key-of-bob-0123456789";

/// The settings of a gateway, and who they let in.
struct Locks {
    server: &'static str,
    metrics: &'static str,
    /// By credential: nothing, master, Alice, Bob, token, a wrong key. The status of the API and of the metrics.
    statuses: [(u16, u16); 6],
}

const KEYS: &str =
    "keys: [{name: alice, key: canary-key-of-alice-0123456789}, {name: bob, key_file: bob.key}]";
const MASTER: &str = "master_key: canary-master-key-0123456789abcdef";
const WITH_TOKEN: &str = "token: canary-metrics-token-0123456789";

fn start(upstream: &Upstream, server: &str, metrics: &str) -> Aurora {
    let yaml = format!(
        "server: {{{server}}}\nmetrics: {{enabled: true, {metrics}}}\nlog: {{level: debug, requests: all}}\nproviders:\n  \
         up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: k, models: [m]}}\n",
        upstream.address
    );
    Setup::new().yaml(&yaml).file("bob.key", &format!("{BOB}\n")).start()
}

fn bearer(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") }
}

fn chat(aurora: &Aurora, key: &str) -> Response {
    aurora.send(request("POST", "/v1/chat/completions", &bearer(key), r#"{"model":"m"}"#))
}

fn scrape(aurora: &Aurora, key: &str) -> Response {
    aurora.send(request("GET", "/metrics", &bearer(key), ""))
}

#[test]
fn each_key_is_accepted_where_it_applies() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let cases = [
        Locks { server: "", metrics: "", statuses: [(200, 200); 6] },
        Locks {
            server: MASTER,
            metrics: "",
            statuses: [(401, 401), (200, 200), (401, 401), (401, 401), (401, 401), (401, 401)],
        },
        Locks {
            server: "",
            metrics: WITH_TOKEN,
            statuses: [(200, 401), (200, 401), (200, 401), (200, 401), (200, 200), (200, 401)],
        },
        Locks {
            server: KEYS,
            metrics: "",
            statuses: [(401, 401), (401, 401), (200, 403), (200, 403), (401, 401), (401, 401)],
        },
        Locks {
            server: KEYS,
            metrics: WITH_TOKEN,
            statuses: [(401, 401), (401, 401), (200, 403), (200, 403), (401, 200), (401, 401)],
        },
        Locks {
            server: "master_key: canary-master-key-0123456789abcdef, keys: [{name: alice, key: \
                     canary-key-of-alice-0123456789}, {name: bob, key_file: bob.key}]",
            metrics: WITH_TOKEN,
            statuses: [(401, 401), (200, 200), (200, 403), (200, 403), (401, 200), (401, 401)],
        },
    ];
    for Locks { server, metrics, statuses } in cases {
        let aurora = start(&upstream, server, metrics);
        let credentials = ["", MASTER_KEY, ALICE, BOB, METRICS_TOKEN, "wrong"];
        let found = credentials.map(|key| (chat(&aurora, key).status, scrape(&aurora, key).status));
        assert_eq!(found, statuses, "{server} {metrics}");
    }
}

#[test]
fn unauthorized_responses_name_the_settings() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let envelope = |message: &str, kind: &str, code: &str| {
        let message = message.replace('"', "\\\"");
        format!(r#"{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{code}"}}}}"#)
    };
    let unauthorized = |message: &str| envelope(message, "authentication_error", "invalid_api_key");
    let api = "No key was sent: send `Authorization: Bearer KEY` with the key of server.master_key (AURORA_MASTER_KEY) or \
               one of server.keys.";
    let cure = "in Prometheus set authorization.credentials to one of them; behind nginx add `proxy_set_header \
                Authorization \"Bearer …\";`.";
    let both = format!("metrics.token (METRICS_TOKEN) and server.master_key (AURORA_MASTER_KEY): {cure}");
    let aurora = start(&upstream, &format!("{MASTER}, {KEYS}"), WITH_TOKEN);
    assert_eq!(chat(&aurora, "").status_and_text(), (401, &*unauthorized(api)));
    let wrong = unauthorized(&format!("The key is invalid: the metrics endpoint is protected by {both}"));
    assert_eq!(scrape(&aurora, "wrong").status_and_text(), (401, &*wrong));
    let elsewhere = format!(
        "A key of server.keys gives access to the API only: the metrics endpoint is protected by {both}"
    );
    let elsewhere = envelope(&elsewhere, "permission_error", "wrong_key");
    let refused = scrape(&aurora, BOB);
    assert_eq!((refused.status_and_text(), refused.header("www-authenticate")), ((403, &*elsewhere), None));
    aurora.send(request(
        "GET",
        "/metrics",
        &format!("authorization: Basic {}\r\n", STANDARD.encode(format!("a:{ALICE}"))),
        "",
    ));

    let line = |route: &str, status: u16, count: u64| {
        format!("{route} {} {status} ok {count}", if route == "/metrics" { "GET" } else { "POST" })
    };
    settles(&aurora, "aurora_auth_failures_total", &["api missing 1".into(), "metrics invalid 3".into()]);
    let requests = [line("/metrics", 401, 1), line("/metrics", 403, 2), line("/v1/chat/completions", 401, 1)];
    settles(&aurora, "aurora_http_requests_total", &requests);
    settles(&aurora, "aurora_rejected_requests_total", &[]);

    let aurora = start(&upstream, KEYS, "");
    let keys = "No key was sent: send `Authorization: Bearer KEY` with one of server.keys.";
    assert_eq!(chat(&aurora, "").status_and_text(), (401, &*unauthorized(keys)));
    let closed = "No key was sent: the metrics endpoint stays closed until metrics.token (METRICS_TOKEN) or server.master_key \
                  (AURORA_MASTER_KEY) is set.";
    assert_eq!(scrape(&aurora, "").status_and_text(), (401, &*unauthorized(closed)));
    let aurora = start(&upstream, "", WITH_TOKEN);
    let token = "No key was sent: the metrics endpoint is protected by metrics.token (METRICS_TOKEN): in Prometheus set \
                 authorization.credentials to it; behind nginx add `proxy_set_header Authorization \"Bearer …\";`.";
    assert_eq!(scrape(&aurora, "").status_and_text(), (401, &*unauthorized(token)));
}

/// Waits until a family's samples that are not zero are these.
fn settles(aurora: &Aurora, family: &str, expected: &[String]) {
    aurora.settles(family, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn requests_are_counted_under_the_name_of_their_key() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let aurora = start(&upstream, &format!("{MASTER}, {KEYS}"), "");
    let scrape = aurora.scrape();
    let zeros: Vec<&str> = scrape.lines().filter(|line| line.starts_with("aurora_caller_")).collect();
    let expected = [
        "aurora_caller_requests_total{caller=\"alice\"} 0",
        "aurora_caller_requests_total{caller=\"bob\"} 0",
        "aurora_caller_requests_total{caller=\"master\"} 0",
        "aurora_caller_tokens_total{caller=\"alice\",direction=\"input\"} 0",
        "aurora_caller_tokens_total{caller=\"alice\",direction=\"output\"} 0",
        "aurora_caller_tokens_total{caller=\"bob\",direction=\"input\"} 0",
        "aurora_caller_tokens_total{caller=\"bob\",direction=\"output\"} 0",
        "aurora_caller_tokens_total{caller=\"master\",direction=\"input\"} 0",
        "aurora_caller_tokens_total{caller=\"master\",direction=\"output\"} 0",
    ];
    assert_eq!(zeros, expected);
    for (key, count) in [(ALICE, 2), (BOB, 1), (MASTER_KEY, 3), ("wrong", 1)] {
        for _ in 0..count {
            chat(&aurora, key);
        }
    }
    aurora.settles("aurora_caller_requests_total", &["alice 2", "bob 1", "master 3"]);
    let tokens = [
        "alice input 6",
        "alice output 4",
        "bob input 3",
        "bob output 2",
        "master input 9",
        "master output 6",
    ];
    aurora.settles("aurora_caller_tokens_total", &tokens);
    let clients = aurora.lines("request", 7);
    let mut clients: Vec<Option<&str>> = clients.iter().map(|line| line["caller"].as_str()).collect();
    // A line is written when its record is dropped, which may be after the next response.
    clients.sort_unstable();
    let [alice, bob, master] = ["alice", "bob", "master"].map(Some);
    assert_eq!(clients, [None, alice, alice, bob, master, master, master]);
    let (_, log) = aurora.stop();
    for secret in [ALICE, BOB, MASTER_KEY, "wrong"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[test]
fn without_named_keys_clients_are_not_counted() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let aurora = start(&upstream, MASTER, "");
    assert_eq!(chat(&aurora, MASTER_KEY).status, 200);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    let page = aurora.scrape();
    let shown = page.lines().filter(|line| line.trim_start_matches("# HELP ").starts_with("aurora_caller_"));
    assert_eq!(shown.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_thousand_keys_are_distinguished() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let keys: Vec<String> =
        (0..1000).map(|n| format!("{{name: k{n}, key: a-key-of-the-tests-{n}}}")).collect();
    let aurora = start(&upstream, &format!("{MASTER}, keys: [{}]", keys.join(", ")), "");
    for n in [0, 1, 499, 998, 999] {
        assert_eq!(chat(&aurora, &format!("a-key-of-the-tests-{n}")).status, 200);
    }
    assert_eq!(chat(&aurora, "a-key-of-the-tests-1000").status, 401);
    aurora.settles("aurora_caller_requests_total", &["k0 1", "k1 1", "k499 1", "k998 1", "k999 1"]);
}
