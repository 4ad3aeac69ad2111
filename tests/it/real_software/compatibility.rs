//! `docs/compatibility.md`: the table of what the SDK runs showed.

use std::fs;
use std::path::PathBuf;

use crate::real_software::{anthropic_sdk, openai_sdk};

/// `# feature | exercised | modes` lines of what an SDK said.
fn rows(output: &str) -> Vec<[&str; 3]> {
    let heads = output.lines().filter_map(|line| line.strip_prefix("# "));
    heads.map(|head| head.split(" | ").collect::<Vec<_>>().try_into().expect("a feature's head")).collect()
}

/// The version that the tests install.
fn version(package: &str) -> &'static str {
    let lines = include_str!("../../requirements.txt").lines();
    let mut versions = lines.filter_map(|line| line.split_once("=="));
    versions.find(|(name, _)| *name == package).expect("it is installed").1
}

/// Text of docs/compatibility.md.
fn table() -> String {
    let sdks = [
        (&openai_sdk::SDK, &openai_sdk::RUN.output_text),
        (&anthropic_sdk::SDK, &anthropic_sdk::RUN.output_text),
    ];
    let names = sdks.map(|(sdk, _)| format!("{} {}", sdk.name, version(sdk.name)));
    let rows = sdks.map(|(_, output_text)| rows(output_text));
    let mut features: Vec<&str> = Vec::new();
    for [feature, ..] in rows.iter().flatten() {
        if !features.contains(feature) {
            features.push(feature);
        }
    }
    let mut text =
        format!("{HEAD}| feature | {} |\n{}|\n", names.join(" | "), "|---".repeat(names.len() + 1));
    for feature in features {
        let cells = rows.each_ref().map(|rows| {
            let modes: Vec<&str> = rows.iter().filter(|row| row[0] == feature).map(|row| row[2]).collect();
            if modes.is_empty() { "–".to_owned() } else { modes.join(", ") }
        });
        text += &format!("| {feature} | {} |\n", cells.join(" | "));
    }
    for (rows, name) in rows.iter().zip(names) {
        text += &format!("\n## {name}\n\n| feature | tested |\n|---|---|\n");
        text.extend(rows.iter().map(|[feature, exercised, _]| format!("| {feature} | {exercised} |\n")));
    }
    text
}

const HEAD: &str = "\
# Compatibility

Python SDKs as clients of Aurora, in front of a scripted provider. `scripts/test` runs every entry of the table with the SDK's
synchronous and asynchronous client. It compares the results of the SDK, and Aurora's metrics, with the expected ones in
`tests/it/testdata/sdk/`. The test generates this page.

`scripts/compat` compares the responses of real servers (llama.cpp, LiteLLM) with and without Aurora in between, for plain
HTTP requests and for OpenAI's SDK for Node; [compat/RESULTS.md](../compat/RESULTS.md) has its results.

";

#[test]
fn the_compatibility_page_matches_the_sdk_runs() {
    let table = table();
    println!("{table}");
    let made = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compatibility.md");
    fs::write(&made, &table).expect("a file in the target folder");
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");
    assert!(fs::read_to_string(docs).is_ok_and(|kept| kept == table), "run: cp {} {docs}", made.display());
}
