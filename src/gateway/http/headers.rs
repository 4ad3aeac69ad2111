//! Headers that pass, in either direction.

mod trace_context;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use uuid::{NoContext, Timestamp, Uuid};

use crate::api::Endpoint;
use crate::providers::{HeaderLines, Upstream};
use trace_context::{TRACEPARENT, TRACESTATE};

pub(crate) use trace_context::TraceContext;

/// Identifies a request in the response, the log and upstream.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The provider's own id of a request, where it uses our header's name.
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Makes proxies such as nginx not hold a stream back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Longest request id that is taken over from a client.
const MAX_REQUEST_ID: usize = 128;

/// Headers that end at each hop (RFC 9110, 7.6.1) or are ours to write.
fn ends_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "x-request-id"
    )
}

/// Headers of the client that stay here: its credentials, what names it or where it comes from, what would choose
/// another account, method or path behind the provider's own proxies. Organization and project come from the
/// configuration, the parent in a trace is our own span.
fn stays_here(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "authorization"
            | "cookie"
            | "expect"
            | "accept-encoding"
            | "x-api-key"
            | "api-key"
            | "x-goog-api-key"
            | "openai-organization"
            | "openai-project"
            | "traceparent"
            | "origin"
            | "referer"
            | "forwarded"
            | "x-forwarded"
            | "x-real-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "fastly-client-ip"
            | "x-host"
            | "x-original-host"
            | "x-original-uri"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
    ) || name.starts_with("x-forwarded-")
}

/// Headers of a provider that would act on the proxy in front of us or on a browser as if they were ours. Its
/// `www-authenticate` is about our credential.
fn acts_in_front(name: &str, status: StatusCode) -> bool {
    matches!(
        name,
        "set-cookie"
            | "set-cookie2"
            | "alt-svc"
            | "strict-transport-security"
            | "public-key-pins"
            | "clear-site-data"
            | "service-worker-allowed"
            | "timing-allow-origin"
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "refresh"
            | "www-authenticate"
            | "authentication-info"
            | "surrogate-control"
            | "cdn-cache-control"
            | "x-sendfile"
            | "x-lighttpd-send-file"
            | "x-lighttpd-send-tempfile"
            | "x-litespeed-location"
            | "x-archive-files"
            | "x-reproxy-url"
    ) || name.starts_with("x-accel-")
        || name.starts_with("access-control-")
        || name == "location" && !status.is_redirection()
}

/// Ids of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestIds {
    /// In the response, in the log and upstream.
    pub(crate) request_id: HeaderValue,
    /// Its trace id is in the log, too.
    pub(crate) trace: TraceContext,
}

/// The id that a client sent, if it is at most 128 visible ASCII characters, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    if let Some(given) = headers.get(REQUEST_ID)
        && (1..=MAX_REQUEST_ID).contains(&given.len())
        && given.as_bytes().iter().all(u8::is_ascii_graphic)
    {
        return given.clone();
    }
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    // Without the shared counter of `now_v7`, at whose lock all workers would meet.
    let id = Uuid::new_v7(Timestamp::now(NoContext)).hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(id).unwrap_or(IDENTITY)
}

/// Room for the headers that are added to a client's, of which those that are dropped leave some too.
const ADDED: usize = 336;
/// Usual size of a header.
const USUAL: usize = 48;

/// A client's headers as they go upstream, with our credential instead of the client's. `keeps_conditions` is false
/// where no 304 can be relayed. Those that are added here are never among those that pass.
pub(crate) fn to_upstream(
    headers: &HeaderMap,
    ids: &RequestIds,
    keeps_conditions: bool,
    endpoint: Endpoint,
    to: &Upstream,
) -> HeaderLines {
    let named: Vec<HeaderName> = named_by_connection(headers).collect();
    let mut required = to.required_header(endpoint);
    let mut upstream = HeaderLines::with_capacity(ADDED + USUAL * headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        let is_dropped = ends_here(text) || stays_here(text) || named.contains(name);
        let is_unwanted = !keeps_conditions && is_condition(text);
        let is_state_dropped = !ids.trace.keeps_state && text == TRACESTATE;
        if is_dropped || is_unwanted || is_state_dropped {
            continue;
        }
        required.take_if(|(required, _)| required == name);
        upstream.add(name, value);
    }
    upstream.add(&header::ACCEPT_ENCODING, &IDENTITY);
    upstream.add(&REQUEST_ID, &ids.request_id);
    upstream.add_own(&TRACEPARENT, &ids.trace.parent_of_upstream());
    if let Some((name, value)) = to.credential(endpoint) {
        upstream.add(name, value);
    }
    for (name, value) in to.account() {
        upstream.add(name, value);
    }
    if let Some((name, value)) = required {
        upstream.add(&name, &value);
    }
    upstream
}

/// Headers that make a request conditional or partial.
fn is_condition(name: &str) -> bool {
    matches!(
        name,
        "if-none-match" | "if-modified-since" | "if-match" | "if-unmodified-since" | "if-range" | "range"
    )
}

/// Returns true if a request may get a 304.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_NONE_MATCH) || headers.contains_key(header::IF_MODIFIED_SINCE)
}

/// The upstream's headers as they go to the client.
pub(crate) fn to_client(status: StatusCode, mut headers: HeaderMap) -> HeaderMap {
    if let Some(id) = remove(&mut headers, status) {
        headers.insert(UPSTREAM_REQUEST_ID, id);
    }
    if is_event_stream(&headers) {
        forbid_buffering(&mut headers);
    }
    headers
}

/// Makes proxies pass a stream on as it comes.
pub(crate) fn forbid_buffering(headers: &mut HeaderMap) {
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Removes the headers that end at this hop, that `Connection` names, and that would act in front of us; returns the
/// upstream's request id. One pass over the names that are there is cheaper than a lookup for each that could be.
fn remove(headers: &mut HeaderMap, status: StatusCode) -> Option<HeaderValue> {
    let mut removed: Vec<HeaderName> = named_by_connection(headers).collect();
    for name in headers.keys() {
        if ends_here(name.as_str()) || acts_in_front(name.as_str(), status) {
            removed.push(name.clone());
        }
    }
    let mut request_id = None;
    for name in removed {
        let value = headers.remove(&name);
        if name == REQUEST_ID {
            request_id = request_id.or(value);
        }
    }
    request_id
}

/// The headers that `Connection` names. The usual `keep-alive` is none of them that would not end here anyway.
fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let values = values.filter(|value| !value.eq_ignore_ascii_case("keep-alive"));
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok())
}

/// Returns true if a body is a stream of server-sent events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(names_event_stream)
}

/// Returns true if a body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(names_json)
}

/// Returns true if a media type is that of a stream of server-sent events.
pub(crate) fn names_event_stream(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("text/event-stream")
}

/// Returns true if a media type is one of JSON.
pub(crate) fn names_json(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
}

/// Returns true if a length or chunks say where a body ends.
pub(crate) fn is_framed(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Returns true if a body is compressed or otherwise encoded.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
}

/// The type of a body, without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let end = memchr::memchr(b';', value.as_bytes()).unwrap_or(value.len());
    Some(value[..end].trim_ascii())
}
