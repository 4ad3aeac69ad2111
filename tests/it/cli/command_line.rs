//! The command line as a person or a script meets it.

use std::io::{Read, pipe};
use std::process::{Command, Stdio};

use aurora::metrics::catalog::families::FAMILIES;
use aurora::version;

fn aurora(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn ran(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("aurora runs");
    let code = output.status.code().expect("an exit code");
    (code, String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

const HELP: &str = "\
LLM gateway: one OpenAI API for any provider, with complete Prometheus metrics

Usage: aurora [OPTIONS] [COMMAND]

Commands:
  serve        Run the gateway in the foreground (the default command)
  config       Validate the configuration, or write a first one
  metrics      Probe and watch metrics; print rules, dashboard and scrape config
  health       Check whether the gateway at the configured address is ready
  completions  Print a shell completion script
  help         Print this message or the help of the given subcommand(s)

Options:
  -c, --config <PATH>    Configuration file [default: config.yaml]
      --env-file <PATH>  File of environment variables [default: .env]
      --color <WHEN>     Coloured output: auto, always, never [default: auto]
  -h, --help             Print help
  -V, --version          Print version

Examples:
  aurora serve --demo     Run with an embedded upstream: no API key, no network
  aurora config check     Validate the configuration and print its settings
  aurora metrics probe    Check the metrics endpoint and summarise its metrics
";

#[test]
fn help_fits_one_screen() {
    let (code, stdout, stderr) = ran(&mut aurora(&["--help"]));
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, HELP, ""));
    assert!(HELP.lines().count() < 24, "{} lines, and a prompt follows", HELP.lines().count());
    assert!(HELP.lines().all(|line| line.chars().count() <= 80));
    assert_eq!(ran(&mut aurora(&["-h"])), (0, HELP.to_owned(), String::new()));
}

#[test]
fn version_names_the_commit_and_the_compiler() {
    let line =
        format!("aurora {} (commit {}, rustc {})\n", version::VERSION, version::REVISION, version::RUSTC);
    assert_eq!(ran(&mut aurora(&["-V"])), (0, line.clone(), String::new()));
    assert_eq!(ran(&mut aurora(&["--version"])), (0, line, String::new()));
    let is_commit =
        version::REVISION.len() == 12 && version::REVISION.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit || version::REVISION == "unknown", "{}", version::REVISION);
    assert!(version::RUSTC.starts_with("1."), "{}", version::RUSTC);
}

#[test]
fn wrong_usage_is_code_2_on_stderr() {
    let unknown = "error: unrecognized subcommand 'srve'\n\n  tip: a similar subcommand exists: 'serve'\n\n\
                   Usage: aurora [OPTIONS] [COMMAND]\n\nFor more information, try '--help'.\n";
    assert_eq!(ran(&mut aurora(&["srve"])), (2, String::new(), unknown.to_owned()));
    let port = "error: invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535\n\n\
                For more information, try '--help'.\n";
    assert_eq!(ran(&mut aurora(&["serve", "--port", "70000"])), (2, String::new(), port.to_owned()));
    let (code, stdout, stderr) = ran(&mut aurora(&["metrics"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.starts_with(
            "Probe and watch metrics; print rules, dashboard and scrape config\n\nUsage: aurora \
                            metrics [OPTIONS] <COMMAND>\n"
        ),
        "{stderr}"
    );
}

#[test]
fn commands_of_other_programs_have_a_tip() {
    for (arguments, meant) in [
        (&["probe"][..], "aurora metrics probe"),
        (&["watch"], "aurora metrics watch"),
        (&["check"], "aurora config check"),
        (&["version"], "aurora --version"),
        (&["validate"], "aurora config check"),
        (&["status"], "aurora health"),
        (&["--demo"], "aurora serve --demo"),
        (&["--strict"], "aurora config check --strict"),
    ] {
        let (code, stdout, stderr) = ran(&mut aurora(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains(&format!("\n\n  tip: run '{meant}'\n\n")), "{stderr}");
        assert_eq!(stderr.matches("tip:").count(), 1, "{stderr}");
    }
    let (_, _, stderr) = ran(&mut aurora(&["--format", "json"]));
    assert!(!stderr.contains("tip:"), "several commands have it: {stderr}");
}

#[test]
fn a_misspelt_family_has_a_suggestion() {
    let listed = |name: &str| ran(&mut aurora(&["metrics", "list", name]));
    let (code, stdout, _) = listed("aurora_requests_total");
    assert!(
        code == 0 && stdout.lines().nth(1).is_some_and(|line| line.starts_with("aurora_requests_total "))
    );
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
    let error = "error: invalid value 'aurora_request_total' for '[FAMILY]...': no such family; did you mean \
                 aurora_requests_total?\n\nFor more information, try '--help'.\n";
    assert_eq!(listed("aurora_request_total"), (2, String::new(), error.to_owned()));
    for (name, meant) in [
        ("requests_total", "aurora_requests_total"),
        ("aurora_time_to_first_token_seconds_bucket", "aurora_time_to_first_token_seconds"),
        ("tokens", "aurora_tokens_total"),
    ] {
        let error = error.replace("aurora_requests_total", meant).replace("aurora_request_total", name);
        assert_eq!(listed(name), (2, String::new(), error));
    }
    let error = "error: invalid value 'latency' for '[FAMILY]...': no such family; `aurora metrics list` shows all\n\n\
                 For more information, try '--help'.\n";
    assert_eq!(listed("latency"), (2, String::new(), error.to_owned()));
}

#[test]
fn config_check_takes_the_file_as_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.yaml"), "server: {port: 9999}\n").unwrap();
    let check =
        |arguments: &[&str]| ran(aurora(&["config", "check"]).args(arguments).current_dir(folder.path()));
    let (code, stdout, _) = check(&["other.yaml"]);
    assert!(code == 0 && stdout.contains("other.yaml:1"), "{stdout}");
    assert_eq!(check(&["-c", "other.yaml"]), (code, stdout, String::new()));
    assert_eq!(check(&["-c", "other.yaml", "other.yaml"]).0, 2);
    let (code, stdout, _) = check(&["absent.yaml"]);
    assert!(code == 1 && stdout.contains("absent.yaml: does not exist"), "{stdout}");
}

#[test]
fn every_command_has_examples() {
    for command in [
        &["serve"][..],
        &["config"],
        &["metrics"],
        &["metrics", "runbook"],
        &["config", "check"],
        &["config", "init"],
        &["metrics", "probe"],
        &["metrics", "list"],
        &["metrics", "scrape-config"],
        &["metrics", "rules"],
        &["metrics", "dashboard"],
        &["health"],
        &["completions"],
    ] {
        let (_, stdout, _) = ran(aurora(command).arg("--help"));
        let example = format!("\nExamples:\n  aurora {}", command.join(" "));
        assert!(stdout.contains(&example), "{stdout}");
    }
}

#[test]
fn a_closed_stdout_is_no_failure() {
    for arguments in [&["completions", "bash"][..], &["--help"], &["-V"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let (code, _, stderr) = ran(aurora(arguments).stdout(writer).stderr(Stdio::piped()));
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_full_stdout_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (code, _, stderr) = ran(aurora(&["completions", "bash"]).stdout(full).stderr(Stdio::piped()));
    let expected = "aurora: error: cannot write to stdout; check the file or program that it is connected to\n  \
                    caused by: No space left on device (os error 28)\n";
    assert_eq!((code, stderr.as_str()), (1, expected));
}

#[test]
fn a_closed_stderr_changes_no_exit_code() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut child = aurora(&["srve"]).stderr(writer).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!((child.wait().unwrap().code(), stdout.as_str()), (Some(2), ""));
}

#[test]
fn colour_follows_the_option_and_the_environment() {
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let (_, stdout, stderr) = ran(aurora(arguments).envs(variables.iter().copied()));
        (stdout + &stderr).contains('\u{1b}')
    };
    assert!(!coloured(&["--help"], &[]), "a pipe gets none");
    assert!(coloured(&["--color", "always", "--help"], &[]));
    assert!(coloured(&["--help"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["--help"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never", "--help"], &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["--color=always", "srve"], &[("NO_COLOR", "1")]), "the flag counts for errors too");
}

#[test]
fn completions_match_the_checked_in_files() {
    for (shell, file) in [
        ("bash", "aurora.bash"),
        ("elvish", "aurora.elv"),
        ("fish", "aurora.fish"),
        ("powershell", "_aurora.ps1"),
        ("zsh", "_aurora"),
    ] {
        let checked_in =
            std::fs::read_to_string(format!("{}/completions/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(ran(&mut aurora(&["completions", shell])), (0, checked_in, String::new()), "{shell}");
    }
}

#[test]
fn the_metric_list_is_one_document_with_every_family() {
    let (code, stdout, stderr) = ran(&mut aurora(&["metrics", "list", "--format", "json"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let rows = document["families"].as_array().unwrap();
    let listed: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let exposed: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(listed, exposed);
    assert!(rows.iter().all(|row| row["worst_case_series"].as_u64() > Some(0)));
}

#[test]
fn paragraphs_of_a_help_are_wrapped_once() {
    let scrape = "\
List that folder once in prometheus.yml: `scrape_config_files: [scrape/*.yml]`.

The key itself is never printed. If no file holds it, the lines that refer to a
file are commented out, with the command that creates it.
";
    let dashboard = "
The output can also be imported in Grafana: Dashboards, New, Import. The
availability panels use the recording rules of `aurora metrics rules`.
";
    let serve = "
SIGINT or SIGTERM stops the gateway once the requests in flight are complete; a
second signal stops it immediately. SIGHUP reloads the configuration; a change
of a secret file reloads it too. A reload is rejected if the configuration has
errors, a file is missing or the last key was removed: the active configuration
stays, and the reload is retried until it succeeds.
Exit codes: 0 stopped, 1 failed, 2 invalid usage, 78 invalid configuration.
";
    for (command, end) in [
        (&["metrics", "scrape-config"][..], scrape),
        (&["metrics", "dashboard"], dashboard),
        (&["serve"], serve),
    ] {
        let (code, stdout, _) = ran(aurora(command).arg("--help"));
        assert!(code == 0 && stdout.ends_with(end), "{stdout}");
    }
}

#[test]
fn a_scrape_config_without_a_usable_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "server: {keys: [{name: ci, key: a-key-of-the-tests-1}]}\nmetrics: {enabled: true}\n";
    std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
    let refused = "aurora: error: the metrics endpoint is closed to everyone, \
                   because server.keys are for the API only; set \
                   METRICS_TOKEN or AURORA_MASTER_KEY\n";
    let scrape_config = || {
        let mut command = aurora(&["metrics", "scrape-config"]);
        command.current_dir(folder.path());
        command
    };
    assert_eq!(ran(&mut scrape_config()), (1, String::new(), refused.to_owned()));
    let (code, stanza, stderr) = ran(scrape_config().env("METRICS_TOKEN", "a-token-of-the-tests-1"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stanza.starts_with("scrape_configs:\n"), "{stanza}");
}

#[test]
fn the_runbook_prints_the_section_of_an_alert() {
    let section = "AuroraConfigDrift

- **Means:** Replicas of one job have run different configurations for 15 minutes.
- **Look at:** `count by (hash) (aurora_config_info)` and `count by (version, revision) (aurora_build_info)`.
- **Do:** Update the replicas with the old configuration. If the difference is intended, use two job names.
";
    let printed = (0, section.to_owned(), String::new());
    assert_eq!(ran(&mut aurora(&["metrics", "runbook", "AuroraConfigDrift"])), printed);
    assert_eq!(ran(&mut aurora(&["metrics", "runbook", "auroraconfigdrift"])), printed);

    let (code, list, stderr) = ran(&mut aurora(&["metrics", "runbook"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        list.starts_with("AuroraDown\n    Prometheus cannot reach any replica.\nAuroraReplicaDown\n"),
        "{list}"
    );
    assert_eq!(list.lines().count(), 2 * 18, "{list}");

    let (code, stdout, stderr) = ran(&mut aurora(&["metrics", "runbook", "AuroraDwn"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("\n  tip: a similar value exists: 'AuroraDown'\n"), "{stderr}");
}

#[test]
fn rules_with_unusable_settings_are_refused() {
    for (flag, value, expected) in [
        ("--objective", "90", "expected a percentage from 95 to 99.999, such as 99.9"),
        ("--objective", "100", "expected a percentage from 95 to 99.999, such as 99.9"),
        ("--objective", "NaN", "expected a percentage from 95 to 99.999, such as 99.9"),
        (
            "--runbook-base",
            "docs/runbook.md",
            "expected the URL of a page, such as https://wiki.example.com/aurora",
        ),
    ] {
        let (code, stdout, stderr) = ran(&mut aurora(&["metrics", "rules", flag, value]));
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(stderr.lines().next().is_some_and(|line| line.ends_with(expected)), "{stderr}");
    }
}
