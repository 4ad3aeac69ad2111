//! Parameters of the metrics of a process, and the error of creating them.

use super::LiveFacts;

/// Error of creating metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// This is the baseline that `bench/disabled_cost` compares with.
    #[error(
        "metrics are enabled, but this build has none (--cfg aurora_without_metrics): set METRICS_ENABLED=false or \
         build without that flag"
    )]
    Absent,
    /// The family table contradicts itself.
    #[error("the table of metric families contradicts itself")]
    Families(#[from] prometheus::Error),
}

/// The facts of this build, for `aurora_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
    /// Commit it was built from.
    pub revision: &'static str,
    /// Compiler it was built with.
    pub rustc: &'static str,
}

/// Parameters of the metrics of a process.
pub struct Setup<'a> {
    /// Number of workers.
    pub workers: usize,
    /// Routes by their template, in the order of the gateway's route table.
    pub routes: &'a [&'a str],
    /// Most pairs with a label value of their own.
    pub max_models: usize,
    /// Most unlisted names of a provider that get one.
    pub max_unlisted_models: usize,
    /// Label sets of one family from which on names fold into `other`.
    pub max_series: usize,
    /// Histograms of requests keep exemplars.
    pub exemplars: bool,
    /// The build.
    pub build: Build,
    /// Reader of the numbers that are kept elsewhere.
    pub live: LiveFacts,
    /// Names of the configuration.
    pub configured: Configured<'a>,
}

/// Names of a configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Configured<'a> {
    /// Providers by name, with their type.
    pub providers: &'a [(&'a str, &'a str)],
    /// (provider, model) pairs, in file order: the providers' models, then the routes' targets.
    pub models: &'a [(&'a str, &'a str)],
    /// (provider, model) pairs that have prices.
    pub priced: &'a [(&'a str, &'a str)],
    /// Names of routes.
    pub model_routes: &'a [&'a str],
    /// Names of clients.
    pub callers: &'a [&'a str],
    /// Digest of the configuration without its secrets.
    pub hash: &'a str,
}
