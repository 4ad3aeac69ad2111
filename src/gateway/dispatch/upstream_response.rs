//! An upstream's response: read as far as it must be before it can be relayed, refused where it is invalid.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::call::Call;
use super::validation::{self, Sniffer};
use crate::api::endpoint::Content;
use crate::api::usage::{self, Declaration};
use crate::gateway::http::error::{Fault, GatewayError};
use crate::gateway::http::headers;
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::operation::Operation;
use crate::gateway::response::body_reader::Form;
use crate::gateway::response::client_response::Response;
use crate::gateway::response::decode::{self, BodyError, DecodedBody};
use crate::gateway::response::relay_body::{Begun, RelayBody, RelaySetup};
use crate::metrics::UsageSource;
use crate::providers::{Scrubber, UpstreamBody};

/// A response up to this size is held until it is known to be JSON.
const HELD_ANSWER: usize = 256 << 10;
/// An error body up to this size is held and searched for our credential.
const HELD_ERROR: usize = 64 << 10;

/// Response of an upstream.
#[derive(Debug)]
pub(crate) struct UpstreamResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReceivedBody,
}

/// The body of a response, as far as it was read.
#[derive(Debug)]
pub(crate) enum ReceivedBody {
    Whole(Bytes),
    /// It is relayed as it comes.
    Begun(Begun),
}

/// Reads the response of one attempt.
pub(super) struct Reader<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) record: &'a mut RequestRecord,
}

impl Reader<'_> {
    /// Reads a response until it is known to be valid.
    pub(super) async fn read(
        mut self,
        response: http::Response<UpstreamBody>,
    ) -> Result<UpstreamResponse, GatewayError> {
        let (mut head, body) = response.into_parts();
        let is_framed = headers::is_framed(&head.headers);
        let body = decode::decoded(&mut head, body);
        if let Some(scrubber) = &self.call.target.upstream.scrubber {
            scrubber.remove_from_headers(&mut head.headers);
        }
        let content = self.call.operation.content;
        if self.call.operation.relays_redirect(head.status) {
            let body = self.hold(body, 0, Sniffer::known(Form::Other)).await?;
            let headers = self.to_client(head.status, head.headers);
            return Ok(UpstreamResponse { status: head.status, headers, body });
        }
        let status = head.status;
        if status.is_client_error() || status.is_server_error() {
            return Box::pin(self.read_error(head, body)).await;
        }
        let kind = headers::media_type(&head.headers);
        let refusal = if status.is_success() {
            validation::refusal(self.call.operation, status, (&head.headers, kind), &body)
        } else {
            Some(format!("it responded with {status}, which cannot be relayed"))
        };
        if let Some(reason) = refusal {
            return Err(self.invalid_response(reason));
        }
        let sniffer = Sniffer::new(self.call.operation, kind);
        // Gemini's own streams are JSON unless events are requested.
        let streams_json =
            self.call.operation.stream && self.call.operation.declaration == Declaration::Gemini;
        let limit = if streams_json { 0 } else { HELD_ANSWER };
        let mut body = self.hold(body, limit, sniffer).await?;
        let mut headers = self.to_client(head.status, head.headers);
        match &mut body {
            ReceivedBody::Whole(bytes) => self.check(bytes, is_framed)?,
            ReceivedBody::Begun(begun) if begun.form == Form::Other && !content.is_free() => {
                return Err(self.invalid_response(validation::NOT_JSON));
            }
            ReceivedBody::Begun(begun) => {
                begun.is_framed = is_framed;
                if begun.form == Form::Events {
                    headers::forbid_buffering(&mut headers);
                }
            }
        }
        if let ReceivedBody::Whole(bytes) = &mut body
            && let Some(scrubber) = self.content_scrubber()
        {
            *bytes = scrubber.scrubbed(std::mem::take(bytes));
        }
        Ok(UpstreamResponse { status: head.status, headers, body })
    }

    /// The headers that go on. Only in response to HEAD is the upstream's size not that of what we send.
    fn to_client(&self, status: StatusCode, headers: HeaderMap) -> HeaderMap {
        let is_head = self.call.operation.method == Method::HEAD;
        let size = if is_head { headers.get(header::CONTENT_LENGTH).cloned() } else { None };
        let mut headers = headers::to_client(status, headers);
        if let Some(size) = size {
            headers.insert(header::CONTENT_LENGTH, size);
        }
        headers
    }

    /// Checks a whole body, and notes what it declares to have used.
    fn check(&mut self, bytes: &[u8], is_framed: bool) -> Result<(), GatewayError> {
        let content = self.call.operation.content;
        if bytes.is_empty() {
            let is_answer = content != Content::Json;
            return if is_answer { Ok(()) } else { Err(self.invalid_response(validation::NO_BODY)) };
        }
        let Some(declared) = usage::of_response(bytes) else {
            if !content.is_free() {
                return Err(self.invalid_response(validation::NOT_JSON));
            }
            let is_broken = must_be_whole(self.call.operation, is_framed) && validation::is_cut(bytes);
            return if is_broken { Err(self.not_whole(BodyError::Broken)) } else { Ok(()) };
        };
        if let Some(tokens) = declared
            && self.call.operation.declaration != Declaration::Nothing
        {
            self.record.used(tokens, UsageSource::Native, None);
        }
        Ok(())
    }

    /// An error of the provider: same status, same body, without our credential in it.
    async fn read_error(
        &mut self,
        head: http::response::Parts,
        body: DecodedBody,
    ) -> Result<UpstreamResponse, GatewayError> {
        let is_encoded = headers::is_encoded(&head.headers);
        let is_decoded = matches!(body, DecodedBody::Decoded(_));
        let mut headers = self.to_client(head.status, head.headers);
        let unreadable = match self.hold(body, HELD_ERROR, Sniffer::known(Form::Json)).await {
            Ok(ReceivedBody::Whole(bytes)) if !is_encoded => {
                let response = self.scrubbed(head.status, headers, bytes);
                if let ReceivedBody::Whole(bytes) = &response.body {
                    self.record.upstream_failed(bytes);
                }
                return Ok(response);
            }
            Ok(ReceivedBody::Begun(..)) => format!("an error text over {HELD_ERROR} bytes"),
            Ok(ReceivedBody::Whole(_)) => "a compressed error text".to_owned(),
            Err(GatewayError::Upstream { fault: Fault::InvalidResponse, .. }) if is_decoded => {
                "a compressed error text".to_owned()
            }
            Err(error) => return Err(error),
        };
        headers.remove(header::CONTENT_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let message = format!("it responded with {} and {unreadable}", head.status);
        let envelope = Bytes::from(self.invalid_response(message).envelope());
        self.record.upstream_failed(&envelope);
        Ok(self.scrubbed(head.status, headers, envelope))
    }

    /// An error text without our credential, whatever an upstream writes into it.
    fn scrubbed(&self, status: StatusCode, headers: HeaderMap, bytes: Bytes) -> UpstreamResponse {
        let bytes = match &self.call.target.upstream.scrubber {
            Some(scrubber) => scrubber.scrubbed(bytes),
            None => bytes,
        };
        UpstreamResponse { status, headers, body: ReceivedBody::Whole(bytes) }
    }

    /// Scrubber that removes our credential from successful responses.
    fn content_scrubber(&self) -> Option<&Scrubber> {
        self.call.target.upstream.scrubber.as_ref().filter(|scrubber| scrubber.is_for_content())
    }

    /// Reads a body up to a limit, or until it shows that it is no JSON, within the deadline of the call. However that
    /// ends, the time was the provider's. Of a stream only the first bytes are waited for: until they come, an honest
    /// status can still be sent.
    async fn hold(
        &mut self,
        body: DecodedBody,
        limit: usize,
        sniffer: Sniffer,
    ) -> Result<ReceivedBody, GatewayError> {
        self.call.deadline.has_waited();
        let held = self.read_up_to(limit, sniffer, body).await;
        if self.call.deadline.has_waited() {
            self.record.received();
        }
        held
    }

    async fn read_up_to(
        &self,
        limit: usize,
        mut sniffer: Sniffer,
        mut body: DecodedBody,
    ) -> Result<ReceivedBody, GatewayError> {
        let mut parts = VecDeque::new();
        let mut size = 0;
        loop {
            if body.is_end_stream() {
                return Ok(ReceivedBody::Whole(joined(parts, size)));
            }
            let frame = match self.call.deadline.within(body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(self.not_whole(error)),
                Ok(None) => return Ok(ReceivedBody::Whole(joined(parts, size))),
                Err(why) => return Err(self.call.deadline.missed(&why, self.call.provider())),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            sniffer.read(&bytes);
            size += bytes.len();
            let form = sniffer.form().unwrap_or(Form::Json);
            let is_relayed = size > limit || (size > 0 && form != Form::Json);
            if !is_relayed && parts.is_empty() && body.is_end_stream() {
                return Ok(ReceivedBody::Whole(bytes));
            }
            parts.push_back(bytes);
            if is_relayed {
                return Ok(ReceivedBody::Begun(Begun { head: parts, rest: body, form, is_framed: true }));
            }
        }
    }

    /// A body that did not come to its end.
    fn not_whole(&self, error: BodyError) -> GatewayError {
        let fault = if error == BodyError::Broken { Fault::CutShort } else { Fault::InvalidResponse };
        GatewayError::upstream(self.call.provider(), fault, error.to_string())
    }

    fn invalid_response(&self, reason: impl Into<String>) -> GatewayError {
        GatewayError::upstream(self.call.provider(), Fault::InvalidResponse, reason)
    }
}

impl UpstreamResponse {
    /// The response to the client.
    pub(super) fn into_response(self, call: &Call<'_>, record: &mut RequestRecord) -> Response {
        let Self { status, mut headers, body } = self;
        call.target.sign(&mut headers);
        let begun = match body {
            ReceivedBody::Whole(bytes) => return Response::held(status, headers, bytes),
            ReceivedBody::Begun(begun) => begun,
        };
        let setup = RelaySetup {
            target: Arc::clone(call.target),
            endpoint: call.operation.endpoint,
            declaration: call.operation.declaration,
            must_be_whole: must_be_whole(call.operation, begun.is_framed),
            injected: call.operation.injects_usage(call.target),
            whole_by: call.deadline.at,
            idle: call.worker.app.config.http.stream_idle,
            cut: call.worker.cut.clone().cancelled_owned(),
        };
        Response::relayed(status, headers, RelayBody::new(begun, setup, record))
    }
}

/// Returns true if JSON that is cut is broken. A body that a passthrough relays may have been cut by its author, unless
/// it ended with its connection.
fn must_be_whole(operation: &Operation, is_framed: bool) -> bool {
    operation.content != Content::Any || !is_framed
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
