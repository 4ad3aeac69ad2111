//! Handles to the series of one (provider, model) pair at one worker.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::cells::{Amounts, Cell, Counter, Gauge, Histogram};
use super::exemplars::TraceId;
use super::outcomes::{Handle, Outcomes};
use super::table::{Series, SeriesTable};
use crate::metrics::WorkerMetrics;
use crate::metrics::catalog::labels::{
    Attempt, CallOutcome, Endpoint, Label, StatusType, Stream, StreamOutcome, TokenKind, Unpriced,
    UsageSource,
};

/// Handles of a part of the pair's calls, made at the first of them: most pairs have calls of one kind only.
type Part<T> = OnceLock<Box<T>>;

/// Handles of one pair.
#[derive(Debug)]
pub(crate) struct ModelHandles {
    pub(crate) worker: WorkerMetrics,
    pub(crate) provider: Label,
    model: Label,
    endpoints: [Part<EndpointHandles>; Endpoint::COUNT],
    streams: Part<StreamHandles>,
    tokens: [Handle<Amounts>; TokenKind::COUNT],
    usage: [Handle<Counter>; UsageSource::COUNT],
    cost: Handle<Amounts>,
    unpriced: [Handle<Counter>; Unpriced::COUNT],
    attempts: Outcomes<{ Attempt::COUNT }>,
    outcomes: Outcomes<{ CallOutcome::COUNT }>,
}

/// Handles of one endpoint of a pair.
#[derive(Debug, Default)]
struct EndpointHandles {
    /// Whole responses, and streams.
    calls: [Part<CallHandles>; 2],
    first_token: Handle<Histogram>,
}

/// Handles of the calls of one endpoint, streaming or not.
#[derive(Debug)]
pub(crate) struct CallHandles {
    pub(crate) in_flight: Series<Gauge>,
    /// `status_code="200", status_type="success"`.
    ok: Handle<Counter>,
    duration: [Handle<Histogram>; StatusType::COUNT],
    other_statuses: Mutex<Vec<(Status, Series<Counter>)>>,
}

/// Handles of a pair's streams, whatever their endpoint.
#[derive(Debug, Default)]
struct StreamHandles {
    per_token: Handle<Histogram>,
    gap: Handle<Histogram>,
    outcomes: [Handle<Counter>; StreamOutcome::COUNT],
}

/// A status code, `None` when no response was received, and its type.
type Status = (Option<u16>, StatusType);

impl ModelHandles {
    pub(crate) fn new(worker: WorkerMetrics, provider: &str, model: Label) -> Self {
        Self {
            worker,
            provider: Label::of_name(provider),
            model,
            endpoints: Default::default(),
            streams: Part::new(),
            tokens: Default::default(),
            usage: Default::default(),
            cost: Handle::new(),
            unpriced: Default::default(),
            attempts: Outcomes::default(),
            outcomes: Outcomes::default(),
        }
    }

    /// True when the model counts under its own name.
    pub(crate) fn has_label(&self) -> bool {
        matches!(self.model, Label::Shared(_))
    }

    fn series<C: Cell>(&self, table: &SeriesTable<C>, labels: &[Label]) -> Series<C> {
        table.series(self.worker.worker, labels)
    }

    /// The series of this pair that differs from its siblings in `last`, if in anything; kept in `handle`.
    fn of_pair<'h, C: Cell>(
        &self,
        handle: &'h Handle<C>,
        table: &SeriesTable<C>,
        last: Option<Label>,
    ) -> &'h Series<C> {
        handle.get_or_init(|| {
            let pair = [self.provider.clone(), self.model.clone()];
            let labels: Vec<Label> = pair.into_iter().chain(last).collect();
            self.series(table, &labels)
        })
    }

    /// The series of this pair's provider that differs from its siblings in `last`; kept in `handle`.
    fn of_provider<'h, C: Cell>(
        &self,
        handle: &'h Handle<C>,
        table: &SeriesTable<C>,
        last: Label,
    ) -> &'h Series<C> {
        handle.get_or_init(|| self.series(table, &[self.provider.clone(), last]))
    }

    fn endpoint(&self, endpoint: Endpoint) -> &EndpointHandles {
        self.endpoints[endpoint as usize].get_or_init(Box::default)
    }

    pub(crate) fn call(&self, endpoint: Endpoint, stream: bool) -> &CallHandles {
        self.endpoint(endpoint).calls[usize::from(stream)].get_or_init(|| {
            let labels = [self.provider.clone(), endpoint.into(), Stream::from(stream).into()];
            Box::new(CallHandles {
                in_flight: self.series(&self.worker.metrics.hot.requests_in_flight, &labels),
                ok: Handle::new(),
                duration: Default::default(),
                other_statuses: Mutex::default(),
            })
        })
    }

    /// Counts one dispatch that is no longer in flight. `status` is `None` when no response was received.
    pub(crate) fn record(
        &self,
        at: (Endpoint, bool),
        status: Option<u16>,
        kind: StatusType,
        (nanos, trace_id): (u64, TraceId),
    ) {
        let (endpoint, stream) = at;
        let call = self.call(endpoint, stream);
        call.in_flight.add(-1);
        let duration = call.duration[kind as usize].get_or_init(|| {
            let labels = [
                self.provider.clone(),
                self.model.clone(),
                endpoint.into(),
                Stream::from(stream).into(),
                kind.into(),
            ];
            self.series(&self.worker.metrics.hot.request_duration, &labels)
        });
        duration.observe_in(nanos, trace_id);
        if (status, kind) == (Some(200), StatusType::Success) {
            call.ok.get_or_init(|| self.requests(at, status, kind)).add(1);
            return;
        }
        let mut others = call.other_statuses.lock();
        if let Some((_, series)) = others.iter().find(|(key, _)| *key == (status, kind)) {
            series.add(1);
            return;
        }
        let series = self.requests(at, status, kind);
        series.add(1);
        others.push(((status, kind), series));
    }

    fn requests(&self, at: (Endpoint, bool), status: Option<u16>, kind: StatusType) -> Series<Counter> {
        let status = match status {
            Some(code) => Label::of_name(&code.to_string()),
            None => Label::Static(&"network_error"),
        };
        let labels = [
            self.provider.clone(),
            self.model.clone(),
            at.0.into(),
            status,
            kind.into(),
            Stream::from(at.1).into(),
        ];
        self.series(&self.worker.metrics.hot.requests, &labels)
    }

    pub(crate) fn first_token(&self, endpoint: Endpoint, nanos: u64, trace_id: TraceId) {
        let table = &self.worker.metrics.hot.time_to_first_token;
        let handle = &self.endpoint(endpoint).first_token;
        self.of_pair(handle, table, Some(endpoint.into())).observe_in(nanos, trace_id);
    }

    pub(crate) fn time_per_token(&self, nanos: u64) {
        let table = &self.worker.metrics.hot.time_per_output_token;
        let streams = self.streams.get_or_init(Box::default);
        self.of_pair(&streams.per_token, table, None).observe(nanos);
    }

    pub(crate) fn stream(&self, outcome: StreamOutcome, longest_gap: u64) {
        let hot = &self.worker.metrics.hot;
        let streams = self.streams.get_or_init(Box::default);
        self.of_pair(&streams.gap, &hot.stream_max_gap, None).observe(longest_gap);
        let ended = &streams.outcomes[outcome as usize];
        self.of_pair(ended, &hot.streams, Some(outcome.into())).add(1);
    }

    pub(crate) fn attempts(&self, outcome: Attempt, count: u64) {
        let table = &self.worker.metrics.hot.attempts;
        self.of_pair(self.attempts.handle(outcome as usize), table, Some(outcome.into())).add(count);
    }

    pub(crate) fn tokens(&self, kind: TokenKind, count: u64) {
        let series = self.tokens[kind as usize].get_or_init(|| {
            let labels = [self.provider.clone(), self.model.clone(), kind.side().into(), kind.into()];
            self.series(&self.worker.metrics.hot.tokens, &labels)
        });
        series.add(count);
    }

    pub(crate) fn usage(&self, source: UsageSource) {
        let table = &self.worker.metrics.hot.usage_reports;
        self.of_provider(&self.usage[source as usize], table, source.into()).add(1);
    }

    pub(crate) fn unpriced(&self, reason: Unpriced) {
        let table = &self.worker.metrics.hot.unpriced;
        self.of_provider(&self.unpriced[reason as usize], table, reason.into()).add(1);
    }

    pub(crate) fn cost(&self, picodollars: u64) {
        self.of_pair(&self.cost, &self.worker.metrics.hot.cost, None).add(picodollars);
    }

    pub(crate) fn ended(&self, outcome: CallOutcome) {
        let handle = self.outcomes.handle(outcome as usize);
        self.worker.call_outcome(handle, &self.model, outcome).add(1);
    }
}
