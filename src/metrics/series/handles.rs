//! Handles to series, resolved once per worker and kept with their subject: a target, a route, a client's key.

use std::borrow::Cow;
use std::sync::Arc;

use super::cells::{Amounts, Counter};
use super::model_handles::ModelHandles;
use super::outcomes::{Handle, Outcomes};
use super::table::Series;
use crate::metrics::catalog::labels::{
    CallOutcome, Direction, Label, TokenKind, Tokens, Unpriced, UsageSource,
};
use crate::metrics::{Listing, Shard, WorkerMetrics};

/// Picodollars (10⁻¹² USD) per token, by [`TokenKind`].
pub type TokenPrices = [u64; TokenKind::COUNT];

/// Prices of the tokens of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pricing {
    /// The configuration has no prices.
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
    pub(crate) fn new(handles: Arc<ModelHandles>, candidate: Option<String>, pricing: Pricing) -> Self {
        Self(Arc::new(Target { handles, candidate, pricing }))
    }

    pub(crate) fn handles(&self) -> &ModelHandles {
        &self.0.handles
    }

    /// True when the name has a label value, so that these handles stay right.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.0.candidate.is_none()
    }

    /// True when the name is a label value of its own, and not folded into another.
    #[must_use]
    pub fn has_label(&self) -> bool {
        self.0.handles.has_label()
    }

    /// Metrics for the end of a call. A name that was not admitted at its start gets a label value after a 2xx.
    pub(crate) fn settled(&self, earned: bool) -> Cow<'_, Self> {
        let Target { handles, candidate: Some(name), pricing } = &*self.0 else { return Cow::Borrowed(self) };
        let (worker, provider) = (&handles.worker, handles.provider.as_str());
        Cow::Owned(if earned {
            worker.served_model(provider, name, pricing.clone())
        } else {
            worker.model(provider, name, Listing::Unlisted, pricing.clone())
        })
    }

    /// Counts the tokens of a 2xx, or that they are not known, and what they cost.
    pub(crate) fn used(&self, used: Option<(&Tokens, UsageSource)>) {
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
            if *count > 0 {
                handles.tokens(*kind, *count);
            }
        }
        match pricing {
            Pricing::Off => {}
            Pricing::NoPrice => handles.unpriced(Unpriced::NoPrice),
            Pricing::Price(prices) => {
                let mut cost = 0_u64;
                for (count, price) in tokens.iter().zip(prices.iter()) {
                    cost = cost.wrapping_add(count.wrapping_mul(*price));
                }
                handles.cost(cost);
            }
        }
    }
}

/// The metrics of a configured route at one worker.
#[derive(Debug, Clone)]
pub struct ModelRouteMetrics(Arc<ModelRouteHandles>);

#[derive(Debug)]
struct ModelRouteHandles {
    worker: WorkerMetrics,
    name: Label,
    outcomes: Outcomes<{ CallOutcome::COUNT }>,
}

impl ModelRouteMetrics {
    pub(crate) fn new(worker: WorkerMetrics, name: &str) -> Self {
        Self(Arc::new(ModelRouteHandles {
            worker,
            name: Label::of_name(name),
            outcomes: Outcomes::default(),
        }))
    }

    pub(crate) fn ended(&self, outcome: CallOutcome) {
        let handles = &self.0;
        let handle = handles.outcomes.handle(outcome as usize);
        handles.worker.call_outcome(handle, &handles.name, outcome).add(1);
    }
}

/// The metrics of one client's key at one worker.
#[derive(Debug, Clone)]
pub struct CallerMetrics(Arc<CallerHandles>);

#[derive(Debug)]
struct CallerHandles {
    requests: Series<Counter>,
    input: Series<Amounts>,
    output: Series<Amounts>,
}

impl CallerMetrics {
    pub(crate) fn new(shard: &Shard, name: &str) -> Self {
        let name = Label::of_name(name);
        let (hot, worker) = (&shard.metrics.hot, shard.worker);
        Self(Arc::new(CallerHandles {
            requests: hot.caller_requests.series(worker, std::slice::from_ref(&name)),
            input: hot.caller_tokens.series(worker, &[name.clone(), Direction::Input.into()]),
            output: hot.caller_tokens.series(worker, &[name, Direction::Output.into()]),
        }))
    }

    pub(crate) fn record(&self, tokens: Option<&Tokens>) {
        self.0.requests.add(1);
        let Some(tokens) = tokens else { return };
        let (mut input, mut output) = (0_u64, 0_u64);
        for (kind, count) in TokenKind::ALL.iter().zip(tokens) {
            match kind.side() {
                Direction::Input => input += count,
                Direction::Output => output += count,
            }
        }
        self.0.input.add(input);
        self.0.output.add(output);
    }
}

impl Shard {
    /// The series of an outcome of calls to `model`, kept in `handle`.
    pub(crate) fn call_outcome<'h>(
        &self,
        handle: &'h Handle<Counter>,
        model: &Label,
        outcome: CallOutcome,
    ) -> &'h Series<Counter> {
        handle.get_or_init(|| {
            self.metrics.hot.call_outcomes.series(self.worker, &[model.clone(), outcome.into()])
        })
    }
}
