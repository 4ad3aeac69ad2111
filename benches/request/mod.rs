//! The metric hooks of one request, in the order of the gateway and with its reads of the clock.

use std::hint::black_box;
use std::num::NonZeroU128;
use std::sync::Arc;

use aurora::api::{Endpoint, TokenKind, Tokens};
use aurora::metrics::{
    self, Attempts, Build, CallFacts, CallOutcome, Configured, DispatchFacts, Ending, HttpMethod,
    HttpOutcome, Listing, Live, Mark, Marks, Metrics, ModelMetrics, Pricing, RequestFacts, Setup, Stream,
    Time, TraceId, UsageSource, WorkerMetrics,
};

/// One worker's cells, and its handles for a model.
pub(crate) struct Ours {
    pub(crate) worker: WorkerMetrics,
    model: ModelMetrics,
}

/// Metrics of two workers with room for so many models.
pub(crate) fn workers(max_models: usize) -> (Arc<Metrics>, Vec<Ours>) {
    let setup = Setup {
        workers: 2,
        routes: &["unmatched", "/v1/chat/completions"],
        max_models,
        max_unlisted_models: 20,
        max_series: 20 * max_models,
        exemplars: false,
        build: Build { version: "0", revision: "0", rustc: "0" },
        live: Box::new(Live::default),
        configured: Configured {
            providers: &[("openai", "openai")],
            models: &[("openai", "gpt-4o-mini")],
            ..Configured::default()
        },
    };
    let metrics = Metrics::new(setup).unwrap_or_else(|error| panic!("{error}"));
    let workers = (0..2).map(|index| Ours::new(metrics.worker(index), "gpt-4o-mini", Listing::Configured));
    let workers = workers.collect();
    (metrics, workers)
}

impl Ours {
    pub(crate) fn new(worker: WorkerMetrics, model: &str, listing: Listing) -> Self {
        let model = worker.model("openai", model, listing, Pricing::Off);
        Self { worker, model }
    }

    /// The three request families: in flight, duration, count. One read of the clock.
    pub(crate) fn three_families(&self, started: Time) {
        let model = black_box(&self.model);
        let in_flight = model.begin_dispatch(CHAT, false);
        model.record_dispatch(in_flight, &dispatch(CHAT, started, &Attempts::default(), None));
    }

    /// All that a successful call counts. Ten reads of the clock.
    pub(crate) fn every_family(&self, endpoint: Endpoint) {
        let worker = black_box(&self.worker);
        let started = Time::now();
        let mut marks = Marks { body_awaited: mark(started), body_read: mark(started), ..Marks::default() };
        marks.decoded = mark(started);
        let begun = Time::now();
        marks.prepared = Some(metrics::mark(started, begun));
        let in_flight = self.model.begin_dispatch(endpoint, false);
        let mut attempts = Attempts::default();
        attempts.begin();
        marks.dispatched = mark(started);
        marks.received = mark(started);
        let tokens = black_box(TOKENS);
        marks.responded = mark(started);
        let used = Some((&tokens, UsageSource::Native));
        self.model.record_dispatch(in_flight, &dispatch(endpoint, begun, &attempts, used));
        let call = CallFacts {
            endpoint,
            stream: Stream::No,
            model: Some(&self.model),
            model_route: None,
            caller: None,
            tokens: Some(&tokens),
            outcome: CallOutcome::Ok,
            marks: &marks,
            has_first_token: false,
        };
        worker.record_request(&RequestFacts {
            route: 1,
            method: HttpMethod::Post,
            status: Some(200),
            transfer: HttpOutcome::Ok,
            sent: 1024,
            took: started.nanos_to(Time::now()),
            call: Some(call),
        });
    }
}

const CHAT: Endpoint = Endpoint::ChatCompletions;

fn mark(started: Time) -> Option<Mark> {
    Some(metrics::mark(started, Time::now()))
}

/// A dispatch with a whole response of status 200.
fn dispatch<'a>(
    endpoint: Endpoint,
    started: Time,
    attempts: &'a Attempts,
    used: Option<(&'a Tokens, UsageSource)>,
) -> DispatchFacts<'a> {
    DispatchFacts {
        endpoint,
        stream: false,
        started,
        status: Some(200),
        ending: Ending::COMPLETED,
        attempts,
        events: None,
        first_token: None,
        used,
        instead_of: None,
        trace_id: TraceId(NonZeroU128::MIN),
    }
}

/// 100 of input, 50 of output.
const TOKENS: Tokens = {
    let mut tokens = [0; TokenKind::COUNT];
    tokens[TokenKind::InputUncached as usize] = 100;
    tokens[TokenKind::OutputText as usize] = 50;
    tokens
};
