//! Who gets in where, and that nothing happens before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::requests::route_table::{Lock, ROUTES, upstream};
use crate::support::aurora::Setup;
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::MASTER_KEY;
use crate::support::upstream::{Upstream, json};

fn basic(pair: &str) -> String {
    format!("authorization: Basic {}\r\n", STANDARD.encode(pair))
}

/// Credentials, and how the API and the metrics endpoint refuse them; empty is let in.
fn credentials() -> Vec<(String, &'static str, &'static str)> {
    let bearer = |scheme: &str| format!("authorization: {scheme} {MASTER_KEY}\r\n");
    vec![
        (String::new(), "missing", "missing"),
        ("cookie: a=b\r\n".into(), "missing", "missing"),
        (bearer("Bearer"), "", ""),
        (bearer("bEARER"), "", ""),
        (bearer("Bearer  "), "", ""),
        (format!("x-api-key: {MASTER_KEY}\r\n"), "", ""),
        (format!("{}x-api-key: wrong\r\n", bearer("Bearer")), "", ""),
        (format!("authorization: Bearer wrong\r\nx-api-key: {MASTER_KEY}\r\n"), "invalid", "invalid"),
        (format!("authorization: Bearer {MASTER_KEY}x\r\n"), "invalid", "invalid"),
        (format!("authorization: Bearer {}\r\n", &MASTER_KEY[1..]), "invalid", "invalid"),
        ("x-api-key: wrong\r\n".into(), "invalid", "invalid"),
        (format!("api-key: {MASTER_KEY}\r\n"), "", ""),
        (format!("x-goog-api-key: {MASTER_KEY}\r\n"), "", ""),
        (format!("x-goog-api-key: wrong\r\napi-key: {MASTER_KEY}\r\n"), "", ""),
        (format!("api-key: wrong\r\nx-goog-api-key: {MASTER_KEY}\r\n"), "invalid", "invalid"),
        (format!("x-api-key: wrong\r\napi-key: {MASTER_KEY}\r\n"), "invalid", "invalid"),
        (format!("authorization: Bearer wrong\r\nx-goog-api-key: {MASTER_KEY}\r\n"), "invalid", "invalid"),
        ("x-goog-api-key:\r\n".into(), "malformed", "malformed"),
        ("x-api-key:\r\n".into(), "malformed", "malformed"),
        ("authorization:\r\n".into(), "malformed", "malformed"),
        (format!("authorization: {MASTER_KEY}\r\n"), "malformed", "malformed"),
        ("authorization: Bearer\r\n".into(), "malformed", "malformed"),
        (bearer("Digest"), "malformed", "malformed"),
        (bearer("Bearer").repeat(2), "malformed", "malformed"),
        (basic(&format!("anyone:{MASTER_KEY}")), "malformed", ""),
        (basic(&format!(":{MASTER_KEY}")), "malformed", ""),
        (basic("anyone:wrong"), "malformed", "invalid"),
        (basic(MASTER_KEY), "malformed", "malformed"),
        ("authorization: Basic ?\r\n".into(), "malformed", "malformed"),
    ]
}

/// The body of a 401.
fn refusal(lock: Lock, reason: &str) -> String {
    let what = match reason {
        "missing" => "No key was sent",
        "malformed" => "The Authorization header holds no bearer key",
        _ => "The key is invalid",
    };
    let cure = if lock == Lock::Key {
        "send `Authorization: Bearer KEY` with the key of server.master_key (AURORA_MASTER_KEY)"
    } else {
        "the metrics endpoint is protected by server.master_key (AURORA_MASTER_KEY): in Prometheus set \
         authorization.credentials to it; behind nginx add `proxy_set_header Authorization \\\"Bearer …\\\";`"
    };
    format!(
        r#"{{"error":{{"message":"{what}: {cure}.","type":"authentication_error","param":null,"code":"invalid_api_key"}}}}"#
    )
}

#[test]
fn every_route_requires_its_key() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let (mut let_in, mut refused) = (0, std::collections::BTreeMap::<String, usize>::new());
    for route in &ROUTES {
        let (label, method, lock) = (route.template, route.method(), route.lock);
        for (credential, api, metrics) in credentials() {
            let response = aurora.send(route.request(method, &credential));
            let reason = match lock {
                Lock::Open => "",
                Lock::Key => api,
                Lock::MetricsKey => metrics,
            };
            if reason.is_empty() {
                assert_eq!(response.status, 200, "{label}: {credential}");
                let_in += usize::from(!route.endpoint.is_empty());
                continue;
            }
            assert_eq!(
                (label, response.status_and_text()),
                (label, (401, &*refusal(lock, reason))),
                "{credential}"
            );
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            let surface = if lock == Lock::Key { "api" } else { "metrics" };
            *refused.entry(format!("{surface} {reason}")).or_default() += 1;
            *refused.entry(format!("{label} {method} 401 ok")).or_default() += 1;
        }
    }
    assert_eq!(upstream.calls().len(), let_in, "nothing is dialled for a caller that is not let in");
    let lines = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        refused.iter().filter(|(key, _)| wanted(key)).map(|(key, count)| format!("{key} {count}")).collect()
    };
    let failures = lines(&|key| !key.starts_with('/'));
    aurora.settles("aurora_auth_failures_total", &failures.iter().map(String::as_str).collect::<Vec<_>>());
    let counted: Vec<String> = aurora
        .counts("aurora_http_requests_total")
        .into_iter()
        .filter(|line| line.contains(" 401 "))
        .collect();
    assert_eq!(counted, lines(&|key| key.starts_with('/')));
}

#[test]
fn an_unauthenticated_request_is_refused_before_its_body() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status_and_text(), (401, &*refusal(Lock::Key, "missing")));
    aurora.settles("aurora_answers_total", &[]);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn without_a_master_key_everything_is_open() {
    let upstream = upstream();
    let open = yaml(&upstream, "", "").replace(&format!("master_key: {MASTER_KEY}, "), "");
    let aurora = Setup::new().yaml(&open).start();
    for route in &ROUTES {
        for (credential, ..) in credentials() {
            let status = aurora.send(route.request(route.method(), &credential)).status;
            assert_eq!((route.template, status), (route.template, 200), "{credential}");
        }
    }
}
