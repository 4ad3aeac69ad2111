//! The active configuration: prepared as a whole, then swapped in the place of the one before.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::lifecycle::Lifecycle;
use super::renders::Renders;
use super::worker::AppState;
use super::{limits, metrics_setup};
use crate::config::Config;
use crate::gateway::http::auth::Access;
use crate::logging::DroppedLines;
use crate::providers::{Egress, Providers};

/// The configuration that new requests are served with. A request keeps the one it began with.
#[derive(Debug)]
pub(crate) struct ActiveConfig(ArcSwap<AppState>);

impl ActiveConfig {
    pub(crate) fn new(app: AppState) -> Self {
        Self(ArcSwap::from_pointee(app))
    }

    pub(crate) fn app(&self) -> Arc<AppState> {
        self.0.load_full()
    }

    /// False once another one took the place of `app`.
    pub(crate) fn is(&self, app: &Arc<AppState>) -> bool {
        Arc::ptr_eq(&self.0.load(), app)
    }

    pub(crate) fn replace(&self, app: AppState) {
        self.0.store(Arc::new(app));
    }
}

impl AppState {
    /// Active configuration of the start.
    pub(crate) fn new(config: Config, dropped_lines: DroppedLines, routes: &[&str]) -> anyhow::Result<Self> {
        let (access, lifecycle) = (Access::new(&config), Arc::<Lifecycle>::default());
        let limits = limits::limits(&config.server);
        lifecycle.limit_in_flight(limits.in_flight);
        let metrics = if config.metrics.enabled {
            Some(metrics_setup::metrics(&config, &access, &lifecycle, dropped_lines, routes)?)
        } else {
            None
        };
        Ok(Self {
            access,
            providers: Arc::new(Providers::new(&config, metrics.as_ref(), None)?),
            metrics,
            egress: Egress::new(&config, None)?,
            renders: Arc::new(Renders::new()),
            lifecycle,
            limits,
            config,
        })
    }

    /// The same process under another configuration.
    pub(crate) fn renewed(&self, config: Config) -> anyhow::Result<Self> {
        Ok(Self {
            access: Access::new(&config),
            providers: Arc::new(Providers::new(&config, self.metrics.as_ref(), Some(&self.providers))?),
            metrics: self.metrics.clone(),
            egress: Egress::new(&config, Some(&self.egress))?,
            renders: Arc::clone(&self.renders),
            lifecycle: Arc::clone(&self.lifecycle),
            limits: limits::limits(&config.server),
            config,
        })
    }
}
