//! The configuration in force: made ready as a whole, then put in the place of the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::auth::Access;
use super::lifecycle::Lifecycle;
use super::scrape::Renders;
use super::worker::Shared;
use super::{listen, observed};
use crate::config::Config;
use crate::logging::DroppedLines;
use crate::providers::{Egress, Providers};

/// What is in force now. Whoever holds an older one keeps it to the end of its request.
#[derive(Debug)]
pub(super) struct Current {
    shared: RwLock<Arc<Shared>>,
    generation: AtomicU64,
}

impl Current {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: RwLock::new(Arc::new(shared)), generation: AtomicU64::new(0) }
    }

    /// Changes when another one takes effect.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on new requests are served by this one.
    pub(super) fn replace(&self, shared: Shared) {
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shared);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Shared {
    /// What is in force from the start.
    pub(super) fn new(config: Config, dropped_lines: DroppedLines) -> anyhow::Result<Self> {
        let (access, lifecycle) = (Access::new(&config), Arc::<Lifecycle>::default());
        let limits = listen::limits(&config.server);
        lifecycle.limit_in_flight(limits.in_flight);
        let metrics =
            config.metrics.enabled.then(|| observed::metrics(&config, &access, &lifecycle, dropped_lines));
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
    pub(super) fn renewed(&self, config: Config) -> anyhow::Result<Self> {
        Ok(Self {
            access: Access::new(&config),
            providers: Arc::new(Providers::new(&config, self.metrics.as_ref(), Some(&self.providers))?),
            metrics: self.metrics.clone(),
            egress: Egress::new(&config, Some(&self.egress))?,
            renders: Arc::clone(&self.renders),
            lifecycle: Arc::clone(&self.lifecycle),
            limits: listen::limits(&config.server),
            config,
        })
    }
}
