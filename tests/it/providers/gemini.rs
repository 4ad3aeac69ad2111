//! Gemini by its own API.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{key, request};
use crate::support::fixtures::PROVIDER_KEY;
use crate::support::upstream::{Call, Gate, Step, Upstream, chunk, json, stream};

fn line(call: &Call) -> &str {
    call.head.lines().next().unwrap_or_default()
}

/// An instance with a gemini provider in front of the scripted upstream.
fn gemini(upstream: &Upstream, base: &str) -> Aurora {
    let (address, locked) = (upstream.address, crate::support::fixtures::MASTER_KEY);
    Setup::new()
        .yaml(&format!(
            "server: {{master_key: {locked}}}\nmetrics: {{enabled: true}}\nproviders:\n  \
             g: {{type: gemini, base_url: \"http://{address}{base}\", api_key: {PROVIDER_KEY}, models: [gemini-x]}}\n"
        ))
        .start()
}

#[test]
fn gemini_requests_use_its_root_and_key_header() {
    let upstream = Upstream::start();
    let native = format!("x-goog-api-key: {PROVIDER_KEY}");
    let bearer = format!("authorization: Bearer {PROVIDER_KEY}");
    for (base, root) in [("/v1beta/openai", ""), ("/up/v1beta/openai/", "/up"), ("/own", "/own")] {
        let aurora = gemini(&upstream, base);
        let base = base.trim_end_matches('/');
        for (method, path, expected, credential) in [
            (
                "POST",
                "v1beta/models/gemini-x:generateContent",
                format!("{root}/v1beta/models/gemini-x:generateContent"),
                &native,
            ),
            (
                "POST",
                "v1/models/gemini-x:generateContent?alt=sse&key=k",
                format!("{root}/v1/models/gemini-x:generateContent?alt=sse"),
                &native,
            ),
            ("GET", "v1beta/models", format!("{root}/v1beta/models"), &native),
            ("GET", "v1/models", format!("{root}/v1/models"), &native),
            (
                "POST",
                "upload/v1beta/files?uploadType=media",
                format!("{root}/upload/v1beta/files?uploadType=media"),
                &native,
            ),
            ("POST", "v1beta/openai/chat/completions", format!("{base}/chat/completions"), &bearer),
            ("GET", "v1beta/openai/models", format!("{base}/models"), &bearer),
            ("POST", "v1/chat/completions", format!("{base}/chat/completions"), &bearer),
            ("POST", "chat/completions", format!("{base}/chat/completions"), &bearer),
            ("GET", "v1/batches/b", format!("{base}/batches/b"), &bearer),
            ("GET", "models", format!("{base}/models"), &bearer),
        ] {
            let headers = format!(
                "x-goog-api-key: {}\r\ncontent-type: application/json\r\n",
                crate::support::fixtures::MASTER_KEY
            );
            let body = if method == "POST" { r#"{"model":"gemini-x"}"# } else { "" };
            aurora.send(request(method, &format!("/p/g/{path}"), &headers, body));
            let call = upstream.calls().pop().expect("a call");
            assert_eq!(line(&call), format!("{method} {expected} HTTP/1.1"));
            let credentials = ["authorization: ", "x-goog-api-key: ", "x-api-key: ", "api-key: "];
            let is_credential = |line: &&str| credentials.iter().any(|name| line.starts_with(name));
            let sent: Vec<&str> = call.headers().into_iter().filter(is_credential).collect();
            assert_eq!(sent, [credential], "{path}");
        }
    }
}

#[test]
fn native_usage_of_gemini_is_counted_under_the_model_of_the_path() {
    let usage = r#""usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":7,"thoughtsTokenCount":5,"toolUsePromptTokenCount":2,"totalTokenCount":24}"#;
    let part =
        |more: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}}{more}}}],{usage}"#);
    let whole = part(r#","finishReason":"STOP""#) + "}";
    let first = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}}}}],{}}}"#,
        usage.replace(":7", ":1")
    );
    let events = [format!("data: {first}\r\n\r\n"), format!("data: {whole}\r\n\r\n")];
    let list = format!("[{first},\r\n{whole}\r\n]");
    let pad = "y".repeat(300 << 10);
    let large = format!("[{first},{{\"pad\":\"{pad}\"}},{whole}]");
    let large_object = whole.replace(r#""text":"x""#, &format!(r#""text":"{pad}""#));
    let path = |model: &str, method: &str| format!("/v1beta/models/{model}:{method}");
    let upstream = Upstream::start()
        .on(&path("a", "generateContent"), json(&whole))
        .on(&path("b", "streamGenerateContent?alt=sse"), stream(&[&events[0], &events[1]]))
        .on(&path("c", "streamGenerateContent"), json(&list))
        .on(&path("d", "streamGenerateContent"), json(&large))
        .on(&path("e", "generateContent"), json(&large_object))
        .on(&path("f", "countTokens"), json(r#"{"totalTokens":3}"#));
    let aurora = gemini(&upstream, "/v1beta/openai");
    for (model, method, expected) in [
        ("a", "generateContent", &whole),
        ("b", "streamGenerateContent?alt=sse", &events.concat()),
        ("c", "streamGenerateContent", &list),
        ("d", "streamGenerateContent", &large),
        ("e", "generateContent", &large_object),
        ("f", "countTokens", &r#"{"totalTokens":3}"#.to_owned()),
    ] {
        let headers = format!("{}content-type: application/json\r\n", key());
        let response = aurora.send(request("POST", &format!("/p/g{}", path(model, method)), &headers, "{}"));
        assert!(response.status == 200 && response.text() == expected, "{model}");
    }
    let tokens: Vec<String> = ["a", "b", "c", "d", "e"]
        .iter()
        .flat_map(|model| {
            [
                ("input", "cache_read", 4),
                ("input", "uncached", 8),
                ("output", "reasoning", 5),
                ("output", "text", 7),
            ]
            .map(|(direction, kind, count)| format!("g {model} {direction} {kind} {count}"))
        })
        .collect();
    aurora.settles("aurora_tokens_total", &tokens.iter().map(String::as_str).collect::<Vec<_>>());
    aurora.settles(
        "aurora_requests_total",
        &[
            "g a other 200 success false 1",
            "g b other 200 success true 1",
            "g c other 200 success true 1",
            "g d other 200 success true 1",
            "g e other 200 success false 1",
            "g f other 200 success false 1",
        ],
    );
    aurora.settles("aurora_time_to_first_token_seconds_count", &["g b other 1"]);
}

#[test]
fn a_gemini_stream_as_a_json_list_is_relayed_as_it_arrives() {
    let gate = Gate::default();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let upstream = Upstream::start().on(
        "/v1beta/models/a:streamGenerateContent",
        vec![
            Step::Send([head.as_bytes(), &chunk(r#"[{"candidates":[]}"#)].concat()),
            Step::Await(gate.clone()),
            Step::Send(chunk(r#",{"usageMetadata":{"promptTokenCount":3}}]"#)),
            Step::Send("0\r\n\r\n".into()),
        ],
    );
    let aurora = gemini(&upstream, "/v1beta/openai");
    let mut client = aurora.client();
    client.send(request("POST", "/p/g/v1beta/models/a:streamGenerateContent", &key(), "{}"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.read_until("}"), r#"[{"candidates":[]}"#);
    gate.open();
    assert_eq!(client.read_until("]"), r#",{"usageMetadata":{"promptTokenCount":3}}]"#);
    aurora.settles("aurora_tokens_total", &["g a input uncached 3"]);
}
