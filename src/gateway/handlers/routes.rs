//! Every route with its methods and its lock, and the routers made of them.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::routing::{MethodRouter, any};
use http::Method;

use super::serve::serve;
use crate::api::endpoint::{Body, Content};
use crate::api::{Endpoint, paths};
use crate::gateway::state::worker::WorkerState;

/// Credential that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// None.
    Open,
    /// A key of the API.
    Key,
    /// A key that may read the metrics.
    MetricsKey,
}

/// Purpose of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A page about the gateway itself, neither counted nor logged.
    Page(Page),
    /// A request with a record.
    Request(RequestKind),
}

/// A page about the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// Alive.
    Health,
    /// Ready for requests.
    Ready,
    /// The exposition, at the configured path.
    Metrics,
}

/// Kind of a request that has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Any path without a route.
    Unmatched,
    /// A call of the model that the body names.
    ModelCall(Endpoint),
    /// A call about what a provider keeps, and the content of its response.
    Stored(Endpoint, Content),
    /// Anything that a provider has.
    Passthrough,
    /// The list of models.
    ListModels,
    /// One model.
    ShowModel,
}

/// One row of the route table.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its path in metrics and logs.
    pub(crate) template: Cow<'static, str>,
    /// Its path for the router.
    path: Cow<'static, str>,
    /// Methods, as an `Allow` header lists them.
    pub(crate) allow: &'static str,
    pub(crate) lock: Lock,
    pub(crate) action: Action,
}

impl Route {
    /// Whether it has a method; that of unmatched paths has all.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        self.allow.is_empty() || self.allow.split(',').any(|allowed| allowed == method.as_str())
    }

    const fn page(template: &'static str, path: &'static str, lock: Lock, page: Page) -> Self {
        let (template, path) = (Cow::Borrowed(template), Cow::Borrowed(path));
        Self { template, path, allow: "GET,HEAD", lock, action: Action::Page(page) }
    }

    const fn request(
        template: &'static str,
        path: &'static str,
        allow: &'static str,
        kind: RequestKind,
    ) -> Self {
        let (template, path) = (Cow::Borrowed(template), Cow::Borrowed(path));
        Self { template, path, allow, lock: Lock::Key, action: Action::Request(kind) }
    }
}

/// Index of the row of unmatched paths.
pub(crate) const UNMATCHED: usize = 0;
/// Index of the row of the metrics endpoint.
const METRICS: usize = 1;
/// Methods that pass through.
const ANY: &str = "GET,HEAD,POST,PUT,PATCH,DELETE";

/// Prefix of the API's paths.
pub(crate) const VERSION: &str = paths::API;

/// Every route. The first two have no fixed path.
pub(crate) static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let unmatched = Route::request("unmatched", "", "", RequestKind::Unmatched);
    let mut routes = vec![
        Route { lock: Lock::Open, ..unmatched },
        Route::page("metrics", "", Lock::MetricsKey, Page::Metrics),
    ];
    routes.extend(Endpoint::ALL.iter().flat_map(|endpoint| routes_of(*endpoint)));
    routes.extend([
        Route::request("/v1/models", "/v1/models", "GET,HEAD", RequestKind::ListModels),
        Route::request("/v1/models/{id}", "/v1/models/{*id}", "GET,HEAD", RequestKind::ShowModel),
        Route::request("/p/{provider}/{rest}", "/p/{provider}/{*rest}", ANY, RequestKind::Passthrough),
        Route::page("/health", "/health", Lock::Open, Page::Health),
        Route::page("/health/ready", "/health/ready", Lock::Open, Page::Ready),
    ]);
    routes
});

/// The routes of an endpoint.
fn routes_of(endpoint: Endpoint) -> impl Iterator<Item = Route> {
    endpoint.paths().map(move |at| {
        let kind = match endpoint.body() {
            Body::Json | Body::Form => RequestKind::ModelCall(endpoint),
            Body::AsIs => RequestKind::Stored(endpoint, at.content),
        };
        let path: Cow<'static, str> = Cow::Owned(format!("{VERSION}{}", at.path));
        Route { template: path.clone(), path, ..Route::request("", "", at.methods, kind) }
    })
}

/// Number of routes, as the label `route` counts them.
#[must_use]
pub fn route_count() -> usize {
    ROUTES.len()
}

/// Every route with a path of its own: its path and its methods, as an `Allow` header lists them.
pub fn route_table() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().skip(METRICS + 1).map(|route| (&*route.template, route.allow))
}

/// Templates of all routes in the order of the table, with the configured path of the metrics.
pub(crate) fn templates(metrics_path: &str) -> Vec<&str> {
    let mut templates: Vec<&str> = ROUTES.iter().map(|route| &*route.template).collect();
    templates[METRICS] = metrics_path;
    templates
}

/// The router of one worker. With metrics disabled it has no metrics route.
pub(crate) fn router(worker: &Arc<WorkerState>) -> Router {
    let config = &worker.app.config;
    let base = &config.server.base_path;
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate().skip(METRICS + 1) {
        router = router.route(&format!("{base}{}", route.path), methods(worker, index));
    }
    if worker.metrics.is_some() && config.metrics.listen.is_none() {
        router = with_metrics(router, worker);
    }
    with_fallback(router, worker)
}

/// The router of the metrics' own listener: the endpoint and health, without the base path.
pub(crate) fn metrics_router(worker: &Arc<WorkerState>) -> Router {
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate() {
        if matches!(route.action, Action::Page(Page::Health | Page::Ready)) {
            router = router.route(&route.path, methods(worker, index));
        }
    }
    with_fallback(with_metrics(router, worker), worker)
}

fn with_metrics(router: Router, worker: &Arc<WorkerState>) -> Router {
    let path = worker.app.config.metrics_path();
    router.route(&path, methods(worker, METRICS)).route(&format!("{path}/"), methods(worker, METRICS))
}

fn with_fallback(router: Router, worker: &Arc<WorkerState>) -> Router {
    let worker = Arc::clone(worker);
    let unmatched = Routed::new(UNMATCHED);
    router.fallback(move |request| serve(Arc::clone(&worker), unmatched, request))
}

/// Every method, so that the response to a wrong one is ours.
fn methods(worker: &Arc<WorkerState>, index: usize) -> MethodRouter {
    let worker = Arc::clone(worker);
    let routed = Routed::new(index);
    any(move |request| serve(Arc::clone(&worker), routed, request))
}

/// The route of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routed {
    /// Its place in the table, as metrics count it.
    pub(crate) index: usize,
    pub(crate) route: &'static Route,
}

impl Routed {
    fn new(index: usize) -> Self {
        Self { index, route: &ROUTES[index] }
    }
}
