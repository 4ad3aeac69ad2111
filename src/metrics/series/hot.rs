//! The hot families: those that workers record on the request path, one row each.

use super::cells::{Amounts, Counter, Gauge, Histogram};
use super::table::{Extent, SeriesTable, Snapshot};
use crate::metrics::Pace;
use crate::metrics::catalog::families::{self, Family};
use crate::metrics::catalog::labels::Overflow;

/// The numbers of one hot family at a scrape, by the kind of its cells.
pub(crate) enum HotSnapshot {
    Amounts(Snapshot<Amounts>),
    Counter(Snapshot<Counter>),
    Gauge(Snapshot<Gauge>),
    Histogram(Snapshot<Histogram>),
}

impl HotSnapshot {
    /// Number of label sets.
    pub(crate) fn series(&self) -> usize {
        match self {
            Self::Amounts(snapshot) => snapshot.series.len(),
            Self::Counter(snapshot) => snapshot.series.len(),
            Self::Gauge(snapshot) => snapshot.series.len(),
            Self::Histogram(snapshot) => snapshot.series.len(),
        }
    }

    /// Observations whose name a limit replaced; a gauge is a state and has none.
    pub(crate) fn overflow(&self) -> [u64; Overflow::COUNT] {
        match self {
            Self::Amounts(snapshot) => snapshot.overflow(),
            Self::Counter(snapshot) => snapshot.overflow(),
            Self::Histogram(snapshot) => snapshot.overflow(),
            Self::Gauge(_) => [0; Overflow::COUNT],
        }
    }
}

/// Makes the struct, its constructor and the walk of the exposition from one list.
macro_rules! hot_families {
    ($($field:ident: $cell:ident = $family:ident,)+) => {
        /// The table of each hot family.
        #[derive(Debug)]
        pub(crate) struct HotFamilies {
            $(pub(crate) $field: SeriesTable<$cell>,)+
        }

        impl HotFamilies {
            pub(crate) fn new(extent: Extent) -> Self {
                Self { $($field: SeriesTable::new(&families::$family, extent),)+ }
            }

            /// Every hot family with its numbers.
            pub(crate) fn snapshots(&self, pace: &mut Pace) -> Vec<(&'static Family, HotSnapshot)> {
                let mut snapshots = Vec::new();
                $(
                    snapshots.push((&families::$family, HotSnapshot::$cell(self.$field.snapshot())));
                    pace.step();
                )+
                snapshots
            }
        }
    };
}

hot_families! {
    call_outcomes: Counter = ANSWERS,
    attempts: Counter = ATTEMPTS,
    caller_requests: Counter = CALLER_REQUESTS,
    caller_tokens: Amounts = CALLER_TOKENS,
    cost: Amounts = COST,
    http_duration: Histogram = HTTP_DURATION,
    http_requests: Counter = HTTP_REQUESTS,
    overhead: Histogram = OVERHEAD_SECONDS,
    phase_duration: Histogram = PHASE_DURATION,
    request_duration: Histogram = REQUEST_DURATION,
    requests: Counter = REQUESTS,
    requests_in_flight: Gauge = REQUESTS_IN_FLIGHT,
    response_size: Histogram = RESPONSE_SIZE,
    stream_max_gap: Histogram = STREAM_GAP,
    streams: Counter = STREAMS,
    time_per_output_token: Histogram = TPOT_SECONDS,
    time_to_first_token: Histogram = TTFT_SECONDS,
    tokens: Amounts = TOKENS,
    unpriced: Counter = UNPRICED,
    usage_reports: Counter = USAGE_REPORTS,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog::families::Kind;

    #[test]
    fn cells_are_of_the_kind_that_the_family_table_says() {
        let hot = HotFamilies::new(Extent { workers: 1, max_series: 100, exemplars: true });
        for (family, snapshot) in hot.snapshots(&mut Pace::unbroken()) {
            let kind = match snapshot {
                HotSnapshot::Amounts(_) | HotSnapshot::Counter(_) => Kind::Counter,
                HotSnapshot::Gauge(_) => Kind::Gauge,
                HotSnapshot::Histogram(_) => Kind::Histogram,
            };
            assert_eq!(kind, family.kind, "{}", family.name);
            assert_eq!(kind == Kind::Histogram, family.buckets.is_some(), "{}", family.name);
        }
    }
}
