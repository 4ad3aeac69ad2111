//! Handles to series, resolved once per worker and kept with what they are about: a target, a route, a caller's key.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cardinality::Claim;
use super::cells::{Amounts, Cell, Counter, Gauge, Histogram};
use super::labels::{
    Answer, Attempt, Endpoint, Label, StatusType, Stream, StreamOutcome, TokenKind, Tokens, Unpriced,
    UsageSource,
};
use super::series::{Series, SeriesTable};
use super::{Shard, WorkerMetrics};

/// A series that is resolved at its first use.
pub(super) type Handle<C> = OnceLock<Series<C>>;

/// Picodollars (10⁻¹² USD) per token, by [`TokenKind`].
pub type TokenPrices = [u64; TokenKind::COUNT];

/// What the tokens of a target cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pricing {
    /// Nobody asked: no price stands in the configuration.
    Off,
    /// Other models have prices, this one has none.
    NoPrice,
    /// This much.
    Price(Arc<TokenPrices>),
}

/// The metrics of one target at one worker.
#[derive(Debug, Clone)]
pub struct ModelMetrics(Arc<Target>);

#[derive(Debug)]
struct Target {
    handles: Arc<ModelHandles>,
    /// The name, while it is not admitted.
    candidate: Option<String>,
    pricing: Pricing,
}

impl ModelMetrics {
    pub(super) fn new(handles: Arc<ModelHandles>, candidate: Option<String>, pricing: Pricing) -> Self {
        Self(Arc::new(Target { handles, candidate, pricing }))
    }

    pub(super) fn handles(&self) -> &ModelHandles {
        &self.0.handles
    }

    /// Whether the name has a label value, so that these handles stay right.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.0.candidate.is_none()
    }

    /// Decides on a name that was not admitted when its request came: a 2xx earns it its place.
    pub(super) fn settle(&mut self, earned: bool) {
        let Target { handles, candidate: Some(name), pricing } = &*self.0 else { return };
        let claim = earned.then_some(Claim::Earned);
        let settled = handles.worker.model(handles.provider.as_str(), name, claim, pricing.clone());
        *self = settled;
    }

    /// Counts the tokens of a 2xx, or that they are not known, and what they cost.
    pub(super) fn used(&self, used: Option<(Tokens, UsageSource)>) {
        let Target { handles, pricing, .. } = &*self.0;
        let Some((tokens, source)) = used else {
            handles.usage(UsageSource::Missing);
            if *pricing != Pricing::Off {
                handles.unpriced(Unpriced::NoUsage);
            }
            return;
        };
        handles.usage(source);
        for (kind, count) in TokenKind::ALL.iter().zip(tokens) {
            if count > 0 {
                handles.tokens(*kind, count);
            }
        }
        match pricing {
            Pricing::Off => {}
            Pricing::NoPrice => handles.unpriced(Unpriced::NoPrice),
            Pricing::Price(prices) => {
                let costs = tokens.iter().zip(prices.iter()).map(|(count, price)| count.wrapping_mul(*price));
                handles.cost(costs.fold(0, u64::wrapping_add));
            }
        }
    }
}

/// A status code, `None` when no response was received, and what it came to.
type Status = (Option<u16>, StatusType);

/// Handles of one (provider, model) pair.
#[derive(Debug)]
pub(super) struct ModelHandles {
    pub(super) worker: WorkerMetrics,
    pub(super) provider: Label,
    model: Label,
    calls: [[OnceLock<Box<CallHandles>>; 2]; Endpoint::COUNT],
    first_token: [Handle<Histogram>; Endpoint::COUNT],
    per_token: Handle<Histogram>,
    gap: Handle<Histogram>,
    streams: [Handle<Counter>; StreamOutcome::COUNT],
    tokens: [Handle<Amounts>; TokenKind::COUNT],
    usage: [Handle<Counter>; UsageSource::COUNT],
    cost: Handle<Amounts>,
    unpriced: [Handle<Counter>; Unpriced::COUNT],
    attempts: [Handle<Counter>; Attempt::COUNT],
    answers: [Handle<Counter>; Answer::COUNT],
}

/// Handles of one endpoint of a pair, streaming or not.
#[derive(Debug)]
pub(super) struct CallHandles {
    pub(super) in_flight: Series<Gauge>,
    /// `status_code="200", status_type="success"`.
    ok: Handle<Counter>,
    duration: [Handle<Histogram>; StatusType::COUNT],
    other_statuses: Mutex<Vec<(Status, Series<Counter>)>>,
}

impl ModelHandles {
    pub(super) fn new(worker: WorkerMetrics, provider: &str, model: Label) -> Self {
        Self {
            worker,
            provider: Label::of_name(provider),
            model,
            calls: Default::default(),
            first_token: Default::default(),
            per_token: Handle::new(),
            gap: Handle::new(),
            streams: Default::default(),
            tokens: Default::default(),
            usage: Default::default(),
            cost: Handle::new(),
            unpriced: Default::default(),
            attempts: Default::default(),
            answers: Default::default(),
        }
    }

    fn series<C: Cell>(&self, table: &SeriesTable<C>, labels: &[Label]) -> Series<C> {
        table.series(self.worker.worker, labels)
    }

    /// The series of this pair that differs from its siblings in `last`, if in anything.
    fn of_pair<C: Cell>(&self, table: &SeriesTable<C>, last: Option<Label>) -> Series<C> {
        let labels: Vec<Label> =
            [self.provider.clone(), self.model.clone()].into_iter().chain(last).collect();
        self.series(table, &labels)
    }

    pub(super) fn call(&self, endpoint: Endpoint, stream: bool) -> &CallHandles {
        self.calls[endpoint as usize][usize::from(stream)].get_or_init(|| {
            let labels = [self.provider.clone(), endpoint.into(), Stream::from(stream).into()];
            Box::new(CallHandles {
                in_flight: self.series(&self.worker.metrics.requests_in_flight, &labels),
                ok: Handle::new(),
                duration: Default::default(),
                other_statuses: Mutex::default(),
            })
        })
    }

    /// Counts one dispatch that is no longer in flight. `status` is `None` when no response was received.
    pub(super) fn record(&self, at: (Endpoint, bool), status: Option<u16>, kind: StatusType, nanos: u64) {
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
            self.series(&self.worker.metrics.request_duration, &labels)
        });
        duration.observe(nanos);
        if (status, kind) == (Some(200), StatusType::Success) {
            call.ok.get_or_init(|| self.requests(at, status, kind)).add(1);
            return;
        }
        let mut others = call.other_statuses.lock().unwrap_or_else(PoisonError::into_inner);
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
            None => Label::Static("network_error"),
        };
        let labels = [
            self.provider.clone(),
            self.model.clone(),
            at.0.into(),
            status,
            kind.into(),
            Stream::from(at.1).into(),
        ];
        self.series(&self.worker.metrics.requests, &labels)
    }

    pub(super) fn first_token(&self, endpoint: Endpoint, nanos: u64) {
        let series = self.first_token[endpoint as usize]
            .get_or_init(|| self.of_pair(&self.worker.metrics.time_to_first_token, Some(endpoint.into())));
        series.observe(nanos);
    }

    pub(super) fn time_per_token(&self, nanos: u64) {
        let table = &self.worker.metrics.time_per_output_token;
        self.per_token.get_or_init(|| self.of_pair(table, None)).observe(nanos);
    }

    pub(super) fn stream(&self, outcome: StreamOutcome, longest_gap: u64) {
        let metrics = &self.worker.metrics;
        self.gap.get_or_init(|| self.of_pair(&metrics.stream_max_gap, None)).observe(longest_gap);
        let streams = &self.streams[outcome as usize];
        streams.get_or_init(|| self.of_pair(&metrics.streams, Some(outcome.into()))).add(1);
    }

    pub(super) fn attempts(&self, outcome: Attempt, count: u64) {
        let table = &self.worker.metrics.attempts;
        self.attempts[outcome as usize].get_or_init(|| self.of_pair(table, Some(outcome.into()))).add(count);
    }

    fn tokens(&self, kind: TokenKind, count: u64) {
        let series = self.tokens[kind as usize].get_or_init(|| {
            let labels =
                [self.provider.clone(), self.model.clone(), Label::Static(kind.direction()), kind.into()];
            self.series(&self.worker.metrics.tokens, &labels)
        });
        series.add(count);
    }

    fn usage(&self, source: UsageSource) {
        let table = &self.worker.metrics.usage_reports;
        let labels = || [self.provider.clone(), source.into()];
        self.usage[source as usize].get_or_init(|| self.series(table, &labels())).add(1);
    }

    fn unpriced(&self, reason: Unpriced) {
        let table = &self.worker.metrics.unpriced;
        let labels = || [self.provider.clone(), reason.into()];
        self.unpriced[reason as usize].get_or_init(|| self.series(table, &labels())).add(1);
    }

    fn cost(&self, picodollars: u64) {
        self.cost.get_or_init(|| self.of_pair(&self.worker.metrics.cost, None)).add(picodollars);
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.answers[answer as usize].get_or_init(|| self.worker.answers(&self.model, answer)).add(1);
    }
}

/// The metrics of a configured route at one worker.
#[derive(Debug, Clone)]
pub struct AliasMetrics(Arc<AliasHandles>);

#[derive(Debug)]
struct AliasHandles {
    worker: WorkerMetrics,
    name: Label,
    answers: [Handle<Counter>; Answer::COUNT],
}

impl AliasMetrics {
    pub(super) fn new(worker: WorkerMetrics, name: &str) -> Self {
        Self(Arc::new(AliasHandles { worker, name: Label::of_name(name), answers: Default::default() }))
    }

    pub(super) fn answer(&self, answer: Answer) {
        let handles = &self.0;
        handles.answers[answer as usize].get_or_init(|| handles.worker.answers(&handles.name, answer)).add(1);
    }
}

/// The metrics of one caller's key at one worker.
#[derive(Debug, Clone)]
pub struct CallerMetrics(Arc<CallerHandles>);

#[derive(Debug)]
struct CallerHandles {
    requests: Series<Counter>,
    input: Series<Amounts>,
    output: Series<Amounts>,
}

impl CallerMetrics {
    pub(super) fn new(shard: &Shard, name: &str) -> Self {
        let name = Label::of_name(name);
        let tokens = |direction| {
            shard.metrics.caller_tokens.series(shard.worker, &[name.clone(), Label::Static(direction)])
        };
        Self(Arc::new(CallerHandles {
            requests: shard.metrics.caller_requests.series(shard.worker, std::slice::from_ref(&name)),
            input: tokens("input"),
            output: tokens("output"),
        }))
    }

    pub(super) fn record(&self, tokens: Option<&Tokens>) {
        self.0.requests.add(1);
        let Some(tokens) = tokens else { return };
        for (series, direction) in [(&self.0.input, "input"), (&self.0.output, "output")] {
            let kinds = TokenKind::ALL.iter().zip(tokens).filter(|(kind, _)| kind.direction() == direction);
            series.add(kinds.map(|(_, count)| count).sum());
        }
    }
}

impl Shard {
    pub(super) fn answers(&self, model: &Label, answer: Answer) -> Series<Counter> {
        self.metrics.answers.series(self.worker, &[model.clone(), answer.into()])
    }
}
