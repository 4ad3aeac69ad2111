use super::*;
use crate::config::Environment;
use crate::terminal::ColorChoice;

fn environment<'a>(variables: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Environment {
    variables.into_iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn loaded(variables: &[(&str, &str)]) -> Loaded {
    config::load(&Sources {
        environment: environment(variables),
        config_file: Some("/dev/null".into()),
        env_file: Some("/dev/null".into()),
        ..Sources::default()
    })
}

fn text(loaded: &Loaded, args: &Args) -> String {
    Report::new(loaded, args).text(args.all, &Terminal::new(ColorChoice::Never, &Environment::default()))
}

#[test]
fn names_of_the_file_cannot_drive_the_terminal() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "routes:\n  \"r\\nvalid: 0 errors\\e[2J\\u202e\": [p/m]\n").expect("a file");
    let loaded = config::load(&Sources {
        config_file: Some(path),
        env_file: Some("/dev/null".into()),
        ..Sources::default()
    });
    let text = text(&loaded, &Args::default());
    let (first, _) = text.split_once('\n').expect("a problem");
    assert!(first.contains(": routes.r\u{fffd}valid: 0 errors\u{fffd}[2J\u{fffd}: "), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    let json = json(&Report::new(&loaded, &Args::default())).expect("serialisable");
    assert!(json.contains("routes.r\\nvalid: 0 errors\\u001b[2J\\u202e"), "{json}");
}

#[test]
fn text_report_has_problems_settings_and_consequences() {
    let loaded = loaded(&[
        ("AURORA_MASTER_KEY", "0123456789abcde"),
        ("METRICS_ENABLED", "true"),
        ("BASE_PATH", "/gw"),
        ("OPENAI_API_KEY", "k"),
        ("OLLAMA_BASE_URL", "http://localhost:1/v1"),
        ("OLLAMA_MODELS", "a,b"),
        ("AZURE_BASE_URL", "https://a.example"),
        ("AZURE_API_KEY", "k"),
    ]);
    let text = text(&loaded, &Args::default());
    let (problems, rest) = text.split_once("\n\n").expect("problems before settings");
    assert_eq!(
        problems,
        "warning: environment AZURE_API_KEY: providers.azure: no models, and type azure has no list of models, so none is known; list them in models or AZURE_MODELS [no-models]\n\
         warning: environment AURORA_MASTER_KEY: server.master_key: shorter than 16 characters, so it can be \
         guessed; generate one with: openssl rand -hex 32 [short-master-key]"
    );
    let (settings, rest) = rest.split_once("\n\n").expect("settings before consequences");
    let mut lines = settings.lines().map(str::split_whitespace);
    assert!(lines.next().expect("a head").eq(["SETTING", "VALUE", "SOURCE"]));
    let first = lines.next().expect("a setting");
    assert!(first.eq(["metrics.enabled", "true", "environment", "METRICS_ENABLED"]), "{settings}");
    assert!(settings.ends_with(" settings at the default; --all shows them"), "{settings}");
    assert!(!settings.contains(" default\n"), "{settings}");
    let WorstCase { series, samples, .. } = worst_case(loaded.config.as_ref().expect("valid"));
    let worst = format!("maximum          {series} series, {samples} samples per scrape\n");
    assert!(rest.contains(&worst), "{rest}");
    assert_eq!(
        rest.replace(&worst, ""),
        "metrics          http://127.0.0.1:8080/gw/metrics, readable with the master key\n\
         provider azure   azure at https://a.example, key set, no models known\n\
         provider ollama  ollama at http://localhost:1/v1, no key, models a, b\n\
         provider openai  openai at https://api.openai.com/v1, key set, models as listed by the upstream\n\n\
         valid: 0 errors, 2 warnings\n"
    );
}

const WHOLE: &str = "\
server:
  keys:
    - {name: ci, key: \"${K1}\"}
    - {name: batch, key: \"${K2}\"}
metrics: {enabled: true, listen: \"127.0.0.1:9090\", token: \"${K3}\"}
providers:
  a: {type: ollama, models: [x], inject_usage: false}
  b: {type: ollama, models: [y]}
routes:
  fast: [a/x, b/y]
  pool: {strategy: round_robin, targets: [a/x, b/y]}
";

fn loaded_whole(variables: &[(&str, &str)]) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), WHOLE).expect("a file");
    let keys = [("K1", "1-key-of-the-tests"), ("K2", "2-key-of-the-tests"), ("K3", "3-key-of-the-tests")];
    config::load(&Sources {
        environment: environment(keys.iter().chain(variables)),
        directory: folder.path().to_owned(),
        ..Sources::default()
    })
}

#[test]
fn text_report_lists_keys_and_routes() {
    let loaded = loaded_whole(&[]);
    let text = text(&loaded, &Args::default());
    let (_, settings) = text.rsplit_once("SOURCE\n").expect("settings");
    let (_, rest) = settings.split_once("\n\n").expect("consequences");
    let kept: String = rest.split_inclusive('\n').filter(|line| !line.starts_with("maximum")).collect();
    assert_eq!(
        kept,
        "metrics     http://127.0.0.1:9090/metrics, readable with the metrics token\n\
         keys        ci, batch, not valid for the metrics endpoint\n\
         provider a  ollama at http://localhost:11434/v1, no key, models x\n\
         provider b  ollama at http://localhost:11434/v1, no key, models y\n\
         route fast  a/x, then b/y\n\
         route pool  round robin a/x, b/y\n\n\
         valid: 0 errors, 0 warnings\n"
    );
    assert!(!text.contains("of-the-tests"));
}

#[test]
fn json_report_lists_keys_and_routes() {
    fn report(variables: &[(&str, &str)]) -> serde_json::Value {
        serde_json::to_value(Report::new(&loaded_whole(variables), &Args::default())).expect("JSON")
    }
    let value = report(&[]);
    assert_eq!(value["keys"], serde_json::json!(["ci", "batch"]));
    assert_eq!(
        value["routes"],
        serde_json::json!([
            {"model": "fast", "strategy": "first", "targets": ["a/x", "b/y"]},
            {"model": "pool", "strategy": "round_robin", "targets": ["a/x", "b/y"]},
        ])
    );
    assert_eq!(
        value["providers"][0],
        serde_json::json!({
            "name": "a",
            "type": "ollama",
            "base_url": "http://localhost:11434/v1",
            "key_set": false,
            "models": ["x"],
            "inject_usage": false,
        })
    );
    assert_eq!(value["metrics"]["url"], "http://127.0.0.1:9090/metrics");
    assert_eq!(value["metrics"]["auth"], "metrics_token");
    let both = report(&[("AURORA_MASTER_KEY", "0123456789abcdef")]);
    assert_eq!(both["metrics"]["auth"], "metrics_token_or_master_key");
    assert!(!value.to_string().contains("of-the-tests"));
}

#[test]
fn strict_fails_on_warnings_that_are_not_allowed() {
    fn valid(variables: &[(&str, &str)], strict: bool, allow: &[&str]) -> bool {
        let allow = allow.iter().copied().map(str::to_owned).collect();
        Report::new(&loaded(variables), &Args { strict, allow, ..Args::default() }).valid
    }
    let both = ["no-master-key", "no-provider"];
    assert!(valid(&[], false, &[]));
    assert!(!valid(&[], true, &[]));
    assert!(!valid(&[], true, &both[..1]));
    assert!(valid(&[], true, &both));
    assert!(!valid(&[("PORT", "http")], false, &["bad-value"]));
}

#[test]
fn json_report_of_an_invalid_configuration() {
    let loaded = loaded(&[("AURORA_MASTER_KEY", "0123456789abcdef"), ("PORT", "0"), ("JINA_API_KEY", "k")]);
    let mut value = serde_json::to_value(Report::new(&loaded, &Args::default())).expect("JSON");
    let settings = value.as_object_mut().expect("an object").remove("settings").expect("settings");
    assert_eq!(
        settings[0],
        serde_json::json!({"key": "metrics.enabled", "value": false, "source": "default"})
    );
    assert_eq!(
        value,
        serde_json::json!({
            "schema": 1,
            "valid": false,
            "problems": [{
                "severity": "error",
                "id": "bad-value",
                "source": "environment PORT",
                "line": null,
                "column": null,
                "key": "server.port",
                "message": "invalid value (got \"0\", expected a port from 1 to 65535)",
                "fix": "write for example 8080",
            }],
            "metrics": null,
            "keys": [],
            "providers": [],
            "routes": [],
            "needs": [],
        })
    );
}

#[test]
fn every_setting_is_shown_on_request() {
    let loaded = loaded(&[]);
    let all = text(&loaded, &Args { all: true, ..Args::default() });
    for setting in &loaded.settings {
        assert!(all.lines().any(|line| line.starts_with(&format!("{} ", setting.key))), "{}", setting.key);
    }
    assert!(!all.contains("--all"), "{all}");
    let short = text(&loaded, &Args::default());
    assert!(short.lines().count() < 24, "{short}");
}

#[test]
fn errors_are_last_too_if_they_are_off_the_screen() {
    let loaded = loaded(&[("PORT", "http")]);
    let error = "error: environment PORT: server.port: invalid value (got \"http\", expected a port from 1 to \
                 65535); write for example 8080 [bad-value]\n";
    let long = text(&loaded, &Args { all: true, ..Args::default() });
    assert!(long.ends_with(&format!("\n{error}not valid: 1 error, 2 warnings\n")), "{long}");
    assert_eq!(long.matches(error).count(), 2);
    let short = text(&loaded, &Args::default());
    assert!(short.starts_with(error) && short.ends_with("\nnot valid: 1 error, 2 warnings\n"), "{short}");
    assert_eq!(short.matches(error).count(), 1);
}

#[test]
fn json_settings_have_types_and_no_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = "\
server: {master_key: \"${K}\", body_size_limit: 10M, keys: [{name: ci, key: \"${C}\"}]}
resilience: {retry: {initial_backoff: 500ms}}
providers:
  a.b: {type: groq, api_key: \"${G}\", models: [x, y], prices: {x: {input: 2.5, output: 3}}, resilience: {retry: {max_retries: 1}}}
routes: {fast: {targets: [a.b/x, a.b/y], strategy: round_robin}}
";
    std::fs::write(folder.path().join("config.yaml"), yaml).expect("a file");
    let keys = [
        ("K", "1-key-of-the-tests"),
        ("C", "2-key-of-the-tests"),
        ("G", "3-key-of-the-tests"),
        ("LOG_LEVEL", "loud"),
    ];
    let loaded = config::load(&Sources {
        environment: environment(&keys),
        directory: folder.path().to_owned(),
        ..Sources::default()
    });
    let report = serde_json::to_value(Report::new(&loaded, &Args::default())).expect("JSON");
    let value = |key: &str| {
        let rows = report["settings"].as_array().expect("a list");
        rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key} in {rows:#?}"))["value"]
            .clone()
    };
    for (key, expected) in [
        ("metrics.enabled", serde_json::json!(false)),
        ("metrics.max_series", serde_json::json!(4000)),
        ("metrics.listen", serde_json::json!(null)),
        ("metrics.token", serde_json::json!(null)),
        ("server.port", serde_json::json!(8080)),
        ("server.host", serde_json::json!("0.0.0.0")),
        ("server.master_key", serde_json::json!("set (18 characters)")),
        ("server.keys.ci", serde_json::json!("set (18 characters)")),
        ("server.body_size_limit", serde_json::json!(10 << 20)),
        ("server.body_memory", serde_json::json!(null)),
        ("server.max_connections", serde_json::json!(null)),
        ("server.timeouts.idle", serde_json::json!(75.0)),
        ("log.level", serde_json::json!(null)),
        ("resilience.retry.initial_backoff", serde_json::json!(0.5)),
        ("resilience.retry.backoff_factor", serde_json::json!(2.0)),
        ("providers.a.b.api_key", serde_json::json!("set (18 characters)")),
        ("providers.a.b.models", serde_json::json!(["x", "y"])),
        ("providers.a.b.inject_usage", serde_json::json!(true)),
        (
            "providers.a.b.prices.x",
            serde_json::json!({"input": 2.5, "output": 3.0, "cache_read": 2.5, "cache_write": 2.5}),
        ),
        ("providers.a.b.resilience.retry.max_retries", serde_json::json!(1)),
        ("routes.fast.targets", serde_json::json!(["a.b/x", "a.b/y"])),
        ("routes.fast.strategy", serde_json::json!("round_robin")),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert!(!report.to_string().contains("of-the-tests"));
}

#[test]
fn a_refused_value_is_shown_as_refused() {
    let loaded = loaded(&[("PORT", "http"), ("METRICS_TOKEN_FILE", "/absent/file"), ("LOG_LEVEL", "warn")]);
    let text = text(&loaded, &Args::default());
    let (_, settings) = text.split_once("SETTING").expect("settings");
    let rows: Vec<String> =
        settings.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "metrics.token refused default",
            "server.port refused environment PORT",
            "log.level warn environment LOG_LEVEL",
            "",
            "not valid: 2 errors, 2 warnings",
        ]
    );
}
