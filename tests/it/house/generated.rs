//! The checked-in files that are made from the code are what the code makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use aurora::cli::generated;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn generated_files_are_up_to_date() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default();
    let made = generated::files();
    for file in &made {
        let path = &file.path;
        assert!(read(path) == file.contents, "{path} is out of date; run: cargo run --example generate");
    }
    for folder in generated::FOLDERS {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect(folder) {
            let path = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(
                made.iter().any(|file| file.path == path),
                "{path} is not made any more; run: cargo run --example generate"
            );
        }
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
            "aurora-config-init.1",
            "aurora-config.1",
            "aurora-health.1",
            "aurora-metrics-dashboard.1",
            "aurora-metrics-list.1",
            "aurora-metrics-probe.1",
            "aurora-metrics-rules.1",
            "aurora-metrics-runbook.1",
            "aurora-metrics-scrape-config.1",
            "aurora-metrics-watch.1",
            "aurora-metrics.1",
            "aurora-serve.1",
            "aurora.1",
        ]
    );
}

/// Completions of bash after these arguments, the last of which is being typed.
fn completed(words: &[&str]) -> Vec<String> {
    let script = r#"
        set -u
        source "$1/completions/aurora.bash"
        shift
        [[ "$(complete -p aurora)" =~ -F\ ([^ ]+) ]]
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "${BASH_REMATCH[1]}" "$AURORA" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash", ROOT]).args(words).env("AURORA", env!("CARGO_BIN_EXE_aurora"));
    let output = bash.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completion_works() {
    assert_eq!(completed(&["aurora", "metrics", "p"]), ["probe"]);
    assert_eq!(completed(&["aurora", "ser"]), ["serve"]);
    assert_eq!(completed(&["aurora", "serve", "--d"]), ["--demo"]);
    assert_eq!(completed(&["aurora", "--color", ""]), ["auto", "always", "never"]);
    assert_eq!(completed(&["aurora", "completions", "z"]), ["zsh"]);
    let refused = completed(&["aurora", "metrics", "runbook", "AuroraProviderR"]);
    assert_eq!(refused, ["AuroraProviderRefused", "AuroraProviderRateLimited"]);
}
