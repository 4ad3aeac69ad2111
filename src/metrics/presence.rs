//! Presence of metrics in this build.

/// Part of everything that exists only while metrics are enabled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presence(Certainty);

#[cfg(not(aurora_without_metrics))]
type Certainty = ();

/// In the baseline that `bench/disabled_cost` compares with, no such value can exist, so the compiler drops every hook.
#[cfg(aurora_without_metrics)]
type Certainty = std::convert::Infallible;

impl Presence {
    /// `None` in a build without metrics.
    #[cfg(not(aurora_without_metrics))]
    pub(crate) const IN_THIS_BUILD: Option<Self> = Some(Self(()));
    #[cfg(aurora_without_metrics)]
    pub(crate) const IN_THIS_BUILD: Option<Self> = None;
}
