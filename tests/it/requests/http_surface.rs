//! The routes as a client meets them: methods, paths, what a request must be.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat, key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{NO_ROUTE, OK, refusal};
use crate::support::upstream::{Upstream, json};

pub(crate) fn start() -> (Upstream, Aurora) {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    (upstream, aurora)
}

#[test]
fn head_responds_like_get_without_the_body() {
    let (_upstream, aurora) = start();
    for path in ["/health", "/health/ready", "/v1/models", "/v1/models/m", "/metrics", "/metrics/"] {
        let mut client = aurora.client();
        client.send(request("HEAD", path, &key(), ""));
        let head = client.head();
        assert_eq!(head.status, 200);
        client.send(request("GET", path, &key(), ""));
        let get = client.response();
        let pick =
            |response: &crate::support::client::Response, name| response.header(name).map(str::to_owned);
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
fn alternative_spellings_of_a_path_are_404() {
    let (upstream, aurora) = start();
    let unknown = [
        "//",
        "/.",
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
        let response = aurora.send(request("GET", path, "", ""));
        assert_eq!((path, response.status_and_text()), (path, (404, NO_ROUTE)));
    }
    for path in [
        "/metrics?x=1",
        "/metrics/?",
        "http://localhost/metrics",
        "http://LOCALHOST:80/v1/models",
        "/v1/models/../models",
        "/v1/models/%2e%2e/metrics",
    ] {
        let response = aurora.send(request("GET", path, "", ""));
        assert_eq!((path, response.status), (path, 401));
    }
    assert_eq!(aurora.get("/v1/models/../models").status, 404);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn metrics_are_only_at_the_configured_path() {
    let upstream = Upstream::start().on("m", json(OK));
    let text = yaml(&upstream, "base_path: /gate/way", "")
        .replace("{enabled: true}", "{enabled: true, endpoint: /internal/prometheus}");
    let aurora = Setup::new().yaml(&text).start();
    for path in ["/gate/way/internal/prometheus", "/gate/way/internal/prometheus/"] {
        let response = aurora.get(path);
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, Some("text/plain; version=0.0.4; charset=utf-8"))
        );
        assert_eq!(aurora.send(request("GET", path, "", "")).status, 401);
    }
    for path in ["/metrics", "/internal/prometheus", "/gate/way/metrics", "/health", "/v1/models"] {
        assert_eq!((path, aurora.get(path).status_and_text()), (path, (404, NO_ROUTE)));
    }
    for path in ["/gate/way/health", "/gate/way/health/ready"] {
        assert_eq!(aurora.send(request("GET", path, "", "")).status_and_text(), (200, r#"{"status":"ok"}"#));
    }
    let body = r#"{"model":"m"}"#;
    assert_eq!(
        aurora.send(request("POST", "/gate/way/v1/completions", &key(), body)).status_and_text(),
        (200, OK)
    );
    assert_eq!(upstream.call("m").head.lines().next(), Some("POST /v1/completions HTTP/1.1"));
    assert_eq!(aurora.get("/gate/way/v1/models/m").status, 200);
}

#[test]
fn models_are_listed_by_unambiguous_bare_names() {
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
        aurora.get("/v1/models?limit=1").status_and_text(),
        (200, &*format!(r#"{{"object":"list","data":[{}]}}"#, data.join(",")))
    );
    for (id, owner) in all {
        assert_eq!(aurora.get(&format!("/v1/models/{id}")).status_and_text(), (200, &*model(id, owner)));
        let encoded = id.replace('/', "%2F");
        assert_eq!(aurora.get(&format!("/v1/models/{encoded}")).status_and_text(), (200, &*model(id, owner)));
    }
    for id in ["a", "b", "two/org/b", "none", "up/", "up"] {
        let message = format!(
            "The model `{id}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        assert_eq!(
            aurora.get(&format!("/v1/models/{id}")).status_and_text(),
            (404, &*refusal(&message, "model", "model_not_found"))
        );
    }
    assert_eq!(aurora.get("/v1/models/%ff").status, 404);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn model_routes_are_listed_before_models() {
    let upstream = Upstream::start().on("a", json(OK)).on("b", json(OK));
    let text = yaml(&upstream, "", "routes: {smart: [up/a], b: [up/a]}");
    let aurora = Setup::new().yaml(&text).start();
    let model = |id: &str, owner: &str| {
        format!(r#"{{"id":"{id}","object":"model","created":0,"owned_by":"{owner}"}}"#)
    };
    let all = [("b", "aurora"), ("smart", "aurora"), ("a", "up"), ("up/a", "up"), ("up/b", "up")];
    let data: Vec<String> = all.iter().map(|(id, owner)| model(id, owner)).collect();
    let list = format!(r#"{{"object":"list","data":[{}]}}"#, data.join(","));
    assert_eq!(aurora.get("/v1/models").status_and_text(), (200, &*list));
    for (id, owner) in all {
        assert_eq!(aurora.get(&format!("/v1/models/{id}")).status_and_text(), (200, &*model(id, owner)));
        assert_eq!(aurora.send(chat(format!(r#"{{"model":"{id}"}}"#))).status, 200, "{id}");
    }
}

#[test]
fn the_model_selects_the_provider() {
    let (one, two) =
        (Upstream::start().on("a", json(OK)).on("b", json(OK)), Upstream::start().on("b", json(OK)));
    let text = yaml(&one, "", "")
        + &format!("  two: {{type: vllm, base_url: \"http://{}/v1\", models: [b, c]}}\n", two.address);
    let aurora = Setup::new().yaml(&text).start();
    for model in ["a", "b", "up/b", "two/b"] {
        assert_eq!(aurora.send(chat(format!(r#"{{"model":"{model}"}}"#))).status, 200, "{model}");
    }
    assert_eq!((one.calls().len(), two.calls().len()), (3, 1));
    for model in ["d", "up/c", "three/a", "two/a", "", "a ", "A"] {
        let message = format!(
            "The model `{model}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        let response = aurora.send(chat(format!(r#"{{"model":"{model}"}}"#)));
        assert_eq!(response.status_and_text(), (404, &*refusal(&message, "model", "model_not_found")));
    }
    assert_eq!((one.calls().len(), two.calls().len()), (3, 1));
    aurora.settles("aurora_answers_total", &["a ok 1", "b ok 3", "unknown caller_error 7"]);
}

#[test]
fn model_requests_without_a_provider_explain_the_configuration() {
    let aurora = Setup::new().variable("METRICS_ENABLED", "true").start();
    let response = aurora.send(request("POST", "/v1/chat/completions", "", r#"{"model":"m"}"#));
    let message =
        "No provider is configured: set OPENAI_API_KEY or another provider's key, or add one to config.yaml.";
    let envelope = format!(
        r#"{{"error":{{"message":"{message}","type":"server_error","param":null,"code":"no_provider"}}}}"#
    );
    assert_eq!(response.status_and_text(), (503, &*envelope));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(
        aurora.send(request("GET", "/v1/models", "", "")).status_and_text(),
        (200, r#"{"object":"list","data":[]}"#)
    );
    aurora.settles("aurora_answers_total", &["unknown gateway_error 1"]);
}

/// What the response to a wrong key says of its connection; the body follows that response where there is one.
fn refused(client: &mut Client, length: usize, body: &str, expect: &str) -> Option<String> {
    let headers = format!("authorization: Bearer wrong\r\ncontent-length: {length}\r\n{expect}");
    client.send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}"));
    let response = client.response();
    assert_eq!(response.status, 401);
    response.header("connection").map(str::to_owned)
}

#[test]
fn an_unread_body_closes_its_connection_unless_it_is_small() {
    let (_upstream, aurora) = start();
    let mut client = aurora.client();
    let large = "x".repeat(60 << 10);
    assert_eq!(refused(&mut client, 2, "{}", ""), None);
    assert_eq!(refused(&mut client, large.len(), &large, ""), None);
    client.send(chat(r#"{"model":"m"}"#));
    assert_eq!(client.response().status_and_text(), (200, OK));

    for (length, body, expect) in
        [(3, "{}", ""), (2, "", "expect: 100-continue\r\n"), (65 << 10, "", ""), (65 << 10, &large, "")]
    {
        let mut client = aurora.client();
        assert_eq!(refused(&mut client, length, body, expect).as_deref(), Some("close"), "{length} {expect}");
        assert_eq!(client.closed(), b"");
    }
}

#[test]
fn the_root_names_the_paths_of_interest_to_everyone() {
    let page = |base: &str, metrics: &str| {
        format!(
            r#"{{"name":"aurora","api":"{base}/v1","models":"{base}/v1/models","health":"{base}/health","ready":"{base}/health/ready"{metrics}}}"#
        )
    };
    let keyed = Setup::new().variable("AURORA_MASTER_KEY", "a-key-of-the-tests-1").start();
    assert_eq!(keyed.get("/").status_and_text(), (200, &*page("", "")));
    let below = Setup::new().variable("METRICS_ENABLED", "true").variable("BASE_PATH", "/gw").start();
    for path in ["/gw", "/gw/"] {
        let expected = page("/gw", r#","metrics":"/gw/metrics""#);
        assert_eq!(below.get(path).status_and_text(), (200, &*expected), "{path}");
    }
    assert_eq!(below.get("/").status, 404);
    let apart =
        Setup::new().variable("METRICS_ENABLED", "true").variable("METRICS_LISTEN", "127.0.0.1:0").start();
    assert_eq!(apart.get("/").status_and_text(), (200, &*page("", "")));
    let line = apart.line("prometheus metrics enabled");
    let metrics = line["address"].as_str().expect("an address").parse().expect("an address");
    let mut client = Client::connect(metrics);
    client.send(request("GET", "/", "", ""));
    let expected = r#"{"name":"aurora","health":"/health","ready":"/health/ready","metrics":"/metrics"}"#;
    assert_eq!(client.response().status_and_text(), (200, expected));
}

#[test]
fn a_misspelt_model_has_a_suggestion_among_those_that_are_listed() {
    let upstream = Upstream::start();
    let text = format!(
        "providers:\n  up: {{type: vllm, base_url: \"http://{}/v1\", models: [llama-3.3-70b, qwen-2.5]}}\nroutes: {{smart-model: [up/qwen-2.5]}}\n",
        upstream.address
    );
    let aurora = Setup::new().yaml(&text).start();
    for (model, similar) in [
        ("llama-3.3-70B", "llama-3.3-70b"),
        ("up/llama-3.3-7b", "up/llama-3.3-70b"),
        ("smrt-model", "smart-model"),
    ] {
        let message = format!(
            "The model `{model}` does not exist: no provider lists it. Did you mean `{similar}`? GET /v1/models shows what is served."
        );
        let expected = refusal(&message, "model", "model_not_found");
        let response = aurora.send(chat(format!(r#"{{"model":"{model}"}}"#)));
        assert_eq!(response.status_and_text(), (404, &*expected));
        let encoded = model.replace('/', "%2F");
        assert_eq!(aurora.get(&format!("/v1/models/{encoded}")).status_and_text(), (404, &*expected));
    }
    assert_eq!(upstream.calls().len(), 0);
}
