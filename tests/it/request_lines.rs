//! The request log, and what no output ever shows.

use regex::Regex;

use crate::aurora::{Aurora, Setup};
use crate::caller::{MASTER_KEY, key, request};
use crate::exposition::{PROVIDER_KEY, yaml};
use crate::upstream::{Step, Upstream, answer, json, stream};

const ANSWERED: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";

fn ask(aurora: &Aurora, id: &str, method: &str, path: &str, key: &str, body: &str) {
    let headers = format!("x-request-id: {id}\r\n{key}");
    aurora.ask(request(method, path, &headers, body));
}

/// Request lines of one of everything, with their numbers as N and their times as T.
fn lines(mode: &str) -> Vec<String> {
    let upstream = Upstream::start()
        .on("m", json(ANSWERED))
        .on("s", stream(&[HELLO, USAGE]))
        .on("cut", stream(&[HELLO]))
        .on("busy", answer("429 Slow Down", "", "{}"))
        .on("stall", vec![Step::Stall]);
    let aurora = Setup::new().yaml(&yaml(&upstream, "", &format!("log: {{requests: {mode}}}"))).start();
    let chat = |id: &str, model: &str, stream: bool| {
        let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
        ask(&aurora, id, "POST", "/v1/chat/completions", &key(), &body);
    };
    chat("r1", "up/m", false);
    chat("r2", "s", true);
    chat("r3", "cut", true);
    chat("r4", "busy", false);
    chat("r5", "none", false);
    ask(&aurora, "r6", "POST", "/v1/embeddings", "", "{}");
    ask(&aurora, "r7", "GET", "/v1/models/up/m", &key(), "");
    ask(&aurora, "r8", "GET", "/a?key=secret", "", "");
    ask(&aurora, "silent", "GET", "/health", "", "");
    ask(&aurora, "silent", "GET", "/metrics", &key(), "");
    let mut leaving = aurora.caller();
    leaving.send(request(
        "POST",
        "/v1/responses",
        &format!("x-request-id: r9\r\n{}", key()),
        r#"{"model":"stall"}"#,
    ));
    upstream.call("stall");
    drop(leaving);
    upstream.over("stall");
    let (_, log) = aurora.stop();
    let numbers = Regex::new(r#""(duration_ms|ttft_ms)":[0-9]+(\.[0-9]+)?"#).expect("a pattern");
    let time = Regex::new(r#"^\{"time":"[^"]+""#).expect("a pattern");
    let mut lines: Vec<String> = log
        .iter()
        .filter(|line| line.contains(r#""msg":"request""#))
        .map(|line| numbers.replace_all(&time.replace(line, r#"{"time":"T""#), r#""$1":N"#).into_owned())
        .collect();
    lines.sort_by_key(|line| line.split("request_id").nth(1).map(str::to_owned));
    lines
}

const FINE: [&str; 3] = [
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r1","caller":"master","provider":"up","model":"m","endpoint":"/chat/completions","status":200,"outcome":"ok","duration_ms":N,"input_tokens":3,"output_tokens":2,"attempts":1}"#,
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r2","caller":"master","provider":"up","model":"s","endpoint":"/chat/completions","status":200,"outcome":"ok","duration_ms":N,"ttft_ms":N,"input_tokens":3,"output_tokens":2,"attempts":1}"#,
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r7","caller":"master","endpoint":"/v1/models/{id}","status":200,"outcome":"ok","duration_ms":N}"#,
];
const FAILED: [&str; 6] = [
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r3","caller":"master","provider":"up","model":"cut","endpoint":"/chat/completions","status":200,"outcome":"broken","duration_ms":N,"ttft_ms":N,"attempts":1}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r4","caller":"master","provider":"up","model":"busy","endpoint":"/chat/completions","status":429,"outcome":"ok","duration_ms":N,"attempts":1}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r5","caller":"master","endpoint":"/chat/completions","status":404,"outcome":"ok","duration_ms":N,"error":"The model `none` does not exist: no provider lists it. GET /v1/models shows what is served."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r6","endpoint":"/v1/embeddings","status":401,"outcome":"ok","duration_ms":N,"error":"No key was sent: send `Authorization: Bearer KEY` with the key of server.master_key (AURORA_MASTER_KEY)."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r8","endpoint":"unmatched","status":404,"outcome":"ok","duration_ms":N,"error":"There is no such route."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r9","caller":"master","provider":"up","model":"stall","endpoint":"/responses","status":499,"outcome":"cancelled","duration_ms":N,"attempts":1}"#,
];

#[test]
fn all_requests_have_a_line() {
    let [r1, r2, r7] = FINE;
    let [r3, r4, r5, r6, r8, r9] = FAILED;
    assert_eq!(lines("all"), [r1, r2, r3, r4, r5, r6, r7, r8, r9]);
}

#[test]
fn or_only_those_that_failed() {
    assert_eq!(lines("errors"), FAILED);
}

#[test]
fn or_none() {
    assert_eq!(lines("off"), [""; 0]);
}

#[test]
fn a_model_name_is_no_longer_in_a_line_than_in_a_label() {
    let upstream = Upstream::start();
    let aurora = Setup::new().yaml(&yaml(&upstream, "", "")).start();
    let body = format!(r#"{{"model":"{}"}}"#, "é".repeat(100_000));
    ask(&aurora, "long", "POST", "/v1/chat/completions", &key(), &body);
    assert_eq!(aurora.line("request")["model"], "é".repeat(64));
    assert_eq!(upstream.call(&"é".repeat(100_000)).body, body.as_bytes());
}

#[test]
fn no_secret_is_in_any_output_whatever_fails() {
    let (second_key, in_url) = ("canary-second-key-0123456789", "canary-url-0123456789");
    let wrong = "canary-callers-own-0123456789";
    let echo = format!(r#"{{"error":{{"message":"{PROVIDER_KEY} is wrong"}}}}"#);
    let upstream = Upstream::start()
        .on("/v1/models", answer("401 Unauthorized", "", &echo))
        .on("fine", json("{}"))
        .on("401", answer("401 Unauthorized", "", &echo))
        .on("403", answer("403 Forbidden", "", &echo))
        .on("500", answer("500 Oops", "content-type: text/plain\r\n", &echo))
        .on("302", answer("302 Found", &format!("location: http://x/?key={PROVIDER_KEY}\r\n"), ""))
        .on("html", answer("200 OK", "content-type: text/html\r\n", &echo))
        .on("encoded", answer("400 Bad", "content-encoding: gzip\r\n", &echo))
        .on("close", vec![Step::Close])
        .on("cut", stream(&[HELLO]))
        .on("garbage", vec![Step::Send(format!("{PROVIDER_KEY}\r\n\r\n").into_bytes()), Step::Close]);
    let models = upstream.models();
    let text = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\nlog: {{level: debug, requests: all}}\n\
         http: {{timeout: 2s}}\n\
         providers:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: {PROVIDER_KEY}}}\n  \
         two: {{type: openai_compatible, base_url: \"http://127.0.0.1:1/{in_url}\", api_key: {second_key}}}\n",
        upstream.address
    );
    let aurora = Setup::new().yaml(&text).start();
    let mut outputs = Vec::new();
    for model in models.iter().map(|model| format!("up/{model}")).chain(["two/m".into(), "none".into()]) {
        for stream in [true, false] {
            for credential in [key(), format!("authorization: Bearer {wrong}\r\n")] {
                let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
                let answer = aurora.ask(request("POST", "/v1/chat/completions", &credential, body));
                outputs.push(format!("{:?} {}", answer.headers, answer.text()));
            }
        }
    }
    for path in ["/v1/models", "/metrics", "/health", "/nowhere", &format!("/x?key={wrong}")] {
        for credential in [key(), format!("x-api-key: {wrong}\r\n")] {
            outputs.push(aurora.ask(request("GET", path, &credential, "")).text().to_owned());
        }
    }
    let (_, log) = aurora.stop();
    assert!(log.iter().any(|line| line.contains("models could not be discovered")), "{log:#?}");
    outputs.extend(log);
    for canary in [MASTER_KEY, PROVIDER_KEY, second_key, in_url, wrong] {
        let shown: Vec<&String> = outputs.iter().filter(|output| output.contains(canary)).collect();
        assert_eq!(shown, [""; 0], "{canary}");
    }
}
