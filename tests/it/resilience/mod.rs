//! Resilience: failing upstreams, retries, fallbacks, circuit breakers, panics.

pub(crate) mod breaker;
pub(crate) mod breaker_failures;
pub(crate) mod fallbacks;
#[cfg(all(feature = "panic-points", debug_assertions))]
pub(crate) mod panics;
pub(crate) mod retries;
pub(crate) mod retry_rules;
pub(crate) mod upstream_faults;
