//! Asks providers without configured `models` which models they serve: at start and hourly, in the background.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;

use super::{Providers, Upstream};
use crate::metrics::Endpoint;
use crate::tls;

const EVERY: Duration = Duration::from_secs(3600);
/// A provider that does not answer in this time is asked again in an hour.
const TIMEOUT: Duration = Duration::from_secs(30);
/// OpenRouter's list, the longest known, is below 1 MiB.
const MAX_BYTES: usize = 8 << 20;

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// Keeps the lists of models fresh. Never blocks a start, never counts as a request; a failure is logged and the
/// last list stays.
pub async fn discover_forever(providers: Arc<Providers>, tls: rustls::ClientConfig) {
    let is_asked =
        |it: &&Arc<Upstream>| it.provider.models.is_empty() && it.provider.kind.models_path.is_some();
    let asked: Vec<_> = providers.upstreams().iter().filter(is_asked).collect();
    if asked.is_empty() {
        return;
    }
    let client = match client(tls) {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(error = error.to_string(), "models cannot be discovered");
            return;
        }
    };
    loop {
        futures_util::future::join_all(asked.iter().map(|upstream| refresh(&client, &providers, upstream)))
            .await;
        tokio::time::sleep(EVERY).await;
    }
}

fn client(tls: rustls::ClientConfig) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(TIMEOUT)
        .tls_backend_preconfigured(tls)
        .build()
}

async fn refresh(client: &reqwest::Client, providers: &Providers, upstream: &Upstream) {
    let name = upstream.provider.name.as_str();
    match list(client, upstream).await {
        Ok(models) => {
            let count = models.len();
            providers.set_discovered(name, models);
            tracing::debug!(provider = name, models = count, "models discovered");
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(
                provider = name,
                error,
                "models could not be discovered; the next try is in an hour"
            );
        }
    }
}

async fn list(client: &reqwest::Client, upstream: &Upstream) -> anyhow::Result<Vec<String>> {
    let address = upstream.models_address().context("its models endpoint has no valid address")?;
    let mut request = client.get(address.to_string());
    if let Some((name, value)) = upstream.credential(Endpoint::Models) {
        request = request.header(name, value);
    }
    if let Some((name, value)) = upstream.required_header(Endpoint::Models) {
        request = request.header(name, value);
    }
    let mut response = request.send().await.map_err(explain)?;
    let status = response.status();
    ensure!(status.is_success(), "the models endpoint answered {status}");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        ensure!(body.len() + chunk.len() <= MAX_BYTES, "the list of models is over {MAX_BYTES} bytes");
        body.extend_from_slice(&chunk);
    }
    // What it sent instead is not for the log: it may hold anything.
    let list: ModelList =
        serde_json::from_slice(&body).map_err(|_| anyhow!("the models endpoint sent no list of models"))?;
    Ok(list.data.into_iter().map(|model| model.id).collect())
}

/// Without the URL, which may be long and is known from the configuration.
fn explain(error: reqwest::Error) -> anyhow::Error {
    tls::failure(&error).map_or_else(|| error.without_url().into(), |why| anyhow!(why))
}
