//! Requests the list of models of providers without configured `models`: at start and hourly, in the background.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;

use super::{Egress, LONGEST_MODEL, Providers, Upstream};
use crate::api::Endpoint;
use crate::metrics::Metrics;
use crate::tls;

const EVERY: Duration = Duration::from_secs(3600);
/// Pause after a first failure; it doubles with each further one, up to [`EVERY`].
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// A provider that does not respond in this time has failed.
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

/// Keeps the lists of models fresh. It never blocks a start and never counts as a request. A failure is logged; the last
/// list is kept, and the next attempt comes sooner.
pub async fn discover_forever(providers: Arc<Providers>, egress: Arc<Egress>, metrics: Option<Arc<Metrics>>) {
    let mut upstreams = providers.upstreams().to_vec();
    upstreams.retain(|it| it.provider.models.is_empty() && it.provider.kind.models_path.is_some());
    if upstreams.is_empty() {
        return;
    }
    let client = match egress.background_client(TIMEOUT) {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(error = error.without_url().to_string(), "models cannot be discovered");
            return;
        }
    };
    let discovery = Discovery { client, providers: &providers, metrics: metrics.as_deref() };
    futures_util::future::join_all(upstreams.iter().map(|upstream| discovery.keep_fresh(upstream))).await;
}

struct Discovery<'a> {
    client: reqwest::Client,
    providers: &'a Providers,
    metrics: Option<&'a Metrics>,
}

impl Discovery<'_> {
    async fn keep_fresh(&self, upstream: &Upstream) {
        let mut retry = FIRST_RETRY;
        loop {
            if self.refresh(upstream, retry).await {
                retry = FIRST_RETRY;
                tokio::time::sleep(EVERY).await;
            } else {
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(EVERY);
            }
        }
    }

    async fn refresh(&self, upstream: &Upstream, retry: Duration) -> bool {
        let name = upstream.provider.name.as_str();
        match list(&self.client, upstream).await {
            Ok(models) => {
                let count = models.len();
                self.providers.set_discovered(name, &models);
                if let Some(metrics) = self.metrics {
                    metrics.discovered(name, SystemTime::now());
                }
                tracing::debug!(provider = name, models = count, "models discovered");
                true
            }
            Err(error) => {
                let (error, retry_in_s) = (format!("{error:#}"), retry.as_secs());
                tracing::warn!(provider = name, error, retry_in_s, "models could not be discovered");
                false
            }
        }
    }
}

async fn list(client: &reqwest::Client, upstream: &Upstream) -> anyhow::Result<Vec<String>> {
    let address = upstream.models_address().context("its models endpoint has no valid address")?;
    let mut request = client.get(address.to_string());
    if let Some((name, value)) = upstream.credential(Endpoint::Models) {
        request = request.header(name, value);
    }
    for (name, value) in upstream.account() {
        request = request.header(name, value);
    }
    if let Some((name, value)) = upstream.required_header(Endpoint::Models) {
        request = request.header(name, value);
    }
    let mut response = request.send().await.map_err(explain)?;
    let status = response.status();
    ensure!(status.is_success(), "the models endpoint responded with {status}");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        ensure!(body.len() + chunk.len() <= MAX_BYTES, "the list of models is over {MAX_BYTES} bytes");
        body.extend_from_slice(&chunk);
    }
    // The body is not logged: it may hold anything.
    let list: Option<ModelList> = serde_json::from_slice(&body).ok();
    let list = list.context("the models endpoint sent no list of models")?;
    let mut models: Vec<String> = list.data.into_iter().map(|model| model.id).collect();
    models.retain(|id| id.len() <= LONGEST_MODEL);
    Ok(models)
}

/// The error without the URL, which may be long and is known from the configuration.
fn explain(error: reqwest::Error) -> anyhow::Error {
    match tls::failure(&error) {
        Some(reason) => anyhow!(reason),
        None => error.without_url().into(),
    }
}
