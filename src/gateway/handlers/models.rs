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
    let mut add = |id: String, provider| {
        if !model_routes.contains(&id.as_str()) {
            data.push(model(id, provider));
        }
    };
    for (name, providers) in &models {
        if let [only] = providers.as_slice() {
            add(name.clone(), only.as_str());
        }
        providers.iter().for_each(|provider| add(format!("{provider}/{name}"), provider));
    }
    json(&List { object: "list", data })
}

/// One model by any of its ids; SDKs write the slash between provider and model as `%2F`.
pub(crate) async fn show(worker: &WorkerState, mut head: Parts) -> Result<Response, GatewayError> {
    let id = Path::from_request_parts(&mut head, &()).await.map_or_else(|_| String::new(), |Path(id)| id);
    let providers = &worker.app.providers;
    if providers.model_routes().contains(&id.as_str()) {
        return Ok(json(&model(id, OURS)));
    }
    let models = providers.models();
    for (name, providers) in &models {
        let by_bare_name = (id == *name && providers.len() == 1).then(|| &providers[0]);
        let by_full_name = || {
            providers.iter().find(|provider| {
                id.strip_prefix(provider.as_str()).and_then(|rest| rest.strip_prefix('/')) == Some(name)
            })
        };
        if let Some(provider) = by_bare_name.or_else(by_full_name) {
            return Ok(json(&model(id, provider)));
        }
    }
    Err(GatewayError::unknown_model(&id))
}

fn model(id: String, provider: &str) -> Model<'_> {
    Model { id, object: "model", created: 0, owned_by: provider }
}

fn json(value: &impl Serialize) -> Response {
    serde_json::to_vec(value).map_or_else(|_| GatewayError::Internal.into_response(), Response::json)
}
