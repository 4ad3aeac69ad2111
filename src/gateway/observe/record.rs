//! What is noted of one request while it is served: for the metrics and for its log line. Either may be off, and then
//! nothing of it happens.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use http::{HeaderValue, Request};

use super::log::RequestLog;
use crate::gateway::http::auth::CallerIndex;
use crate::gateway::http::error::GatewayError;
use crate::gateway::observe::stream_error::Break;
use crate::gateway::request::operation::Operation;
use crate::gateway::request::targets::{ModelTarget, Targets};
use crate::gateway::state::connection_state::ConnectionState;
use crate::gateway::state::lifecycle::InFlight;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Answer, DispatchObserver, Endpoint, HttpMethod, HttpObserver, HttpOutcome, Tokens};

/// One exchange with a caller, from its head to the last byte of its answer.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    observer: Option<HttpObserver>,
    log: Option<RequestLog>,
    in_flight: Option<InFlight>,
    /// The answer to HEAD has no body whose end could be seen.
    bodiless: bool,
    /// The connection that sends the response.
    connection: Option<Arc<ConnectionState>>,
}

impl RequestRecord {
    /// A head arrived. `route` is the index in the route table, and the template that stands there.
    pub(crate) fn start(
        worker: &WorkerState,
        route: (usize, &'static str),
        request: &Request<Body>,
        request_id: &HeaderValue,
    ) -> Self {
        let method = request.method().as_str();
        let observe = |metrics| HttpObserver::start(metrics, route.0, HttpMethod::of(method), Instant::now());
        Self {
            observer: worker.metrics.as_ref().map(observe),
            log: RequestLog::start(worker.app.config.log, route.1, request_id),
            in_flight: None,
            bodiless: method == "HEAD",
            connection: request.extensions().get().cloned(),
        }
    }

    /// Counts the exchange in flight from here to its end.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }

    /// It is a model call, and its credential was accepted.
    pub(crate) fn model_call(&mut self, endpoint: Endpoint) {
        if let Some(observer) = &mut self.observer {
            observer.model_call(endpoint);
        }
        if let Some(log) = &mut self.log {
            log.endpoint = Some(endpoint);
        }
    }

    /// The key was this caller's. Of a model call it is told after [`Self::model_call`].
    pub(crate) fn caller(&mut self, worker: &WorkerState, caller: CallerIndex) {
        let Some(caller) = caller.of(&worker.callers) else { return };
        if let (Some(observer), Some(metrics)) = (&mut self.observer, &caller.metrics) {
            observer.caller(metrics);
        }
        if let Some(log) = &mut self.log {
            log.caller = Some(Arc::clone(&caller.name));
        }
    }

    /// Tells the observer what the log line leaves out.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut HttpObserver)) {
        if let Some(observer) = &mut self.observer {
            note(observer);
        }
    }

    /// A target was found: from here to the last byte its provider is being asked.
    pub(crate) fn dispatch(
        &mut self,
        targets: &Targets,
        target: &Arc<ModelTarget>,
        operation: &Operation,
    ) -> Dispatch {
        if let Some(log) = &mut self.log {
            log.dispatch(target);
        }
        let (Some(observer), Some(model)) = (&mut self.observer, &target.metrics) else {
            return Dispatch(None);
        };
        let now = Instant::now();
        observer.prepared(model, targets.model_route_metrics(), now);
        Dispatch(Some(DispatchObserver::start(model, operation.endpoint, operation.stream, now)))
    }

    /// A provider is being asked, maybe not for the first time.
    pub(crate) fn attempt(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.asked_again();
        }
        if let Some(log) = &mut self.log {
            log.attempt();
        }
    }

    /// The upstream's status line and headers arrived.
    pub(crate) fn upstream_answered(&mut self, status: u16) {
        if let Some(observer) = &mut self.observer {
            observer.dispatched();
        }
        if let Some(log) = &mut self.log {
            log.upstream_status = Some(status);
        }
    }

    /// The upstream answered an error with this body, or sent one in this part of a stream.
    pub(crate) fn upstream_failed(&mut self, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            log.upstream_failed(bytes);
        }
    }

    /// The body of the answer breaks off, for this reason.
    pub(crate) fn broke(&mut self, why: Break) {
        if let Some(log) = &mut self.log {
            log.error = Some(why.message().into());
            log.names = why.into();
        }
    }

    /// There is no answer to relay, for this reason.
    pub(crate) fn refused(&mut self, refusal: &GatewayError) {
        if let Some(log) = &mut self.log {
            log.error = Some(refusal.to_string().into());
            log.names = refusal.into();
        }
    }

    /// Our status is decided, and what it means.
    pub(crate) fn answered(&mut self, status: u16, answer: Answer) {
        if let Some(observer) = &mut self.observer {
            observer.answered(status, answer);
        }
        if let Some(log) = &mut self.log {
            log.status = Some(status);
            log.answer = answer;
        }
        if self.bodiless {
            self.ended(HttpOutcome::Ok);
        }
    }

    /// The first token of a stream is on its way to the caller.
    pub(crate) fn first_token(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.first_token();
        }
        if let Some(log) = &mut self.log {
            log.first_token();
        }
    }

    /// The provider declared its use.
    pub(crate) fn used(&mut self, tokens: &Tokens) {
        if let Some(observer) = &mut self.observer {
            observer.used(tokens);
        }
        if let Some(log) = &mut self.log {
            log.tokens = Some(*tokens);
        }
    }

    /// Gives the place in flight back before the response is sent: it is a refusal or all here.
    pub(crate) fn release(&mut self) {
        self.in_flight = None;
    }

    /// The response ended well for hyper: it counts as that once the kernel has accepted its last byte.
    pub(crate) fn hand_over(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.keep_unsent(self);
        }
    }

    /// Whether the client does not take what is written.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_write_blocked())
    }

    /// The last byte was handed over, or will never be.
    pub(crate) fn ended(&mut self, outcome: HttpOutcome) {
        if let Some(observer) = &mut self.observer {
            observer.ended(outcome);
        }
        if let Some(log) = &mut self.log {
            log.transfer = outcome;
        }
        self.in_flight = None;
    }
}

/// One call to a provider, from its dispatch to the last byte of its answer. Dropped without a word of how it ended,
/// the caller has left.
#[derive(Debug)]
pub(crate) struct Dispatch(Option<DispatchObserver>);

impl Dispatch {
    /// Tells the observer, where there is one.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut DispatchObserver)) {
        if let Some(observer) = &mut self.0 {
            note(observer);
        }
    }
}
