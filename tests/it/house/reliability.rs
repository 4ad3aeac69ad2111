//! `docs/reliability.md` and `docs/security.md`: every proof that they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Texts in backquotes.
fn quoted(page: &str) -> Vec<&str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Tests of this binary.
pub(crate) fn tests() -> BTreeSet<String> {
    let binary = std::env::current_exe().expect("a binary");
    let output = Command::new(binary).arg("--list").output().expect("it runs");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Source files below a folder, as one text.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| match path.is_dir() {
            true => sources(&path),
            false => fs::read_to_string(path).expect("text"),
        })
        .collect()
}

#[test]
fn every_test_named_on_the_reliability_page_exists() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).expect("the page");
    let (tests, sources) = (tests(), sources(&root().join("src")));
    let mut missing = Vec::new();
    let mut proofs = 0;
    for name in quoted(&page) {
        let exists = if let Some(unit) = name.strip_prefix("unit ") {
            let function = unit.rsplit("::").next().expect("a name");
            sources.contains(&format!("fn {function}("))
        } else if name.starts_with("bench/") || name.ends_with('/') && !name.starts_with('/') {
            root().join(name.split(' ').next().expect("a path")).exists()
        } else if name.contains("::") {
            // Without real software some tests are absent.
            tests.contains(name) || name.contains('…') || cfg!(not(feature = "real-software"))
        } else {
            continue;
        };
        proofs += 1;
        if !exists {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(proofs > 70, "{proofs} proofs");
}

#[test]
fn every_test_named_on_the_security_page_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("the page");
    let tests = tests();
    let named: Vec<&str> =
        quoted(&page).into_iter().filter(|name| name.contains("::") && !name.contains('…')).collect();
    assert!(named.len() > 40, "{} tests", named.len());
    for name in named {
        assert!(tests.contains(name) || cfg!(not(feature = "real-software")), "{name}");
    }
}

/// Requests of the data file are as many as the page says.
#[test]
fn the_reliability_page_counts_the_raw_requests() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).expect("the page");
    let count = crate::requests::raw::rows(&[]).len();
    assert!(page.contains(&format!("| {count} requests |")), "{count} requests");
}
