//! Files, batches and stored responses: whose they are, and what of the request goes on.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{key, post, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{PROVIDER_KEY, refusal};
use crate::support::upstream::{Call, Step, Upstream, json, response, stream};

fn line(call: &Call) -> &str {
    call.head.lines().next().unwrap_or_default()
}

/// Two providers that have everything, and one that has no files.
fn several(one: &Upstream, two: &Upstream) -> Aurora {
    let (one_at, two_at) = (one.address, two.address);
    let text = yaml(one, "base_path: /base", "")
        .replace(
            "  up: ",
            &format!(
                "  one.a: {{type: openai, base_url: \"http://{one_at}/v1\", api_key: k, models: [m]}}\n  up: "
            ),
        )
        .replace("  up: {type: openai_compatible", "  up: {type: jina")
        + &format!("  two: {{type: openai, base_url: \"http://{two_at}/v1\", api_key: l, models: [m]}}\n");
    Setup::new().yaml(&text).start()
}

/// Requests about stored resources: method, path, body.
const RESOURCES: [(&str, &str, &str); 38] = [
    ("GET", "/v1/responses/resp_a-1.b:c=", ""),
    ("DELETE", "/v1/responses/resp_1", ""),
    ("POST", "/v1/responses/resp_1/cancel", "{}"),
    ("GET", "/v1/responses/resp_1/input_items?limit=2&after=%41", ""),
    ("GET", "/v1/files?purpose=batch", ""),
    ("GET", "/v1/files/file-1", ""),
    ("DELETE", "/v1/files/file-1", ""),
    ("POST", "/v1/batches", "{ \"input_file_id\": \"file-1\" }"),
    ("GET", "/v1/batches?after=x&limit=1", ""),
    ("GET", "/v1/batches/batch_1", ""),
    ("POST", "/v1/batches/batch_1/cancel", ""),
    ("POST", "/v1/conversations", "{ \"items\" : [] }"),
    ("GET", "/v1/conversations/conv_1", ""),
    ("POST", "/v1/conversations/conv_1", "{ \"metadata\" : {} }"),
    ("DELETE", "/v1/conversations/conv_1", ""),
    ("GET", "/v1/conversations/conv_1/items?limit=1", ""),
    ("POST", "/v1/conversations/conv_1/items", "{ \"items\" : [] }"),
    ("GET", "/v1/conversations/conv_1/items/msg_1", ""),
    ("DELETE", "/v1/conversations/conv_1/items/msg_1", ""),
    ("POST", "/v1/uploads", "{ \"bytes\" : 1 }"),
    ("POST", "/v1/uploads/upload_1/parts", "--x\r\n\0\u{7f}\r\n--x--"),
    ("POST", "/v1/uploads/upload_1/complete", "{ \"part_ids\" : [] }"),
    ("POST", "/v1/uploads/upload_1/cancel", ""),
    ("GET", "/v1/vector_stores?limit=1", ""),
    ("POST", "/v1/vector_stores", "{ }"),
    ("GET", "/v1/vector_stores/vs_1", ""),
    ("POST", "/v1/vector_stores/vs_1", "{ \"name\" : \"n\" }"),
    ("DELETE", "/v1/vector_stores/vs_1", ""),
    ("POST", "/v1/vector_stores/vs_1/search", "{ \"query\" : \"q\" }"),
    ("GET", "/v1/vector_stores/vs_1/files", ""),
    ("POST", "/v1/vector_stores/vs_1/files", "{ }"),
    ("POST", "/v1/vector_stores/vs_1/files/file-1", "{ }"),
    ("DELETE", "/v1/vector_stores/vs_1/files/file-1", ""),
    ("GET", "/v1/vector_stores/vs_1/files/file-1/content", ""),
    ("POST", "/v1/vector_stores/vs_1/file_batches", "{ }"),
    ("GET", "/v1/vector_stores/vs_1/file_batches/b_1", ""),
    ("POST", "/v1/vector_stores/vs_1/file_batches/b_1/cancel", ""),
    ("GET", "/v1/vector_stores/vs_1/file_batches/b_1/files", ""),
];

#[test]
fn resource_paths_are_forwarded_to_the_only_provider() {
    let object = "{ \"id\" : \"x\" }\n";
    let mut upstream = Upstream::start();
    for (_, path, _) in RESOURCES {
        upstream = upstream.on(path, json(object));
    }
    let aurora = gateway(&upstream, "", "");
    for (method, path, body) in RESOURCES {
        let response = aurora.send(request(method, path, &format!("{}x-request-id: r\r\n", key()), body));
        assert_eq!(response.status_and_text(), (200, object), "{method} {path}");
        // The list of models is requested at any time.
        let mut calls = upstream.calls();
        calls.retain(|call| call.name != "/v1/models");
        let call = calls.pop().expect("a call");
        assert_eq!((line(&call), &*call.body), (&*format!("{method} {path} HTTP/1.1"), body.as_bytes()));
        let expected = [
            "accept-encoding: identity".to_owned(),
            format!("authorization: Bearer {PROVIDER_KEY}"),
            format!("host: {}", upstream.address),
            "x-request-id: r".to_owned(),
        ];
        assert_eq!(call.headers_without_length(), expected, "{method} {path}");
    }
    aurora.settles(
        "aurora_requests_total",
        &[
            "up unknown /batches 200 success false 2",
            "up unknown /batches/{id} 200 success false 2",
            "up unknown /conversations 200 success false 1",
            "up unknown /conversations/{id} 200 success false 7",
            "up unknown /files 200 success false 1",
            "up unknown /files/{id} 200 success false 2",
            "up unknown /responses/{id} 200 success false 4",
            "up unknown /uploads 200 success false 1",
            "up unknown /uploads/{id} 200 success false 3",
            "up unknown /vector_stores 200 success false 2",
            "up unknown /vector_stores/{id} 200 success false 13",
        ],
    );
    aurora.settles("aurora_answers_total", &["unknown ok 38"]);
    aurora.settles("aurora_usage_reports_total", &[]);
}

#[test]
fn batches_of_messages_go_to_anthropic_as_its_own_api_wants_it() {
    let batch = r#"{"id":"msgbatch_1","type":"message_batch","usage":{"input_tokens":7,"output_tokens":1}}"#;
    let lines = "{\"custom_id\":\"a\",\"result\":{}}\n{\"custom_id\":\"b\",\"result\":{}}\n";
    let upstream = Upstream::start()
        .on("claude", json("{}"))
        .on("/v1/messages/batches", json(batch))
        .on("/v1/messages/batches?limit=2", json(batch))
        .on("/v1/messages/batches/msgbatch_1", json(batch))
        .on("/v1/messages/batches/msgbatch_1/cancel", json(batch))
        .on(
            "/v1/messages/batches/msgbatch_1/results",
            response("200 OK", "content-type: application/x-jsonl\r\n", lines),
        );
    let text = yaml(&upstream, "", "").replace("type: openai_compatible", "type: anthropic");
    let aurora = Setup::new().yaml(&text).start();
    let requests =
        r#"{ "requests": [{"custom_id":"a","params":{"model":"claude","max_tokens":1,"messages":[]}}] }"#;
    for (method, path, body, expected) in [
        ("POST", "/v1/messages/batches", requests, batch),
        ("GET", "/v1/messages/batches?limit=2", "", batch),
        ("GET", "/v1/messages/batches/msgbatch_1", "", batch),
        ("DELETE", "/v1/messages/batches/msgbatch_1", "", batch),
        ("POST", "/v1/messages/batches/msgbatch_1/cancel", "", batch),
        ("GET", "/v1/messages/batches/msgbatch_1/results", "", lines),
    ] {
        let headers = format!("{}x-request-id: r\r\nanthropic-beta: a\r\n", key());
        assert_eq!(
            aurora.send(request(method, path, &headers, body)).status_and_text(),
            (200, expected),
            "{method} {path}"
        );
        let call = upstream.calls().pop().expect("a call");
        assert_eq!((line(&call), &*call.body), (&*format!("{method} {path} HTTP/1.1"), body.as_bytes()));
        let expected = [
            "accept-encoding: identity".to_owned(),
            "anthropic-beta: a".to_owned(),
            "anthropic-version: 2023-06-01".to_owned(),
            format!("host: {}", upstream.address),
            format!("x-api-key: {PROVIDER_KEY}"),
            "x-request-id: r".to_owned(),
        ];
        assert_eq!(call.headers_without_length(), expected, "{method} {path}");
    }
    aurora.settles(
        "aurora_requests_total",
        &[
            "up unknown /messages/batches 200 success false 2",
            "up unknown /messages/batches/{id} 200 success false 4",
        ],
    );
    // The tokens of a batch are not those of looking at it.
    aurora.settles("aurora_tokens_total", &[]);
}

#[test]
fn uploads_and_downloads_are_relayed_unchanged() {
    let contents: Vec<u8> = (0..700_000_u32).map(|at| u8::try_from(at * 31 % 256).expect("a byte")).collect();
    let upstream = Upstream::start().on("/v1/files", json(r#"{"id":"file-1"}"#)).on(
        "/v1/files/file-1/content",
        response("200 OK", "content-type: application/octet-stream\r\n", &contents),
    );
    let aurora = gateway(&upstream, "", "");
    let form = [
        b"--xx\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n",
        &*contents,
        b"\r\n--xx--\r\n",
    ]
    .concat();
    let kind = "multipart/form-data; boundary=xx";
    let sent = request("POST", "/v1/files", &format!("{}Content-Type: {kind}\r\n", key()), &form);
    assert_eq!(aurora.send(sent).status_and_text(), (200, r#"{"id":"file-1"}"#));
    let call = upstream.call("/v1/files");
    assert!(call.headers().contains(&&*format!("content-type: {kind}")), "{}", call.head);
    assert!(call.body == form);
    let response = aurora.get("/v1/files/file-1/content");
    assert_eq!(
        (response.status, response.header("content-type"), response.whole),
        (200, Some("application/octet-stream"), true)
    );
    assert!(response.body == contents);
}

#[test]
fn a_stored_response_can_be_streamed_again() {
    let events = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
    let upstream = Upstream::start().on("/v1/responses/resp_1?stream=true", stream(&[events]));
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.get("/v1/responses/resp_1?stream=true").status_and_text(), (200, events));
    aurora.settles("aurora_requests_total", &["up unknown /responses/{id} 200 success true 1"]);
}

#[test]
fn the_provider_parameter_is_removed_from_the_query() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let aurora = several(&one, &two);
    for (query, upstream, expected) in [
        ("?provider=two", &two, ""),
        ("?limit=1&provider=one.a&after=%41&&x", &one, "?limit=1&after=%41&&x"),
        ("?p%72ovider=t%77o&provider2=x", &two, "?provider2=x"),
    ] {
        assert_eq!(aurora.get(&format!("/base/v1/files{query}")).status, 404);
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(line(&call), format!("GET /v1/files{expected} HTTP/1.1"));
    }
    assert_eq!(aurora.get("/base/v1/batches/b/cancel?provider=two").status, 405);
    assert_eq!(aurora.send(post("/base/v1/batches/b/cancel?provider=two", "")).status, 404);
    assert_eq!(line(&two.calls().pop().expect("a call")), "POST /v1/batches/b/cancel HTTP/1.1");
}

#[test]
fn an_ambiguous_provider_is_a_400_with_the_choices() {
    let (one, two) = (Upstream::start().on("m", json("{}")), Upstream::start());
    let aurora = several(&one, &two);
    let all = "`one.a`, `up`, `two`";
    for (path, message, code) in [
        (
            "files",
            "Several providers support /files: add ?provider= with one of `one.a`, `two`.".into(),
            "provider_required",
        ),
        (
            "responses/resp_1",
            "Several providers support /responses/{id}: add ?provider= with one of `one.a`, `two`.".into(),
            "provider_required",
        ),
        (
            "files?provider=",
            format!("There is no provider of that name; there are {all}."),
            "unknown_provider",
        ),
        (
            "files?provider=Two",
            format!("There is no provider of that name; there are {all}."),
            "unknown_provider",
        ),
        (
            "files?provider=http://evil",
            format!("There is no provider of that name; there are {all}."),
            "unknown_provider",
        ),
        (
            "files?provider=two&provider=two",
            "Duplicate parameter `provider` in the query; send it once.".into(),
            "duplicate_parameter",
        ),
        (
            "batches/b?provider=up",
            "/batches/{id} is not supported by `up`; providers that support it: `one.a`, `two`.".into(),
            "unsupported_endpoint",
        ),
    ] {
        let response = aurora.get(&format!("/base/v1/{path}"));
        assert_eq!(response.status_and_text(), (400, &*refusal(&message, "provider", code)), "{path}");
    }
    assert_eq!((one.calls().len(), two.calls().len()), (0, 0));
}

#[test]
fn invalid_ids_are_refused() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "", "");
    let message = "The id in the path contains characters that no id has: send it as the provider gave it.";
    let long = "x".repeat(1025);
    for id in [
        ".",
        "..",
        "%2e%2e",
        "a%2Fb",
        "a%2f..%2fadmin",
        "a%5cb",
        "a%00",
        "a;b",
        "a%3Fb",
        "a%23b",
        "a%0d%0ab",
        "..;",
        "%c3%a9",
        &long,
    ] {
        for path in ["files/ID", "files/ID/content", "batches/ID", "responses/ID", "responses/ID/input_items"]
        {
            let response = aurora.get(&format!("/v1/{}", path.replace("ID", id)));
            assert_eq!(
                response.status_and_text(),
                (400, &*refusal(message, "id", "invalid_id")),
                "{path} {id}"
            );
        }
    }
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn retrieving_a_response_counts_no_tokens() {
    let usage = r#"{"usage":{"input_tokens":5,"output_tokens":3}}"#;
    let large =
        format!(r#"{{"output":"{}","usage":{{"input_tokens":5,"output_tokens":3}}}}"#, "x".repeat(300 << 10));
    let replay = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n\
                  data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":3}}}\n\n";
    let paths = ["responses/r", "responses/large", "responses/r?stream=true", "batches/b", "files/f"];
    let [one, all, again, batch, file] = paths.map(|path| format!("/v1/{path}"));
    let upstream = Upstream::start()
        .on(&one, json(usage))
        .on(&all, json(&large))
        .on(&again, stream(&[replay]))
        .on(&batch, json(usage))
        .on(&file, json(usage))
        .on("/v1/responses/r/cancel", json(usage))
        .on("/v1/chat/completions/c", json(usage))
        .on("m", json(usage));
    let aurora = gateway(&upstream, "", "");
    for path in paths {
        for surface in ["/v1", "/p/up"] {
            assert_eq!(aurora.get(&format!("{surface}/{path}")).status, 200, "{surface}/{path}");
        }
    }
    assert_eq!(aurora.get("/p/up/chat/completions/c").status_and_text(), (200, usage));
    assert_eq!(aurora.send(post("/v1/responses/r/cancel", "")).status_and_text(), (200, usage));
    assert_eq!(
        aurora.send(post("/p/up/messages/count_tokens", r#"{"model":"m"}"#)).status_and_text(),
        (200, usage)
    );
    aurora.settles("aurora_answers_total", &["m ok 1", "unknown ok 12"]);
    for family in
        ["aurora_tokens_total", "aurora_usage_reports_total", "aurora_time_per_output_token_seconds_count"]
    {
        aurora.settles(family, &[]);
    }
    assert_eq!(aurora.send(post("/v1/responses", r#"{"model":"m"}"#)).status_and_text(), (200, usage));
    aurora.settles("aurora_tokens_total", &["up m input uncached 5", "up m output text 3"]);
    aurora.settles("aurora_usage_reports_total", &["up native 1"]);
}

#[test]
fn delete_may_return_an_empty_response() {
    let upstream = Upstream::start()
        .on("DELETE /v1/files/none", vec![Step::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())])
        .on("DELETE /v1/files/empty", response("200 OK", "", ""))
        .on("DELETE /v1/files/html", response("200 OK", "content-type: text/html\r\n", "<p>"))
        .on("GET /v1/files/none", vec![Step::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())]);
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    let statuses = ["DELETE none", "DELETE empty", "DELETE html", "GET none"].map(|call| {
        let (method, file) = call.split_once(' ').expect("two words");
        client.send(request(method, &format!("/v1/files/{file}"), &key(), ""));
        let head = client.head();
        let length = head.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        client.take(length);
        head.status
    });
    assert_eq!(statuses, [204, 200, 502, 502]);
    aurora.settles(
        "aurora_requests_total",
        &[
            "up unknown /files/{id} 200 error false 1",
            "up unknown /files/{id} 200 success false 1",
            "up unknown /files/{id} 204 error false 1",
            "up unknown /files/{id} 204 success false 1",
        ],
    );
}

#[test]
fn requests_without_a_model_have_no_cost() {
    let usage = r#"{"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    let upstream =
        Upstream::start().on("/v1/chat/completions", json(usage)).on("/v1/responses/r", json(usage));
    let text = yaml(&upstream, "", "").replace("api_key:", "prices: {p: {input: 1, output: 1}}, api_key:");
    let aurora = Setup::new().yaml(&text).start();
    assert_eq!(
        aurora.send(request("POST", "/p/up/chat/completions", &key(), "{}")).status_and_text(),
        (200, usage)
    );
    assert_eq!(aurora.get("/v1/responses/r").status_and_text(), (200, usage));
    aurora.settles("aurora_answers_total", &["unknown ok 2"]);
    aurora.settles("aurora_unpriced_requests_total", &["up no_price 1"]);
}
