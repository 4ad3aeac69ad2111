//! The part of a request's record that is about one dispatch: the attempts at one target.

use std::sync::Arc;

use super::clock;
use super::record::RequestRecord;
use crate::api::Tokens;
use crate::gateway::request::targets::ModelTarget;
use crate::metrics::{
    self, Attempt, Attempts, DispatchFacts, Ending, InFlightDispatch, ModelRouteMetrics, RetryReason,
    StreamFacts, StreamOutcome, Time, UsageSource,
};

/// One dispatch. Where nothing says how it ended, the client disconnected.
#[derive(Debug)]
pub(super) struct DispatchRecord {
    started: Time,
    ending: Ending,
    attempts: Attempts,
    /// Boxed, since only streams have them.
    events: Option<Box<StreamFacts>>,
    usage_source: UsageSource,
    /// The target that failed before this one.
    instead_of: Option<Arc<ModelTarget>>,
    in_flight: InFlightDispatch,
}

impl RequestRecord {
    /// A target was found: from now to the last byte of its response the dispatch is in flight.
    pub(crate) fn begin_dispatch(
        &mut self,
        target: &Arc<ModelTarget>,
        model_route: Option<&ModelRouteMetrics>,
    ) {
        let Some(started) = self.started else { return };
        let instead_of = self.target.replace(Arc::clone(target));
        self.forget_response();
        let (Some(_), Some(model), Some(endpoint)) = (&self.metrics, &target.metrics, self.endpoint) else {
            return;
        };
        let now = clock::now();
        self.marks.prepared.get_or_insert(metrics::mark(started, now));
        self.model_route = model_route.cloned();
        self.dispatch = Some(DispatchRecord {
            started: now,
            ending: Ending::DISCONNECTED,
            attempts: Attempts::default(),
            events: None,
            usage_source: UsageSource::Missing,
            instead_of,
            in_flight: model.begin_dispatch(endpoint, self.stream),
        });
    }

    /// An attempt begins; `retried` is the reason where it is a retry.
    pub(crate) fn begin_attempt(&mut self, retried: Option<RetryReason>) {
        self.attempts += 1;
        self.forget_response();
        let Some(dispatch) = &mut self.dispatch else { return };
        dispatch.attempts.begin();
        if let Some(reason) = retried
            && let Some(model) = self.model_metrics()
        {
            model.retried(reason);
        }
    }

    /// The response of an earlier attempt is not that of the request.
    fn forget_response(&mut self) {
        (self.marks.dispatched, self.marks.received) = (None, None);
        self.upstream_status = None;
        self.failure = None;
    }

    /// The attempt failed: another follows, or the status of its response alone does not show it.
    pub(crate) fn attempt_failed(&mut self, outcome: Attempt) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.attempts.end(outcome);
        }
    }

    /// The response is a stream of events, and it is relayed as it arrives.
    pub(crate) fn streaming(&mut self) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.events = Some(Box::default());
        }
    }

    /// Events of the stream arrived.
    pub(crate) fn progress(&mut self) {
        if let Some(dispatch) = &mut self.dispatch
            && let Some(events) = &mut dispatch.events
        {
            events.progress(clock::now());
        }
    }

    /// The provider declared the tokens it used; `paced` are the output tokens that came by the stream.
    pub(crate) fn used(&mut self, tokens: Tokens, source: UsageSource, paced: Option<u64>) {
        self.tokens = Some(tokens);
        let Some(dispatch) = &mut self.dispatch else { return };
        dispatch.usage_source = source;
        if let (Some(events), Some(paced)) = (&mut dispatch.events, paced) {
            events.tokens = paced;
        }
    }

    /// The body of the upstream's response ended.
    pub(crate) fn body_ended(&mut self, outcome: StreamOutcome) {
        if outcome == StreamOutcome::Timeout {
            self.progress();
        }
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.ending = Ending::Body(outcome);
        }
    }

    /// The dispatch is over, and nothing of its response is relayed.
    pub(crate) fn end_dispatch(&mut self, ending: Ending) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.ending = ending;
        }
        self.record_dispatch();
    }

    /// Gives the facts of the dispatch under way to its sink.
    pub(crate) fn record_dispatch(&mut self) {
        let Some(dispatch) = self.dispatch.take() else { return };
        let (Some(model), Some(endpoint)) = (self.model_metrics(), self.endpoint) else { return };
        let is_defect = dispatch.ending == Ending::DISCONNECTED && std::thread::panicking();
        let facts = DispatchFacts {
            endpoint,
            stream: self.stream,
            started: dispatch.started,
            status: self.upstream_status,
            ending: if is_defect { Ending::Panicked } else { dispatch.ending },
            attempts: &dispatch.attempts,
            events: dispatch.events.as_deref(),
            first_token: self.first_token,
            used: self.tokens.as_ref().map(|tokens| (tokens, dispatch.usage_source)),
            instead_of: dispatch.instead_of.as_ref().map(|target| target.upstream.provider.name.as_str()),
            trace_id: self.trace_id,
        };
        model.record_dispatch(dispatch.in_flight, &facts);
    }
}
