//! Operation that a client requests, independent of the provider that carries it out.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::json::Peek;
use super::members::Reading;
use super::multipart::Form;
use super::targets::ModelTarget;
use crate::api::Endpoint;
use crate::api::endpoint::{Body, Content};
use crate::api::usage::Declaration;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers::{self, RequestIds};
use crate::gateway::http::path;
use crate::panics;
use crate::providers::{RequestBody, UpstreamRequest};

/// The query parameter that names a version of Azure's API.
const API_VERSION: &str = "api-version";

/// A body above this size is parsed off the worker, where it could delay the worker's other requests by more than 1 ms:
/// 2 MiB take 0.03 ms in few long strings, 0.4 ms in short messages, 0.7 ms where they are refused, 1.2 ms as numbers.
const PARSED_ELSEWHERE: usize = 2 << 20;

/// One operation of the API, ready to be carried out at any target, and again at another.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: OperationKind,
    pub(crate) endpoint: Endpoint,
    /// Place in the JSON of a 2xx that declares the usage.
    pub(crate) declaration: Declaration,
    pub(crate) method: Method,
    /// Below a provider's base URL, with its leading slash; encoded as it is to be sent.
    pub(crate) path: Cow<'static, str>,
    /// Without its question mark.
    query: Option<String>,
    /// True if the client used Azure's paths, whose `api-version` no other API has.
    pub(crate) is_azure: bool,
    /// As the client sent them.
    pub(crate) headers: HeaderMap,
    pub(crate) ids: RequestIds,
    pub(crate) payload: Payload,
    /// True if a stream is wanted.
    pub(crate) stream: bool,
    /// Content that a 2xx may have.
    pub(crate) content: Content,
}

/// Kind of route that an operation came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// At the endpoint of a model.
    Model,
    /// At an endpoint of what a provider keeps: files, batches, responses.
    Stored,
    /// At a path of the provider's own.
    Passthrough,
}

/// The body of an operation.
#[derive(Debug)]
pub(crate) enum Payload {
    /// JSON whose `model` is the target's when it goes upstream.
    Json { peek: Peek, body: Bytes },
    /// A form of which the same is true.
    Form { form: Form, body: Bytes },
    /// Bytes that are the same for every target.
    AsIs(Bytes),
}

impl Payload {
    /// Reads the fields of a model call, large bodies off the worker; `named` is the model where the path names it.
    pub(crate) async fn of_model_call(
        endpoint: Endpoint,
        headers: &HeaderMap,
        (body, reading): (Bytes, Reading),
        named: Option<String>,
    ) -> Result<Self, GatewayError> {
        let is_form = match endpoint.body() {
            Body::Form => true,
            Body::FormOrJson => !headers::is_json(headers),
            Body::Json | Body::AsIs => false,
        };
        let form_type = is_form.then(|| headers.get(CONTENT_TYPE).cloned());
        parsed(body, move |body| match form_type {
            Some(kind) => {
                let form = Form::of(kind.as_ref(), &body, named.as_deref())?;
                Ok(Self::Form { form, body })
            }
            None => {
                let peek = Peek::of(&body, reading, named.as_deref())?;
                Ok(Self::Json { peek, body })
            }
        })
        .await
    }

    /// The model that the client requests; empty where none is named.
    pub(crate) fn model(&self) -> &str {
        match self {
            Self::Json { peek, .. } => &peek.model,
            Self::Form { form, .. } => &form.model,
            Self::AsIs(_) => "",
        }
    }

    /// Returns true if the body requests a stream.
    pub(crate) fn stream(&self) -> bool {
        match self {
            Self::Json { peek, .. } => peek.stream,
            Self::Form { form, .. } => form.stream,
            Self::AsIs(_) => false,
        }
    }

    fn body_for(&self, target: &ModelTarget, injects_usage: bool) -> RequestBody {
        let model = target.model.as_deref();
        match self {
            Self::Json { peek, body } => {
                peek.body_for(model.unwrap_or(&peek.model), injects_usage, body.clone())
            }
            Self::Form { form, body } => form.body_for(model.unwrap_or(&form.model), body.clone()),
            Self::AsIs(body) => body.clone().into(),
        }
    }
}

impl Operation {
    /// The operation of a client's request at an endpoint.
    pub(crate) fn new(
        kind: OperationKind,
        endpoint: Endpoint,
        head: Parts,
        ids: RequestIds,
        payload: Payload,
    ) -> Self {
        let query = path::forwarded(head.uri.query());
        let stream = payload.stream() || requests_stream(kind, query.as_deref());
        Self {
            kind,
            endpoint,
            declaration: endpoint.declaration(),
            method: head.method,
            path: endpoint.as_str().into(),
            query,
            is_azure: false,
            headers: head.headers,
            ids,
            stream,
            payload,
            content: endpoint.content(),
        }
    }

    /// The same at another path, with the content of a 2xx response there.
    pub(crate) fn at(self, path: String, content: Content) -> Self {
        Self { path: path.into(), content, ..self }
    }

    /// The query as it goes to a target: with the client's `api-version` only where models are deployments.
    fn query_to(&self, target: &ModelTarget) -> Option<Cow<'_, str>> {
        let query = self.query.as_deref()?;
        if self.is_azure && !target.upstream.provider.has_deployments() {
            return path::take_parameter(query, API_VERSION).1.map(Cow::Owned);
        }
        Some(Cow::Borrowed(query))
    }

    /// The same with another query.
    pub(crate) fn with_query(self, query: Option<&str>) -> Self {
        let query = path::forwarded(query);
        let stream = self.stream || requests_stream(self.kind, query.as_deref());
        Self { query, stream, ..self }
    }

    /// Returns true if the request to a target adds the usage of a stream, which the client did not request.
    pub(crate) fn injects_usage(&self, target: &ModelTarget) -> bool {
        let lacks_usage = match &self.payload {
            Payload::Json { peek, .. } => peek.lacks_usage(self.endpoint),
            Payload::Form { .. } | Payload::AsIs(_) => false,
        };
        lacks_usage && target.upstream.provider.inject_usage
    }

    /// Returns true if it may change something beside the tokens it uses: once it may have reached the provider, it is
    /// not sent again.
    pub(crate) fn is_write(&self) -> bool {
        self.kind != OperationKind::Model && !self.method.is_safe()
    }

    /// Returns true if a 304 can be relayed, so that conditional headers may go upstream.
    pub(crate) fn may_be_conditional(&self) -> bool {
        match self.kind {
            OperationKind::Model => false,
            OperationKind::Stored => matches!(self.method, Method::GET | Method::HEAD),
            OperationKind::Passthrough => true,
        }
    }

    /// Returns true if a 3xx status is relayed. It is never followed.
    pub(crate) fn relays_redirect(&self, status: StatusCode) -> bool {
        let is_passthrough = self.kind == OperationKind::Passthrough;
        let is_unchanged = status == StatusCode::NOT_MODIFIED
            && self.may_be_conditional()
            && headers::is_conditional(&self.headers);
        status.is_redirection() && (is_passthrough || is_unchanged)
    }

    /// A header of the client's as a number, 0 where it is none.
    pub(crate) fn header_number(&self, name: &HeaderName) -> u32 {
        match self.headers.get(name).map(HeaderValue::to_str) {
            Some(Ok(text)) => text.trim().parse().unwrap_or_default(),
            _ => 0,
        }
    }

    /// The request as it goes to a target. Boxed, since it is handed on from the dispatch to the connection.
    pub(crate) fn request_to(&self, target: &ModelTarget) -> Result<Box<UpstreamRequest>, GatewayError> {
        let upstream = &target.upstream;
        let address = upstream.address(
            self.endpoint,
            &self.path,
            self.query_to(target).as_deref(),
            target.model.as_deref(),
        );
        let Some(uri) = address else { return Err(unaddressable(target)) };
        let headers = headers::to_upstream(
            &self.headers,
            &self.ids,
            self.may_be_conditional(),
            self.endpoint,
            upstream,
        );
        let body = self.payload.body_for(target, self.injects_usage(target));
        Ok(Box::new(UpstreamRequest { method: self.method.clone(), uri, headers, body }))
    }
}

/// Returns true if a query requests a stream. That of a model call is for the provider alone.
fn requests_stream(kind: OperationKind, query: Option<&str>) -> bool {
    kind != OperationKind::Model && path::requests_stream(query)
}

/// Parses a body, off the worker if it is a large one.
pub(crate) async fn parsed<T: Send + 'static>(
    body: Bytes,
    parse: impl FnOnce(Bytes) -> Result<T, GatewayError> + Send + 'static,
) -> Result<T, GatewayError> {
    if body.len() <= PARSED_ELSEWHERE {
        return parse(body);
    }
    let parsed = tokio::task::spawn_blocking(move || {
        panics::point("parser", &body);
        parse(body)
    });
    parsed.await.unwrap_or(Err(GatewayError::Internal))
}

/// A model that cannot be part of an address is one that the provider cannot have.
pub(crate) fn unaddressable(target: &ModelTarget) -> GatewayError {
    target.model.as_deref().map_or(GatewayError::NO_SUCH_ROUTE, GatewayError::unknown_model)
}
