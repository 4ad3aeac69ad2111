//! Targets of a request: one, or several in their order.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::api::Endpoint;
use crate::gateway::http::error::GatewayError;
use crate::metrics::{ModelMetrics, ModelRouteMetrics};
use crate::providers::{BreakerScope, ModelBreaker, ModelRoute, Permit, Providers, Refused, Upstream};

/// Names the provider that responded.
const PROVIDER: HeaderName = HeaderName::from_static("x-aurora-provider");
/// Names the model that responded.
const MODEL: HeaderName = HeaderName::from_static("x-aurora-model");
/// Longest name in these headers, in characters.
const MAX_NAME: usize = 128;

/// Target of a model, with all that a request to it needs.
#[derive(Debug)]
pub(crate) struct ModelTarget {
    pub(crate) upstream: Arc<Upstream>,
    /// The model by the provider's own name; `None` where an operation names none.
    pub(crate) model: Option<Arc<str>>,
    pub(crate) metrics: Option<ModelMetrics>,
    /// The model's circuit breaker; `None` where an operation is none of a model's.
    pub(crate) breaker: Option<Arc<ModelBreaker>>,
    signature: [Option<HeaderValue>; 2],
}

impl ModelTarget {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        model: Option<Arc<str>>,
        metrics: Option<ModelMetrics>,
    ) -> Self {
        let signature = [Some(upstream.provider.name.as_str()), model.as_deref()];
        Self { signature: signature.map(|name| header_value(name?)), upstream, model, metrics, breaker: None }
    }

    /// Lets a request through to it; refused while one of its circuit breakers is open.
    pub(crate) fn admit(&self, now: Instant) -> Result<Permit<'_>, (BreakerScope, Refused)> {
        self.upstream.admit(self.breaker.as_deref(), now)
    }

    /// A response that had begun is whole, or broke for this reason.
    pub(crate) fn ended(&self, result: Result<(), &str>) {
        if let Some(breaker) = &self.breaker {
            self.upstream.ended(breaker, result);
        }
    }

    /// Names provider and model in a response.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        for (name, value) in [PROVIDER, MODEL].into_iter().zip(&self.signature) {
            match value {
                Some(value) => headers.insert(name, value.clone()),
                None => headers.remove(name),
            };
        }
    }
}

/// A name as a header may hold it: what is not visible ASCII, and the percent sign, as `%` and two digits a byte.
fn header_value(name: &str) -> Option<HeaderValue> {
    let mut text = String::with_capacity(name.len().min(MAX_NAME));
    for character in name.chars().take(MAX_NAME) {
        if character.is_ascii_graphic() && character != '%' {
            text.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            write!(text, "%{byte:02X}").ok()?;
        }
    }
    HeaderValue::try_from(text).ok()
}

/// The targets of a request; never empty.
#[derive(Debug)]
pub(crate) struct Targets {
    /// In the order of their configuration.
    pub(crate) all: Vec<Arc<ModelTarget>>,
    /// The configured route that leads to them.
    pub(crate) model_route: Option<(Arc<ModelRoute>, Option<ModelRouteMetrics>)>,
}

impl Targets {
    /// The targets in the order in which this request is dispatched to them.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = &Arc<ModelTarget>> {
        let first = match &self.model_route {
            Some((model_route, _)) => model_route.first(self.all.len()),
            None => 0,
        };
        let (later, sooner) = self.all.split_at(first);
        sooner.iter().chain(later)
    }

    pub(crate) fn model_route_metrics(&self) -> Option<&ModelRouteMetrics> {
        let (_, metrics) = self.model_route.as_ref()?;
        metrics.as_ref()
    }

    /// Those of them that have an endpoint; a refusal where none has.
    pub(crate) fn supporting(
        self: Arc<Self>,
        endpoint: Endpoint,
        providers: &Providers,
    ) -> Result<Arc<Self>, GatewayError> {
        if self.all.iter().all(|target| target.upstream.supports(endpoint)) {
            return Ok(self);
        }
        let all: Vec<_> =
            self.all.iter().filter(|target| target.upstream.supports(endpoint)).cloned().collect();
        if all.is_empty() {
            let wanted: Vec<_> = self.all.iter().map(|target| &target.upstream).collect();
            return Err(unsupported(providers, endpoint, &wanted, "model"));
        }
        Ok(Arc::new(Self { all, model_route: self.model_route.clone() }))
    }
}

/// The refusal of a provider's name that the configuration does not have.
pub(crate) fn unknown_provider(
    status: StatusCode,
    param: Option<&'static str>,
    providers: &Providers,
) -> GatewayError {
    let message = format!("There is no provider of that name; there are {}.", names(providers.upstreams()));
    GatewayError::Refused { status, message: message.into(), param, code: "unknown_provider" }
}

/// The refusal of an operation that none of the wanted providers supports.
pub(crate) fn unsupported(
    providers: &Providers,
    endpoint: Endpoint,
    wanted: &[&Arc<Upstream>],
    param: &'static str,
) -> GatewayError {
    let supporting = names(providers.upstreams().iter().filter(|upstream| upstream.supports(endpoint)));
    let endpoint = endpoint.as_str();
    let message = match (names(wanted.iter().copied()), supporting) {
        (wanted, _) if wanted.is_empty() => format!("No configured provider supports {endpoint}."),
        (wanted, supporting) if supporting.is_empty() => {
            format!("{endpoint} is not supported by {wanted}, nor by any other configured provider.")
        }
        (wanted, supporting) => {
            format!("{endpoint} is not supported by {wanted}; providers that support it: {supporting}.")
        }
    };
    GatewayError::invalid(message, Some(param), "unsupported_endpoint")
}

/// Providers by name, for a message.
pub(crate) fn names<'a>(upstreams: impl IntoIterator<Item = &'a Arc<Upstream>>) -> String {
    let names: Vec<String> =
        upstreams.into_iter().map(|upstream| format!("`{}`", upstream.provider.name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_a_header() {
        fn value(name: &str) -> HeaderValue {
            header_value(name).unwrap()
        }
        assert_eq!(value("meta-llama/Llama-3:free"), "meta-llama/Llama-3:free");
        assert_eq!(value("a b%\r\né"), "a%20b%25%0D%0A%C3%A9");
        assert_eq!(value(&"x".repeat(1000)), "x".repeat(128));
    }
}
