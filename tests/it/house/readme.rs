//! The examples of README.md, run as they are printed.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::{chat, curl, program};
use crate::support::servers::free_port;
use aurora::metrics::monitoring::{Access, Scrape};

const README: &str = include_str!("../../../README.md");
const KEY: &str = "<your Aurora master key>";

/// The fenced blocks in this language, in order.
pub(crate) fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let starts = README.split(fence.as_str()).skip(1);
    starts.map(|rest| rest.split_once("```").expect("a closing fence").0).collect()
}

/// The only block in this language that contains this text.
pub(crate) fn block(language: &str, words: &str) -> &'static str {
    let found: Vec<&str> = blocks(language).into_iter().filter(|block| block.contains(words)).collect();
    assert_eq!(found.len(), 1, "{language} blocks with `{words}`");
    found[0]
}

/// Runs shell lines in a folder; gives what they print once they have ended well.
fn sh(lines: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let mut shell = Command::new("/bin/sh");
    let output = shell.args(["-e", "-c", lines]).current_dir(folder).envs(variables.iter().copied()).output();
    let output = output.expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{lines}\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn the_required_rust_version_is_that_of_the_manifest() {
    assert!(README.contains(&format!("You need Rust {} or later", env!("CARGO_PKG_RUST_VERSION"))));
}

#[test]
fn quick_start_works() {
    drop(program("curl", "curl"));
    let cargo = "cargo run -- ";
    let arguments = block("sh", "serve --demo").trim_end().strip_prefix(cargo).expect("cargo runs it");
    let words: Vec<&str> = arguments.split(' ').collect();
    let port = free_port().to_string();
    let demo = Setup::bare().arguments(&words).variable("PORT", &port).start();
    let sent = block("sh", "# A chat")
        .replace("127.0.0.1:8080", &demo.address.to_string())
        .replace(cargo, &format!("{} ", env!("CARGO_BIN_EXE_aurora")));
    let printed = sh(&sent, demo.folder(), &[("PORT", &port)]);
    let parts = [
        r#""content":"Hello! You asked: \"What is a histogram?\" I am a demo"#,
        r#"data: {"choices":[{"delta":{"content":" histogram?\""}"#,
        "data: [DONE]",
        "# HELP aurora_answers_total",
        r#"model="demo-chat",endpoint="/chat/completions",status_code="200",status_type="success",stream="true"} 1"#,
        &format!("healthy: http://{}/metrics", demo.address),
    ];
    let mut rest = printed.as_str();
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("no `{part}` in the rest of {printed}")).1;
    }
    let (status, log) = demo.stop();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

/// Aurora as the README's block starts it; the upstream is one that is down.
fn installed(port: &str) -> Aurora {
    let lines =
        block("sh", "export OPENAI_API_KEY").strip_suffix("./bin/aurora\n").expect("it is run at last");
    let setup = Setup::bare().shell(lines).variable("PORT", port);
    setup.variable("OPENAI_BASE_URL", &format!("http://127.0.0.1:{}/v1", free_port())).start()
}

#[test]
fn the_installed_binary_requires_the_key() {
    let port = free_port().to_string();
    let aurora = installed(&port);
    assert_eq!(curl(&aurora.url("/metrics"), &[]).status, 401);
    let bearer = format!("Authorization: Bearer {KEY}");
    assert_eq!(curl(&aurora.url("/metrics"), &["--header", &bearer]).status, 200);

    let variables = [("PORT", port.as_str()), ("AURORA_MASTER_KEY", KEY), ("METRICS_ENABLED", "true")];
    let printed = sh(block("sh", "./bin/aurora config check"), aurora.folder(), &variables);
    assert!(printed.contains("\nvalid: 0 errors, 2 warnings\n"), "{printed}");
    assert!(printed.contains(&format!("\nhealthy: http://127.0.0.1:{port}/metrics")), "{printed}");
}

#[test]
fn the_compatibility_table_matches_the_sdk_tests() {
    let made = include_str!("../../../docs/compatibility.md");
    let start = made.find("| feature | openai").expect("the table");
    let table = made[start..].split("\n\n").next().expect("its end");
    assert!(README.contains(table), "copy the table of docs/compatibility.md into the README:\n{table}");
}

#[test]
fn configuration_blocks_are_valid() {
    let blocks: Vec<&str> =
        blocks("yaml").into_iter().filter(|block| !block.starts_with("scrape_configs:")).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("team-a"), "a-key-of-team-a-0123456789").expect("a file in it");
        let block = block.replace("/run/secrets/", "");
        std::fs::write(folder.path().join("config.yaml"), &block).expect("a file in it");
        let check = format!("{} config check --assume-set", env!("CARGO_BIN_EXE_aurora"));
        let printed = sh(&check, folder.path(), &[]);
        assert!(printed.contains("valid: 0 errors"), "{block}\n{printed}");
    }
}

#[test]
fn prometheus_loads_the_printed_monitoring_files() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("bin")).expect("a folder in it");
    let binary = folder.path().join("bin/aurora");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aurora"), binary).expect("a link");
    drop(program("promtool", "prometheus"));
    let promtool = "promtool check config prometheus.yml && promtool check rules aurora-rules.yml";
    let lines = format!("{}\n{promtool}", block("sh", "metrics scrape-config"));
    let printed = sh(&lines, folder.path(), &[("METRICS_ENABLED", "true")]);
    assert_eq!(printed.matches("SUCCESS").count(), 2, "{printed}");
    let dashboard = std::fs::read(folder.path().join("aurora-dashboard.json")).expect("the file");
    assert!(serde_json::from_slice::<serde_json::Value>(&dashboard).is_ok());
}

#[test]
fn the_key_file_holds_only_the_key() {
    let folder = TempDir::new().expect("a temporary folder");
    let lines = block("sh", "printf").replace("/etc/prometheus/", "");
    assert_eq!(sh(&lines, folder.path(), &[("AURORA_MASTER_KEY", KEY)]), "");
    assert_eq!(std::fs::read_to_string(folder.path().join("aurora-key")).expect("the file"), KEY);
}

#[test]
fn the_test_command_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in [block("sh", "scripts/test").trim_end(), ".ci/run"] {
        assert_eq!(sh(&format!("test -x {script} && echo yes"), root, &[]), "yes\n", "{script}");
    }
}

#[test]
fn a_start_without_provider_has_the_documented_exit_code() {
    let aurora = Setup::new().start();
    let response = chat(&aurora.url(""), None, "gpt-4", false);
    assert_eq!(response.status, 503);
    let error: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
    assert_eq!(error["error"]["code"], "no_provider");
    assert!(README.contains("| 503, code `no_provider` |"));
}

#[test]
fn expressions_are_valid_promql() {
    let folder = TempDir::new().expect("a temporary folder");
    let section = README.split_once("| question | expression |").expect("the table").1;
    let cells = section
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1));
    let rules: Vec<serde_json::Value> =
        cells.map(|expression| serde_json::json!({"record": "a:b", "labels": {"of": expression}, "expr": expression})).collect();
    let file = serde_json::json!({"groups": [{"name": "readme", "rules": rules}]});
    std::fs::write(folder.path().join("rules.yml"), file.to_string()).expect("a file in it");
    let mut promtool = program("promtool", "prometheus");
    let output = promtool
        .args(["check", "rules", "rules.yml"])
        .current_dir(folder.path())
        .output()
        .expect("it was found");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output_text.trim_end(), "Checking rules.yml\n  SUCCESS: 7 rules found", "{output:?}");
}

#[test]
fn stanzas_of_the_readme_are_those_that_scrape_config_prints() {
    let stanza = |path: &str, access| {
        let target = "your-aurora-host:8080".to_owned();
        Scrape { target, every_interface: false, path: path.to_owned(), access }.stanza()
    };
    let mut written = blocks("yaml");
    written.retain(|block| block.starts_with("scrape_configs:"));
    let key = Access::File("/etc/prometheus/aurora-key".into());
    assert_eq!(
        written,
        [
            stanza("/metrics", Access::Open),
            stanza("/internal/prometheus", Access::Open),
            stanza("/metrics", key)
        ]
    );
}
