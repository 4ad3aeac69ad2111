//! A model call from its body to its answer.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::GatewayError;
use super::exchange::{Dispatch, Exchange};
use super::peek::Peek;
use super::relay_body::{RelayBody, RelaySetup};
use super::reply::Reply;
use super::request_body;
use super::worker::{ModelTarget, Worker};
use super::{headers, usage};
use crate::metrics::{DispatchObserver, Endpoint, UsageSource};
use crate::providers::UpstreamError;

/// An answer up to this size is held until it is known to be JSON.
const HELD_ANSWER: usize = 256 << 10;
/// An error body up to this size is held and searched for our credential.
const HELD_ERROR: usize = 64 << 10;
/// A body above this size is parsed off the worker.
const PARSED_ELSEWHERE: usize = 256 << 10;

/// A model call as it was received.
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) request_id: HeaderValue,
    pub(super) body: axum::body::Body,
}

/// Relays one call: read, resolve, ask, answer.
pub(super) async fn model_call(
    worker: &Worker,
    endpoint: Endpoint,
    received: Received,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let server = &worker.shared.config.server;
    let Received { headers, request_id, body } = received;
    exchange.body_awaited();
    let body = request_body::read(&headers, body, server.body_size_limit, server.timeouts.body).await?;
    exchange.body_read();
    let peek = peek(&body).await?;
    exchange.decoded(peek.stream);

    let target = worker.target(&peek.model)?;
    let body = peek.body_for(&target.model, body);
    let request = request(&target, endpoint, headers, request_id, body)
        .ok_or_else(|| GatewayError::unknown_model(&peek.model))?;

    let mut dispatch = exchange.dispatch(&target, endpoint, peek.stream);
    let deadline = Deadline::new(worker, peek.stream);
    let response = ask(worker, &target, request, &mut dispatch, &deadline).await?;
    exchange.dispatched();
    let call = Call { worker, target: &target, endpoint, deadline };
    call.answer(response, dispatch, exchange).await
}

async fn peek(body: &Bytes) -> Result<Peek, GatewayError> {
    if body.len() <= PARSED_ELSEWHERE {
        return Peek::of(body);
    }
    let body = body.clone();
    let peek = tokio::task::spawn_blocking(move || Peek::of(&body)).await;
    peek.unwrap_or(Err(GatewayError::Internal))
}

/// The request as it goes upstream.
fn request(
    target: &ModelTarget,
    endpoint: Endpoint,
    headers: HeaderMap,
    request_id: HeaderValue,
    body: Bytes,
) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    let upstream = &target.upstream;
    *request.uri_mut() = upstream.address(endpoint, endpoint.as_str(), None, Some(&target.model))?;
    *request.headers_mut() = headers::to_upstream(headers, request_id, upstream, endpoint);
    Some(request)
}

/// How long a provider may take: up to a time, and no longer than the process lasts.
struct Deadline<'a> {
    at: Instant,
    limit: Duration,
    waited_for: &'static str,
    cut: &'a CancellationToken,
}

/// Why a wait for a provider was given up.
enum GivenUp {
    TooLate,
    ShuttingDown,
}

impl<'a> Deadline<'a> {
    fn new(worker: &'a Worker, stream: bool) -> Self {
        let http = &worker.shared.config.http;
        let (limit, waited_for) =
            if stream { (http.stream_first_event, "first event") } else { (http.timeout, "answer") };
        Self { at: Instant::now() + limit, limit, waited_for, cut: &worker.cut }
    }

    async fn within<T>(&self, wait: impl Future<Output = T>) -> Result<T, GivenUp> {
        tokio::select! {
            biased;
            result = timeout_at(self.at, wait) => result.map_err(|_| GivenUp::TooLate),
            () = self.cut.cancelled() => Err(GivenUp::ShuttingDown),
        }
    }

    fn missed(&self, why: &GivenUp, target: &ModelTarget, dispatch: &mut Dispatch) -> GatewayError {
        match why {
            GivenUp::TooLate => {
                dispatch.note(DispatchObserver::timed_out);
                GatewayError::timeout(&target.upstream.provider.name, self.waited_for, self.limit)
            }
            GivenUp::ShuttingDown => {
                dispatch.note(DispatchObserver::cut);
                GatewayError::DRAINING
            }
        }
    }
}

/// Sends the request and waits for the upstream's headers.
async fn ask(
    worker: &Worker,
    target: &ModelTarget,
    request: Request<Full<Bytes>>,
    dispatch: &mut Dispatch,
    deadline: &Deadline<'_>,
) -> Result<Response<Incoming>, GatewayError> {
    dispatch.note(DispatchObserver::attempt);
    match deadline.within(worker.client.send(request)).await {
        Ok(Ok(response)) => {
            let status = response.status().as_u16();
            dispatch.note(|observer| observer.answered(status));
            Ok(response)
        }
        Ok(Err(error)) => {
            let provider = &target.upstream.provider.name;
            let refusal = GatewayError::no_answer(provider, &error);
            dispatch.note(match error {
                UpstreamError::ConnectTimeout(_) => DispatchObserver::timed_out,
                UpstreamError::Connect(_) => DispatchObserver::unreachable,
                UpstreamError::Broken(_) => DispatchObserver::failed,
            });
            tracing::debug!(provider, error = format!("{error:?}"), "no answer from the provider");
            Err(refusal)
        }
        Err(why) => Err(deadline.missed(&why, target, dispatch)),
    }
}

/// A call whose upstream has answered with headers.
struct Call<'a> {
    worker: &'a Worker,
    target: &'a ModelTarget,
    endpoint: Endpoint,
    deadline: Deadline<'a>,
}

/// What was read of a body that is held: all of it, or as much as may be held.
enum Held {
    Whole(Bytes),
    TooLarge(VecDeque<Bytes>, Incoming),
}

impl Call<'_> {
    async fn answer(
        self,
        response: Response<Incoming>,
        mut dispatch: Dispatch,
        exchange: &mut Exchange,
    ) -> Result<Reply, GatewayError> {
        let (head, body) = response.into_parts();
        let refusal = match head.status {
            StatusCode::UNAUTHORIZED => {
                dispatch.note(DispatchObserver::completed);
                return Err(GatewayError::credentials(self.provider()));
            }
            status if status.is_client_error() || status.is_server_error() => {
                return self.error(head, body, dispatch, exchange).await;
            }
            status if !status.is_success() => Some(format!("it answered {status}, which is never followed")),
            status => headers::refusal(status, &head.headers, &body),
        };
        if let Some(reason) = refusal {
            return Err(self.useless(&mut dispatch, reason));
        }
        let headers = headers::to_caller(head.headers);
        let events = headers::is_event_stream(&headers);
        // Of a stream only the first bytes are waited for: until they come, an honest status can still be sent.
        let held = if events { 0 } else { HELD_ANSWER };
        match self.hold(body, held, &mut dispatch).await? {
            Held::Whole(bytes) if bytes.is_empty() => Err(self.useless(&mut dispatch, headers::NO_BODY)),
            Held::Whole(bytes) => {
                exchange.received();
                let Some(usage) = json_usage(&bytes) else {
                    return Err(self.useless(&mut dispatch, "its answer is not JSON"));
                };
                if let Some(tokens) = usage.and_then(usage::tokens) {
                    exchange.used(&tokens);
                    dispatch.note(|observer| observer.used(tokens, UsageSource::Native));
                }
                Ok(Reply::held(head.status, headers, bytes, dispatch))
            }
            Held::TooLarge(parts, rest) => {
                let body = self.relay(parts, rest, dispatch, events);
                Ok(Reply::relayed(head.status, headers, body))
            }
        }
    }

    /// An error of the provider: same status, same body, without our credential in it.
    async fn error(
        &self,
        head: http::response::Parts,
        body: Incoming,
        mut dispatch: Dispatch,
        exchange: &mut Exchange,
    ) -> Result<Reply, GatewayError> {
        let encoded = headers::is_encoded(&head.headers);
        let mut headers = headers::to_caller(head.headers);
        let unreadable = match self.hold(body, HELD_ERROR, &mut dispatch).await? {
            Held::Whole(bytes) if !encoded => {
                exchange.received();
                let (headers, bytes) = self.scrubbed(headers, bytes);
                return Ok(Reply::held(head.status, headers, bytes, dispatch));
            }
            Held::Whole(_) => "a compressed error text".to_owned(),
            Held::TooLarge(..) => format!("an error text over {HELD_ERROR} bytes"),
        };
        headers.remove(header::CONTENT_ENCODING);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let message = format!("it answered {} with {unreadable}", head.status);
        let envelope = Bytes::from(GatewayError::useless_answer(self.provider(), message).envelope());
        let (headers, bytes) = self.scrubbed(headers, envelope);
        Ok(Reply::held(head.status, headers, bytes, dispatch))
    }

    /// Our credential never reaches a caller, whatever an upstream writes into its errors.
    fn scrubbed(&self, headers: HeaderMap, bytes: Bytes) -> (HeaderMap, Bytes) {
        let Some(key) = &self.target.upstream.provider.api_key else { return (headers, bytes) };
        let key = key.expose().as_bytes();
        let holds_key = |value: &[u8]| memchr::memmem::find(value, key).is_some();
        let headers = headers::without(headers, |value| holds_key(value.as_bytes()));
        if !holds_key(&bytes) {
            return (headers, bytes);
        }
        let mut scrubbed = BytesMut::with_capacity(bytes.len());
        let mut from = 0;
        for at in memchr::memmem::find_iter(&bytes, key) {
            scrubbed.extend_from_slice(&bytes[from..at]);
            scrubbed.extend_from_slice(b"[removed]");
            from = at + key.len();
        }
        scrubbed.extend_from_slice(&bytes[from..]);
        (headers, scrubbed.freeze())
    }

    /// Reads a body up to a limit, within the deadline of the call.
    async fn hold(
        &self,
        mut body: Incoming,
        limit: usize,
        dispatch: &mut Dispatch,
    ) -> Result<Held, GatewayError> {
        let mut parts = VecDeque::new();
        let mut size = 0;
        loop {
            let frame = match self.deadline.within(body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    return Err(self.useless(dispatch, "its connection broke inside the answer"));
                }
                Ok(None) => return Ok(Held::Whole(joined(parts, size))),
                Err(why) => return Err(self.deadline.missed(&why, self.target, dispatch)),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            size += bytes.len();
            parts.push_back(bytes);
            if size > limit {
                return Ok(Held::TooLarge(parts, body));
            }
            if body.is_end_stream() {
                return Ok(Held::Whole(joined(parts, size)));
            }
        }
    }

    fn relay(&self, head: VecDeque<Bytes>, body: Incoming, dispatch: Dispatch, events: bool) -> RelayBody {
        let setup = RelaySetup {
            endpoint: self.endpoint,
            events,
            whole_by: self.deadline.at,
            idle: self.worker.shared.config.http.stream_idle,
            cut: self.worker.cut.clone().cancelled_owned(),
        };
        RelayBody::new(head, body, dispatch, setup)
    }

    fn useless(&self, dispatch: &mut Dispatch, reason: impl Into<String>) -> GatewayError {
        dispatch.note(DispatchObserver::failed);
        GatewayError::useless_answer(self.provider(), reason)
    }

    fn provider(&self) -> &str {
        &self.target.upstream.provider.name
    }
}

fn joined(mut parts: VecDeque<Bytes>, size: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop_front().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(size);
    for part in parts {
        whole.extend_from_slice(&part);
    }
    whole.freeze()
}

/// The `usage` of an answer, if any; `None` when the answer is neither a JSON object nor an array.
fn json_usage(bytes: &[u8]) -> Option<Option<&RawValue>> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
    }
    let text = std::str::from_utf8(bytes).ok()?;
    serde_json::from_str::<Answer>(text).ok().map(|answer| answer.usage)
}
