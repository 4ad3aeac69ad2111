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
    /// The series of one outcome, by its place in its closed set.
    pub(crate) fn of(&self, outcome: usize, resolve: impl FnOnce() -> Series<Counter>) -> &Series<Counter> {
        if outcome == 0 {
            return self.first.get_or_init(resolve);
        }
        let others = self.others.get_or_init(|| Box::new([const { Handle::new() }; N]));
        others[outcome].get_or_init(resolve)
    }
}
