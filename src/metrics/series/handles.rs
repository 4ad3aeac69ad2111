//! Handles to series, resolved once per worker and kept with their subject: a target, a route, a client's key.

use std::borrow::Cow;
use std::sync::Arc;

use super::cells::{Amounts, Counter};
use super::model_handles::ModelHandles;
use super::outcomes::Outcomes;
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

    /// The metrics under which a call ends whose name was not admitted when it came: a 2xx earns the name a label value.
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
                let costs = tokens.iter().zip(prices.iter()).map(|(count, price)| count.wrapping_mul(*price));
                handles.cost(costs.fold(0, u64::wrapping_add));
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
    answers: Outcomes<{ CallOutcome::COUNT }>,
}

impl ModelRouteMetrics {
    pub(crate) fn new(worker: WorkerMetrics, name: &str) -> Self {
        Self(Arc::new(ModelRouteHandles { worker, name: Label::of_name(name), answers: Outcomes::default() }))
    }

    pub(crate) fn ended(&self, outcome: CallOutcome) {
        let handles = &self.0;
        handles.answers.of(outcome as usize, || handles.worker.answers(&handles.name, outcome)).add(1);
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
        let tokens = |side: Direction| {
            shard.metrics.hot.caller_tokens.series(shard.worker, &[name.clone(), side.into()])
        };
        Self(Arc::new(CallerHandles {
            requests: shard.metrics.hot.caller_requests.series(shard.worker, std::slice::from_ref(&name)),
            input: tokens(Direction::Input),
            output: tokens(Direction::Output),
        }))
    }

    pub(crate) fn record(&self, tokens: Option<&Tokens>) {
        self.0.requests.add(1);
        let Some(tokens) = tokens else { return };
        for (series, side) in [(&self.0.input, Direction::Input), (&self.0.output, Direction::Output)] {
            let kinds = TokenKind::ALL.iter().zip(tokens).filter(|(kind, _)| kind.side() == side);
            series.add(kinds.map(|(_, count)| count).sum());
        }
    }
}

impl Shard {
    pub(crate) fn answers(&self, model: &Label, outcome: CallOutcome) -> Series<Counter> {
        self.metrics.hot.answers.series(self.worker, &[model.clone(), outcome.into()])
    }
}
