//! Handles to cells, resolved once per worker and (provider, model) pair and kept with the target.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cardinality::Claim;
use super::cells::{Counter, Gauge, Histogram};
use super::labels::{Answer, Endpoint, Label, StatusType, Stream, TokenKind};
use super::{Shard, WorkerMetrics};

/// A cell that is resolved at its first use.
pub(super) type Handle<C> = OnceLock<Arc<C>>;

/// The metrics of one (provider, model) pair at one worker, as a target keeps them.
#[derive(Debug, Clone)]
pub struct ModelMetrics {
    pub(super) handles: Arc<ModelHandles>,
    /// The name, while it is not admitted.
    candidate: Option<Arc<str>>,
}

impl ModelMetrics {
    pub(super) fn new(handles: Arc<ModelHandles>, candidate: Option<Arc<str>>) -> Self {
        Self { handles, candidate }
    }

    /// Whether the name has a label value, so that these handles stay right.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.candidate.is_none()
    }

    /// Decides on a name that was not admitted when its request came: a 2xx earns it its place.
    pub(super) fn settle(&mut self, earned: bool) {
        let Some(name) = self.candidate.take() else { return };
        let worker = &self.handles.worker;
        *self = worker.model(self.handles.provider.as_str(), &name, earned.then_some(Claim::Earned));
    }
}

/// A status code, `None` when no response was received, and what it came to.
type Status = (Option<u16>, StatusType);

/// Handles of one (provider, model) pair.
#[derive(Debug)]
pub(super) struct ModelHandles {
    pub(super) worker: WorkerMetrics,
    provider: Label,
    model: Label,
    calls: [[OnceLock<Box<CallHandles>>; 2]; Endpoint::COUNT],
    first_token: [Handle<Histogram>; Endpoint::COUNT],
    tokens: [Handle<Counter>; TokenKind::COUNT],
    answers: [Handle<Counter>; Answer::COUNT],
}

/// Handles of one endpoint of a pair, streaming or not.
#[derive(Debug)]
pub(super) struct CallHandles {
    pub(super) in_flight: Arc<Gauge>,
    /// `status_code="200", status_type="success"`.
    ok: Handle<Counter>,
    duration: [Handle<Histogram>; StatusType::COUNT],
    other_statuses: Mutex<Vec<(Status, Arc<Counter>)>>,
}

impl ModelHandles {
    pub(super) fn new(worker: WorkerMetrics, provider: &str, model: Label) -> Self {
        Self {
            worker,
            provider: Label::of_name(provider),
            model,
            calls: Default::default(),
            first_token: Default::default(),
            tokens: Default::default(),
            answers: Default::default(),
        }
    }

    pub(super) fn call(&self, endpoint: Endpoint, stream: bool) -> &CallHandles {
        self.calls[endpoint as usize][usize::from(stream)].get_or_init(|| {
            let labels = [self.provider.clone(), endpoint.into(), Stream::from(stream).into()];
            let in_flight = self.worker.metrics.requests_in_flight.cell(self.worker.worker, &labels);
            Box::new(CallHandles {
                in_flight,
                ok: Handle::new(),
                duration: Default::default(),
                other_statuses: Mutex::default(),
            })
        })
    }

    /// Counts one dispatch. `status` is `None` when no response was received.
    pub(super) fn record(&self, at: (Endpoint, bool), status: Option<u16>, kind: StatusType, nanos: u64) {
        let (endpoint, stream) = at;
        let call = self.call(endpoint, stream);
        let duration = call.duration[kind as usize].get_or_init(|| {
            let labels = [
                self.provider.clone(),
                self.model.clone(),
                endpoint.into(),
                Stream::from(stream).into(),
                kind.into(),
            ];
            self.worker.metrics.request_duration.cell(self.worker.worker, &labels)
        });
        duration.observe(nanos);
        if (status, kind) == (Some(200), StatusType::Success) {
            call.ok.get_or_init(|| self.requests_cell(at, status, kind)).add(1);
            return;
        }
        let mut others = call.other_statuses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = others.iter().find(|(key, _)| *key == (status, kind)) {
            cell.add(1);
            return;
        }
        let cell = self.requests_cell(at, status, kind);
        cell.add(1);
        others.push(((status, kind), cell));
    }

    fn requests_cell(&self, at: (Endpoint, bool), status: Option<u16>, kind: StatusType) -> Arc<Counter> {
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
        self.worker.metrics.requests.cell(self.worker.worker, &labels)
    }

    pub(super) fn first_token(&self, endpoint: Endpoint, nanos: u64) {
        let cell = self.first_token[endpoint as usize].get_or_init(|| {
            let labels = [self.provider.clone(), self.model.clone(), endpoint.into()];
            self.worker.metrics.time_to_first_token.cell(self.worker.worker, &labels)
        });
        cell.observe(nanos);
    }

    pub(super) fn tokens(&self, kind: TokenKind, count: u64) {
        let cell = self.tokens[kind as usize].get_or_init(|| {
            let labels =
                [self.provider.clone(), self.model.clone(), Label::Static(kind.direction()), kind.into()];
            self.worker.metrics.tokens.cell(self.worker.worker, &labels)
        });
        cell.add(count);
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.answers[answer as usize].get_or_init(|| self.worker.answers_cell(&self.model, answer)).add(1);
    }
}

impl Shard {
    pub(super) fn answers_cell(&self, model: &Label, answer: Answer) -> Arc<Counter> {
        self.metrics.answers.cell(self.worker, &[model.clone(), answer.into()])
    }
}
