//! Configuration of `serve --demo`, in place of files and provider variables.

use std::collections::BTreeMap;

use crate::config::providers::types;
use crate::config::sources::environment::Demo;
use crate::config::table::settings;
use crate::config::{EffectiveSetting, Key, Provider};

/// The default of a setting.
pub(crate) fn default(key: Key) -> Option<&'static str> {
    match key {
        Key::ServerHost => Some("127.0.0.1"),
        Key::MetricsEnabled => Some("true"),
        _ => None,
    }
}

/// The only provider. It fails on purpose, so it has neither retries nor a circuit breaker.
pub(crate) fn provider(demo: &Demo, settings: &mut Vec<EffectiveSetting>) -> Provider {
    let kind = types::OPENAI_COMPATIBLE;
    let resilience = settings::NO_RESILIENCE;
    let rows = [
        ("type", kind.name.to_owned()),
        ("base_url", demo.base_url.as_str().trim_end_matches('/').to_owned()),
        ("models", demo.models.join(", ")),
        ("inject_usage", true.to_string()),
        (Key::RetryMaxRetries.as_str(), resilience.retry.max_retries.to_string()),
        (Key::BreakerFailureThreshold.as_str(), resilience.circuit_breaker.failure_threshold.to_string()),
    ];
    settings.extend(rows.map(|(field, value)| EffectiveSetting {
        key: format!("providers.demo.{field}"),
        value,
        source: "--demo".to_owned(),
    }));
    Provider {
        name: "demo".to_owned(),
        kind,
        base_url: demo.base_url.clone(),
        api_key: None,
        api_version: None,
        organization: None,
        project: None,
        models: demo.models.clone(),
        inject_usage: true,
        resilience,
        prices: BTreeMap::new(),
    }
}
