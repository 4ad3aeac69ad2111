//! The cold families: events too rare to need a cell per worker, counted in the `prometheus` crate's own metrics.

mod events;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::live::LiveCollector;
use super::{Build, Configured, LiveFacts};
use crate::metrics::catalog::families::{self, Family};
use crate::metrics::catalog::labels::{
    AuthFailure, BreakerState, DisconnectStage, Endpoint, Format, Label, Rejection, RetryReason, Surface,
};

/// The cold families.
#[derive(Debug)]
pub(crate) struct Cold {
    pub(crate) registry: Registry,
    auth_failures: IntCounterVec,
    disconnects: IntCounterVec,
    rejected: IntCounterVec,
    retries: IntCounterVec,
    fallbacks: IntCounterVec,
    breaker_state: IntGaugeVec,
    breaker_transitions: IntCounterVec,
    provider_info: IntGaugeVec,
    discovery_time: GaugeVec,
    config_info: IntGaugeVec,
    reload_successful: IntGauge,
    reload_time: Gauge,
    scrapes: IntCounterVec,
    named: Mutex<Named>,
}

/// Names of the active configuration.
#[derive(Debug, Default)]
struct Named {
    /// Each provider with its type.
    providers: BTreeMap<String, String>,
    /// State of each circuit breaker by provider and model; the model is empty for the provider's own.
    breakers: BTreeMap<(String, String), BreakerState>,
    hash: String,
}

/// Name and help of a family.
pub(crate) fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn counters(family: &Family) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts(family), family.labels)
}

fn gauges(family: &Family) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(opts(family), family.labels)
}

impl Cold {
    pub(crate) fn new(build: Build, live: LiveFacts) -> Result<Self, prometheus::Error> {
        let cold = Self {
            registry: Registry::new(),
            auth_failures: counters(&families::AUTH_FAILURES)?,
            disconnects: counters(&families::CLIENT_DISCONNECTS)?,
            rejected: counters(&families::REJECTED)?,
            retries: counters(&families::RETRIES)?,
            fallbacks: counters(&families::FALLBACKS)?,
            breaker_state: gauges(&families::BREAKER_STATE)?,
            breaker_transitions: counters(&families::BREAKER_TRANSITIONS)?,
            provider_info: gauges(&families::PROVIDER_INFO)?,
            discovery_time: GaugeVec::new(opts(&families::DISCOVERY_TIME), families::DISCOVERY_TIME.labels)?,
            config_info: gauges(&families::CONFIG_INFO)?,
            reload_successful: IntGauge::with_opts(opts(&families::RELOAD_SUCCESSFUL))?,
            reload_time: Gauge::with_opts(opts(&families::RELOAD_TIME))?,
            scrapes: counters(&families::SCRAPES)?,
            named: Mutex::default(),
        };
        cold.register(build, live)?;
        cold.zeros();
        Ok(cold)
    }

    fn register(&self, build: Build, live: LiveFacts) -> Result<(), prometheus::Error> {
        let info = gauges(&families::BUILD_INFO)?;
        info.with_label_values(&[build.version, build.revision, build.rustc]).set(1);
        let collectors: [Box<dyn Collector>; 16] = [
            Box::new(info),
            Box::new(self.auth_failures.clone()),
            Box::new(self.disconnects.clone()),
            Box::new(self.rejected.clone()),
            Box::new(self.retries.clone()),
            Box::new(self.fallbacks.clone()),
            Box::new(self.breaker_state.clone()),
            Box::new(self.breaker_transitions.clone()),
            Box::new(self.provider_info.clone()),
            Box::new(self.discovery_time.clone()),
            Box::new(self.config_info.clone()),
            Box::new(self.reload_successful.clone()),
            Box::new(self.reload_time.clone()),
            Box::new(self.scrapes.clone()),
            Box::new(LiveCollector::new(live)?),
            Box::new(super::process::Process::new()?),
        ];
        for collector in collectors {
            self.registry.register(collector)?;
        }
        Ok(())
    }

    /// Counters appear before their first event: `rate()` cannot see the step from nothing to one.
    fn zeros(&self) {
        for surface in Surface::ALL {
            for reason in AuthFailure::ALL {
                self.auth_failures.with_label_values(&[surface.as_str(), reason.as_str()]);
            }
        }
        for endpoint in Endpoint::ALL {
            for stage in DisconnectStage::ALL {
                self.disconnects.with_label_values(&[endpoint.as_str(), stage.as_str()]);
            }
        }
        for reason in Rejection::ALL {
            self.rejected.with_label_values(&[reason.as_str()]);
        }
        for format in Format::ALL {
            self.scrapes.with_label_values(&[format.as_str(), "200"]);
        }
    }

    /// Replaces the names of an earlier configuration. Counters stay, facts of removed providers go, and a new provider
    /// begins with a closed breaker.
    pub(crate) fn configure(&self, configured: &Configured) {
        let mut named = self.named.lock();
        let providers: BTreeMap<String, String> = configured
            .providers
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()))
            .collect();
        let mut breakers = named.breakers.clone();
        breakers.retain(|(provider, _), _| providers.contains_key(provider));
        let own = configured.providers.iter().map(|(provider, _)| (*provider, ""));
        for (provider, model) in own.chain(configured.models.iter().copied()) {
            let model = Label::of_name(model).as_str().to_owned();
            breakers.entry((provider.to_owned(), model)).or_insert(BreakerState::Closed);
        }
        for ((provider, model), state) in &breakers {
            self.breaker_is(provider, model, *state);
        }
        for (provider, kind) in &providers {
            self.provider_info.with_label_values(&[provider, kind]).set(1);
            self.discovery_time.with_label_values(&[provider]);
            for reason in RetryReason::ALL {
                self.retries.with_label_values(&[provider, reason.as_str()]);
            }
            for to in BreakerState::ALL {
                self.breaker_transitions.with_label_values(&[provider, to.as_str()]);
            }
        }
        self.config_info.with_label_values(&[configured.hash]).set(1);
        let now = Named { providers, breakers, hash: configured.hash.to_owned() };
        self.forget(&named, &now);
        *named = now;
        self.reload_successful.set(1);
        self.reload_time.set(unix_seconds(SystemTime::now()));
    }

    /// Removes the facts about names that are gone. (An error would say that there are none.)
    fn forget(&self, before: &Named, now: &Named) {
        for (provider, kind) in &before.providers {
            let still = now.providers.get(provider);
            if still != Some(kind) {
                drop(self.provider_info.remove_label_values(&[provider, kind]));
            }
            if still.is_none() {
                drop(self.discovery_time.remove_label_values(&[provider]));
            }
        }
        for breaker in before.breakers.keys() {
            if now.breakers.contains_key(breaker) {
                continue;
            }
            let (provider, model) = breaker;
            for state in BreakerState::ALL {
                drop(self.breaker_state.remove_label_values(&[provider, model, state.as_str()]));
            }
        }
        if before.hash != now.hash {
            drop(self.config_info.remove_label_values(&[&before.hash]));
        }
    }

    fn breaker_is(&self, provider: &str, model: &str, state: BreakerState) {
        for other in BreakerState::ALL {
            let gauge = self.breaker_state.with_label_values(&[provider, model, other.as_str()]);
            gauge.set(i64::from(*other == state));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of Unix time fit a float exactly")]
fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_millis() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::{Live, Metrics, Pace, Setup};
    use super::*;

    /// Lines about providers and the configuration that are not zero, but for the time it was loaded.
    fn facts(metrics: &Metrics) -> Vec<String> {
        let about = ["aurora_provider_", "aurora_config_", "aurora_circuit_", "aurora_retries_"];
        let text = metrics.render(Format::Text, &mut Pace::unbroken());
        let mut facts = Vec::new();
        for line in text.lines() {
            let is_about = about.iter().any(|name| line.starts_with(name));
            if is_about && !line.ends_with(" 0") && !line.contains("timestamp_seconds 1") {
                facts.push(line.trim_start_matches("aurora_").to_owned());
            }
        }
        facts
    }

    #[test]
    fn facts_of_removed_providers_go_and_counters_stay() {
        let with = |providers, hash| Configured { providers, hash, ..Configured::default() };
        let metrics = Metrics::new(Setup {
            workers: 1,
            routes: &[],
            max_models: 1,
            max_unlisted_models: 20,
            max_series: 100,
            exemplars: false,
            build: Build { version: "0", revision: "0", rustc: "0" },
            live: Box::new(Live::default),
            configured: with(&[("a", "openai"), ("b", "groq"), ("c", "xai")], "one"),
        });
        let metrics = metrics.expect("a sound family table");
        metrics.breaker("a", "", BreakerState::Open);
        metrics.breaker("b", "", BreakerState::HalfOpen);
        metrics.show_breaker_of("a", "gone", BreakerState::Open);
        metrics.show_breaker_of("b", "m", BreakerState::Closed);
        metrics.breaker("b", "m", BreakerState::Open);
        metrics.breaker("b", "never-admitted", BreakerState::Open);
        metrics.discovered("a", UNIX_EPOCH + std::time::Duration::from_millis(1_500));
        metrics.retried("a", RetryReason::RateLimited);
        metrics.configure(&with(&[("b", "openai"), ("c", "xai"), ("d", "jina")], "two"));
        metrics.breaker("a", "", BreakerState::Closed);
        metrics.show_breaker_of("a", "late", BreakerState::Open);
        metrics.discovered("a", UNIX_EPOCH + std::time::Duration::from_secs(2));
        assert_eq!(
            facts(&metrics),
            [
                r#"circuit_breaker_state{provider="b",model="",state="half_open"} 1"#,
                r#"circuit_breaker_state{provider="b",model="m",state="open"} 1"#,
                r#"circuit_breaker_state{provider="c",model="",state="closed"} 1"#,
                r#"circuit_breaker_state{provider="d",model="",state="closed"} 1"#,
                r#"circuit_breaker_transitions_total{provider="a",to="closed"} 1"#,
                r#"circuit_breaker_transitions_total{provider="a",to="open"} 1"#,
                r#"circuit_breaker_transitions_total{provider="b",to="half_open"} 1"#,
                r#"circuit_breaker_transitions_total{provider="b",to="open"} 2"#,
                r#"config_info{hash="two"} 1"#,
                r#"config_last_reload_successful 1"#,
                r#"provider_info{provider="b",type="openai"} 1"#,
                r#"provider_info{provider="c",type="xai"} 1"#,
                r#"provider_info{provider="d",type="jina"} 1"#,
                r#"retries_total{provider="a",reason="rate_limited"} 1"#,
            ]
        );
        metrics.reload_refused();
        assert!(facts(&metrics).contains(&r#"provider_info{provider="b",type="openai"} 1"#.to_owned()));
        assert!(!facts(&metrics).contains(&"config_last_reload_successful 1".to_owned()));
    }
}
