//! Properties of what the gateway reads of requests and responses; see [`crate::fuzzing`].

mod client_http;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub use self::client_http::client_http;
use super::http::auth::Access;
use super::request::json::Peek;
use super::request::members::{Members, Reading};
use super::request::multipart::Form;
use super::response::tap::Tap;
use crate::api::usage::{self, Response, Usage};
use crate::api::{Endpoint, Finder};
use crate::config::{Environment, Sources, load};
use crate::metrics::Surface;
use crate::providers::RequestBody;

/// Endpoints with streams of different shapes.
const STREAMS: [Endpoint; 4] =
    [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages, Endpoint::Speech];

/// A stream passes byte for byte in any chunking, but for whole events that only declare usage; what is seen of it does
/// not depend on the chunking.
pub fn sse_tap(data: &[u8]) {
    let Some((control, stream)) = data.split_first() else { return };
    let endpoint = STREAMS[usize::from(control & 3)];
    let size = usize::from(control >> 2).max(1);
    for withholds in [false, true] {
        let (whole, seen) = tapped(endpoint, withholds, stream, stream.len().max(1));
        let (chunked, seen_in_chunks) = tapped(endpoint, withholds, stream, size);
        assert_eq!(shown(&whole), shown(&chunked), "chunks of {size}");
        assert_eq!(seen, seen_in_chunks, "chunks of {size}");
        if withholds && endpoint == Endpoint::ChatCompletions {
            only_usage_is_missing(stream, &whole);
        } else {
            assert_eq!(shown(&whole), shown(stream));
        }
    }
}

/// The bytes that pass and what was seen of them.
fn tapped(endpoint: Endpoint, withholds: bool, stream: &[u8], size: usize) -> (Vec<u8>, String) {
    let mut tap = Tap::new(endpoint, withholds);
    let mut passed = Vec::new();
    for chunk in stream.chunks(size) {
        passed.extend_from_slice(&tap.read(&Bytes::copy_from_slice(chunk)));
    }
    passed.extend_from_slice(&tap.end());
    let declared = tap.declared();
    let seen = tap.seen();
    let seen = (seen.events, seen.first_token, seen.reasoning, seen.ended, seen.reported_error);
    (passed, format!("{seen:?} {declared:?}"))
}

/// Walks through the input by events: each one is in the output, or only declares usage.
fn only_usage_is_missing(stream: &[u8], passed: &[u8]) {
    let mut rest = passed;
    for event in pieces(stream) {
        match rest.strip_prefix(event) {
            Some(after) => rest = after,
            None => assert!(declares_usage(event), "missing: {}", shown(event)),
        }
    }
    assert!(rest.is_empty(), "added: {}", shown(rest));
}

/// The stream in pieces that end with an empty line, or are a comment, or an empty line.
fn pieces(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !stream.is_empty() {
        let (mut end, mut is_first) = (0, true);
        loop {
            let line = line_length(&stream[end..]);
            let is_blank = stream[end..end + line].iter().all(is_line_end);
            let is_end = is_first && stream[0] == b':' || is_blank;
            end += line;
            is_first = false;
            if is_end || end == stream.len() {
                break;
            }
        }
        pieces.push(&stream[..end]);
        stream = &stream[end..];
    }
    pieces
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Bytes of the first line, its end (CR LF, LF or CR) included.
fn line_length(bytes: &[u8]) -> usize {
    let Some(at) = bytes.iter().position(is_line_end) else { return bytes.len() };
    let is_pair = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
    at + 1 + usize::from(is_pair)
}

fn declares_usage(event: &[u8]) -> bool {
    let text = String::from_utf8_lossy(event);
    // A byte order mark before an event goes with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.split(['\r', '\n']).filter_map(|line| line.strip_prefix("data:"));
    let data = lines.collect::<Vec<_>>().join("\n");
    // Strings that matter to nobody may be no Unicode.
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(&data) else { return false };
    let member = |name| members.get(name).copied().map_or("", RawValue::get);
    let choices: String = member("choices").split_ascii_whitespace().collect();
    choices == "[]" && member("usage").starts_with('{')
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A body that is taken goes upstream as JSON that differs in `model` and `stream_options.include_usage` alone.
pub fn request_body(data: &[u8]) {
    let Ok(peek) = Peek::of(data, Reading::default(), None) else { return };
    let body = Bytes::copy_from_slice(data);
    let same = sent(peek.body_for(&peek.model, false, body.clone()));
    assert_eq!(shown(&same), shown(data), "nothing was to change");
    let injects = peek.lacks_usage(Endpoint::ChatCompletions);
    let edited = sent(peek.body_for("other \"model\"", injects, body));
    // Numbers beyond f64 and depths beyond 128 are for the upstream to judge.
    let Ok(mut expected) = serde_json::from_slice::<Value>(data) else { return };
    assert_eq!(expected["model"], peek.model.as_str());
    assert_eq!(expected["stream"].as_bool().unwrap_or(false), peek.stream);
    expected["model"] = json!("other \"model\"");
    if injects {
        if !expected["stream_options"].is_object() {
            expected["stream_options"] = json!({});
        }
        expected["stream_options"]["include_usage"] = json!(true);
    }
    let edited: Value = sound(serde_json::from_slice(&edited));
    assert_eq!(edited, expected);
}

/// The scanner takes what `serde_json` takes and finds the same, but where it says that it cannot tell: names with
/// escapes, and deep nesting.
pub fn json_members(data: &[u8]) {
    let parsed = std::str::from_utf8(data).map(serde_json::from_str::<BTreeMap<&str, IgnoredAny>>);
    let must_tell =
        matches!(parsed, Ok(Ok(_))) && data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= 62;
    let members = Reading::default().scanned(data);
    assert!(members.is_some() || !must_tell, "not taken: {}", shown(data));
    if let Some(members) = &members {
        assert_eq!(*members, sound(Members::parsed(data)), "{}", shown(data));
    }
    in_pieces(data, members.as_ref());
    if let Some(response) = Response::scanned(data) {
        let parsed = std::str::from_utf8(data).ok().and_then(Response::parsed);
        assert_eq!(Some(response), parsed, "{}", shown(data));
    }
    if let Some(scanned) = Usage::scanned(data) {
        let parsed = Usage::parsed(data);
        assert_eq!(format!("{:?}", Some(scanned)), format!("{parsed:?}"), "{}", shown(data));
    }
}

/// Members are the same of a text in pieces; a long one may be left to the parser.
fn in_pieces(data: &[u8], members: Option<&Members>) {
    let size = 1 + data.iter().copied().map(usize::from).sum::<usize>() % 101;
    let mut reading = Reading::default();
    for end in (0..data.len()).step_by(size) {
        reading.update(&data[..end]);
    }
    let read = reading.scanned(data);
    if read.is_some() || data.len() <= 300 {
        assert_eq!(read.as_ref(), members, "pieces of {size}: {}", shown(data));
    }
}

/// A form that is taken goes upstream with another model and is otherwise the same form.
pub fn form(data: &[u8]) {
    let at = memchr::memchr(b'\n', data).unwrap_or(0);
    let Ok(content_type) = HeaderValue::from_bytes(&data[..at]) else { return };
    let body = Bytes::copy_from_slice(&data[at..]);
    let Ok(form) = Form::of(Some(&content_type), &body, None) else { return };
    assert_eq!(sent(form.body_for(&form.model, body.clone())), body, "nothing was to change");
    let edited = sent(form.body_for("another-model", body.clone()));
    let again = sound(Form::of(Some(&content_type), &edited, None));
    assert_eq!((again.model.as_str(), again.stream), ("another-model", form.stream));
    assert_eq!(sent(again.body_for(&form.model, edited)), body, "the rest of the form changed");
}

/// The value of a result that must not be an error.
fn sound<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// A body's bytes as they are sent.
fn sent(mut body: RequestBody) -> Bytes {
    body.copy_to_bytes(body.remaining())
}

/// A response is taken where it is JSON; the usage of one that is relayed unread is found as in one that is read whole.
pub fn upstream_response(data: &[u8]) {
    let declared = usage::of_response(data);
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(data) else { return };
    assert!(declared.is_some(), "a JSON object is refused");
    if data.contains(&b'\\') {
        // A finder compares names as they are written.
        return;
    }
    let mut finder = Finder::new(&["usage"]);
    let size = data.len() % 61 + 1;
    for chunk in data.chunks(size) {
        finder.read(chunk);
    }
    let expected = members.get("usage").copied().map(RawValue::get).filter(is_short);
    let found = finder.found().map(str::trim).filter(is_short);
    assert_eq!(found, expected);
}

fn is_short(usage: &&str) -> bool {
    usage.len() < 4096
}

const API_KEY: &str = "key-of-the-api-0123456789";
const METRICS_KEY: &str = "key-of-the-metrics-0123456789";

/// Rights as a configuration with a master key and a metrics token gives them.
static ACCESS: LazyLock<Option<Access>> = LazyLock::new(access);

fn access() -> Option<Access> {
    let variables =
        [("AURORA_MASTER_KEY", API_KEY), ("METRICS_ENABLED", "true"), ("METRICS_TOKEN", METRICS_KEY)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let directory = std::env::temp_dir().join("aurora-fuzzing-no-such-folder");
    let sources = Sources {
        environment: variables.into_iter().collect::<Environment>(),
        directory,
        ..Sources::default()
    };
    load(&sources).config.as_ref().map(Access::new)
}

/// Only what holds a key is let in, and a well-formed bearer always is. Each line of the input is a header; its first
/// byte says which.
pub fn auth_header(data: &[u8]) {
    let Some(access) = ACCESS.as_ref() else { panic!("the configuration is unsound") };
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((which, value)) = line.split_first() else { continue };
        let name = match which {
            b'x' => HeaderName::from_static("x-api-key"),
            b'g' => HeaderName::from_static("x-goog-api-key"),
            b'k' => HeaderName::from_static("api-key"),
            _ => AUTHORIZATION,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    for (surface, keys) in [(Surface::Api, [API_KEY, API_KEY]), (Surface::Metrics, [API_KEY, METRICS_KEY])] {
        let is_in = access.check(surface, &headers).is_ok();
        let may_be_in = keys.iter().any(|key| headers.values().any(|value| holds(value.as_bytes(), key)));
        assert!(!is_in || may_be_in, "{surface:?}: let in with {headers:?}");
        let must_be_in = headers.len() == 1
            && keys
                .iter()
                .any(|key| headers.get(AUTHORIZATION).is_some_and(|value| *value == format!("Bearer {key}")));
        assert!(is_in || !must_be_in, "{surface:?}: refused with {headers:?}");
    }
}

/// Returns true if a header holds the key, after a scheme or as the password of a basic credential.
fn holds(value: &[u8], key: &str) -> bool {
    if ends_with(value, key) {
        return true;
    }
    let encoded = value.rsplit(u8::is_ascii_whitespace).find(|word| !word.is_empty());
    STANDARD.decode(encoded.unwrap_or_default()).is_ok_and(|pair| ends_with(&pair, key))
}

fn ends_with(value: &[u8], key: &str) -> bool {
    value.trim_ascii().ends_with(key.as_bytes())
}
