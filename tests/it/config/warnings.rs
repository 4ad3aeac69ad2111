//! Warnings of a configuration: the same ones at the start of `serve` as in `config check`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::aurora::{Aurora, Setup};
use crate::support::upstream::{Upstream, json};

/// Warnings that `config check` prints under this shell line, with the variables of the test.
fn checked(folder: &Path, shell: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new("/bin/sh");
    let line = format!("{shell}\nexec {} config check", env!("CARGO_BIN_EXE_aurora"));
    command.args(["-e", "-c", &line]).env_clear().envs(variables.iter().copied()).current_dir(folder);
    let output = command.output().expect("config check runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{printed}");
    printed.lines().filter_map(|line| line.strip_prefix("warning: ").map(str::to_owned)).collect()
}

/// Warnings in the log of `serve`.
fn logged(aurora: &Aurora) -> Vec<String> {
    aurora.line("listening");
    let lines = aurora.lines("configuration", 0).into_iter();
    let problem = |line: Value| {
        assert_eq!(line["level"], "WARN");
        line["problem"].as_str().expect("a problem").to_owned()
    };
    lines.map(problem).collect()
}

fn yaml(upstream: &Upstream, server: &str) -> String {
    format!(
        "server: {{{server}}}\nproviders:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", models: [m]}}\n",
        upstream.address
    )
}

#[test]
fn serve_prints_the_warnings_of_config_check() {
    let upstream = Upstream::start().on("m", json("{}"));
    let variables = [
        ("AURORA_MASTER_KEY", "<your Aurora master key>"),
        ("METRICS_ENABLE", "canary-value"),
        ("AURORA_PORT", "tcp://10.0.0.1:8080"),
        ("PATH", "/usr/bin:/bin"),
    ];
    let yaml = yaml(&upstream, "base_path: /");
    let setup =
        variables.iter().fold(Setup::new().yaml(&yaml), |setup, (name, value)| setup.variable(name, value));
    let aurora = setup.file(".env", "AURORA_MASTERKEY=canary-value\n").start();
    let expected = [
        ".env:1: AURORA_MASTERKEY is not a variable of Aurora; did you mean AURORA_MASTER_KEY? [unknown-variable]",
        "environment AURORA_MASTER_KEY: server.master_key: a placeholder from documentation, not a key; generate one with: openssl rand -hex 32 [placeholder-key]",
        "environment METRICS_ENABLE: METRICS_ENABLE is not a variable of Aurora; did you mean METRICS_ENABLED? [unknown-variable]",
    ];
    assert_eq!(logged(&aurora), expected);
    assert_eq!(checked(aurora.folder(), "", &variables), expected);
    let (_, log) = aurora.stop();
    for secret in ["<your Aurora master key>", "canary-value"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[test]
fn a_variable_name_in_place_of_a_key_prevents_the_start() {
    let canary = "$canary_key_0123456789";
    let (code, output_text) = Setup::new().variable("AURORA_MASTER_KEY", canary).refused();
    let expected = "error environment AURORA_MASTER_KEY: server.master_key: the name of a variable in place of its value \
                    ($NAME); write the key itself: only the YAML file expands variables, as ${NAME} [key-reference]";
    assert_eq!((code, output_text.lines().next()), (Some(78), Some(expected)));
    assert!(!output_text.contains("canary"), "{output_text}");
}

#[cfg(feature = "real-software")]
#[test]
fn connection_limits_above_the_descriptor_limit_are_warned_of() {
    let upstream = Upstream::start().on("m", json("{}"));
    let cases = [
        (
            "max_connections: 200, max_in_flight: 50",
            "config.yaml:1:44: server.max_connections: 200 connections and 50 requests in flight take up to 314 file \
             descriptors, but this process may open 256; raise the hard limit (ulimit -Hn, LimitNOFILE=, --ulimit nofile=), \
             or write 64 or less [descriptor-limit]",
        ),
        (
            "max_in_flight: 5000",
            "config.yaml:1:42: server.max_in_flight: 5000 connections and 5000 requests in flight take up to 10064 file \
             descriptors, but this process may open 256; raise the hard limit (ulimit -Hn, LimitNOFILE=, --ulimit nofile=), \
             or write 64 or less [descriptor-limit]",
        ),
        ("max_connections: 96, max_in_flight: 96", ""),
    ];
    for (server, expected) in cases {
        let setup = Setup::new().variable("AURORA_MASTER_KEY", "canary-master-key-0123456789abcdef");
        let setup = setup.yaml(&yaml(&upstream, &format!("host: 127.0.0.1, {server}")));
        let aurora = setup.shell("ulimit -n 256").start();
        let expected: Vec<&str> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(logged(&aurora), expected, "{server}");
        let variables = [("AURORA_MASTER_KEY", "canary-master-key-0123456789abcdef")];
        assert_eq!(checked(aurora.folder(), "ulimit -n 256", &variables), expected, "{server}");
    }
}
