//! What happens too rarely to need a cell per worker: counted in the `prometheus` crate's own families, process-wide.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::families::{self, Family};
use super::labels::{
    AuthFailure, BreakerState, ConnectionState, DisconnectStage, Endpoint, Rejection, RetryReason,
    StatusType, Surface,
};
use super::{Build, Configured, Live, LiveFacts, Metrics};

/// The cold families.
#[derive(Debug)]
pub(super) struct Cold {
    pub(super) registry: Registry,
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
    panics: IntCounter,
    scrapes: IntCounterVec,
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

impl Cold {
    pub(super) fn new(build: Build, live: LiveFacts) -> Result<Self, prometheus::Error> {
        let counters = |family: &Family| IntCounterVec::new(opts(family), family.labels);
        let gauges = |family: &Family| IntGaugeVec::new(opts(family), family.labels);
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
            panics: IntCounter::with_opts(opts(&families::PANICS))?,
            scrapes: counters(&families::SCRAPES)?,
        };
        cold.register(build, live)?;
        cold.zeros();
        Ok(cold)
    }

    fn register(&self, build: Build, live: LiveFacts) -> Result<(), prometheus::Error> {
        let info = IntGaugeVec::new(opts(&families::BUILD_INFO), families::BUILD_INFO.labels)?;
        info.with_label_values(&[build.version, build.revision, build.rustc]).set(1);
        let collectors: [Box<dyn Collector>; 17] = [
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
            Box::new(self.panics.clone()),
            Box::new(self.scrapes.clone()),
            Box::new(LiveCollector::new(live)?),
            Box::new(super::process::Process::new()?),
        ];
        collectors.into_iter().try_for_each(|collector| self.registry.register(collector))
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
    }

    /// What the configuration names, in place of what an earlier one did. Counters stay.
    pub(super) fn configure(&self, configured: &Configured) {
        self.provider_info.reset();
        for (provider, kind) in configured.providers {
            self.provider_info.with_label_values(&[*provider, *kind]).set(1);
            self.discovery_time.with_label_values(&[provider]);
            for reason in RetryReason::ALL {
                self.retries.with_label_values(&[provider, reason.as_str()]);
            }
            for state in BreakerState::ALL {
                self.breaker_transitions.with_label_values(&[provider, state.as_str()]);
                let gauge = self.breaker_state.with_label_values(&[provider, state.as_str()]);
                let known = BreakerState::ALL.iter().any(|state| self.is_in(provider, *state));
                if *state == BreakerState::Closed && !known {
                    gauge.set(1);
                }
            }
        }
        self.config_info.reset();
        self.config_info.with_label_values(&[configured.hash]).set(1);
        self.reload_successful.set(1);
        self.reload_time.set(unix_seconds(SystemTime::now()));
    }

    fn is_in(&self, provider: &str, state: BreakerState) -> bool {
        self.breaker_state.with_label_values(&[provider, state.as_str()]).get() == 1
    }
}

impl Metrics {
    /// Counts a refused credential.
    pub fn auth_failed(&self, surface: Surface, reason: AuthFailure) {
        self.cold.auth_failures.with_label_values(&[surface.as_str(), reason.as_str()]).inc();
    }

    /// Counts a request that was turned away before any provider was asked.
    pub fn rejected(&self, reason: Rejection) {
        self.cold.rejected.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn disconnected(&self, endpoint: Endpoint, stage: DisconnectStage) {
        self.cold.disconnects.with_label_values(&[endpoint.as_str(), stage.as_str()]).inc();
    }

    pub(super) fn retried(&self, provider: &str, reason: RetryReason) {
        self.cold.retries.with_label_values(&[provider, reason.as_str()]).inc();
    }

    /// Counts a request that went on to another provider, once it is known how that ended.
    pub fn fell_back(&self, from: &str, to: &str, outcome: StatusType) {
        self.cold.fallbacks.with_label_values(&[from, to, outcome.as_str()]).inc();
    }

    /// A provider's breaker changed its state.
    pub fn breaker(&self, provider: &str, state: BreakerState) {
        for other in BreakerState::ALL {
            let gauge = self.cold.breaker_state.with_label_values(&[provider, other.as_str()]);
            gauge.set(i64::from(*other == state));
        }
        self.cold.breaker_transitions.with_label_values(&[provider, state.as_str()]).inc();
    }

    /// A provider listed its models.
    pub fn discovered(&self, provider: &str, at: SystemTime) {
        self.cold.discovery_time.with_label_values(&[provider]).set(unix_seconds(at));
    }

    /// A configuration was refused; the one before stays.
    pub fn reload_refused(&self) {
        self.cold.reload_successful.set(0);
    }

    /// A request met a defect of ours.
    pub fn panicked(&self) {
        self.cold.panics.inc();
    }

    /// An authorised scrape was answered.
    pub fn scraped(&self, format: &str, status: u16) {
        self.cold.scrapes.with_label_values(&[format, &status.to_string()]).inc();
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of Unix time fit a float exactly")]
fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_millis() as f64 / 1e3)
}

/// Reads, at each scrape, what others keep count of.
struct LiveCollector {
    descriptors: Vec<Desc>,
    facts: LiveFacts,
    in_flight: IntGauge,
    limit: IntGauge,
    connections: IntGaugeVec,
    /// Counted elsewhere; the lock keeps two scrapes from adding the same lines twice.
    dropped: Mutex<IntCounter>,
}

impl LiveCollector {
    fn new(facts: LiveFacts) -> Result<Self, prometheus::Error> {
        let in_flight = IntGauge::with_opts(opts(&families::HTTP_IN_FLIGHT))?;
        let limit = IntGauge::with_opts(opts(&families::HTTP_IN_FLIGHT_LIMIT))?;
        let connections =
            IntGaugeVec::new(opts(&families::HTTP_CONNECTIONS), families::HTTP_CONNECTIONS.labels)?;
        let dropped = IntCounter::with_opts(opts(&families::LOG_LINES_DROPPED))?;
        let descriptors = [in_flight.desc(), limit.desc(), connections.desc(), dropped.desc()];
        let descriptors = descriptors.into_iter().flatten().cloned().collect();
        Ok(Self { descriptors, facts, in_flight, limit, connections, dropped: Mutex::new(dropped) })
    }
}

impl Collector for LiveCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptors.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Live { in_flight, in_flight_limit, active_connections, idle_connections, log_lines_dropped } =
            (self.facts)();
        self.in_flight.set(signed(in_flight));
        self.limit.set(signed(in_flight_limit));
        for (state, count) in
            [(ConnectionState::Active, active_connections), (ConnectionState::Idle, idle_connections)]
        {
            self.connections.with_label_values(&[state.as_str()]).set(signed(count));
        }
        let dropped = self.dropped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        dropped.inc_by(log_lines_dropped.saturating_sub(dropped.get()));
        [self.in_flight.collect(), self.limit.collect(), self.connections.collect(), dropped.collect()]
            .concat()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
