//! State of a stream, as far as its events have been read.

use crate::api::Tokens;
use crate::api::usage::Usage;

/// State of a stream as seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Number of events so far, comments aside.
    pub events: u64,
    /// An event with content, reasoning or a tool call has come.
    pub first_token: bool,
    /// One of them was reasoning.
    pub reasoning: bool,
    /// The choices that have begun, a bit for each index.
    pub(super) choices: u128,
    /// Those of them that have a finish reason.
    pub(super) finished_choices: u128,
    /// The last event of a whole stream has come.
    pub ended: bool,
    /// The upstream itself reported an error inside the stream.
    pub reported_error: bool,
    /// The last declaration of use.
    pub(super) usage: Option<Usage>,
    /// That declaration is not reported yet.
    pub(super) usage_is_new: bool,
    /// No other declaration will take its place.
    pub(super) usage_is_final: bool,
    /// The last event declared its use.
    pub(super) declares: bool,
    /// The last event had a list of choices, and none in it.
    pub(super) no_choices: bool,
    /// An event over [`super::MAX_EVENT`] could not be read.
    pub(super) unread: bool,
}

impl Seen {
    /// Begins another event.
    pub(super) fn begin_event(&mut self) {
        self.events += 1;
        self.declares = false;
        self.no_choices = false;
    }

    /// Returns true if tokens have come, and the last event neither ended the stream nor declared its use: to read such
    /// an event again would change nothing.
    pub(super) fn is_amid_tokens(&self) -> bool {
        let says_more = self.declares || self.no_choices || self.ended || self.reported_error;
        self.first_token && !says_more
    }

    pub(super) fn declared(&mut self, usage: Usage, is_final: bool) {
        self.declares = true;
        if usage.tokens().is_some() {
            self.usage = Some(usage);
            self.usage_is_new = true;
            self.usage_is_final |= is_final;
        }
    }
}

/// Usage that a stream declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// All of it.
    pub tokens: Tokens,
    /// The output tokens that came by the stream, where its events show them.
    pub paced: Option<u64>,
}
