//! The configuration in force: made ready as a whole, then put in the place of the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::lifecycle::Lifecycle;
use super::renders::Renders;
use super::worker::AppState;
use super::{limits, metrics_setup};
use crate::config::Config;
use crate::gateway::http::auth::Access;
use crate::logging::DroppedLines;
use crate::providers::{Egress, Providers};

/// What is in force now. Whoever holds an older one keeps it to the end of its request.
#[derive(Debug)]
pub(crate) struct ActiveConfig {
    app: RwLock<Arc<AppState>>,
    generation: AtomicU64,
}

impl ActiveConfig {
    pub(crate) fn new(app: AppState) -> Self {
        Self { app: RwLock::new(Arc::new(app)), generation: AtomicU64::new(0) }
    }

    /// Changes when another one takes effect.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn app(&self) -> Arc<AppState> {
        Arc::clone(&self.app.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on new requests are served by this one.
    pub(crate) fn replace(&self, app: AppState) {
        *self.app.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(app);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl AppState {
    /// What is in force from the start.
    pub(crate) fn new(config: Config, dropped_lines: DroppedLines, routes: &[&str]) -> anyhow::Result<Self> {
        let (access, lifecycle) = (Access::new(&config), Arc::<Lifecycle>::default());
        let limits = limits::limits(&config.server);
        lifecycle.limit_in_flight(limits.in_flight);
        let metrics = config
            .metrics
            .enabled
            .then(|| metrics_setup::metrics(&config, &access, &lifecycle, dropped_lines, routes));
        let metrics = metrics.transpose()?;
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
