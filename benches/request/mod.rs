//! The metric hooks of one request, in the order of the gateway and with its reads of the clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aurora::metrics::{
    Answer, Build, Configured, DispatchObserver, Endpoint, HttpMethod, HttpObserver, HttpOutcome, Listing,
    Live, Metrics, ModelMetrics, Pricing, Setup, TokenKind, Tokens, UsageSource, WorkerMetrics,
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
    pub(crate) fn three_families(&self, started: Instant) {
        let mut observer =
            DispatchObserver::start(black_box(&self.model), Endpoint::ChatCompletions, false, started);
        observer.answered(200);
        observer.completed();
    }

    /// All that a successful call counts. Ten reads of the clock.
    pub(crate) fn every_family(&self, endpoint: Endpoint) {
        let mut http = HttpObserver::start(black_box(&self.worker), 1, HttpMethod::Post, Instant::now());
        http.model_call(endpoint);
        http.body_awaited();
        http.body_read();
        http.decoded(false);
        let now = Instant::now();
        http.prepared(&self.model, None, now);
        let mut dispatch = DispatchObserver::start(&self.model, endpoint, false, now);
        dispatch.attempt();
        dispatch.answered(200);
        http.dispatched();
        http.received();
        http.used(&TOKENS);
        dispatch.used(TOKENS, UsageSource::Native);
        http.answered(200, Answer::Ok);
        http.sent(1024);
        dispatch.completed();
        http.ended(HttpOutcome::Ok);
    }
}

/// 100 of input, 50 of output.
const TOKENS: Tokens = {
    let mut tokens = [0; TokenKind::COUNT];
    tokens[TokenKind::InputUncached as usize] = 100;
    tokens[TokenKind::OutputText as usize] = 50;
    tokens
};
