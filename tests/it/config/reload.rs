//! A new configuration without a stop.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json as value};

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::{Client, Response, chat_of, key, request};
use crate::support::fixtures::{DONE, HELLO, MASTER_KEY, NEXT_KEY, OK};
use crate::support::raw_server::{RawServer, response};
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, json, opening};

fn yaml(upstream: &Upstream, server: &str, models: &str, rest: &str) -> String {
    format!(
        "server: {{{server}}}\nmetrics: {{enabled: true}}\n{rest}\nproviders:\n  up: {{type: openai_compatible, base_url: \
         \"http://{}/v1\", api_key: canary-provider-key-0123456789, models: [{models}]}}\n",
        upstream.address
    )
}

fn locked(key: &str) -> String {
    format!("master_key: {key}")
}

fn chat(key: &str, model: &str) -> Vec<u8> {
    let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
    request("POST", "/v1/chat/completions", &headers, format!(r#"{{"model":"{model}"}}"#))
}

/// Signals and waits for the `count`th good reload.
fn reload(aurora: &Aurora, count: usize) -> Value {
    aurora.signal("HUP");
    aurora.lines("configuration reloaded", count).remove(count - 1)
}

/// The value of a series.
fn value_of(aurora: &Aurora, series: &str, key: &str) -> String {
    let page: Response =
        aurora.send(request("GET", "/metrics", &format!("authorization: Bearer {key}\r\n"), ""));
    let line =
        page.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {series}"))
}

fn hash(aurora: &Aurora) -> String {
    let page = aurora.scrape();
    let mut lines = page.lines().filter(|line| line.starts_with("aurora_config_info{"));
    let (line, more) = (lines.next().expect("a hash"), lines.next());
    assert_eq!(more, None);
    line.to_owned()
}

#[test]
fn sighup_applies_changed_settings() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let aurora = Setup::new().yaml(&yaml(&upstream, &locked(MASTER_KEY), "m", "")).start();
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    assert_eq!(aurora.send(chat_of("n", false)).status, 404);
    let before = hash(&aurora);
    let server =
        format!("{}, keys: [{{name: alice, key: {NEXT_KEY}}}], body_size_limit: 1K", locked(MASTER_KEY));
    aurora.replace("config.yaml", &yaml(&upstream, &server, "n", "routes: {alias: [up/n]}"));
    let expected = value!({
        "level": "INFO", "msg": "configuration reloaded", "reason": "SIGHUP", "providers": 1, "routes": 1, "keys": 1,
        "changes": "routes.alias: added; server.keys.alice: added; server.body_size_limit: 32M → 1K; \
                    providers.up.models: m → n"
    });
    assert_eq!(reload(&aurora, 1), expected);
    for (model, status) in [("m", 404), ("n", 200), ("alias", 200)] {
        assert_eq!(aurora.send(chat(NEXT_KEY, model)).status, status, "{model}");
    }
    let long = request(
        "POST",
        "/v1/chat/completions",
        &key(),
        format!(r#"{{"model":"n","x":"{}"}}"#, "x".repeat(1024)),
    );
    assert_eq!(aurora.send(long).status, 413);
    aurora.settles("aurora_caller_requests_total", &["alice 3", "master 1"]);
    assert_ne!(hash(&aurora), before);
    aurora.replace("config.yaml", &yaml(&upstream, &locked(MASTER_KEY), "m", ""));
    reload(&aurora, 2);
    assert_eq!(hash(&aurora), before);
    assert_eq!(aurora.send(chat(NEXT_KEY, "m")).status, 401);
}

#[test]
fn the_configuration_hash_excludes_secrets_and_paths() {
    let upstream = Upstream::start();
    let hash = |key: &str, file: &str, more: &str| {
        let yaml = yaml(&upstream, &format!("{}{more}", locked(key)), "m", "");
        let yaml = yaml.replace("api_key: canary-provider-key-0123456789", &format!("api_key_file: {file}"));
        let aurora = Setup::new().yaml(&yaml).file(file, key).start();
        let page = aurora.send(request("GET", "/metrics", &format!("authorization: Bearer {key}\r\n"), ""));
        let hash = page.text().lines().find_map(|line| line.strip_prefix("aurora_config_info{hash=\""));
        hash.and_then(|hash| hash.strip_suffix("\"} 1")).expect("a hash").to_owned()
    };
    let one = hash("a-key-of-the-tests-1", "one", "");
    assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    assert_eq!(hash("another-key-of-the-tests-2", "another", ", workers: 3"), one);
    assert_ne!(hash("a-key-of-the-tests-1", "one", ", body_size_limit: 1M"), one);
}

#[test]
fn an_invalid_configuration_is_refused_and_the_active_one_stays() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let good = yaml(&upstream, &locked(MASTER_KEY), "m", "");
    let aurora = Setup::new().yaml(&good).start();
    let state = |aurora: &Aurora| value_of(aurora, "aurora_config_last_reload_successful", MASTER_KEY);
    assert_eq!(state(&aurora), "1");
    let time = value_of(&aurora, "aurora_config_last_reload_success_timestamp_seconds", MASTER_KEY);
    let bad = yaml(&upstream, &format!("{}, port: high", locked(NEXT_KEY)), "n", "routes: {a: [none/m]}");
    aurora.replace("config.yaml", &bad);
    aurora.signal("HUP");
    let refused = aurora.lines("configuration refused; the one before stays in force", 1);
    let expected = value!([{
        "level": "ERROR", "msg": "configuration refused; the one before stays in force", "reason": "SIGHUP",
        "error": "it has errors"
    }]);
    assert_eq!(Value::from(refused), expected);
    let problems: Vec<Value> = aurora
        .lines("configuration", 2)
        .into_iter()
        .filter(|line| line["level"] == "ERROR")
        .map(|line| line["problem"].clone())
        .collect();
    let expected = [
        "config.yaml:1:62: server.port: invalid value (got \"high\", expected a port from 1 to 65535); write for example 8080 \
         [bad-value]",
        "config.yaml:3:13: routes.a: none/m: there is no provider none; known here: up [dangling-target]",
    ];
    assert_eq!(problems, expected);
    assert_eq!(state(&aurora), "0");
    assert_eq!(value_of(&aurora, "aurora_config_last_reload_success_timestamp_seconds", MASTER_KEY), time);
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    assert_eq!(aurora.send(chat(NEXT_KEY, "m")).status, 401);
    aurora.replace("config.yaml", &good);
    reload(&aurora, 1);
    assert_eq!(state(&aurora), "1");
}

#[test]
fn settings_that_need_a_restart_are_kept_and_logged() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let aurora = Setup::bare().variable("LOG_FORMAT", "json").arguments(&["serve", "--port", "0"]);
    let first = yaml(&upstream, &format!("host: 127.0.0.1, {}", locked(MASTER_KEY)), "m", "");
    let aurora = aurora.yaml(&first).start();
    let server = format!("host: 127.0.0.2, base_path: /gw, workers: 3, {}", locked(MASTER_KEY));
    let metrics = "metrics: {enabled: false, endpoint: /m, listen: \"127.0.0.1:1\", max_models: 5, max_unlisted_models: 6, max_series: 177, exemplars: true}";
    let next = yaml(&upstream, &server, "n", "log: {level: debug}");
    aurora.replace("config.yaml", &next.replace("metrics: {enabled: true}", metrics));
    reload(&aurora, 1);
    let keys: Vec<Value> = aurora
        .lines("changed, which takes effect at the next start", 10)
        .into_iter()
        .map(|line| value!([line["level"], line["key"]]))
        .collect();
    let expected = [
        "server.host",
        "server.base_path",
        "server.workers",
        "metrics.enabled",
        "metrics.endpoint",
        "metrics.listen",
        "metrics.max_models",
        "metrics.max_unlisted_models",
        "metrics.max_series",
        "metrics.exemplars",
    ];
    assert_eq!(keys, expected.map(|key| value!(["WARN", key])));
    let reloaded = aurora.line("configuration reloaded");
    assert_eq!(reloaded["changes"], "log.level: info → debug; providers.up.models: m → n");
    assert_eq!(aurora.send(chat_of("n", false)).status, 200);
    aurora.settles("aurora_answers_total", &["n ok 1"]);
}

#[test]
fn log_level_changes_on_reload() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let with = |level: &str, model: &str| {
        yaml(&upstream, &locked(MASTER_KEY), model, &format!("log: {{requests: all, level: {level}}}"))
    };
    let aurora = Setup::new().yaml(&with("info", "m")).start();
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    aurora.lines("request", 1);
    aurora.replace("config.yaml", &with("error", "n"));
    aurora.signal("HUP");
    // At that level the log does not show the reload; responses do.
    let until = Instant::now() + WAIT_LIMIT;
    while aurora.send(chat_of("n", false)).status != 200 {
        assert!(Instant::now() < until, "no reload");
    }
    aurora.replace("config.yaml", &with("info", "m"));
    reload(&aurora, 1);
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    let (_, log) = aurora.stop();
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fine = lines.filter(|line| line["msg"] == "request" && line["level"] == "INFO");
    assert_eq!(fine.map(|line| line["model"].clone()).collect::<Vec<_>>(), ["m", "m"]);
}

#[test]
fn a_stream_continues_after_its_provider_is_removed() {
    let gate = Gate::default();
    let mut streaming = opening(&[HELLO]);
    streaming.extend([Step::Await(gate.clone()), Step::Send(chunk(DONE)), Step::Send(LAST_CHUNK.into())]);
    let upstream = Upstream::start().on("s", streaming);
    let aurora = Setup::new().yaml(&yaml(&upstream, &locked(MASTER_KEY), "s", "")).start();
    let mut client = aurora.client();
    client.send(chat_of("s", true));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.read_until("\n\n"), HELLO);
    let other =
        yaml(&upstream, &locked(NEXT_KEY), "m", "http: {connect_timeout: 1s}").replace("  up:", "  other:");
    aurora.replace("config.yaml", &other);
    reload(&aurora, 1);
    gate.open();
    assert_eq!(client.read_until("\n\n"), DONE);
    assert_eq!(client.chunk(), Some(Vec::new()));
    client.send(chat_of("s", true));
    assert_eq!(client.response().status, 401, "the next request on the same connection meets the new keys");
    let streams = "aurora_streams_total{provider=\"up\",model=\"s\",outcome=\"completed\"}";
    assert_eq!(value_of(&aurora, streams, NEXT_KEY), "1");
}

/// Sends chats on kept connections until it is enough, each with the key of its time; each gets 200.
fn load(aurora: &Aurora, enough: &AtomicBool, served: &AtomicUsize, key: &RwLock<&str>) {
    let mut client = Client::connect(aurora.address);
    while !enough.load(Ordering::SeqCst) {
        // Held until the response is here: a key changes only when no request with the old one is in flight.
        let key = key.read().expect("not poisoned");
        client.send(chat(&key, "m"));
        let response = client.response();
        assert_eq!((response.status_and_text(), response.whole), ((200, OK), true));
        served.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs `work` while eight connections send, each request answered; gives how many there were.
fn under_load(aurora: &Aurora, key: &RwLock<&str>, work: impl FnOnce(&AtomicUsize)) -> usize {
    let (enough, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load(aurora, &enough, &served, key));
        }
        work(&served);
        enough.store(true, Ordering::SeqCst);
    });
    served.load(Ordering::SeqCst)
}

/// Waits until so many more were served.
fn pass(served: &AtomicUsize, more: usize) {
    let least = served.load(Ordering::SeqCst) + more;
    let until = Instant::now() + WAIT_LIMIT;
    while served.load(Ordering::SeqCst) < least {
        assert!(Instant::now() < until, "{least} were waited for in vain");
        thread::yield_now();
    }
}

#[test]
fn reloads_under_load_lose_nothing() {
    let upstream = Upstream::start().on("m", json(OK));
    let with = |http: &str| yaml(&upstream, &locked(MASTER_KEY), "m, n", http);
    let aurora = Setup::new().yaml(&with("")).start();
    let served = under_load(&aurora, &RwLock::new(MASTER_KEY), |served| {
        for round in 1..=10 {
            pass(served, 200);
            // Every other one makes new clients for the upstream.
            let timeout = if round % 2 == 0 { "" } else { "http: {connect_timeout: 4s}" };
            aurora.replace("config.yaml", &with(timeout));
            reload(&aurora, round);
        }
        pass(served, 200);
    });
    assert!(served >= 2200, "{served}");
    assert_eq!(upstream.calls().len(), served);
    aurora.settles("aurora_answers_total", &[&format!("m ok {served}")]);
    aurora.settles("aurora_requests_total", &[&format!("up m /chat/completions 200 success false {served}")]);
    aurora.settles("aurora_requests_in_flight", &[]);
}

#[test]
fn rotating_the_master_key_under_load_loses_nothing() {
    let upstream = Upstream::start().on("m", json(OK));
    let with = |server: &str| yaml(&upstream, server, "m", "");
    let aurora = Setup::new().yaml(&with(&locked(MASTER_KEY))).start();
    let key = RwLock::new(MASTER_KEY);
    let served = under_load(&aurora, &key, |served| {
        pass(served, 100);
        let both = format!("{}, keys: [{{name: old, key: {MASTER_KEY}}}]", locked(NEXT_KEY));
        aurora.replace("config.yaml", &with(&both));
        reload(&aurora, 1);
        pass(served, 100);
        *key.write().expect("not poisoned") = NEXT_KEY;
        aurora.replace("config.yaml", &with(&locked(NEXT_KEY)));
        reload(&aurora, 2);
        pass(served, 100);
    });
    assert_eq!(upstream.calls().len(), served);
    assert_eq!(aurora.send(chat(MASTER_KEY, "m")).status, 401);
    let (_, log) = aurora.stop();
    for secret in [MASTER_KEY, NEXT_KEY, "canary-provider-key-0123456789"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

/// Points a link elsewhere at once, as Kubernetes does with a mounted secret.
fn point(aurora: &Aurora, link: &str, to: &str) {
    let (path, beside) = (aurora.folder().join(link), aurora.folder().join("link.new"));
    std::os::unix::fs::symlink(to, &beside).expect("a link");
    std::fs::rename(beside, path).expect("a link");
}

#[test]
fn changed_secret_files_are_reloaded() {
    let upstream = Upstream::start().on("m", json(OK));
    let yaml = yaml(&upstream, "base_path: /", "m", "");
    let yaml = yaml.replace("api_key: canary-provider-key-0123456789", "api_key_file: provider/key");
    let setup =
        Setup::new().yaml(&yaml).file("master", MASTER_KEY).file("token", "canary-token-of-the-tests-1");
    for (folder, key) in [("one", "sk-one"), ("two", "sk-two")] {
        std::fs::create_dir(setup.folder().join(folder)).expect("a folder");
        std::fs::write(setup.folder().join(folder).join("key"), key).expect("a file");
    }
    std::os::unix::fs::symlink("one", setup.folder().join("provider")).expect("a link");
    let setup = setup.variable("AURORA_MASTER_KEY_FILE", "master").variable("METRICS_TOKEN_FILE", "token");
    let aurora = setup.start();
    let credential = |upstream: &Upstream| {
        let call = upstream.calls().pop().expect("a call");
        call.headers().into_iter().find(|line| line.starts_with("authorization")).expect("a key").to_owned()
    };
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    assert_eq!(credential(&upstream), "authorization: Bearer sk-one");

    point(&aurora, "provider", "two");
    let expected = value!({
        "level": "INFO", "msg": "configuration reloaded", "reason": "a file of secrets changed", "providers": 1,
        "routes": 0, "keys": 0, "changes": "providers.up.api_key: changed"
    });
    assert_eq!(aurora.lines("configuration reloaded", 1), [expected]);
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    assert_eq!(credential(&upstream), "authorization: Bearer sk-two");

    aurora.replace("master", NEXT_KEY);
    aurora.lines("configuration reloaded", 2);
    assert_eq!(aurora.send(chat_of("m", false)).status, 401);
    assert_eq!(aurora.send(chat(NEXT_KEY, "m")).status, 200);

    aurora.replace("token", "canary-token-of-the-tests-2");
    aurora.lines("configuration reloaded", 3);
    for (token, status) in [("canary-token-of-the-tests-1", 401), ("canary-token-of-the-tests-2", 200)] {
        let headers = format!("authorization: Bearer {token}\r\n");
        assert_eq!(aurora.send(request("GET", "/metrics", &headers, "")).status, status);
    }

    aurora.replace("master", "");
    aurora.lines("configuration refused; the one before stays in force", 1);
    assert_eq!(aurora.send(chat(NEXT_KEY, "m")).status, 200);
}

#[test]
fn discovered_models_survive_a_reload_of_an_unchanged_provider() {
    let listed = r#"{"object":"list","data":[{"id":"m"}]}"#;
    let sent = [listed, OK].map(|body| response("200 OK", "content-type: application/json\r\n", body));
    let server = RawServer::start(sent);
    let with = |path: &str| {
        format!(
            "log: {{level: debug}}\nmetrics: {{enabled: true}}\nproviders:\n  up: {{type: openai_compatible, base_url: \"{}\"}}\n  \
             other: {{type: openai_compatible, base_url: \"http://127.0.0.1:1\", models: [x]}}\n",
            server.url(path)
        )
    };
    let aurora = Setup::new().yaml(&with("/v1")).start();
    assert_eq!(aurora.line("models discovered")["models"], 1);
    let time = "aurora_provider_discovery_last_success_timestamp_seconds{provider=\"up\"}";
    let discovered = value_of(&aurora, time, "any");
    assert_ne!(discovered, "0");
    reload(&aurora, 1);
    let failed = aurora.lines("models could not be discovered", 1).remove(0);
    let expected = value!({
        "level": "WARN", "msg": "models could not be discovered", "provider": "up",
        "error": "the models endpoint sent no list of models", "retry_in_s": 60
    });
    assert_eq!(failed, expected);
    assert_eq!(aurora.send(chat("any", "m")).status_and_text(), (200, OK));
    assert_eq!(value_of(&aurora, time, "any"), discovered);
    aurora.replace("config.yaml", &with("/v2"));
    reload(&aurora, 2);
    assert_eq!(aurora.send(chat("any", "m")).status, 404);
}

#[test]
fn demo_reloads() {
    let setup = Setup::bare().variable("LOG_FORMAT", "json").arguments(&["serve", "--demo", "--port", "0"]);
    let aurora = setup.start();
    reload(&aurora, 1);
    assert_eq!(
        aurora
            .send(request("POST", "/v1/chat/completions", "", r#"{"model":"demo-fast","messages":[]}"#))
            .status,
        200
    );
}
