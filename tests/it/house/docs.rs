//! Pages of the documentation: each block of commands is run by a test or listed with the reason why not, and whatever
//! the pages name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use aurora::cli::Cli;
use aurora::config::reference;
use aurora::metrics::catalog::families::FAMILIES;
use clap::CommandFactory as _;
use regex_lite::Regex;
use tempfile::TempDir;

use crate::house::{architecture, reliability};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FOLDERS: [&str; 3] = ["", "docs", "bench"];

/// Shell blocks by page and first line, each with the test that runs it, or the reason that none does.
const BLOCKS: &[(&str, &str, Covered)] = &[
    ("CONTRIBUTING.md", "sudo apt-get install gcc libc6-dev", Not("installs packages, then runs all tests")),
    ("CONTRIBUTING.md", "cargo clippy --locked", Not("are steps of scripts/test")),
    ("README.md", "sudo apt-get install gcc", Not("installs packages")),
    ("README.md", "cargo run -- serve --demo", By("house::readme::quick_start_works")),
    ("README.md", "# A chat", By("house::readme::quick_start_works")),
    ("README.md", "export OPENAI_API_KEY=", By("house::readme::the_installed_binary_requires_the_key")),
    ("README.md", "printf %s \"$AURORA_MASTER_KEY\"", By("house::readme::the_key_file_holds_only_the_key")),
    (
        "README.md",
        "./bin/aurora metrics scrape-config",
        By("house::readme::prometheus_loads_the_printed_monitoring_files"),
    ),
    ("README.md", "./bin/aurora config check", By("house::readme::the_installed_binary_requires_the_key")),
    ("README.md", "scripts/test", By("house::readme::the_test_command_exists")),
    ("bench/README.md", "apt-get install nginx-light", Not("installs packages")),
    ("bench/README.md", "bench/run --only", Not("takes minutes, and a quiet machine")),
    (
        "docs/deployment.md",
        "cargo install cargo-deb",
        Not("scripts/check-deb does, on a machine without Aurora"),
    ),
    ("docs/deployment.md", "sudo systemctl enable", Not("scripts/check-deb does, where systemd runs")),
    ("docs/deployment.md", "sudo install -D aurora", Not("writes to /usr and /etc")),
    ("docs/deployment.md", "docker build", Not("needs a container engine")),
    ("docs/deployment.md", "docker run", Not("needs a container engine")),
    ("docs/deployment.md", "docker compose", Not("needs a container engine")),
    ("docs/deployment.md", "kubectl apply --filename", Not("needs a cluster")),
    ("docs/deployment.md", "kubectl apply --kustomize", Not("needs a cluster")),
    ("docs/deployment.md", "scripts/release", Not("builds four releases")),
    (
        "docs/operations.md",
        "aurora config check --strict",
        By("house::docs_run::checks_before_and_after_a_start_work"),
    ),
    ("docs/operations.md", "./aurora-new config check", By("house::docs_run::a_running_binary_is_replaced")),
];

/// Coverage of a block.
#[derive(Debug, Clone, Copy)]
enum Covered {
    /// A test.
    By(&'static str),
    /// None, for this reason.
    Not(&'static str),
}
use Covered::{By, Not};

/// Pages with their paths and texts.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            if name.ends_with(".md") {
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                found.push((path.clone(), page(&path)));
            }
        }
    }
    found.sort();
    found
}

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fenced blocks in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let starts = text.split(fence.as_str()).skip(1);
    starts.map(|rest| rest.split_once("```").expect("a closing fence").0).collect()
}

/// The only block of a page in this language that begins so.
pub(crate) fn block(path: &str, language: &str, start: &str) -> String {
    let text = page(path);
    let mut found = blocks(&text, language);
    found.retain(|block| block.starts_with(start));
    assert_eq!(found.len(), 1, "{path}: blocks that begin with {start}");
    found[0].to_owned()
}

/// Code in running text.
fn spans(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

#[test]
fn every_shell_block_is_run_or_listed_with_a_reason() {
    let tests = reliability::tests();
    let mut listed: Vec<bool> = vec![false; BLOCKS.len()];
    for (path, text) in pages() {
        for block in blocks(&text, "sh") {
            let row = BLOCKS.iter().position(|(page, start, _)| *page == path && block.starts_with(start));
            let row = row.unwrap_or_else(|| panic!("{path}: no test and no reason for\n{block}"));
            listed[row] = true;
            match BLOCKS[row].2 {
                By(test) => {
                    let known = tests.contains(test) || cfg!(not(feature = "real-software"));
                    assert!(known, "{path}: no test {test}");
                }
                Not(reason) => assert!(!reason.is_empty()),
            }
        }
    }
    let gone: Vec<_> = BLOCKS.iter().zip(&listed).filter(|(_, found)| !**found).map(|(row, _)| row).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn every_block_in_a_language_of_shells_is_valid() {
    let mut count = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "sh") {
            let output = Command::new("bash").args(["-n", "-c", block]).output().expect("bash");
            assert!(output.status.success(), "{path}:\n{block}\n{}", String::from_utf8_lossy(&output.stderr));
            count += 1;
        }
        for (number, opening) in text.lines().filter(|line| line.starts_with("```")).enumerate() {
            let known = ["```sh", "```yaml", "```nginx", "```ini", "```text"].contains(&opening);
            assert!(
                known == (number % 2 == 0),
                "{path}: {opening}: `sh` is the language of commands, `text` of others"
            );
        }
    }
    assert!(count >= BLOCKS.len(), "{count}");
}

/// Commands of blocks and of running text, without those that have a placeholder.
#[test]
fn every_command_that_a_page_names_exists() {
    let command = Regex::new(r"(?m)^(?:\S+/)?aurora(?:-new)? ([a-z][^|>&;\\\n]*)").expect("a pattern");
    let placeholder = Regex::new(r"\[|…|\b[A-Z]{3,}\b").expect("a pattern");
    let mut count = 0;
    for (path, text) in pages().into_iter().filter(|(path, _)| path != "CHANGELOG.md") {
        let blocks = blocks(&text, "sh").join("\n");
        for text in spans(&text).into_iter().chain([blocks.as_str()]) {
            for found in command.captures_iter(text) {
                let words = found[1].split(" #").next().expect("a part");
                if placeholder.is_match(words) {
                    continue;
                }
                let words = std::iter::once("aurora").chain(words.split_whitespace());
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    assert!(!error.use_stderr(), "{path}: {}: {error}", &found[0]);
                }
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

/// Text of a heading in an address, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut count = 0;
    for (path, text) in pages() {
        let folder = Path::new(ROOT).join(&path).parent().expect("a folder").to_owned();
        for found in link.captures_iter(&text) {
            let (file, heading) = found[1].split_once('#').unwrap_or((&found[1], ""));
            if file.starts_with("https://") {
                continue;
            }
            let file = if file.is_empty() { Path::new(ROOT).join(&path) } else { folder.join(file) };
            assert!(file.exists(), "{path}: {}", &found[1]);
            if !heading.is_empty() {
                let target = fs::read_to_string(&file).expect("a page");
                let headings: Vec<String> =
                    target.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
                assert!(headings.iter().any(|known| known == heading), "{path}: {}", &found[1]);
            }
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

/// Keys of the settings, from their reference.
static SETTINGS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let row = Regex::new(r"(?m)^\| `([a-z_]+\.[^`]+)` \|").expect("a pattern");
    row.captures_iter(&reference()).map(|row| row[1].to_owned()).collect()
});

#[test]
fn every_setting_that_a_page_names_exists() {
    let setting = Regex::new(r"^(server|metrics|log|http|resilience)(\.[a-z_]+)+$").expect("a pattern");
    let mut count = 0;
    for (path, text) in pages().into_iter().filter(|(path, _)| path != "CHANGELOG.md") {
        for span in spans(&text) {
            let span = span.split(": ").next().expect("a part");
            if setting.is_match(span) && span != "http.client" {
                let section = format!("{span}.");
                let known = SETTINGS.iter().any(|key| key == span || key.starts_with(&section));
                assert!(known || span == "server.keys" || span == "server.tls", "{path}: {span}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn every_metric_that_a_page_names_exists() {
    let name = Regex::new(r"\baurora_[a-z_]*[a-z]\b").expect("a pattern");
    let mut count = 0;
    for (path, text) in
        pages().into_iter().filter(|(path, _)| !path.contains("RESULTS") && path != "CHANGELOG.md")
    {
        for found in name.find_iter(&text).map(|found| found.as_str()) {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| found.strip_suffix(end));
            let family = family.unwrap_or(found);
            let is_label = found == "aurora_without_metrics";
            assert!(is_label || FAMILIES.iter().any(|known| known.name == family), "{path}: {found}");
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
}

/// Expressions of another gateway, whose metrics cannot be checked, are at least expressions.
#[test]
fn expressions_of_the_migration_page_are_valid_promql() {
    let text = page("docs/migration.md");
    let expressions =
        spans(&text).into_iter().filter(|span| span.contains("litellm_") && span.contains(['(', '>']));
    let mut count = 0;
    for expression in expressions {
        let parsed = promql_parser::parser::parse(expression);
        assert!(parsed.is_ok(), "{expression}: {parsed:?}");
        count += 1;
    }
    assert!(count >= 11, "{count}");
}

#[test]
fn the_configurations_of_the_migration_page_are_what_it_says() {
    let text = page("docs/migration.md");
    let configurations = blocks(&text, "yaml");
    let expected = ["valid: 0 errors", "this is a configuration of LiteLLM", "valid: 0 errors"];
    assert_eq!(configurations.len(), expected.len());
    for (configuration, expected) in configurations.into_iter().zip(expected) {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("config.yaml"), configuration).expect("a file in it");
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
        let command =
            command.args(["config", "check", "--assume-set"]).current_dir(folder.path()).env_clear();
        let output = command.output().expect("the binary");
        let printed =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8")).concat();
        assert!(printed.contains(expected), "{configuration}\n{printed}");
        let is_clean = !printed.contains("warning: ") || expected.contains("LiteLLM");
        assert!(is_clean, "{configuration}\n{printed}");
    }
}

/// CPU times and sizes of the tables of capacity are figures of record.
#[test]
fn every_figure_of_the_capacity_tables_is_in_the_results() {
    let text = page("docs/operations.md");
    let (_, section) = text.split_once("\n## Capacity\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let results = page("bench/RESULTS.md");
    let figure = Regex::new(r"^([\d.,]+) (µs|KiB|MiB|× their bytes).*$").expect("a pattern");
    let mut count = 0;
    for row in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let Some(found) = figure.captures(cells[1]) else { continue };
        let number = found[1].to_owned();
        assert!(results.contains(&number), "{row}");
        if &found[2] == "µs" {
            let rate: f64 = cells[2].replace(',', "").parse().expect("a number");
            let exact = 1e6 / number.parse::<f64>().expect("a number");
            assert!((rate / exact - 1.0).abs() < 0.005, "{row}: {exact}");
        }
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn the_map_of_the_sources_is_that_of_the_imports() {
    let text = page("docs/architecture.md");
    let mut count = 0;
    for row in text.lines().filter_map(|line| line.strip_prefix("| `src/")) {
        let (folder, rest) = row.split_once("/`").expect("a folder");
        let (_, imports) = rest.trim_end_matches(" |").rsplit_once(" | ").expect("three columns");
        let Some((_, allowed)) = architecture::TOP.iter().find(|(name, _)| *name == folder) else {
            assert_eq!((folder, imports), ("cli", "everything"));
            continue;
        };
        let written: BTreeSet<&str> = imports.split('`').skip(1).step_by(2).collect();
        assert_eq!(written, allowed.iter().copied().collect(), "{folder}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
