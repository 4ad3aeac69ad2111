//! Responses that are not streams: what passes, what is refused, what it counts.

use serde_json::json;

use crate::support::aurora::Setup;
use crate::support::client::{Client, chat, chat_of, key, post, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::PROVIDER_KEY;
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, json, response};

const OK: &str = r#"{"id":"x","choices":[]}"#;

#[test]
fn bodies_are_forwarded_unchanged_but_for_the_model_prefix() {
    let odd = "{ \"choices\" : [ ] ,\r\n\t\"text\":\"\\u00e9é\\/ \", \"n\": 1.0e+02 }\n";
    let upstream = Upstream::start().on("m", json(odd));
    let aurora = gateway(&upstream, "", "");
    let body = |model| {
        format!(
            "\n{{ \"messages\" : [{{\"model\":\"up/m\",\"content\":\"\\u00e9é\\/\"}}],\r\n\t\"n\":1.0e+02,\"mod\\u0065l\" : \
             \"{model}\" , \"stream\":false,\"x\":[1,2 ,3]}} \n"
        )
    };
    for model in ["m", "up/m", "\\u0075p\\/m"] {
        let response = aurora.send(chat(body(model)));
        assert_eq!((response.status_and_text(), response.whole), ((200, odd), true));
    }
    let received: Vec<String> =
        upstream.calls().into_iter().map(|call| String::from_utf8(call.body).expect("text")).collect();
    assert_eq!(received, [body("m"), body("m"), body("m")]);
}

#[test]
fn request_headers_are_forwarded_except_hop_by_hop_ones() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    let sent = "X-Api-Key: a\r\nApi-Key: b\r\nCookie: c=d\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil\r\n\
        Forwarded: for=e\r\nX-Real-IP: 10.0.0.2\r\nConnection: X-Hop, keep-alive\r\nX-Hop: f\r\nKeep-Alive: g\r\n\
        TE: trailers\r\nTrailer: x\r\nUpgrade: websocket\r\nProxy-Authorization: Basic h\r\nProxy-Connection: i\r\n\
        Accept-Encoding: gzip\r\nExpect: 100-continue\r\nUser-Agent: sdk/1\r\nOpenAI-Organization: org\r\n\
        OpenAI-Project: proj\r\nCF-Connecting-IP: 1\r\nTrue-Client-IP: 1\r\nX-Client-IP: 1\r\nX-Cluster-Client-IP: 1\r\n\
        Fastly-Client-IP: 1\r\nX-Forwarded: 1\r\nReferer: http://a/\r\nOrigin: http://a\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n\
        X-Original-URI: /admin\r\nX-Original-Host: evil\r\nX-Host: evil\r\nX-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\n\
        X-HTTP-Method: DELETE\r\nX-Goog-Api-Key: i\r\n\
        Accept: */*\r\nX-Request-ID: id-1\r\nX-Upstream-Host: evil:1\r\napi_base: http://evil\r\nX-Twice: 1\r\nX-Twice: 2\r\n";
    let mut client = aurora.client();
    let body = r#"{"model":"m"}"#;
    client.send(request(
        "POST",
        "/v1/chat/completions",
        &format!("{}content-type: application/json\r\n{sent}", key()),
        body,
    ));
    let mut response = client.head();
    if response.status == 100 {
        response = client.head();
    }
    assert_eq!(response.status, 200);
    let call = upstream.call("m");
    assert_eq!(call.head.lines().next(), Some("POST /v1/chat/completions HTTP/1.1"));
    let (host, authorization) =
        (format!("host: {}", upstream.address), format!("authorization: Bearer {PROVIDER_KEY}"));
    let mut expected = vec![
        "accept-encoding: identity",
        "accept: */*",
        "api_base: http://evil",
        &authorization,
        "content-length: 13",
        "content-type: application/json",
        &host,
        "user-agent: sdk/1",
        "x-request-id: id-1",
        "x-twice: 1",
        "x-twice: 2",
        "x-upstream-host: evil:1",
    ];
    expected.sort_unstable();
    assert_eq!(call.headers(), expected);
    assert_eq!(upstream.calls().len(), 1);
}

#[test]
fn a_key_in_the_query_is_never_forwarded() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    aurora.send(request("POST", "/v1/chat/completions?a=1&key=k&%6Bey=k", &key(), r#"{"model":"m"}"#));
    aurora.get("/v1/files?key=k&limit=2");
    aurora.get("/p/up/models?key=k");
    let lines: Vec<String> =
        upstream.calls().iter().map(|call| call.head.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/chat/completions?a=1 HTTP/1.1",
            "GET /v1/files?limit=2 HTTP/1.1",
            "GET /v1/models HTTP/1.1"
        ]
    );
}

#[test]
fn organization_and_project_headers_are_the_configured_ones() {
    let upstream = Upstream::start().on("m", json(OK)).on("GET /v1/models", json(r#"{"data":[{"id":"m"}]}"#));
    let yaml = yaml(&upstream, "", "")
        .replace("type: openai_compatible", "type: openai_compatible, organization: org-1, project: proj_1")
        .replace(", models: [\"m\"]", "");
    let aurora = Setup::new().yaml(&yaml).start();
    upstream.call("GET /v1/models");
    let headers = format!("{}OpenAI-Organization: theirs\r\nOpenAI-Project: theirs\r\n", key());
    let sent = request("POST", "/v1/chat/completions", &headers, r#"{"model":"up/m"}"#);
    assert_eq!(aurora.send(sent).status_and_text(), (200, OK));
    for call in [upstream.call("GET /v1/models"), upstream.call("m")] {
        let account: Vec<&str> = call
            .headers()
            .into_iter()
            .filter(|line| line.to_ascii_lowercase().starts_with("openai-"))
            .collect();
        assert_eq!(account, ["openai-organization: org-1", "openai-project: proj_1"]);
    }
}

#[test]
fn response_headers_are_relayed_except_hop_by_hop_ones() {
    let headers = "content-type: application/json; charset=utf-8\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
        x-ratelimit-remaining-requests: 99\r\nopenai-processing-ms: 7\r\nx-request-id: theirs\r\nset-cookie: a=b\r\n\
        alt-svc: h3\r\nstrict-transport-security: max-age=1\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
        proxy-authenticate: Basic\r\nserver: them\r\nx-accel-redirect: /internal\r\nx-accel-expires: 9\r\nx-accel-buffering: yes\r\n\
        x-accel-charset: x\r\nx-accel-limit-rate: 1\r\nx-sendfile: /etc/passwd\r\nx-lighttpd-send-file: /etc/passwd\r\n\
        x-lighttpd-send-tempfile: /etc/passwd\r\nx-litespeed-location: /x\r\nx-archive-files: zip\r\nx-reproxy-url: http://a/\r\n\
        clear-site-data: \"*\"\r\naccess-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\n\
        access-control-expose-headers: a\r\nset-cookie2: a=b\r\nlocation: http://a/\r\nrefresh: 0; url=http://a/\r\nservice-worker-allowed: /\r\n\
        nel: {}\r\nreport-to: {}\r\nreporting-endpoints: a\r\npublic-key-pins: a\r\nwww-authenticate: Basic\r\n\
        authentication-info: a\r\nproxy-authentication-info: a\r\nsurrogate-control: max-age=1\r\ncdn-cache-control: max-age=1\r\n\
        timing-allow-origin: *\r\nupgrade: h2c\r\ncontent-disposition: inline\r\ncache-control: no-store\r\n";
    let upstream = Upstream::start().on("m", response("201 Created", headers, OK));
    let aurora = gateway(&upstream, "", "");
    let request =
        request("POST", "/v1/embeddings", &format!("{}x-request-id: ours\r\n", key()), r#"{"model":"m"}"#);
    let mut response = aurora.send(request);
    response.headers.sort_unstable();
    let headers: Vec<String> =
        response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        headers,
        [
            "cache-control: no-store",
            "content-disposition: inline",
            "content-length: 23",
            "content-type: application/json; charset=utf-8",
            "date: Thu, 01 Jan 2026 00:00:00 GMT",
            "openai-processing-ms: 7",
            "server: them",
            "x-aurora-model: m",
            "x-aurora-provider: up",
            "x-ratelimit-remaining-requests: 99",
            "x-request-id: ours",
            "x-upstream-request-id: theirs",
        ]
    );
    assert_eq!(response.status_and_text(), (201, OK));
}

#[test]
fn valid_request_ids_are_kept_and_others_replaced() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    let longest = "x".repeat(128);
    let mut expected = Vec::new();
    let mut send = |given: &str| {
        let line = if given.is_empty() { String::new() } else { format!("x-request-id: {given}\r\n") };
        let request = request("POST", "/v1/chat/completions", &(key() + &line), r#"{"model":"m"}"#);
        let id = aurora.send(request).header("x-request-id").expect("an id").to_owned();
        expected.push(format!("x-request-id: {id}"));
        id
    };
    assert_eq!(send("a-b_c.1~"), "a-b_c.1~");
    assert_eq!(send(&longest), longest);
    for unusable in ["", "a b", &format!("{longest}x"), "a\u{e9}"] {
        let id = send(unusable);
        let shape: String = id.chars().map(|c| if c.is_ascii_hexdigit() { 'h' } else { c }).collect();
        assert_eq!(shape, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "{id}");
        assert_eq!((&id[14..15], id.to_lowercase()), ("7", id.clone()), "a UUID of version 7");
    }
    let sent: Vec<String> = upstream
        .calls()
        .iter()
        .map(|call| {
            call.head.lines().find(|line| line.starts_with("x-request-id")).expect("an id").to_owned()
        })
        .collect();
    assert_eq!(sent, expected);
    let refused = aurora.send(request("GET", "/nowhere", "x-request-id: mine\r\n", ""));
    assert_eq!((refused.status, refused.header("x-request-id")), (404, Some("mine")));
}

#[test]
fn a_large_response_is_relayed_as_it_arrives() {
    let gate = Gate::default();
    let (first, rest) = (format!("[\"{}", "x".repeat(300 << 10)), format!("{}\"]", "y".repeat(300 << 10)));
    let length = first.len() + rest.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let send = |bytes: &str| Step::Send(bytes.as_bytes().to_vec());
    let upstream = Upstream::start()
        .on("large", vec![send(&head), send(&first), Step::Await(gate.clone()), send(&rest)])
        .on("broken", vec![send(&head), send(&first), Step::Close]);
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    client.send(post("/v1/embeddings", r#"{"model":"large"}"#));
    let head = client.head();
    assert_eq!((head.status, head.header("content-length")), (200, Some(length.to_string().as_str())));
    assert_eq!(client.take(first.len()), first.as_bytes());
    gate.open();
    assert_eq!(client.take(rest.len()), rest.as_bytes());
    let response = aurora.send(post("/v1/embeddings", r#"{"model":"broken"}"#));
    assert_eq!((response.status, response.body.len(), response.whole), (200, first.len(), false));
    aurora.settles(
        "aurora_requests_total",
        &["up broken /embeddings 200 error false 1", "up large /embeddings 200 success false 1"],
    );
    aurora.settles("aurora_answers_total", &["broken broken_stream 1", "large ok 1"]);
    aurora.settles(
        "aurora_http_requests_total",
        &["/v1/embeddings POST 200 broken 1", "/v1/embeddings POST 200 ok 1"],
    );
}

#[test]
fn usage_becomes_tokens_that_do_not_overlap() {
    let usage = |usage: serde_json::Value| json(&json!({"choices": [], "usage": usage}).to_string());
    let upstream = Upstream::start()
        .on("chat", usage(json!({
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
        })))
        .on("both", usage(json!({
            "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "input_tokens": 0, "output_tokens": 0,
            "input_tokens_details": null,
        })))
        .on("embed", usage(json!({"prompt_tokens": 8, "total_tokens": 8})))
        .on("none", json("[]"))
        .on("absurd", usage(json!({"prompt_tokens": -1, "completion_tokens": "many"})));
    let aurora = gateway(&upstream, "", "");
    for model in upstream.models() {
        assert_eq!((model.as_str(), aurora.send(chat_of(&model, false)).status), (model.as_str(), 200));
        assert_eq!(aurora.send(chat_of(&model, false)).status, 200);
    }
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up both input uncached 14",
            "up both output text 6",
            "up chat input audio 20",
            "up chat input cache_read 120",
            "up chat input uncached 60",
            "up chat output audio 10",
            "up chat output reasoning 40",
            "up chat output text 50",
            "up embed input uncached 16",
        ],
    );
}

#[test]
fn upstream_connections_are_kept_and_a_closed_one_is_replaced() {
    let gate = Gate::default();
    let mut closing = json(OK);
    closing.extend([Step::Await(gate.clone()), Step::Close]);
    let upstream = Upstream::start().on("kept", json(OK)).on("closing", closing);
    let yaml = yaml(&upstream, "workers: 1", "");
    let aurora = Setup::new().yaml(&yaml).start();
    let mut client = Client::connect(aurora.address);
    let mut send = |model| {
        client.send(chat_of(model, false));
        assert_eq!(client.response().status, 200);
    };
    send("kept");
    send("kept");
    send("closing");
    gate.open();
    upstream.over("closing");
    send("kept");
    send("kept");
    let connections: Vec<usize> = upstream.calls().iter().map(|call| call.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1]);
    aurora.settles(
        "aurora_requests_total",
        &[
            "up closing /chat/completions 200 success false 1",
            "up kept /chat/completions 200 success false 4",
        ],
    );
}

#[test]
fn informational_responses_are_skipped() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n".repeat(20);
    let whole = format!(
        "{early}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut bytes = whole.into_bytes();
    bytes.extend(chunk(OK));
    bytes.extend_from_slice(LAST_CHUNK.as_bytes());
    let upstream = Upstream::start().on("m", vec![Step::Send(bytes)]);
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
}
