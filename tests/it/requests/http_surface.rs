//! The routes as a caller meets them: methods, paths, what a request must be.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Caller, chat, key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::upstream::{Upstream, json};

pub(crate) const OK: &str = r#"{"choices":[]}"#;
const NO_ROUTE: &str = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;

/// A 4xx about the request.
pub(crate) fn refusal(message: &str, param: &str, code: &str) -> String {
    let param = if param.is_empty() { "null".to_owned() } else { format!("\"{param}\"") };
    format!(
        r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":{param},"code":"{code}"}}}}"#
    )
}

pub(crate) fn start() -> (Upstream, Aurora) {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    (upstream, aurora)
}

#[test]
fn head_answers_like_get_without_the_body() {
    let (_upstream, aurora) = start();
    for path in ["/health", "/health/ready", "/v1/models", "/v1/models/m", "/metrics", "/metrics/"] {
        let mut caller = aurora.caller();
        caller.send(request("HEAD", path, &key(), ""));
        let head = caller.head();
        assert_eq!(head.status, 200);
        caller.send(request("GET", path, &key(), ""));
        let get = caller.answer();
        let pick = |answer: &crate::support::client::Answer, name| answer.header(name).map(str::to_owned);
        assert_eq!(pick(&head, "content-type"), pick(&get, "content-type"), "{path}");
        if !path.starts_with("/metrics") {
            assert_eq!(pick(&head, "content-length"), pick(&get, "content-length"), "{path}");
        }
    }
    aurora.settles(
        "aurora_http_requests_total",
        &[
            "/v1/models GET 200 ok 1",
            "/v1/models HEAD 200 ok 1",
            "/v1/models/{id} GET 200 ok 1",
            "/v1/models/{id} HEAD 200 ok 1",
        ],
    );
}

#[test]
fn no_alias_of_a_path_opens_it() {
    let (upstream, aurora) = start();
    let unknown = [
        "/",
        "//metrics",
        "/%6Detrics",
        "/%6detrics",
        "/metrics%2f",
        "/x/../metrics",
        "/./metrics",
        "/metrics;a",
        "/metrics//",
        "/metrics/x",
        "/METRICS",
        "/metrics%00",
        "/metrics.",
        "/v1",
        "/v1/",
        "/v1//models",
        "//v1/models",
        "/v1/models/",
        "/v1/%6Dodels",
        "/v1/models;a",
        "/v1/chat/completions/",
        "/v1/chat/%63ompletions",
        "/v1/chat//completions",
        "/v1/../v1/models",
        "/health/",
        "/healthz",
        "/health/ready/",
        "/p",
        "/p/up",
        "/p/up/",
        "*",
    ];
    for path in unknown {
        let answer = aurora.ask(request("GET", path, "", ""));
        assert_eq!((path, answer.said()), (path, (404, NO_ROUTE)));
    }
    for path in [
        "/metrics?x=1",
        "/metrics/?",
        "http://localhost/metrics",
        "http://LOCALHOST:80/v1/models",
        "/v1/models/../models",
        "/v1/models/%2e%2e/metrics",
    ] {
        let answer = aurora.ask(request("GET", path, "", ""));
        assert_eq!((path, answer.status), (path, 401));
    }
    assert_eq!(aurora.get("/v1/models/../models").status, 404);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn the_metrics_endpoint_is_where_the_configuration_says_and_nowhere_else() {
    let upstream = Upstream::start().on("m", json(OK));
    let text = yaml(&upstream, "base_path: /gate/way", "")
        .replace("{enabled: true}", "{enabled: true, endpoint: /internal/prometheus}");
    let aurora = Setup::new().yaml(&text).start();
    for path in ["/gate/way/internal/prometheus", "/gate/way/internal/prometheus/"] {
        let answer = aurora.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/plain; version=0.0.4; charset=utf-8"))
        );
        assert_eq!(aurora.ask(request("GET", path, "", "")).status, 401);
    }
    for path in ["/metrics", "/internal/prometheus", "/gate/way/metrics", "/health", "/v1/models"] {
        assert_eq!((path, aurora.get(path).said()), (path, (404, NO_ROUTE)));
    }
    for path in ["/gate/way/health", "/gate/way/health/ready"] {
        assert_eq!(aurora.ask(request("GET", path, "", "")).said(), (200, r#"{"status":"ok"}"#));
    }
    let body = r#"{"model":"m"}"#;
    assert_eq!(aurora.ask(request("POST", "/gate/way/v1/completions", &key(), body)).said(), (200, OK));
    assert_eq!(upstream.call("m").head.lines().next(), Some("POST /v1/completions HTTP/1.1"));
    assert_eq!(aurora.get("/gate/way/v1/models/m").status, 200);
}

#[test]
fn models_are_listed_by_both_names_where_the_bare_one_is_clear() {
    let upstream = Upstream::start().on("a", json(OK)).on("org/b", json(OK));
    let text = yaml(&upstream, "", "")
        + &format!("  two: {{type: vllm, base_url: \"http://{}/v1\", models: [a, c]}}\n", upstream.address);
    let aurora = Setup::new().yaml(&text).start();
    let model = |id: &str, owner: &str| {
        format!(r#"{{"id":"{id}","object":"model","created":0,"owned_by":"{owner}"}}"#)
    };
    let all = [
        ("up/a", "up"),
        ("two/a", "two"),
        ("c", "two"),
        ("two/c", "two"),
        ("org/b", "up"),
        ("up/org/b", "up"),
    ];
    let data: Vec<String> = all.iter().map(|(id, owner)| model(id, owner)).collect();
    assert_eq!(
        aurora.get("/v1/models?limit=1").said(),
        (200, &*format!(r#"{{"object":"list","data":[{}]}}"#, data.join(",")))
    );
    for (id, owner) in all {
        assert_eq!(aurora.get(&format!("/v1/models/{id}")).said(), (200, &*model(id, owner)));
        let encoded = id.replace('/', "%2F");
        assert_eq!(aurora.get(&format!("/v1/models/{encoded}")).said(), (200, &*model(id, owner)));
    }
    for id in ["a", "b", "two/org/b", "none", "up/", "up"] {
        let message = format!(
            "The model `{id}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        assert_eq!(
            aurora.get(&format!("/v1/models/{id}")).said(),
            (404, &*refusal(&message, "model", "model_not_found"))
        );
    }
    assert_eq!(aurora.get("/v1/models/%ff").status, 404);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn routes_are_listed_as_models_before_those_they_hide() {
    let upstream = Upstream::start().on("a", json(OK)).on("b", json(OK));
    let text = yaml(&upstream, "", "routes: {smart: [up/a], b: [up/a]}");
    let aurora = Setup::new().yaml(&text).start();
    let model = |id: &str, owner: &str| {
        format!(r#"{{"id":"{id}","object":"model","created":0,"owned_by":"{owner}"}}"#)
    };
    let all = [("b", "aurora"), ("smart", "aurora"), ("a", "up"), ("up/a", "up"), ("up/b", "up")];
    let data: Vec<String> = all.iter().map(|(id, owner)| model(id, owner)).collect();
    let list = format!(r#"{{"object":"list","data":[{}]}}"#, data.join(","));
    assert_eq!(aurora.get("/v1/models").said(), (200, &*list));
    for (id, owner) in all {
        assert_eq!(aurora.get(&format!("/v1/models/{id}")).said(), (200, &*model(id, owner)));
        assert_eq!(aurora.ask(chat(format!(r#"{{"model":"{id}"}}"#))).status, 200, "{id}");
    }
}

#[test]
fn the_model_decides_who_is_asked() {
    let (one, two) =
        (Upstream::start().on("a", json(OK)).on("b", json(OK)), Upstream::start().on("b", json(OK)));
    let text = yaml(&one, "", "")
        + &format!("  two: {{type: vllm, base_url: \"http://{}/v1\", models: [b, c]}}\n", two.address);
    let aurora = Setup::new().yaml(&text).start();
    for model in ["a", "b", "up/b", "two/b"] {
        assert_eq!(aurora.ask(chat(format!(r#"{{"model":"{model}"}}"#))).status, 200, "{model}");
    }
    assert_eq!((one.calls().len(), two.calls().len()), (3, 1));
    for model in ["d", "up/c", "three/a", "two/a", "", "a ", "A"] {
        let message = format!(
            "The model `{model}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        let answer = aurora.ask(chat(format!(r#"{{"model":"{model}"}}"#)));
        assert_eq!(answer.said(), (404, &*refusal(&message, "model", "model_not_found")));
    }
    assert_eq!((one.calls().len(), two.calls().len()), (3, 1));
    aurora.settles("aurora_answers_total", &["a ok 1", "b ok 3", "unknown caller_error 7"]);
}

#[test]
fn without_a_provider_a_model_call_says_what_is_missing() {
    let aurora = Setup::new().variable("METRICS_ENABLED", "true").start();
    let answer = aurora.ask(request("POST", "/v1/chat/completions", "", r#"{"model":"m"}"#));
    let message =
        "No provider is configured: set OPENAI_API_KEY or another provider's key, or add one to config.yaml.";
    let envelope = format!(
        r#"{{"error":{{"message":"{message}","type":"server_error","param":null,"code":"no_provider"}}}}"#
    );
    assert_eq!(answer.said(), (503, &*envelope));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        aurora.ask(request("GET", "/v1/models", "", "")).said(),
        (200, r#"{"object":"list","data":[]}"#)
    );
    aurora.settles("aurora_answers_total", &["unknown gateway_error 1"]);
}

/// What the answer to a wrong key says of its connection; the body follows that answer where there is one.
fn refused(caller: &mut Caller, length: usize, body: &str, expect: &str) -> Option<String> {
    let headers = format!("authorization: Bearer wrong\r\ncontent-length: {length}\r\n{expect}");
    caller.send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}"));
    let answer = caller.answer();
    assert_eq!(answer.status, 401);
    answer.header("connection").map(str::to_owned)
}

#[test]
fn a_body_that_nobody_read_keeps_its_connection_only_when_it_is_out_of_the_way() {
    let (_upstream, aurora) = start();
    let mut caller = aurora.caller();
    let large = "x".repeat(60 << 10);
    assert_eq!(refused(&mut caller, 2, "{}", ""), None);
    assert_eq!(refused(&mut caller, large.len(), &large, ""), None);
    caller.send(chat(r#"{"model":"m"}"#));
    assert_eq!(caller.answer().said(), (200, OK));

    for (length, body, expect) in
        [(3, "{}", ""), (2, "", "expect: 100-continue\r\n"), (65 << 10, "", ""), (65 << 10, &large, "")]
    {
        let mut caller = aurora.caller();
        assert_eq!(refused(&mut caller, length, body, expect).as_deref(), Some("close"), "{length} {expect}");
        assert_eq!(caller.closed(), b"");
    }
}
