//! Circuit breakers, retries and their budget.

pub(crate) mod breaker;
mod budget;
pub(crate) mod model_breakers;
pub(crate) mod permit;
pub(crate) mod retry;
