//! Provider types: URLs, authentication, and endpoints that a type does not support.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Response, key, post, request};
use crate::support::fixtures::refusal;
use crate::support::upstream::{Call, Upstream, json, response};

const TYPES: &str = "openai anthropic gemini groq deepseek openrouter xai zai minimax ollama vllm azure oracle jina \
                     openai_compatible";

/// Endpoints that name a model, and the types that have them, in the order above.
const SPOKEN: [(&str, &str); 16] = [
    (
        "/chat/completions",
        "openai anthropic gemini groq deepseek openrouter xai zai minimax ollama vllm azure oracle openai_compatible",
    ),
    ("/completions", "openai deepseek openrouter xai ollama vllm azure openai_compatible"),
    ("/responses", "openai groq openrouter xai ollama vllm azure oracle openai_compatible"),
    ("/responses/input_tokens", "openai openai_compatible"),
    ("/responses/compact", "openai openai_compatible"),
    ("/embeddings", "openai gemini openrouter xai ollama vllm azure jina openai_compatible"),
    ("/rerank", "openrouter vllm jina openai_compatible"),
    ("/messages", "anthropic openrouter xai ollama vllm openai_compatible"),
    ("/messages/count_tokens", "anthropic vllm openai_compatible"),
    ("/moderations", "openai openai_compatible"),
    ("/images/generations", "openai gemini xai zai ollama azure openai_compatible"),
    ("/images/edits", "openai xai azure openai_compatible"),
    ("/images/variations", "openai openai_compatible"),
    ("/audio/speech", "openai groq openrouter ollama azure openai_compatible"),
    ("/audio/transcriptions", "openai groq openrouter zai ollama vllm azure openai_compatible"),
    ("/audio/translations", "openai groq vllm azure openai_compatible"),
];

const DEPLOYED: [&str; 8] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
];

/// Endpoints that are sent a form.
const FORMS: [&str; 4] =
    ["/images/edits", "/images/variations", "/audio/transcriptions", "/audio/translations"];

/// Where a type is requested `m` when its base URL is `/TYPE/v1`, or for Azure the host alone.
fn target(kind: &str, endpoint: &str) -> String {
    match kind {
        "azure" if DEPLOYED.contains(&endpoint) => {
            format!("/openai/deployments/m{endpoint}?api-version=2024-10-21")
        }
        "azure" => format!("/openai{endpoint}?api-version=2024-10-21"),
        _ => format!("/{kind}/v1{endpoint}"),
    }
}

fn call_of(endpoint: &str, model: &str) -> Vec<u8> {
    let path = format!("/v1{endpoint}");
    if FORMS.contains(&endpoint) {
        let form = format!("--x\r\ncontent-disposition: form-data; name=model\r\n\r\n{model}\r\n--x--\r\n");
        return request(
            "POST",
            &path,
            &format!("{}content-type: multipart/form-data; boundary=x\r\n", key()),
            form,
        );
    }
    post(&path, format!(r#"{{"model":"{model}"}}"#))
}

/// The headers that show who we are.
fn identity(call: &Call) -> Vec<String> {
    let names = ["authorization:", "x-api-key:", "api-key:", "anthropic-version:", "x-goog-api-key:"];
    let lines = call.headers().into_iter().filter(|line| names.iter().any(|name| line.starts_with(name)));
    lines.map(str::to_owned).collect()
}

fn start(providers: &str) -> Aurora {
    let server = format!("server: {{master_key: {}}}", crate::support::fixtures::MASTER_KEY);
    Setup::new().yaml(&format!("{server}\nmetrics: {{enabled: true}}\nproviders:\n{providers}")).start()
}

fn line(call: &Call) -> &str {
    call.head.lines().next().unwrap_or_default()
}

#[test]
fn every_provider_type_gets_requests_at_its_urls_with_its_authentication() {
    let mut upstream = Upstream::start().on("m", json("{}"));
    for kind in TYPES.split(' ') {
        for endpoint in FORMS {
            upstream = upstream.on(&target(kind, endpoint), json("{}"));
        }
    }
    let provider = |kind: &str| {
        let base = if kind == "azure" { String::new() } else { format!("/{kind}/v1") };
        let base = format!("http://{}{base}", upstream.address);
        format!("  {kind}: {{type: {kind}, base_url: \"{base}\", api_key: key-of-{kind}, models: [m]}}\n")
    };
    let aurora = start(&TYPES.split(' ').map(provider).collect::<String>());
    let mut sent = 0;
    for (endpoint, speaking) in SPOKEN {
        for kind in TYPES.split(' ') {
            let response = aurora.send(call_of(endpoint, &format!("{kind}/m")));
            if !speaking.split(' ').any(|it| it == kind) {
                let names = speaking.replace(' ', "`, `");
                let message =
                    format!("{endpoint} is not supported by `{kind}`; providers that support it: `{names}`.");
                assert_eq!(
                    response.status_and_text(),
                    (400, &*refusal(&message, "model", "unsupported_endpoint"))
                );
                continue;
            }
            assert_eq!(response.status_and_text(), (200, "{}"), "{kind}{endpoint}");
            sent += 1;
            let call = upstream.calls().pop().expect("a call");
            assert_eq!(line(&call), format!("POST {} HTTP/1.1", target(kind, endpoint)));
            let expected: Vec<String> = match kind {
                "anthropic" if endpoint != "/chat/completions" => {
                    vec!["anthropic-version: 2023-06-01".into(), "x-api-key: key-of-anthropic".into()]
                }
                "azure" => vec!["api-key: key-of-azure".into()],
                _ => vec![format!("authorization: Bearer key-of-{kind}")],
            };
            assert_eq!(identity(&call), expected, "{kind}{endpoint}");
        }
    }
    assert_eq!(upstream.calls().len(), sent);
}

#[test]
fn without_a_provider_key_no_credential_is_sent() {
    let upstream = Upstream::start().on("m", json("{}"));
    let kinds = ["ollama", "vllm", "openai_compatible"];
    let provider = |kind: &&str| {
        format!("  {kind}: {{type: {kind}, base_url: \"http://{}/v1\", models: [m]}}\n", upstream.address)
    };
    let aurora = start(&kinds.iter().map(provider).collect::<String>());
    for kind in kinds {
        let headers = format!("{}x-api-key: a\r\napi-key: b\r\nx-goog-api-key: c\r\n", key());
        let body = format!(r#"{{"model":"{kind}/m"}}"#);
        assert_eq!(aurora.send(request("POST", "/v1/chat/completions", &headers, body)).status, 200);
        assert_eq!(identity(&upstream.calls().pop().expect("a call")), [""; 0]);
    }
}

fn azure(upstream: &Upstream, base: &str, rest: &str) -> Aurora {
    let address = upstream.address;
    start(&format!("  az: {{type: azure, base_url: \"http://{address}{base}\", api_key: k{rest}}}\n"))
}

#[test]
fn azure_uses_deployment_paths_unless_the_base_url_ends_in_v1() {
    let dated = "?api-version=2024-10-21";
    for (base, rest, chat, responses) in [
        (
            "",
            "",
            format!("/openai/deployments/m/chat/completions{dated}"),
            format!("/openai/responses{dated}"),
        ),
        (
            "/",
            "",
            format!("/openai/deployments/m/chat/completions{dated}"),
            format!("/openai/responses{dated}"),
        ),
        (
            "/eu/openai/",
            ", api_version: 2025-03-01-preview",
            "/eu/openai/deployments/m/chat/completions?api-version=2025-03-01-preview".into(),
            "/eu/openai/responses?api-version=2025-03-01-preview".into(),
        ),
        ("/openai/v1", "", "/openai/v1/chat/completions".into(), "/openai/v1/responses".into()),
        (
            "/openai/v1/",
            ", api_version: preview",
            "/openai/v1/chat/completions?api-version=preview".into(),
            "/openai/v1/responses?api-version=preview".into(),
        ),
        (
            "/openai/deployments/gpt",
            "",
            format!("/openai/deployments/gpt/chat/completions{dated}"),
            format!("/openai/deployments/gpt/responses{dated}"),
        ),
    ] {
        let upstream = Upstream::start().on("m", json("{}"));
        let aurora = azure(&upstream, base, rest);
        for (endpoint, expected) in [("/chat/completions", chat), ("/responses", responses)] {
            assert_eq!(aurora.send(call_of(endpoint, "m")).status, 200);
            let call = upstream.calls().pop().expect("a call");
            assert_eq!(line(&call), format!("POST {expected} HTTP/1.1"), "{base}");
        }
    }
}

#[test]
fn the_query_is_forwarded_and_its_api_version_wins() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = azure(&upstream, "", "");
    for (query, expected) in [
        ("?a=%62&c", "?a=%62&c&api-version=2024-10-21"),
        ("?api-version=2025-01-01&x", "?api-version=2025-01-01&x"),
    ] {
        let path = format!("/v1/chat/completions{query}");
        assert_eq!(aurora.send(post(&path, r#"{"model":"m"}"#)).status, 200);
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), format!("POST /openai/deployments/m/chat/completions{expected} HTTP/1.1"));
    }
}

#[test]
fn invalid_deployment_names_are_unknown_models() {
    let upstream = Upstream::start();
    let aurora = azure(&upstream, "", "");
    for model in ["../x", "a/b", "a?b=c", "a#b", ".", "..", "a%2fb", "a b", "é", ""] {
        let response = aurora.send(call_of("/chat/completions", model));
        let message = format!(
            "The model `{model}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        assert_eq!(response.status_and_text(), (404, &*refusal(&message, "model", "model_not_found")));
    }
    assert_eq!(upstream.calls().len(), 0);
}

fn anthropic(upstream: &Upstream, rest: &str) -> Aurora {
    let address = upstream.address;
    start(&format!("  an: {{type: anthropic, base_url: \"http://{address}/v1\", api_key: k{rest}}}\n"))
}

#[test]
fn messages_are_relayed_with_the_version_of_the_client() {
    let body = r#"{"type":"message","usage":{"input_tokens":3,"output_tokens":2}}"#;
    let upstream = Upstream::start().on("claude", json(body));
    let aurora = anthropic(&upstream, ", models: [claude]");
    let sent = "{ \"model\" : \"claude\", \"max_tokens\":1,\r\n\"messages\":[] }";
    let headers = format!("{}anthropic-version: 2024-01-01\r\nanthropic-beta: a,b\r\n", key());
    let response = aurora.send(request("POST", "/v1/messages?beta=true", &headers, sent));
    assert_eq!(response.status_and_text(), (200, body));
    let call = upstream.call("claude");
    let expected = [
        "accept-encoding: identity".to_owned(),
        "anthropic-beta: a,b".to_owned(),
        "anthropic-version: 2024-01-01".to_owned(),
        format!("content-length: {}", sent.len()),
        format!("host: {}", upstream.address),
        "x-api-key: k".to_owned(),
    ];
    let headers: Vec<&str> =
        call.headers().into_iter().filter(|line| !line.starts_with("x-request-id: ")).collect();
    assert_eq!(
        (line(&call), headers),
        ("POST /v1/messages?beta=true HTTP/1.1", expected.iter().map(String::as_str).collect())
    );
    assert_eq!(String::from_utf8_lossy(&call.body), sent);
    let tokens = ["an claude input uncached 3", "an claude output text 2"];
    aurora.settles("aurora_tokens_total", &tokens);
    aurora.settles("aurora_requests_total", &["an claude /messages 200 success false 1"]);
}

#[test]
fn models_are_discovered_where_the_type_lists_them() {
    let list = r#"{"data":[{"type":"model","id":"claude"}],"has_more":false}"#;
    let upstream = Upstream::start().on("/v1/models?limit=1000", json(list)).on("claude", json("{}"));
    let address = upstream.address;
    let none = format!(
        "  az: {{type: azure, base_url: \"http://{address}\", api_key: k}}\n  \
                        or: {{type: oracle, base_url: \"http://{address}\", api_key: k}}\n"
    );
    let aurora =
        start(&format!("  an: {{type: anthropic, base_url: \"http://{address}/v1\", api_key: k}}\n{none}"));
    let call = upstream.call("/v1/models?limit=1000");
    assert_eq!(identity(&call), ["anthropic-version: 2023-06-01", "x-api-key: k"]);
    let until = std::time::Instant::now() + crate::support::aurora::WAIT_LIMIT;
    let model = |response: &Response| response.status == 200;
    while !model(&aurora.get("/v1/models/claude")) {
        assert!(std::time::Instant::now() < until, "it was not discovered");
    }
    assert_eq!(aurora.send(call_of("/messages", "claude")).status, 200);
    let heads: Vec<String> = upstream.calls().iter().map(|call| line(call).to_owned()).collect();
    assert_eq!(heads, ["GET /v1/models?limit=1000 HTTP/1.1", "POST /v1/messages HTTP/1.1"]);
}

#[test]
fn targets_without_the_endpoint_are_skipped() {
    let upstream = Upstream::start().on("a", json("{}")).on("b", json("{}")).on("c", json("{}"));
    let provider = |name: &str, kind: &str, model: &str| {
        let address = upstream.address;
        format!(
            "  {name}: {{type: {kind}, base_url: \"http://{address}/{name}\", api_key: k, models: [{model}]}}\n"
        )
    };
    let providers =
        [provider("j", "jina", "a"), provider("an", "anthropic", "b"), provider("v", "vllm", "c")].concat();
    let routes =
        "routes:\n  any: [j/a, an/b, v/c]\n  pool: {targets: [j/a, an/b, v/c], strategy: round_robin}\n";
    let aurora = start(&(providers + routes));
    for (endpoint, model, expected) in [
        ("/messages", "any", "an/messages"),
        ("/chat/completions", "any", "an/chat/completions"),
        ("/rerank", "any", "j/rerank"),
        ("/completions", "any", "v/completions"),
        ("/rerank", "pool", "j/rerank"),
        ("/rerank", "pool", "v/rerank"),
        ("/rerank", "pool", "j/rerank"),
        ("/rerank", "pool", "v/rerank"),
    ] {
        let response = aurora.send(call_of(endpoint, model));
        assert_eq!(response.status, 200, "{endpoint}: {}", response.text());
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), format!("POST /{expected} HTTP/1.1"));
    }
    let message = "/moderations is not supported by `j`, `an`, `v`, nor by any other configured provider.";
    assert_eq!(
        aurora.send(call_of("/moderations", "any")).status_and_text(),
        (400, &*refusal(message, "model", "unsupported_endpoint"))
    );
    assert_eq!(upstream.calls().len(), 8);
}

#[test]
fn an_unsupported_endpoint_is_refused_before_dispatch() {
    let upstream = Upstream::start();
    let address = upstream.address;
    let aurora =
        start(&format!("  j: {{type: jina, base_url: \"http://{address}\", api_key: k, models: [m]}}\n"));
    let message = "/chat/completions is not supported by `j`, nor by any other configured provider.";
    assert_eq!(
        aurora.send(call_of("/chat/completions", "m")).status_and_text(),
        (400, &*refusal(message, "model", "unsupported_endpoint"))
    );
    let message = "No configured provider supports /files.";
    assert_eq!(
        aurora.get("/v1/files").status_and_text(),
        (400, &*refusal(message, "provider", "unsupported_endpoint"))
    );
    aurora.settles("aurora_answers_total", &["unknown caller_error 2"]);
    aurora.settles("aurora_rejected_requests_total", &["invalid_request 2"]);
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn binary_responses_are_relayed_unchanged() {
    for size in [1, 1 << 10, 1 << 20] {
        let sound: Vec<u8> = (0..size).map(|at: u32| u8::try_from(at * 7 % 251).expect("a byte")).collect();
        let upstream =
            Upstream::start().on("tts", response("200 OK", "content-type: audio/mpeg\r\n", &sound));
        let aurora = start(&format!(
            "  o: {{type: openai, base_url: \"http://{}/v1\", api_key: k, models: [tts]}}\n",
            upstream.address
        ));
        let response = aurora.send(call_of("/audio/speech", "tts"));
        assert_eq!(
            (response.status, response.header("content-type"), response.whole),
            (200, Some("audio/mpeg"), true)
        );
        assert!(response.body == sound, "{size} bytes");
        aurora.settles("aurora_requests_total", &["o tts /audio/speech 200 success false 1"]);
        aurora.settles("aurora_answers_total", &["tts ok 1"]);
    }
}
