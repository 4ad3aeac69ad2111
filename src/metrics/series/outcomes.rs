//! A handle to one series, and the handles of all outcomes of one thing.

use std::sync::OnceLock;

use super::cells::Counter;
use super::table::Series;

/// A series that is resolved at its first use.
pub(crate) type Handle<C> = OnceLock<Series<C>>;

/// Handles of the ways something ends; the first is the usual one, and the others often are not needed at all.
#[derive(Debug)]
pub(crate) struct Outcomes<const N: usize> {
    first: Handle<Counter>,
    others: OnceLock<Box<[Handle<Counter>; N]>>,
}

impl<const N: usize> Default for Outcomes<N> {
    fn default() -> Self {
        Self { first: Handle::new(), others: OnceLock::new() }
    }
}

impl<const N: usize> Outcomes<N> {
    /// The handle of one outcome, by its place in its closed set.
    pub(crate) fn handle(&self, outcome: usize) -> &Handle<Counter> {
        if outcome == 0 {
            return &self.first;
        }
        &self.others.get_or_init(unresolved)[outcome]
    }
}

fn unresolved<const N: usize>() -> Box<[Handle<Counter>; N]> {
    Box::new([const { Handle::new() }; N])
}
