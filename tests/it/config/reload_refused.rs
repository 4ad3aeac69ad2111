//! A reload never unlocks: files that are not whole, keys that would be gone, and what is loaded once they are back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::request;
use crate::support::fixtures::{MASTER_KEY, METRICS_TOKEN, NEXT_KEY, OK};
use crate::support::upstream::{Upstream, json};

const REFUSED: &str = "configuration refused; the one before stays in force";
const RELOADED: &str = "configuration reloaded";

fn bearer(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") }
}

/// Statuses of a chat, a passthrough call and a scrape.
fn statuses(aurora: &Aurora, key: &str, model: &str) -> [u16; 3] {
    let chat = format!(r#"{{"model":"{model}"}}"#);
    [
        request("POST", "/v1/chat/completions", &bearer(key), &chat),
        request("POST", "/p/up/chat/completions", &bearer(key), &chat),
        request("GET", "/metrics", &bearer(key), ""),
    ]
    .map(|request| aurora.send(request).status)
}

/// `aurora_config_last_reload_successful`, read with a key.
fn gauge(aurora: &Aurora, key: &str) -> String {
    let page = aurora.send(request("GET", "/metrics", &bearer(key), ""));
    let lines = page.text().lines();
    let mut values = lines.filter_map(|line| line.strip_prefix("aurora_config_last_reload_successful "));
    values.next().expect("the gauge").to_owned()
}

/// The providers first and the keys last, so that a file that was cut still parses.
fn yaml(upstream: &Upstream, model: &str, keys: &str) -> String {
    format!(
        "# Written by the tests.\nproviders:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", models: \
         [{model}]}}\nmetrics: {{enabled: true}}\n{keys}",
        upstream.address
    )
}

fn locked(key: &str) -> String {
    format!("server: {{master_key: {key}}}\n")
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Gone,
    Empty,
    /// Only the comment of its first line remains.
    Comment,
    /// Its last line is missing.
    Cut,
    Directory,
    Fifo,
    DanglingLink,
}

const EVERY: [Damage; 7] = [
    Damage::Gone,
    Damage::Empty,
    Damage::Comment,
    Damage::Cut,
    Damage::Directory,
    Damage::Fifo,
    Damage::DanglingLink,
];

impl Damage {
    /// Puts it in the place of a file with this text.
    fn inflict(self, path: &PathBuf, text: &str) {
        let last_line = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
        fs::remove_file(path).expect("a file");
        match self {
            Self::Gone => {}
            Self::Empty => fs::write(path, "").expect("a file"),
            Self::Comment => fs::write(path, text.lines().next().expect("a line")).expect("a file"),
            Self::Cut => fs::write(path, &text[..last_line]).expect("a file"),
            Self::Directory => fs::create_dir(path).expect("a folder"),
            Self::Fifo => assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success()),
            Self::DanglingLink => std::os::unix::fs::symlink("/nowhere/file", path).expect("a link"),
        }
    }

    /// The problem of a file that is refused by itself, with its place.
    fn problem(self, file: &str) -> Option<String> {
        let problem = match self {
            Self::Gone | Self::Empty | Self::Comment | Self::Cut => return None,
            Self::Directory => "is a directory; name a file [is-directory]",
            Self::Fifo => "is not a regular file; name a regular file [not-a-file]",
            Self::DanglingLink => "is a link to a file that does not exist; correct the link [dangling-link]",
        };
        Some(format!("{file}: {problem}"))
    }

    /// Why a reload is refused.
    fn reason(self, file: &str, lost: &str) -> String {
        match self {
            Self::Gone => {
                format!("{file} was read before and is gone; restore it, or restart to run without it")
            }
            Self::Empty | Self::Comment => {
                format!(
                    "{file} held settings before and is empty; restore it, or restart to run without them"
                )
            }
            Self::Cut => lost.to_owned(),
            Self::Directory | Self::Fifo | Self::DanglingLink => {
                format!("{file} was read before and cannot be read; restore it, or restart to run without it")
            }
        }
    }
}

fn restore(aurora: &Aurora, file: &str, text: &str) {
    let path = aurora.folder().join(file);
    if path.is_dir() {
        fs::remove_dir(&path).expect("a folder");
    }
    aurora.replace(file, text);
}

/// Errors of configurations so far, as `problem` of their lines.
fn problems(aurora: &Aurora) -> Vec<String> {
    let lines = aurora.lines("configuration", 0).into_iter();
    let errors = lines.filter(|line| line["level"] == "ERROR");
    errors.map(|line| line["problem"].as_str().expect("a problem").to_owned()).collect()
}

/// Damages a file in every way, each followed by SIGHUP, and restores it with another text, without a signal.
fn every_damage(aurora: &Aurora, file: &str, lost: &str, text: impl Fn(usize) -> String) {
    let mut expected_problems = Vec::new();
    for (round, damage) in EVERY.into_iter().enumerate() {
        damage.inflict(&aurora.folder().join(file), &text(round));
        aurora.signal("HUP");
        let refused = aurora.lines(REFUSED, round + 1).remove(round);
        let expected = serde_json::json!({
            "level": "ERROR", "msg": REFUSED, "reason": "SIGHUP", "error": damage.reason(file, lost)
        });
        assert_eq!(refused, expected, "{damage:?}");
        expected_problems.extend(damage.problem(file));
        assert_eq!(problems(aurora), expected_problems, "{damage:?}");
        assert_eq!(gauge(aurora, MASTER_KEY), "0", "{damage:?}");
        let model = format!("m{round}");
        assert_eq!(statuses(aurora, "", &model), [401; 3], "{damage:?}");
        assert_eq!(statuses(aurora, MASTER_KEY, &model), [200; 3], "{damage:?}");
        restore(aurora, file, &text(round + 1));
        let reloaded = aurora.lines(RELOADED, round + 1).remove(round);
        assert_eq!(reloaded["reason"], "retry after a refused reload", "{damage:?}");
        assert_eq!(gauge(aurora, MASTER_KEY), "1", "{damage:?}");
        assert_eq!(statuses(aurora, "", "m0"), [401; 3], "{damage:?}");
        assert_eq!(statuses(aurora, MASTER_KEY, &format!("m{}", round + 1)), [200; 3], "{damage:?}");
    }
}

fn serving_every_model() -> Upstream {
    (0..=EVERY.len()).fold(Upstream::start(), |upstream, round| upstream.on(&format!("m{round}"), json(OK)))
}

const LOST_MASTER: &str =
    "it would take away server.master_key; a reload never unlocks: restore it, or restart to run without it";

#[test]
fn reload_refuses_an_incomplete_discovered_configuration_file() {
    let upstream = serving_every_model();
    let text = |round: usize| yaml(&upstream, &format!("m{round}"), &locked(MASTER_KEY));
    let aurora = Setup::new().yaml(&text(0)).start();
    every_damage(&aurora, "config.yaml", LOST_MASTER, text);
}

#[test]
fn reload_refuses_an_incomplete_named_configuration_file() {
    let upstream = serving_every_model();
    let text = |round: usize| yaml(&upstream, &format!("m{round}"), &locked(MASTER_KEY));
    let aurora = Setup::new().file("own.yaml", &text(0)).arguments(&["--config", "own.yaml"]).start();
    // A file that would be found is no substitute for the one that is named.
    fs::write(aurora.folder().join("config.yaml"), "server: {body_size_limit: 1K}\n").expect("a file");
    let damages = [Damage::Empty, Damage::Comment, Damage::Cut];
    for (round, damage) in damages.into_iter().enumerate() {
        damage.inflict(&aurora.folder().join("own.yaml"), &text(round));
        aurora.signal("HUP");
        let refused = aurora.lines(REFUSED, round + 1).remove(round);
        assert_eq!(refused["error"], damage.reason("own.yaml", LOST_MASTER).as_str(), "{damage:?}");
        assert_eq!(statuses(&aurora, "", "m0"), [401; 3], "{damage:?}");
        restore(&aurora, "own.yaml", &text(round + 1));
        aurora.lines(RELOADED, round + 1);
    }
    Damage::Gone.inflict(&aurora.folder().join("own.yaml"), &text(3));
    aurora.signal("HUP");
    aurora.lines(REFUSED, 4);
    assert_eq!(
        problems(&aurora),
        ["own.yaml: does not exist; create it, or name another with --config [no-config-file]"]
    );
    assert_eq!(statuses(&aurora, MASTER_KEY, "m3"), [200; 3]);
    assert_eq!(gauge(&aurora, MASTER_KEY), "0");
}

fn dotenv(round: usize) -> String {
    format!(
        "# Written by the tests.\nOPENAI_COMPATIBLE_MODELS=m{round}\nMETRICS_ENABLED=true\nAURORA_MASTER_KEY={MASTER_KEY}\n"
    )
}

#[test]
fn reload_refuses_an_incomplete_dotenv() {
    for arguments in [&[][..], &["--env-file", "own.env"]] {
        let upstream = serving_every_model();
        let file = arguments.last().unwrap_or(&".env");
        let setup = Setup::new().arguments(arguments).file(file, &dotenv(0));
        // The provider is named `up` for the passthrough.
        let base_url = format!("http://{}/v1", upstream.address);
        let yaml = format!("providers: {{up: {{type: openai_compatible, base_url: \"{base_url}\"}}}}\n");
        let aurora = setup.yaml(&yaml).start();
        every_damage(&aurora, file, LOST_MASTER, dotenv);
    }
}

#[test]
fn an_incomplete_secret_file_keeps_the_old_secret() {
    let upstream = Upstream::start().on("m", json(OK));
    let keys = "server: {keys: [{name: a, key_file: a.key}]}\n";
    let yaml = yaml(&upstream, "m", &format!("{keys}log: {{level: info}}\n"));
    let setup =
        Setup::new().variable("AURORA_MASTER_KEY_FILE", "master").variable("METRICS_TOKEN", METRICS_TOKEN);
    let aurora = setup.yaml(&yaml).file("a.key", NEXT_KEY).file("master", MASTER_KEY).start();
    let damages = [Damage::Gone, Damage::Empty, Damage::Directory, Damage::Fifo, Damage::DanglingLink];
    for (round, damage) in damages.into_iter().enumerate() {
        damage.inflict(&aurora.folder().join("master"), "");
        let refused = aurora.lines(REFUSED, round + 1).remove(round);
        let expected = serde_json::json!({
            "level": "ERROR", "msg": REFUSED, "reason": "a file of secrets changed", "error": "it has errors"
        });
        assert_eq!(refused, expected, "{damage:?}");
        let what = match damage {
            Damage::Empty => "is empty; write the key into it",
            Damage::Directory => "is a directory; name a file",
            Damage::Fifo => "is not a regular file; name a regular file",
            Damage::DanglingLink => "is a link to a file that does not exist; correct the link",
            _ => "does not exist; create it or name another file",
        };
        let problem =
            format!("environment AURORA_MASTER_KEY_FILE: server.master_key: master {what} [secret-file]");
        assert_eq!(problems(&aurora).last(), Some(&problem), "{damage:?}");
        assert_eq!(gauge(&aurora, METRICS_TOKEN), "0", "{damage:?}");
        assert_eq!(statuses(&aurora, "", "m"), [401; 3], "{damage:?}");
        assert_eq!(statuses(&aurora, MASTER_KEY, "m"), [200; 3], "{damage:?}");
        restore(&aurora, "master", MASTER_KEY);
        aurora.lines(RELOADED, round + 1);
        assert_eq!(gauge(&aurora, METRICS_TOKEN), "1", "{damage:?}");
    }
}

#[test]
fn a_secret_file_replaced_by_a_fifo_does_not_block_later_reloads() {
    let upstream = Upstream::start().on("m", json(OK));
    let setup = Setup::new().variable("AURORA_MASTER_KEY_FILE", "master").file("master", MASTER_KEY);
    let aurora = setup.yaml(&yaml(&upstream, "m", "")).start();
    Damage::Fifo.inflict(&aurora.folder().join("master"), "");
    aurora.lines(REFUSED, 1);
    aurora.replace("master", NEXT_KEY);
    aurora.lines(RELOADED, 1);
    assert_eq!(statuses(&aurora, MASTER_KEY, "m"), [401; 3]);
    assert_eq!(statuses(&aurora, NEXT_KEY, "m"), [200; 3]);
    aurora.signal("HUP");
    aurora.lines(RELOADED, 2);
}

#[test]
fn a_certificate_file_replaced_by_a_fifo_is_refused() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = Setup::new().yaml(&yaml(&upstream, "m", &locked(MASTER_KEY))).start();
    let with = format!("{}http: {{ca_file: ca.pem}}\n", locked(MASTER_KEY));
    assert!(Command::new("mkfifo").arg(aurora.folder().join("ca.pem")).status().expect("mkfifo").success());
    aurora.replace("config.yaml", &yaml(&upstream, "m", &with));
    aurora.signal("HUP");
    aurora.lines(REFUSED, 1);
    let problem =
        "config.yaml:6:17: http.ca_file: ca.pem is not a regular file; name a regular file [ca-file]";
    assert_eq!(problems(&aurora), [problem]);
    aurora.replace("config.yaml", &yaml(&upstream, "m", &locked(NEXT_KEY)));
    aurora.lines(RELOADED, 1);
    assert_eq!(statuses(&aurora, NEXT_KEY, "m"), [200; 3]);
}

#[test]
fn a_changed_secret_file_reloads_secrets_only() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let setup = Setup::new().variable("AURORA_MASTER_KEY_FILE", "master").file("master", MASTER_KEY);
    let env = format!("METRICS_TOKEN={METRICS_TOKEN}\nLOG_REQUESTS=off\n");
    let aurora = setup.yaml(&yaml(&upstream, "m", "")).file(".env", &env).start();

    aurora.replace("config.yaml", &yaml(&upstream, "n", ""));
    aurora.replace(".env", "METRICS_TOKEN=canary-other-token-0123456789\nOPENAI_API_KEY=k\n");
    aurora.replace("master", NEXT_KEY);
    let reloaded = aurora.lines(RELOADED, 1).remove(0);
    assert_eq!(
        (&reloaded["reason"], &reloaded["providers"]),
        (&"a file of secrets changed".into(), &1.into())
    );
    assert_eq!(statuses(&aurora, MASTER_KEY, "m"), [401; 3]);
    assert_eq!(statuses(&aurora, NEXT_KEY, "m"), [200; 3]);
    assert_eq!(statuses(&aurora, NEXT_KEY, "n")[0], 404);
    assert_eq!(statuses(&aurora, METRICS_TOKEN, "m"), [401, 401, 200]);

    fs::remove_file(aurora.folder().join("config.yaml")).expect("a file");
    aurora.replace(".env", "");
    aurora.replace("master", MASTER_KEY);
    aurora.lines(RELOADED, 2);
    assert_eq!(statuses(&aurora, "", "m"), [401; 3]);
    assert_eq!(statuses(&aurora, MASTER_KEY, "m"), [200; 3]);
    assert_eq!(gauge(&aurora, METRICS_TOKEN), "1");

    aurora.replace("config.yaml", &yaml(&upstream, "n", ""));
    aurora.replace(".env", &env);
    aurora.signal("HUP");
    aurora.lines(RELOADED, 3);
    assert_eq!(statuses(&aurora, MASTER_KEY, "n"), [200; 3]);
}

#[test]
fn secrets_rotate_while_the_configuration_is_refused() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let setup = Setup::new().variable("AURORA_MASTER_KEY_FILE", "master").file("master", MASTER_KEY);
    let aurora = setup.yaml(&yaml(&upstream, "m", "")).start();
    aurora.replace("config.yaml", "server: {port: high}\n");
    aurora.signal("HUP");
    aurora.lines(REFUSED, 1);
    aurora.replace("master", NEXT_KEY);
    aurora.lines(RELOADED, 1);
    assert_eq!(statuses(&aurora, MASTER_KEY, "m"), [401; 3]);
    assert_eq!(statuses(&aurora, NEXT_KEY, "m"), [200; 3]);
    assert_eq!(gauge(&aurora, NEXT_KEY), "0", "the configuration file is still refused");
    aurora.replace("config.yaml", &yaml(&upstream, "n", ""));
    let reloaded = aurora.lines(RELOADED, 2).remove(1);
    assert_eq!(reloaded["reason"], "retry after a refused reload");
    assert_eq!(statuses(&aurora, NEXT_KEY, "n"), [200; 3]);
    assert_eq!(gauge(&aurora, NEXT_KEY), "1");
    let refused = aurora.lines(REFUSED, 1);
    assert_eq!(refused.len(), 1, "a refusal that stays the same is logged once: {refused:#?}");
}

#[test]
fn a_reload_that_removes_the_last_key_is_refused() {
    let upstream = Upstream::start().on("m", json(OK));
    let key = |name: &str, key: &str| format!("{{name: {name}, key: {key}}}");
    let keys = |list: &str| format!("keys: [{list}]");
    let (alice, bob) = (key("alice", "canary-key-of-alice-0123"), key("bob", "canary-key-of-bob-012345"));
    let master = format!("master_key: {MASTER_KEY}");
    let lost = |what: &&str| {
        format!("it would take away {what}; a reload never unlocks: restore it, or restart to run without it")
    };
    let last_key = "the last key of server.keys";
    let last_metrics = "metrics.token, the last credential of the metrics";
    let cases: [(&str, &str, &str, &str, &[&str]); 9] = [
        (&master, "", "", "", &["server.master_key"]),
        (&master, METRICS_TOKEN, &keys(&alice), METRICS_TOKEN, &["server.master_key"]),
        (&keys(&alice), "", "", "", &[last_key]),
        (&keys(&alice), METRICS_TOKEN, "", "", &[last_key, last_metrics]),
        (&keys(&alice), METRICS_TOKEN, &keys(&alice), "", &[last_metrics]),
        ("", METRICS_TOKEN, "", "", &[last_metrics]),
        (&keys(&format!("{alice}, {bob}")), "", &keys(&bob), "", &[]),
        (&keys(&alice), METRICS_TOKEN, &master, "", &[]),
        (&master, METRICS_TOKEN, &format!("master_key: {NEXT_KEY}"), "", &[]),
    ];
    for (server, token, next_server, next_token, refused) in cases {
        let with = |server: &str, token: &str| {
            let token = if token.is_empty() { String::new() } else { format!(", token: {token}") };
            let yaml = yaml(&upstream, "m", &format!("server: {{{server}}}\n"));
            yaml.replace("{enabled: true}", &format!("{{enabled: true{token}}}"))
        };
        let aurora = Setup::new().yaml(&with(server, token)).start();
        let before = statuses(&aurora, "", "m");
        aurora.replace("config.yaml", &with(next_server, next_token));
        aurora.signal("HUP");
        if refused.is_empty() {
            aurora.lines(RELOADED, 1);
            continue;
        }
        let errors: Vec<Value> = aurora.lines(REFUSED, 1).iter().map(|line| line["error"].clone()).collect();
        let expected = refused.iter().map(lost).collect::<Vec<_>>().join("; ");
        assert_eq!(errors, [expected], "{server} {token} -> {next_server} {next_token}");
        assert_eq!(statuses(&aurora, "", "m"), before, "{server} {token}");
    }
}
