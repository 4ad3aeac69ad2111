//! `GET /v1/models`: what all providers serve, in OpenAI's form.

use axum::extract::{FromRequestParts as _, Path};
use http::request::Parts;
use serde::Serialize;

use crate::gateway::http::error::GatewayError;
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;

#[derive(Serialize)]
struct Model<'a> {
    id: String,
    object: &'static str,
    /// Providers do not agree on a time, and configured models have none.
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// Owner of a model route, as the list of models names it.
const OURS: &str = "aurora";

/// Every configured route, and every model as `provider/model` and by its bare name where only one provider has it.
pub(crate) fn list(worker: &WorkerState) -> Response {
    let providers = &worker.app.providers;
    let (model_routes, models) = (providers.model_routes(), providers.models());
    let mut data: Vec<Model> =
        model_routes.iter().map(|model_route| model((*model_route).to_owned(), OURS)).collect();
    for (name, providers) in &models {
        let mut ids = Vec::with_capacity(1 + providers.len());
        if let [only] = providers.as_slice() {
            ids.push((name.clone(), only));
        }
        for provider in providers {
            ids.push((format!("{provider}/{name}"), provider));
        }
        for (id, provider) in ids {
            if !model_routes.contains(&id.as_str()) {
                data.push(model(id, provider));
            }
        }
    }
    json(&List { object: "list", data })
}

/// One model by any of its ids; SDKs write the slash between provider and model as `%2F`.
pub(crate) async fn show(worker: &WorkerState, mut head: Parts) -> Result<Response, GatewayError> {
    let id = match Path::<String>::from_request_parts(&mut head, &()).await {
        Ok(Path(id)) => id,
        Err(_) => String::new(),
    };
    let providers = &worker.app.providers;
    if providers.model_routes().contains(&id.as_str()) {
        return Ok(json(&model(id, OURS)));
    }
    let models = providers.models();
    for (name, owners) in &models {
        let is_bare_name = id == *name && owners.len() == 1;
        for provider in owners {
            if is_bare_name || is_full_name(&id, provider, name) {
                return Ok(json(&model(id, provider)));
            }
        }
    }
    Err(GatewayError::unknown_model_like(&id, providers.similar(&id).as_deref()))
}

fn is_full_name(id: &str, provider: &str, name: &str) -> bool {
    match id.strip_prefix(provider) {
        Some(rest) => rest.strip_prefix('/') == Some(name),
        None => false,
    }
}

fn model(id: String, provider: &str) -> Model<'_> {
    Model { id, object: "model", created: 0, owned_by: provider }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response::json(body),
        Err(_) => GatewayError::Internal.into_response(),
    }
}
