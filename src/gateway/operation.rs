//! What a caller wants done, whichever provider will do it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;

use super::error::GatewayError;
use super::headers;
use super::peek::Peek;
use super::targets::ModelTarget;
use crate::metrics::Endpoint;

/// One operation of the API, ready to be carried out at any target, and again at another.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// Below a provider's base URL, with its leading slash; encoded as it is to be sent.
    pub(super) path: Cow<'static, str>,
    /// Without its question mark.
    pub(super) query: Option<String>,
    /// As the caller sent them.
    pub(super) headers: HeaderMap,
    pub(super) request_id: HeaderValue,
    pub(super) payload: Payload,
    /// Whether a stream is wanted.
    pub(super) stream: bool,
    /// Whether a 2xx may be anything: no body, bytes, text. Otherwise it is JSON or a stream of events.
    pub(super) any_content: bool,
}

/// The body of an operation.
#[derive(Debug)]
pub(super) enum Payload {
    /// JSON whose `model` is the target's when it goes upstream.
    Json { peek: Peek, body: Bytes },
    /// Bytes that are the same for every target.
    #[expect(dead_code, reason = "for routes that relay a body unread")]
    AsIs(Bytes),
}

impl Payload {
    fn body_for(&self, target: &ModelTarget, injects_usage: bool) -> Bytes {
        match (self, &target.model) {
            (Self::Json { peek, body }, Some(model)) => peek.body_for(model, injects_usage, body.clone()),
            (Self::Json { body, .. } | Self::AsIs(body), _) => body.clone(),
        }
    }
}

impl Operation {
    /// A model call by POST at the endpoint's own path.
    pub(super) fn post(
        endpoint: Endpoint,
        headers: HeaderMap,
        request_id: HeaderValue,
        peek: Peek,
        body: Bytes,
    ) -> Self {
        Self {
            endpoint,
            method: Method::POST,
            path: Cow::Borrowed(endpoint.as_str()),
            query: None,
            headers,
            request_id,
            stream: peek.stream,
            payload: Payload::Json { peek, body },
            any_content: false,
        }
    }

    /// Whether a target is asked for the usage of a stream although the caller did not ask.
    pub(super) fn injects_usage(&self, target: &ModelTarget) -> bool {
        let lacks_usage = match &self.payload {
            Payload::Json { peek, .. } => peek.lacks_usage(self.endpoint),
            Payload::AsIs(_) => false,
        };
        lacks_usage && target.upstream.provider.inject_usage
    }

    /// The request as it goes to a target.
    pub(super) fn request_to(&self, target: &ModelTarget) -> Result<Request<Full<Bytes>>, GatewayError> {
        let upstream = &target.upstream;
        let address =
            upstream.address(self.endpoint, &self.path, self.query.as_deref(), target.model.as_deref());
        let body = self.payload.body_for(target, self.injects_usage(target));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = address.map_err(|_| GatewayError::NO_SUCH_ROUTE)?;
        *request.headers_mut() = headers::to_upstream(&self.headers, &self.request_id, upstream.credential());
        Ok(request)
    }
}
