//! Prefixes of the routes. The path of the metrics endpoint is configured and may not be below any of them.

/// Operations of the API.
pub const API: &str = "/v1";
/// The same operations as clients of Azure call them.
pub const AZURE: &str = "/openai";
/// Requests that pass through to a provider.
pub const PASSTHROUGH: &str = "/p";
/// Health checks.
pub const HEALTH: &str = "/health";

/// Every prefix.
pub const PREFIXES: [&str; 4] = [API, AZURE, PASSTHROUGH, HEALTH];

/// True when a path is a prefix itself or begins with its segments.
#[must_use]
pub fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
