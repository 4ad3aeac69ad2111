//! Anthropic's own Python SDK as the caller.

use std::sync::LazyLock;

use crate::support::sdk::{Run, Sdk, assert_as_expected};
use crate::support::upstream::Upstream;

pub(crate) const SDK: Sdk =
    Sdk { name: "anthropic", base: "", usual: ["messages.json", "messages-stream.sse"] };

/// The one run that every test looks at.
pub(crate) static RUN: LazyLock<Run> = LazyLock::new(|| SDK.run(Upstream::start()));

#[test]
fn it_makes_of_every_answer_what_the_provider_meant() {
    assert_as_expected("anthropic.said.txt", &RUN.said);
}

#[test]
fn the_metrics_show_exactly_its_calls() {
    assert_as_expected("anthropic.counted.txt", &RUN.counted);
}

#[test]
fn the_metrics_show_what_was_turned_away() {
    assert_as_expected("anthropic.crowded.counted.txt", &RUN.crowded);
}

#[test]
fn the_provider_sees_a_stream_closed_and_a_caller_out_of_patience() {
    for name in ["endless-sync", "endless-async", "silent-sync", "silent-async"] {
        RUN.upstream.over(name);
    }
}
