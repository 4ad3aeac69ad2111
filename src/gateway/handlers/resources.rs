//! Calls about what a provider keeps: responses, files, batches. No model says whose they are: the client names the
//! provider, or only one can be meant.

use std::borrow::Cow;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::model_call::Received;
use crate::api::Endpoint;
use crate::api::endpoint::Content;
use crate::gateway::dispatch::call::dispatch;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::path;
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::operation::{OperationKind, Payload};
use crate::gateway::request::targets::{names, unknown_provider, unsupported};
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;
use crate::providers::{Providers, Upstream};

/// The query parameter that names the provider; it does not go upstream.
const PROVIDER: &str = "provider";

/// Relays one call to the provider it is for.
pub(crate) async fn call(
    worker: &WorkerState,
    endpoint: Endpoint,
    content: Content,
    mut received: Box<Received>,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    let path = received.path_below(worker).to_owned();
    if !path.split('/').skip(1).all(path::is_id) {
        let message =
            "The id in the path contains characters that no id has: send it as the provider gave it.";
        return Err(GatewayError::invalid(message, Some("id"), "invalid_id"));
    }
    let (named, query) = path::take_parameter(received.head.uri.query().unwrap_or_default(), PROVIDER);
    let upstream = provider(&worker.app.providers, endpoint, &named)?;
    let targets = worker.targets_at(&upstream, None);
    let body = received.body(worker, record).await?;
    let content = match received.head.method {
        Method::DELETE if content == Content::Json => Content::JsonOrNothing,
        _ => content,
    };
    let operation = received.operation(OperationKind::Stored, endpoint, Payload::AsIs(body));
    let operation = operation.at(path, content).with_query(query.as_deref());
    record.decoded(operation.stream);
    dispatch(worker, &targets, &operation, record).await
}

/// The provider that is named, or the only one that has the endpoint.
fn provider(
    providers: &Providers,
    endpoint: Endpoint,
    named: &[Cow<'_, str>],
) -> Result<Arc<Upstream>, GatewayError> {
    let all = providers.upstreams();
    match named {
        [] if all.is_empty() => Err(GatewayError::NO_PROVIDER),
        [] => {
            let supporting: Vec<_> = all.iter().filter(|upstream| upstream.supports(endpoint)).collect();
            match supporting.as_slice() {
                [] => Err(unsupported(providers, endpoint, &[], PROVIDER)),
                [only] => Ok(Arc::clone(only)),
                several => {
                    let (endpoint, names) = (endpoint.as_str(), names(several.iter().copied()));
                    let message =
                        format!("Several providers support {endpoint}: add ?provider= with one of {names}.");
                    Err(GatewayError::invalid(message, Some(PROVIDER), "provider_required"))
                }
            }
        }
        [name] => match providers.upstream(name) {
            Some(upstream) if upstream.supports(endpoint) => Ok(Arc::clone(upstream)),
            Some(upstream) => Err(unsupported(providers, endpoint, &[upstream], PROVIDER)),
            None => Err(unknown_provider(StatusCode::BAD_REQUEST, Some(PROVIDER), providers)),
        },
        _ => {
            let message = "Duplicate parameter `provider` in the query; send it once.";
            Err(GatewayError::invalid(message, Some(PROVIDER), "duplicate_parameter"))
        }
    }
}
