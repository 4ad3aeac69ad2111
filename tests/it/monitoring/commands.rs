//! A binary alone sets monitoring up: what its commands print is what Prometheus takes.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::monitoring::files;
use crate::support::fixtures::MASTER_KEY;
use crate::support::programs::program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TOKEN: &str = "canary-metrics-token-0123456789abcdef";

/// What `aurora metrics …` prints, on stdout and on stderr.
fn printed(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command.arg("metrics").args(arguments).env_clear().envs(variables.iter().copied()).current_dir(folder);
    let output = command.output().expect("aurora runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What promtool says, folder names taken out, once it has found nothing wrong.
fn promtool(folder: &Path, arguments: &[&str]) -> String {
    let output = program("promtool", "prometheus").args(arguments).current_dir(folder).output();
    let output = output.expect("it was found");
    let output_text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {output_text}");
    let lines: Vec<&str> = output_text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[test]
fn promtool_accepts_the_monitoring_files() {
    let folder = Path::new(ROOT).join("monitoring");
    assert_eq!(
        promtool(&folder, &["check", "config", "prometheus.yml"]),
        "Checking prometheus.yml\nSUCCESS: 2 rule files found\n\
         SUCCESS: prometheus.yml is valid prometheus config file syntax\n\
         Checking rules/alerts.yml\nSUCCESS: 18 rules found\n\
         Checking rules/recording.yml\nSUCCESS: 25 rules found"
    );
    let cases = ["answers", "availability", "causes", "gateway", "presence", "providers"]
        .map(|name| format!("tests/{name}.yml"));
    let mut arguments = vec!["test", "rules"];
    arguments.extend(cases.iter().map(String::as_str));
    let passed = cases.each_ref().map(|case| format!("Unit Testing:  {case}\nSUCCESS"));
    assert_eq!(promtool(&folder, &arguments), passed.join("\n"));
}

#[test]
fn a_wrong_rule_test_fails() {
    let folder = TempDir::new().expect("a temporary folder");
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).expect("a folder in it");
    for name in ["alerts.yml", "recording.yml"] {
        let text = files::file(&format!("monitoring/rules/{name}")).replace("> 0.2", "> 0.22");
        std::fs::write(rules.join(name), text).expect("a file in it");
    }
    let case = files::file("monitoring/tests/providers.yml").replace("../rules", "rules");
    std::fs::write(folder.path().join("case.yml"), case).expect("a file in it");
    let output = program("promtool", "prometheus")
        .args(["test", "rules", "case.yml"])
        .current_dir(folder.path())
        .output();
    assert_eq!(output.expect("it was found").status.code(), Some(1));
}

#[test]
fn printed_rules_are_a_valid_rule_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let published = &["rules", "--objective", "99.9", "--runbook-base", "https://wiki.test/runbook"];
    for (arguments, job) in
        [(&["rules"][..], "aurora"), (&["rules", "--job", "gateway"], "gateway"), (published, "aurora")]
    {
        let (code, rules, output_text) = printed(folder.path(), &[], arguments);
        assert_eq!((code, output_text.as_str()), (Some(0), ""));
        assert!(rules.contains(&format!("absent(up{{job=\"{job}\"}})")), "{rules}");
        std::fs::write(folder.path().join("rules.yml"), rules).expect("a file in it");
        assert_eq!(
            promtool(folder.path(), &["check", "rules", "rules.yml"]),
            "Checking rules.yml\nSUCCESS: 43 rules found"
        );
    }
}

#[test]
fn the_printed_dashboard_matches_the_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = files::file("monitoring/grafana/dashboards/aurora.json");
    assert_eq!(printed(folder.path(), &[], &["dashboard"]), (Some(0), file, String::new()));
}

type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

/// Holds the printed stanza against what is expected and has promtool read it.
fn assert_scrapes(folder: &Path, variables: &[(&str, &str)], arguments: &[&str], expected: &str) {
    let variables = [&[("METRICS_ENABLED", "true")], variables].concat();
    let arguments = [&["scrape-config"], arguments].concat();
    let (code, stanza, output_text) = printed(folder, &variables, &arguments);
    assert_eq!((code, output_text.as_str()), (Some(0), ""));
    let (_, shown) = stanza.split_once("    static_configs:\n").expect("targets");
    assert_eq!(shown.replace(folder.to_str().expect("UTF-8"), "FOLDER"), expected);
    assert!(![MASTER_KEY, TOKEN].iter().any(|secret| stanza.contains(secret)), "{stanza}");
    std::fs::write(folder.join("prometheus.yml"), stanza).expect("a file in it");
    assert_eq!(
        promtool(folder, &["check", "config", "prometheus.yml"]),
        "Checking prometheus.yml\nSUCCESS: prometheus.yml is valid prometheus config file syntax"
    );
}

const HERE: &str = "      - targets: [\"127.0.0.1:8080\"]\n";
const EVERYWHERE: &str =
    "      # Aurora listens on every interface: write the name by which Prometheus reaches it.\n";

#[test]
fn the_scrape_config_follows_the_configuration() {
    let folder = TempDir::new().expect("a temporary folder");
    let folder = folder.path();
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).expect("a file in it");
    std::fs::write(folder.join("key"), MASTER_KEY).expect("a file in it");
    let local = ("AURORA_HOST", "127.0.0.1");
    let by_file =
        |name: &str| format!("{HERE}    authorization:\n      credentials_file: \"FOLDER/{name}\"\n");
    let by_hand = |setting: &str, shell: &str| {
        format!(
            "{HERE}    # The endpoint wants {setting}. Prometheus reads it from a file; write one, then take \
             away the #:\n    \
             #   printf %s \"{shell}\" > /etc/prometheus/aurora-key\n    # authorization:\n    \
             #   credentials_file: /etc/prometheus/aurora-key\n"
        )
    };
    let master = by_hand("server.master_key (environment AURORA_MASTER_KEY)", "$AURORA_MASTER_KEY");
    let token = by_hand("metrics.token (environment METRICS_TOKEN)", "$METRICS_TOKEN");
    let cases: [Case; 8] = [
        (&[], &[], &format!("{EVERYWHERE}{HERE}")),
        (&[local, ("PORT", "9000")], &[], &HERE.replace("8080", "9000")),
        (&[local, ("AURORA_MASTER_KEY", MASTER_KEY)], &[], &master),
        (&[local, ("AURORA_MASTER_KEY_FILE", "key")], &[], &by_file("key")),
        (&[local, ("AURORA_MASTER_KEY", MASTER_KEY), ("METRICS_TOKEN", TOKEN)], &[], &token),
        (
            &[local, ("AURORA_MASTER_KEY", MASTER_KEY), ("METRICS_TOKEN_FILE", "token")],
            &[],
            &by_file("token"),
        ),
        (&[local, ("AURORA_MASTER_KEY", MASTER_KEY)], &["--token-file", "token"], &by_file("token")),
        (&[("METRICS_LISTEN", "127.0.0.1:9464")], &[], &HERE.replace("8080", "9464")),
    ];
    for (variables, arguments, expected) in cases {
        assert_scrapes(folder, variables, arguments, expected);
    }
}

#[test]
fn the_scrape_config_has_the_served_path() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |variables: &[(&str, &str)]| {
        let variables = [&[("METRICS_ENABLED", "true"), ("BASE_PATH", "/llm")], variables].concat();
        let (code, stanza, _) = printed(folder.path(), &variables, &["scrape-config"]);
        assert_eq!(code, Some(0));
        stanza.lines().find_map(|line| line.trim().strip_prefix("metrics_path: ").map(str::to_owned))
    };
    assert_eq!(path(&[]).as_deref(), Some("\"/llm/metrics\""));
    assert_eq!(
        path(&[("METRICS_ENDPOINT", "/internal/prometheus")]).as_deref(),
        Some("\"/llm/internal/prometheus\"")
    );
    assert_eq!(path(&[("METRICS_LISTEN", "127.0.0.1:9464")]).as_deref(), Some("\"/metrics\""));
}

#[test]
fn a_scrape_config_with_disabled_metrics_warns() {
    let folder = TempDir::new().expect("a temporary folder");
    let (code, stanza, output_text) = printed(folder.path(), &[], &["scrape-config"]);
    assert!(stanza.starts_with("scrape_configs:\n"), "{stanza}");
    let disabled = "aurora: warning: metrics are disabled: set METRICS_ENABLED=true\n";
    assert_eq!((code, output_text.as_str()), (Some(0), disabled));

    let any_port = [("METRICS_ENABLED", "true"), ("METRICS_LISTEN", "127.0.0.1:0")];
    let refused =
        "aurora: error: metrics.listen has port 0, which is any free port; set a fixed port for Prometheus\n";
    assert_eq!(
        printed(folder.path(), &any_port, &["scrape-config"]),
        (Some(1), String::new(), refused.to_owned())
    );

    let (code, stanza, output_text) = printed(folder.path(), &[("PORT", "0")], &["scrape-config"]);
    assert_eq!((code, stanza.as_str()), (Some(1), ""));
    assert!(
        output_text.ends_with(
            "aurora: error: invalid configuration: correct it; `aurora config check` \
                                   shows every problem\n"
        ),
        "{output_text}"
    );
}
