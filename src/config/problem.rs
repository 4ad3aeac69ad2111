//! What is wrong with a configuration, and where.

use std::fmt;

/// Whether a problem stops the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// `serve` refuses to start.
    Error,
    /// `serve` starts and says so.
    Warning,
}

/// One problem, with its place and its cure.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Whether it stops the start.
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
    /// What is wrong.
    pub message: String,
    /// What to do.
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
