//! Problems of a configuration, each with its place.

use std::fmt;

use super::Key;

/// Severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// `serve` refuses to start.
    Error,
    /// `serve` starts and logs it.
    Warning,
}

/// The id of every warning, for `config check --allow`.
pub const WARNINGS: &[&str] = &[
    "ambiguous-variables",
    "anthropic-base-url",
    "bad-network",
    "closed-metrics",
    "demo-provider-only",
    "descriptor-limit",
    "doubled-path",
    "duplicate-model",
    "empty-variable",
    "insecure-base-url",
    "no-base-url",
    "no-env-file",
    "no-key",
    "no-master-key",
    "no-models",
    "no-provider",
    "open-metrics",
    "placeholder-key",
    "quoted-key",
    "readable-key",
    "short-key",
    "short-master-key",
    "short-metrics-token",
    "small-body-memory",
    "spaced-model",
    "target-is-route",
    "target-left-out",
    "token-is-master-key",
    "trailing-slash",
    "unknown-variable",
    "unset-key",
    "unsupported-section",
    "unused-price",
];

/// One problem, with its place and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Its severity; an error prevents the start.
    pub severity: Severity,
    /// Stable name, for `config check --allow`, such as `unknown-key`.
    pub id: &'static str,
    /// File name, `.env` path, `environment NAME` or a flag.
    pub source: String,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in the file, from 1.
    pub column: Option<usize>,
    /// Dotted path of the setting, such as `metrics.endpoint`.
    pub key: Option<String>,
    /// The problem.
    pub message: String,
    /// The remedy.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        for position in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{position}")?;
        }
        f.write_str(": ")?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}; {} [{}]", self.message, self.fix, self.id)
    }
}

/// Layer that gives a value; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Default,
    File,
    DotEnv,
    Environment,
    Flag,
}

/// Place of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) layer: Layer,
    source: String,
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
}

impl Place {
    pub(crate) fn new(layer: Layer, source: impl Into<String>) -> Self {
        Self { layer, source: source.into(), line: None, column: None }
    }

    pub(crate) fn default_value() -> Self {
        Self::new(Layer::Default, "default")
    }

    pub(crate) fn at(&self, line: usize, column: Option<usize>) -> Self {
        Self { line: Some(line), column, ..self.clone() }
    }

    /// `default`, `config.yaml:12`, `.env:3`, `environment METRICS_ENABLED`, `--port`.
    pub(crate) fn provenance(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.source),
            None => self.source.clone(),
        }
    }
}

/// A problem and its remedy, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    id: &'static str,
    pub(crate) message: String,
    pub(crate) fix: String,
}

impl Fault {
    pub(crate) fn new(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, message: message.into(), fix: fix.into() }
    }
}

/// Everything that was found, collected to be reported at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(Layer, Problem)>);

impl Problems {
    pub(crate) fn error(&mut self, place: &Place, key: impl AsRef<str>, fault: Fault) {
        self.add(Severity::Error, place, key.as_ref(), fault);
    }

    pub(crate) fn warn(&mut self, place: &Place, key: impl AsRef<str>, fault: Fault) {
        self.add(Severity::Warning, place, key.as_ref(), fault);
    }

    /// `key` is empty where no setting is concerned.
    fn add(&mut self, severity: Severity, place: &Place, key: &str, fault: Fault) {
        debug_assert!(severity == Severity::Error || WARNINGS.contains(&fault.id), "{}", fault.id);
        let problem = Problem {
            severity,
            id: fault.id,
            source: place.source.clone(),
            line: place.line,
            column: place.column,
            key: if key.is_empty() { None } else { Some(key.to_owned()) },
            message: fault.message,
            fix: fault.fix,
        };
        self.0.push((place.layer, problem));
    }

    fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().map(|(_, problem)| problem).filter(|problem| problem.severity == Severity::Error)
    }

    /// True when a value of this setting was refused.
    pub(crate) fn refused(&self, key: Key) -> bool {
        self.errors().any(|problem| problem.key.as_deref() == Some(key.as_str()))
    }

    /// The same, counting only what was found after this many problems.
    pub(crate) fn refused_since(&self, found: usize, key: Key) -> bool {
        let mut later = self.0.iter().skip(found).map(|(_, problem)| problem);
        later.any(|problem| {
            problem.severity == Severity::Error && problem.key.as_deref() == Some(key.as_str())
        })
    }

    /// True when a value of this section was refused.
    pub(crate) fn refused_below(&self, section: &str) -> bool {
        for problem in self.errors() {
            if let Some(key) = &problem.key
                && let Some(rest) = key.strip_prefix(section)
                && (rest.is_empty() || rest.starts_with(['.', '[']))
            {
                return true;
            }
        }
        false
    }

    /// Number of problems.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// In the order of their places; what has none comes last.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.0
            .sort_by_key(|(layer, problem)| (*layer == Layer::Default, *layer, problem.line, problem.column));
        self.0.into_iter().map(|(_, problem)| problem).collect()
    }
}
