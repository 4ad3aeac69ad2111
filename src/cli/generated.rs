//! Checked-in files that are generated from the code: completions, man pages, the references under `docs/` and the
//! dashboard.
//!
//! `cargo run --example generate` rewrites them, a test compares them byte for byte. The clap tree they are made
//! from carries the release but neither commit nor compiler, so they change only when the command line does.

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};

use super::{Cli, completions, endpoint_page, man};

/// Folders that hold generated files and nothing else.
pub const FOLDERS: &[&str] = &["completions", "man", "monitoring/grafana/dashboards"];

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Path from the root of the repository.
    pub path: String,
    /// Contents of the file.
    pub contents: String,
}

/// Every generated file, by path.
#[must_use]
pub fn files() -> Vec<GeneratedFile> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut files: Vec<GeneratedFile> = Shell::value_variants().iter().copied().map(completion).collect();
    files.extend(man::pages(&root));
    files.push(GeneratedFile { path: "docs/configuration.md".into(), contents: crate::config::reference() });
    files.push(GeneratedFile { path: "docs/endpoints.md".into(), contents: endpoint_page::page() });
    files.push(GeneratedFile { path: "docs/metrics.md".into(), contents: crate::metrics::reference() });
    files.push(GeneratedFile {
        path: "monitoring/grafana/dashboards/aurora.json".into(),
        contents: crate::metrics::monitoring::dashboard(None),
    });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn completion(shell: Shell) -> GeneratedFile {
    let path = format!("completions/{}", shell.file_name("aurora"));
    GeneratedFile { path, contents: completions::script(shell) }
}
