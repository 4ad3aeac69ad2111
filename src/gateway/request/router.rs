//! Finds the route of a request by its path. Paths without parameters, which all calls of a model have, are compared
//! directly: axum's router, its boxed futures and its parameters cost 4,000 instructions (bench/RESULTS.md).

use std::convert::Infallible;
use std::future::ready;

use axum::Extension;
use axum::body::Body;
use axum::routing::any;
use http::Request;
use http::request::Parts;
use tower_service::Service as _;

use crate::api::paths;

/// Beginning of a route's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// OpenAI's API.
    OpenAi,
    /// The same as Azure has it, without a date.
    AzureUndated,
    /// The same as Azure has it, with a date in `api-version`.
    AzureDated,
    /// Azure's deployments.
    AzureDeployments,
    /// A provider by its name.
    Passthrough,
    /// Anything else.
    None,
}

impl Prefix {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => paths::API,
            Self::AzureUndated => "/openai/v1",
            Self::AzureDated => paths::AZURE,
            Self::AzureDeployments => "/openai/deployments/",
            Self::Passthrough => "/p/",
            Self::None => "",
        }
    }

    pub(crate) const fn is_azure(self) -> bool {
        matches!(self, Self::AzureUndated | Self::AzureDated | Self::AzureDeployments)
    }
}

/// The route of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routed {
    /// Its place in the route table, as metrics count it.
    pub(crate) index: usize,
    /// The prefix under which it was found.
    pub(crate) prefix: Prefix,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    /// Paths without parameters, by their length.
    plain: Vec<Vec<(Box<str>, Routed)>>,
    /// Paths with parameters.
    patterns: axum::Router,
}

/// Response of a route of `patterns`: itself, and the head with the parameters of its path.
#[derive(Clone)]
struct Found {
    routed: Routed,
    head: Parts,
}

impl Router {
    /// Paths without a route are `unmatched`.
    pub(crate) fn new(unmatched: Routed) -> Self {
        let patterns = axum::Router::new().fallback(move |request| ready(found(unmatched, request)));
        Self { plain: Vec::new(), patterns }
    }

    /// Adds a route by its path, in the syntax of axum.
    pub(crate) fn add(mut self, path: &str, routed: Routed) -> Self {
        if path.contains('{') {
            let route = any(move |request| ready(found(routed, request)));
            return Self { patterns: self.patterns.route(path, route), ..self };
        }
        if self.plain.len() <= path.len() {
            self.plain.resize_with(path.len() + 1, Vec::new);
        }
        self.plain[path.len()].push((path.into(), routed));
        self
    }

    /// The route of a path without parameters.
    pub(crate) fn plain(&self, path: &str) -> Option<Routed> {
        for (known, routed) in self.plain.get(path.len())? {
            if **known == *path {
                return Some(*routed);
            }
        }
        None
    }

    /// The route of any other path; `head` gets its parameters, for [`axum::extract::Path`].
    pub(crate) async fn matching(&self, head: &mut Parts) -> Option<Routed> {
        let request = Request::from_parts(head.clone(), Body::empty());
        let Ok(mut response): Result<_, Infallible> = self.patterns.clone().call(request).await;
        let found: Found = response.extensions_mut().remove()?;
        *head = found.head;
        Some(found.routed)
    }
}

fn found(routed: Routed, request: Request<Body>) -> Extension<Found> {
    Extension(Found { routed, head: request.into_parts().0 })
}
