//! Checked-in files that are generated from the code: completions, man pages, the references under `docs/` and the
//! dashboard.
//!
//! `cargo run --example generate` rewrites them, a test compares them byte for byte. The clap tree they are made
//! from carries the release but neither commit nor compiler, so they change only when the command line does.

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

use super::{Cli, completions, endpoint_page};

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
    man_pages(&root, &mut files);
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

fn man_pages(command: &Command, files: &mut Vec<GeneratedFile>) {
    for subcommand in command.get_subcommands() {
        man_pages(subcommand, files);
    }
    let source = format!("aurora {}", crate::version::VERSION);
    // No date, which would drift; an empty one would shift the fields after it.
    let page = Man::new(command.clone()).date(" ").source(source).manual("Aurora");
    let mut roff = Vec::new();
    page.render(&mut roff).unwrap_or_else(|error| unreachable!("a vector takes any write: {error}"));
    let contents = String::from_utf8_lossy(&roff).into_owned();
    files.push(GeneratedFile { path: format!("man/{}", page.get_filename()), contents });
}
