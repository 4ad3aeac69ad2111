//! The families whose numbers are kept elsewhere and read at each scrape.

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, IntGaugeVec};

use super::registry::opts;
use crate::metrics::catalog::families;
use crate::metrics::catalog::labels::ConnectionState;

/// Numbers that are kept elsewhere and read at each scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live {
    /// Requests in flight.
    pub in_flight: usize,
    /// Their limit.
    pub in_flight_limit: usize,
    /// Connections with a request.
    pub active_connections: usize,
    /// Connections without one.
    pub idle_connections: usize,
    /// Log lines dropped since the start.
    pub log_lines_dropped: u64,
    /// Log lines left out by their limits since the start.
    pub log_lines_suppressed: u64,
    /// Panics since the start.
    pub panics: u64,
}

/// Reads these numbers.
pub type LiveFacts = Box<dyn Fn() -> Live + Send + Sync>;

/// Reads, at each scrape, numbers that are kept elsewhere.
pub(crate) struct LiveCollector {
    descriptors: Vec<Desc>,
    facts: LiveFacts,
    in_flight: IntGauge,
    limit: IntGauge,
    connections: IntGaugeVec,
    /// Counted elsewhere; the lock keeps concurrent scrapes from adding duplicate events.
    counted: Mutex<Counted>,
}

struct Counted {
    log_lines_dropped: IntCounter,
    log_lines_suppressed: IntCounter,
    panics: IntCounter,
}

impl LiveCollector {
    pub(crate) fn new(facts: LiveFacts) -> Result<Self, prometheus::Error> {
        let in_flight = IntGauge::with_opts(opts(&families::HTTP_IN_FLIGHT))?;
        let limit = IntGauge::with_opts(opts(&families::HTTP_IN_FLIGHT_LIMIT))?;
        let connections =
            IntGaugeVec::new(opts(&families::HTTP_CONNECTIONS), families::HTTP_CONNECTIONS.labels)?;
        let counted = Counted {
            log_lines_dropped: IntCounter::with_opts(opts(&families::LOG_LINES_DROPPED))?,
            log_lines_suppressed: IntCounter::with_opts(opts(&families::LOG_LINES_SUPPRESSED))?,
            panics: IntCounter::with_opts(opts(&families::PANICS))?,
        };
        let descriptors = [
            in_flight.desc(),
            limit.desc(),
            connections.desc(),
            counted.log_lines_dropped.desc(),
            counted.log_lines_suppressed.desc(),
            counted.panics.desc(),
        ];
        let descriptors = descriptors.into_iter().flatten().cloned().collect();
        Ok(Self { descriptors, facts, in_flight, limit, connections, counted: Mutex::new(counted) })
    }
}

impl Counted {
    fn collect(&self, [dropped, suppressed, panics]: [u64; 3]) -> Vec<MetricFamily> {
        let counters = [
            (&self.log_lines_dropped, dropped),
            (&self.log_lines_suppressed, suppressed),
            (&self.panics, panics),
        ];
        for (counter, count) in counters {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        counters.map(|(counter, _)| counter.collect()).concat()
    }
}

impl Collector for LiveCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptors.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Live {
            in_flight,
            in_flight_limit,
            active_connections,
            idle_connections,
            log_lines_dropped,
            log_lines_suppressed,
            panics,
        } = (self.facts)();
        self.in_flight.set(signed(in_flight));
        self.limit.set(signed(in_flight_limit));
        for (state, count) in
            [(ConnectionState::Active, active_connections), (ConnectionState::Idle, idle_connections)]
        {
            self.connections.with_label_values(&[state.as_str()]).set(signed(count));
        }
        let counted = self.counted.lock();
        let counted = counted.collect([log_lines_dropped, log_lines_suppressed, panics]);
        [self.in_flight.collect(), self.limit.collect(), self.connections.collect(), counted].concat()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
