//! Events of each API: chat and text completions, responses, messages, and any other.

pub(crate) mod chat;
pub(crate) mod messages;
pub(crate) mod plain;
pub(crate) mod responses;
