//! Anthropic's own Python SDK as the client.

use std::sync::LazyLock;

use crate::support::sdk::{Run, Sdk, assert_as_expected};
use crate::support::upstream::Upstream;

pub(crate) const SDK: Sdk =
    Sdk { name: "anthropic", base: "", usual: ["messages.json", "messages-stream.sse"] };

/// The one run that every test looks at.
pub(crate) static RUN: LazyLock<Run> = LazyLock::new(|| SDK.run(Upstream::start()));

#[test]
fn every_feature_of_the_sdk_works() {
    assert_as_expected("anthropic.said.txt", &RUN.output_text);
}

#[test]
fn metrics_count_the_sdk_requests() {
    assert_as_expected("anthropic.counted.txt", &RUN.counted);
}

#[test]
fn metrics_count_refused_sdk_requests() {
    assert_as_expected("anthropic.crowded.counted.txt", &RUN.crowded);
}

#[test]
fn sdk_disconnects_and_timeouts_reach_the_provider() {
    for name in ["endless-sync", "endless-async", "silent-sync", "silent-async"] {
        RUN.upstream.over(name);
    }
}
