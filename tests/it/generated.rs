//! The checked-in files that are made from the code are what the code makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use aurora::cli::generated;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// It says what the SDKs did, which only a run of them can tell.
const MADE_BY_THE_SDK_TESTS: &str = "docs/compatibility.md";

#[test]
fn generated_files_are_up_to_date() {
    let mut checked_in = BTreeMap::new();
    for folder in generated::FOLDERS {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect(folder) {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("{folder}/{name}");
            if path == MADE_BY_THE_SDK_TESTS {
                continue;
            }
            let contents = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
            checked_in.insert(path, contents);
        }
    }
    let made: BTreeMap<String, String> =
        generated::files().into_iter().map(|file| (file.path, file.contents)).collect();
    assert_eq!(
        checked_in.keys().collect::<Vec<_>>(),
        made.keys().collect::<Vec<_>>(),
        "run: cargo run --example generate"
    );
    for (path, contents) in &made {
        assert!(checked_in[path] == *contents, "{path} is out of date; run: cargo run --example generate");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let pages: Vec<String> = generated::files()
        .into_iter()
        .filter_map(|file| file.path.strip_prefix("man/").map(str::to_owned))
        .collect();
    assert_eq!(
        pages,
        [
            "aurora-completions.1",
            "aurora-config-check.1",
            "aurora-config.1",
            "aurora-health.1",
            "aurora-metrics-dashboard.1",
            "aurora-metrics-list.1",
            "aurora-metrics-probe.1",
            "aurora-metrics-rules.1",
            "aurora-metrics-scrape-config.1",
            "aurora-metrics.1",
            "aurora-serve.1",
            "aurora.1",
        ]
    );
}

/// What bash offers after the words, the last of which is being typed.
fn completed(words: &[&str]) -> Vec<String> {
    let script = r#"
        set -u
        source "$1/completions/aurora.bash"
        shift
        [[ "$(complete -p aurora)" =~ -F\ ([^ ]+) ]]
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output =
        Command::new("bash").args(["--norc", "-c", script, "bash", ROOT]).args(words).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    assert_eq!(completed(&["aurora", "metrics", "p"]), ["probe"]);
    assert_eq!(completed(&["aurora", "ser"]), ["serve"]);
    assert_eq!(completed(&["aurora", "serve", "--d"]), ["--demo"]);
    assert_eq!(completed(&["aurora", "--color", ""]), ["auto", "always", "never"]);
    assert_eq!(completed(&["aurora", "completions", "z"]), ["zsh"]);
}
