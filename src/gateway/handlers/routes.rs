//! Every route with its methods and its lock, and the routers made of them.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::Method;

use crate::api::Endpoint;
use crate::api::endpoint::{Body, Content};
use crate::gateway::request::router::{Prefix, Routed, Router};
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
    /// The paths of interest.
    Index,
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
    /// A call of the model that the path names, as Azure's clients make it.
    Deployment,
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
    prefix: Prefix,
    /// Its path for the router, behind the prefix.
    path: Cow<'static, str>,
    /// Methods, as an `Allow` header lists them.
    pub(crate) allow: &'static str,
    pub(crate) lock: Lock,
    pub(crate) action: Action,
}

impl Route {
    /// Returns true if it has a method; that of unmatched paths has all.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        let method = method.as_str();
        self.allow == method
            || self.allow.is_empty()
            || self.allow.split(',').any(|allowed| allowed == method)
    }

    const fn page(template: &'static str, path: &'static str, lock: Lock, page: Page) -> Self {
        let (template, path, allow) = (Cow::Borrowed(template), Cow::Borrowed(path), "GET,HEAD");
        Self { template, prefix: Prefix::None, path, allow, lock, action: Action::Page(page) }
    }

    const fn request(
        template: &'static str,
        (prefix, path): (Prefix, &'static str),
        allow: &'static str,
        kind: RequestKind,
    ) -> Self {
        let (template, path) = (Cow::Borrowed(template), Cow::Borrowed(path));
        Self { template, prefix, path, allow, lock: Lock::Key, action: Action::Request(kind) }
    }

    /// The prefixes under which it is found. Azure's clients have their own for the whole API.
    fn prefixes(&self) -> &'static [Prefix] {
        match self.prefix {
            Prefix::OpenAi => &[Prefix::OpenAi, Prefix::AzureUndated, Prefix::AzureDated],
            Prefix::AzureDeployments => &[Prefix::AzureDeployments],
            Prefix::Passthrough => &[Prefix::Passthrough],
            Prefix::AzureUndated | Prefix::AzureDated | Prefix::None => &[Prefix::None],
        }
    }
}

/// Index of the row of unmatched paths.
pub(crate) const UNMATCHED: usize = 0;
/// The route of unmatched paths.
pub(crate) const UNMATCHED_ROUTE: Routed = Routed { index: UNMATCHED, prefix: Prefix::None };
/// Index of the row of the metrics endpoint.
const METRICS: usize = 1;
/// Methods that pass through.
const ANY: &str = "GET,HEAD,POST,PUT,PATCH,DELETE";

/// Every route. The first two have no fixed path.
pub(crate) static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(table);

fn table() -> Vec<Route> {
    let unmatched = Route::request("unmatched", (Prefix::None, ""), "", RequestKind::Unmatched);
    let mut routes = vec![
        Route { lock: Lock::Open, ..unmatched },
        Route::page("metrics", "", Lock::MetricsKey, Page::Metrics),
    ];
    for endpoint in Endpoint::ALL {
        routes.extend(routes_of(*endpoint));
    }
    routes.extend([
        Route::request("/v1/models", (Prefix::OpenAi, "/models"), "GET,HEAD", RequestKind::ListModels),
        Route::request(
            "/v1/models/{id}",
            (Prefix::OpenAi, "/models/{*id}"),
            "GET,HEAD",
            RequestKind::ShowModel,
        ),
        Route::request(
            "/openai/deployments/{model}/{rest}",
            (Prefix::AzureDeployments, "{*rest}"),
            "POST",
            RequestKind::Deployment,
        ),
        Route::request(
            "/p/{provider}/{rest}",
            (Prefix::Passthrough, "{provider}/{*rest}"),
            ANY,
            RequestKind::Passthrough,
        ),
        Route::page("/", "/", Lock::Open, Page::Index),
        Route::page("/health", "/health", Lock::Open, Page::Health),
        Route::page("/health/ready", "/health/ready", Lock::Open, Page::Ready),
    ]);
    routes
}

/// The routes of an endpoint.
fn routes_of(endpoint: Endpoint) -> impl Iterator<Item = Route> {
    endpoint.paths().map(move |at| {
        let kind = match endpoint.body() {
            Body::Json | Body::Form | Body::FormOrJson => RequestKind::ModelCall(endpoint),
            Body::AsIs => RequestKind::Stored(endpoint, at.content),
        };
        let template = Cow::Owned(format!("{}{}", Prefix::OpenAi.as_str(), at.path));
        Route { template, ..Route::request("", (Prefix::OpenAi, at.path), at.methods, kind) }
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
pub(crate) fn router(worker: &WorkerState) -> Router {
    let config = &worker.app.config;
    let base = &config.server.base_path;
    let mut router = Router::new(UNMATCHED_ROUTE);
    for (index, route) in ROUTES.iter().enumerate().skip(METRICS + 1) {
        for prefix in route.prefixes() {
            let path = format!("{base}{}{}", prefix.as_str(), route.path);
            router = router.add(&path, Routed { index, prefix: *prefix });
        }
    }
    if !base.is_empty()
        && let Some(index) = ROUTES.iter().position(|route| route.action == Action::Page(Page::Index))
    {
        router = router.add(base, Routed { index, prefix: Prefix::None });
    }
    if worker.metrics.is_some() && config.metrics.listen.is_none() {
        router = with_metrics(router, worker);
    }
    router
}

/// The router of the metrics' own listener: the endpoint, health and the root, without the base path.
pub(crate) fn metrics_router(worker: &WorkerState) -> Router {
    let mut router = Router::new(UNMATCHED_ROUTE);
    for (index, route) in ROUTES.iter().enumerate() {
        if matches!(route.action, Action::Page(Page::Index | Page::Health | Page::Ready)) {
            router = router.add(&route.path, Routed { index, prefix: Prefix::None });
        }
    }
    with_metrics(router, worker)
}

fn with_metrics(router: Router, worker: &WorkerState) -> Router {
    let path = worker.app.config.metrics_path();
    let routed = Routed { index: METRICS, prefix: Prefix::None };
    router.add(&format!("{path}/"), routed).add(&path, routed)
}
