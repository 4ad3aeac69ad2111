//! Loading: error texts, precedence of sources, configured and inferred providers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aurora::config::{
    CircuitBreaker, Config, Demo, Environment, Flag, Key, Loaded, Prices, Resilience, Retry, Severity,
    Sources, Strategy, load,
};

/// A key without a warning, and a provider of a type that no other test uses.
const QUIET: [(&str, &str); 2] = [("AURORA_MASTER_KEY", "0123456789abcdef"), ("JINA_API_KEY", "k")];

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn problems(loaded: &Loaded) -> String {
    let line = |problem: &aurora::config::Problem| match problem.severity {
        Severity::Error => format!("error: {problem}\n"),
        Severity::Warning => format!("warning: {problem}\n"),
    };
    loaded.problems.iter().map(line).collect()
}

/// A folder with these files, and what loading it says.
struct Folder(tempfile::TempDir);

impl Folder {
    #[expect(clippy::expect_used, reason = "a test without its files has failed")]
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        }
        Self(folder)
    }

    fn sources(&self, variables: &[(&str, &str)]) -> Sources {
        Sources {
            environment: environment(variables),
            directory: self.0.path().to_owned(),
            ..Sources::default()
        }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Loaded {
        load(&self.sources(variables))
    }
}

fn config(loaded: &Loaded) -> &Config {
    loaded.config.as_ref().unwrap_or_else(|| panic!("{}", problems(loaded)))
}

/// `name type base_url key models` of every provider.
fn providers(loaded: &Loaded) -> Vec<String> {
    let line = |provider: &aurora::config::Provider| {
        let key = provider.api_key.as_ref().map_or("-", |key| key.expose());
        let models = provider.models.join(",");
        format!("{} {} {} {key} [{models}]", provider.name, provider.kind.name, provider.base_url)
    };
    config(loaded).providers.iter().map(|provider| line(provider)).collect()
}

#[test]
fn every_configuration_error_has_its_exact_text() {
    let folder = Path::new("tests/it/testdata/bad");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let with = |extension: &str| {
            let file = path.with_extension(extension);
            file.exists().then(|| PathBuf::from(file.file_name().expect("a name")))
        };
        let own = fs::read_to_string(path.with_extension("vars")).unwrap_or_default();
        let variables: Vec<_> =
            QUIET.into_iter().chain(own.lines().filter_map(|line| line.split_once('='))).collect();
        let loaded = load(&Sources {
            environment: environment(&variables),
            directory: folder.to_owned(),
            config_file: with("yaml"),
            env_file: with("env"),
            ..Sources::default()
        });
        assert_eq!(problems(&loaded), fs::read_to_string(&path).expect("the text"), "{}", path.display());
        let fails = loaded.problems.iter().any(|problem| problem.severity == Severity::Error);
        assert_eq!(loaded.config.is_none(), fails, "{}", path.display());
        count += 1;
    }
    assert!(count > 130, "only {count} files");
}

#[test]
fn a_file_over_one_mebibyte_is_refused() {
    let folder = Folder::new(&[("config.yaml", &"#".repeat((1 << 20) + 1))]);
    let expected = "error: config.yaml: is larger than 1 MiB; name a configuration file [file-too-large]\n";
    assert_eq!(problems(&folder.load(&QUIET)), expected);
    let folder = Folder::new(&[("config.yaml", &"#".repeat(1 << 20))]);
    assert_eq!(problems(&folder.load(&QUIET)), "");
}

#[test]
fn yaml_aliases_of_large_lists_are_refused() {
    let text = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(5000), "*a,".repeat(5000));
    let place = 5 + 3 * 9;
    let expected = format!(
        "error: config.yaml:2:{place}: more than 50000 values after its aliases are expanded; write the values out [yaml-bomb]\n"
    );
    assert_eq!(problems(&Folder::new(&[("config.yaml", &text)]).load(&QUIET)), expected);
}

#[test]
fn a_named_file_must_exist() {
    let folder = Folder::new(&[]);
    let fix = "does not exist; create it, or name another with --config [no-config-file]";
    let loaded = folder.load(&[QUIET[0], QUIET[1], ("AURORA_CONFIG_PATH", "absent.yaml")]);
    assert_eq!(problems(&loaded), format!("error: absent.yaml: {fix}\n"));
    let sources = Sources {
        config_file: Some("other.yaml".into()),
        env_file: Some("absent.env".into()),
        ..folder.sources(&QUIET)
    };
    let env = "does not exist; create it, or drop --env-file [no-env-file]";
    assert_eq!(problems(&load(&sources)), format!("error: other.yaml: {fix}\nwarning: absent.env: {env}\n"));
}

#[test]
fn the_first_file_found_is_used() {
    let all = ["config.yaml", "config/config.yaml", "configs/config.yaml"];
    for (index, name) in all.iter().enumerate() {
        let files: Vec<_> = all[index..].iter().map(|name| (*name, "server:\n  port: 9000\n")).collect();
        let source = format!("{name}:2");
        assert_eq!(Folder::new(&files).load(&QUIET).source_of(Key::ServerPort), Some(source.as_str()));
    }
    assert_eq!(Folder::new(&[]).load(&QUIET).source_of(Key::ServerPort), Some("default"));
}

#[test]
fn a_later_source_overrides_with_a_warning() {
    let yaml = ("config.yaml", "server:\n  port: 1001\n");
    let dotenv = (".env", "# first\nPORT=1000\nPORT=1002\n");
    let variable = ("PORT", "1003");
    let flag = Flag { name: "--port", key: Key::ServerPort, value: "0".to_owned() };
    let cases: [(&[_], &[_], Vec<Flag>, u16, &str); 6] = [
        (&[], &[], vec![], 8080, "default"),
        (&[yaml], &[], vec![], 1001, "config.yaml:2"),
        (&[yaml, dotenv], &[], vec![], 1002, ".env:3"),
        (&[yaml, dotenv], &[variable], vec![], 1003, "environment PORT"),
        (&[yaml, dotenv], &[("PORT", "")], vec![], 1002, ".env:3"),
        (&[yaml, dotenv], &[variable], vec![flag], 0, "--port"),
    ];
    for (files, variables, flags, port, source) in cases {
        let folder = Folder::new(files);
        let loaded = load(&Sources { flags, ..folder.sources(variables) });
        assert_eq!((config(&loaded).server.port, loaded.source_of(Key::ServerPort)), (port, Some(source)));
    }
}

#[test]
fn an_appended_dotenv_line_disables_metrics() {
    let folder = Folder::new(&[(".env", "METRICS_ENABLED=true\nMETRICS_ENABLED=false\n")]);
    assert!(!config(&folder.load(&QUIET)).metrics.enabled);
    let folder = Folder::new(&[("config.yaml", "metrics:\n  enabled: ${METRICS:-on}\n")]);
    assert!(config(&folder.load(&QUIET)).metrics.enabled);
    assert!(!config(&folder.load(&[("METRICS", "no")])).metrics.enabled);
}

#[test]
fn setups_of_the_metrics_page_load() {
    let production = "PORT=8080\nAURORA_MASTER_KEY=<your Aurora master key>\nMETRICS_ENABLED=true\n\
                      METRICS_ENDPOINT=/metrics\nOPENAI_API_KEY=<your OpenAI API key>\n";
    let loaded = Folder::new(&[(".env", production)]).load(&[]);
    let ids: Vec<_> = loaded.problems.iter().map(|problem| (problem.line, problem.id)).collect();
    assert_eq!(ids, [(Some(2), "placeholder-key"), (Some(5), "placeholder-key")]);
    assert_eq!(providers(&loaded), ["openai openai https://api.openai.com/v1 <your OpenAI API key> []"]);
    let key = config(&loaded).server.master_key.as_ref().map(|key| key.expose().to_owned());
    assert_eq!(key.as_deref(), Some("<your Aurora master key>"));
    assert!(config(&loaded).metrics.enabled);

    let development = "PORT=8080\nMETRICS_ENABLED=false\nOPENAI_API_KEY=<your OpenAI API key>\n";
    let loaded = Folder::new(&[(".env", development)]).load(&[]);
    assert!(!config(&loaded).metrics.enabled);

    let custom = "server:\n  port: \"8080\"\n  master_key: \"${AURORA_MASTER_KEY}\"\nmetrics:\n  enabled: true\n  \
                  endpoint: \"/internal/prometheus\" # Custom path\nproviders:\n  openai:\n    type: \"openai\"\n    \
                  api_key: \"${OPENAI_API_KEY}\"\n";
    let loaded = Folder::new(&[("config.yaml", custom)]).load(&[QUIET[0], ("OPENAI_API_KEY", "sk")]);
    assert_eq!(problems(&loaded), "");
    assert_eq!(config(&loaded).metrics_path(), "/internal/prometheus");
    assert_eq!(providers(&loaded), ["openai openai https://api.openai.com/v1 sk []"]);
}

#[test]
fn the_example_file_equals_the_defaults() {
    let example =
        load(&Sources { config_file: Some("config.yaml".into()), directory: ".".into(), ..quiet_dotenv() });
    let bare = Folder::new(&[]).load(&[]);
    let values = |loaded: &Loaded| {
        loaded.settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&example), values(&bare));
    let ids: Vec<_> = example.problems.iter().map(|problem| problem.id).collect();
    assert_eq!(ids, ["unset-key", "unset-key", "no-master-key", "no-provider"]);

    let keys = [("OPENAI_API_KEY", "a"), ("GROQ_API_KEY", "b")];
    let loaded = load(&Sources {
        environment: environment(&keys),
        config_file: Some("config.yaml".into()),
        ..quiet_dotenv()
    });
    assert_eq!(
        providers(&loaded),
        [
            "openai openai https://api.openai.com/v1 a []",
            "groq groq https://api.groq.com/openai/v1 b [llama-3.3-70b-versatile,llama-3.1-8b-instant]",
        ]
    );
}

#[test]
fn commented_settings_of_the_example_file_load() {
    let example = fs::read_to_string("config.yaml").expect("the example");
    let taken_up: String = example
        .lines()
        .map(|line| match line.trim_start().strip_prefix('#') {
            Some(rest) if !rest.is_empty() && (!rest.starts_with(' ') || rest.starts_with("  ")) => {
                format!("{}{rest}\n", &line[..line.len() - rest.len() - 1])
            }
            _ => format!("{line}\n"),
        })
        .map(|line| line.replace("/etc/ssl/private-ca.pem", "ca.pem"))
        .collect();
    let authority = certificate();
    let folder = Folder::new(&[("config.yaml", &taken_up), ("ca.pem", &authority)]);
    let loaded = folder.load(&[
        QUIET[0],
        ("OPENAI_API_KEY", "a"),
        ("GROQ_API_KEY", "b"),
        ("TEAM_A_KEY", "a-key-of-the-tests-1"),
        ("NIGHTLY_BATCH_KEY", "a-key-of-the-tests-2"),
        ("METRICS_TOKEN", "a-token-of-the-tests"),
    ]);
    assert_eq!(problems(&loaded), "");
    let config = config(&loaded);
    assert_eq!(names_of_keys(config), ["team-a", "nightly-batch"]);
    assert_eq!(config.http.ca_file.as_deref(), Some(folder.0.path().join("ca.pem").as_path()));
    assert_eq!(config.metrics_url(), "http://127.0.0.1:9090/metrics");
    let routes: Vec<_> = config.routes.iter().map(|route| (route.model.as_str(), route.strategy)).collect();
    assert_eq!(routes, [("fast", Strategy::First), ("pool", Strategy::RoundRobin)]);
    let groq = &config.providers[1];
    let price = Prices { input: 590_000, output: 790_000, cache_read: 590_000, cache_write: 590_000 };
    assert_eq!(groq.prices.get("llama-3.3-70b-versatile"), Some(&price));
    assert_eq!((groq.inject_usage, groq.resilience.retry.max_retries), (false, 1));
}

/// A certificate in PEM that can be trusted.
fn certificate() -> String {
    let made = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).expect("a certificate");
    made.cert.pem()
}

fn names_of_keys(config: &Config) -> Vec<&str> {
    config.server.keys.iter().map(|key| key.name.as_str()).collect()
}

/// Keeps a developer's own `.env` out of it.
fn quiet_dotenv() -> Sources {
    Sources { env_file: Some("/dev/null".into()), ..Sources::default() }
}

#[test]
fn provider_variables_configure_providers() {
    let loaded = Folder::new(&[]).load(&[
        ("OPENAI_API_KEY", "a"),
        ("OPENAI_EAST_API_KEY", "b"),
        ("OPENAI_EAST_BASE_URL", "https://east.example/v1/"),
        ("OPENAI_COMPATIBLE_LAB_BASE_URL", "https://lab.example/v1"),
        ("OPENAI_COMPATIBLE_LAB_MODELS", "x, y,"),
        ("OLLAMA_BASE_URL", "http://localhost:11434/v1"),
        ("ANTHROPIC_API_KEY", "c"),
        ("ANTHROPIC_BASE_URL", "https://anthropic.example"),
        ("AZURE_API_KEY", "d"),
        ("AZURE_BASE_URL", "https://azure.example/openai"),
    ]);
    assert_eq!(
        providers(&loaded),
        [
            "anthropic anthropic https://anthropic.example/v1 c []",
            "azure azure https://azure.example/openai d []",
            "ollama ollama http://localhost:11434/v1 - []",
            "openai openai https://api.openai.com/v1 a []",
            "openai-east openai https://east.example/v1 b []",
            "openai_compatible-lab openai_compatible https://lab.example/v1 - [x,y]",
        ]
    );
    let azure = config(&loaded).providers[1].api_version.as_deref();
    assert_eq!(azure, Some("2024-10-21"));
    assert_eq!(
        settings(&loaded, "providers.openai-east.api_key"),
        ["providers.openai-east.api_key = set (1 characters) (environment OPENAI_EAST_API_KEY)"]
    );
}

#[test]
fn provider_types_without_a_model_list_require_models() {
    let yaml = "providers:\n  az: {type: azure, api_key: k, base_url: \"https://a.example\"}\n  \
                b: {type: azure, api_key: k, base_url: \"https://b.example\", models: [m]}\n  \
                c: {type: openai, api_key: k}\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&[]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems.iter().filter(|problem| problem.contains("[no-models]")).collect::<Vec<_>>(),
        [
            "config.yaml:2:3: providers.az: no models, and type azure has no list of models, so none is known; list them in models or AZURE_MODELS [no-models]"
        ]
    );
    assert_eq!(settings(&loaded, "providers.az.models"), ["providers.az.models = none is known (default)"]);
}

#[test]
fn variables_override_providers_of_the_file() {
    let yaml = "providers:\n  second: {type: groq, api_key: \"${UNSET}\"}\n  openai: {type: openai, api_key_file: key}\n  \
                other: {type: openai, api_key: \"${K}\"}\n";
    let loaded = Folder::new(&[("config.yaml", yaml), ("key", "from-file\n")]).load(&[
        ("K", "k"),
        ("GROQ_API_KEY", "g"),
        ("OPENAI_MODELS", "m"),
        ("JINA_API_KEY", "j"),
    ]);
    assert_eq!(
        providers(&loaded),
        [
            "second groq https://api.groq.com/openai/v1 g []",
            "openai openai https://api.openai.com/v1 from-file [m]",
            "other openai https://api.openai.com/v1 k []",
            "jina jina https://api.jina.ai/v1 j []",
        ]
    );
}

#[test]
fn inferred_variables_are_listed() {
    let yaml = "server:\n  master_key: ${MASTER}\n  port: ${THE_PORT}\n  keys:\n  - {name: ci, key: \"${CI}\"}\n  - {name: cd, key_file: \"${CD}\"}\n\
                metrics:\n  token: ${TOKEN}\nhttp:\n  proxy: ${PROXY}\nproviders:\n  a: {type: openai, api_key: \"${KEY}\", \
                resilience: {retry: {max_retries: \"${RETRIES}\"}}}\n  b: {type: openai, api_key_file: \"${FILE}\"}\n\
                routes:\n  fast: [\"${TARGET}\"]\n";
    let folder = Folder::new(&[("config.yaml", yaml)]);
    let loaded = load(&Sources { assume_set: true, ..folder.sources(&[]) });
    assert_eq!(
        (problems(&loaded).as_str(), loaded.needs.join(" ").as_str()),
        ("", "CD CI FILE KEY MASTER PROXY RETRIES TARGET THE_PORT TOKEN")
    );
    let value =
        |key: &str| loaded.settings.iter().find(|setting| setting.key == key).map(|s| s.value.clone());
    for key in [
        "server.master_key",
        "server.port",
        "server.keys.ci",
        "server.keys.cd",
        "metrics.token",
        "http.proxy",
        "providers.a.api_key",
        "providers.a.resilience.retry.max_retries",
        "providers.b.api_key",
        "routes.fast.targets",
    ] {
        assert_eq!(value(key).as_deref(), Some("taken for set"), "{key}");
    }
}

#[test]
fn demo_ignores_providers_unless_a_file_is_named() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "server:\n  port: 1\nproviders:\n  a: {type: ollama}\nroutes:\n  r: [a/x, demo/demo-fast]\n",
        ),
        (".env", "PORT=2\n"),
    ]);
    let demo = Some(Demo {
        base_url: "http://127.0.0.1:9/v1".parse().expect("a URL"),
        models: vec!["demo-fast".into()],
    });
    let variables = [("OPENAI_API_KEY", "k"), ("METRICS_ENDPOINT", "/m"), QUIET[0]];
    let loaded = load(&Sources { demo: demo.clone(), ..folder.sources(&variables) });
    let summary = |loaded: &Loaded| {
        let config = config(loaded);
        (config.server.host.clone(), config.server.port, config.metrics.enabled, config.metrics_path())
    };
    assert_eq!(summary(&loaded), ("127.0.0.1".to_owned(), 8080, true, "/m".to_owned()));
    assert_eq!(providers(&loaded), ["demo openai_compatible http://127.0.0.1:9/v1 - [demo-fast]"]);
    assert_eq!(problems(&loaded), "");

    let named = Sources {
        demo,
        config_file: Some("config.yaml".into()),
        ..folder.sources(&[("METRICS_ENABLED", "no"), QUIET[0]])
    };
    let loaded = load(&named);
    assert_eq!(summary(&loaded), ("127.0.0.1".to_owned(), 1, false, "/metrics".to_owned()));
    let warning = "warning: config.yaml:4:3: providers.a: ignored by --demo; drop --demo to use it [demo-provider-only]\n\
                   warning: config.yaml:6:6: routes.r: a/x is left out because its provider is; see the problem of provider a \
                   [target-left-out]\n";
    assert_eq!(problems(&loaded), warning);
    assert_eq!(settings(&loaded, "routes.r.targets"), ["routes.r.targets = demo/demo-fast (config.yaml:6)"]);
    assert_eq!(settings(&loaded, "http.proxy"), ["http.proxy = none (--demo)"]);
}

/// `key value source` of the settings below `prefix`.
fn settings(loaded: &Loaded, prefix: &str) -> Vec<String> {
    let below = loaded.settings.iter().filter(|setting| setting.key.starts_with(prefix));
    below.map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.source)).collect()
}

#[test]
fn secrets_are_read_from_files() {
    let yaml = "server:\n  keys:\n  - {name: ci, key_file: ci.key}\nproviders:\n  a: {type: groq, api_key_file: groq.key}\n";
    let files = [
        ("config.yaml", yaml),
        ("master.key", "the-master-key-of-this-test\n"),
        ("token", "the-token-of-this-test\r\n"),
        ("ci.key", "the-ci-key-of-this-test"),
        ("groq.key", "groq\n"),
        ("openai.key", "openai\n"),
    ];
    let folder = Folder::new(&files);
    let loaded = folder.load(&[
        ("AURORA_MASTER_KEY_FILE", "master.key"),
        ("METRICS_TOKEN_FILE", "token"),
        ("OPENAI_API_KEY_FILE", "openai.key"),
    ]);
    assert_eq!(problems(&loaded), "");
    let config = config(&loaded);
    let exposed = |secret: &Option<aurora::config::Secret>| secret.as_ref().map(|s| s.expose().to_owned());
    assert_eq!(exposed(&config.server.master_key).as_deref(), Some("the-master-key-of-this-test"));
    assert_eq!(exposed(&config.metrics.token).as_deref(), Some("the-token-of-this-test"));
    assert_eq!(config.server.keys[0].key.expose(), "the-ci-key-of-this-test");
    assert_eq!(
        providers(&loaded),
        [
            "a groq https://api.groq.com/openai/v1 groq []",
            "openai openai https://api.openai.com/v1 openai []",
        ]
    );
    let path = |name: &str| folder.0.path().join(name);
    assert_eq!(config.secret_files, ["ci.key", "groq.key", "master.key", "openai.key", "token"].map(path));
    assert_eq!(loaded.secret_file_of(Key::MetricsToken), Some(path("token").as_path()));
    assert_eq!(settings(&loaded, "server.keys"), ["server.keys.ci = set (23 characters) (config.yaml:3)"]);
    assert!(!format!("{loaded:?}").contains("of-this-test"));

    let loaded = folder.load(&[QUIET[0], ("METRICS_TOKEN", "the-token-of-this-test")]);
    assert_eq!(loaded.secret_file_of(Key::MetricsToken), None);
}

#[test]
fn a_key_variable_overrides_key_and_key_file() {
    let yaml = "providers:\n  openai: {type: openai, api_key: \"${K}\"}\n";
    let folder = Folder::new(&[("config.yaml", yaml), ("key", "from-file\n")]);
    let loaded = folder.load(&[QUIET[0], ("K", "from-yaml"), ("OPENAI_API_KEY_FILE", "key")]);
    assert_eq!(providers(&loaded), ["openai openai https://api.openai.com/v1 from-file []"]);
    let both = [QUIET[0], QUIET[1], ("K", "k"), ("OPENAI_API_KEY_FILE", "key"), ("OPENAI_API_KEY", "k")];
    let expected = "error: environment OPENAI_API_KEY: providers.openai.api_key: api_key and api_key_file are both given; \
                    keep one of them [two-keys]\n";
    assert_eq!(problems(&folder.load(&both)), expected);
}

#[test]
fn more_than_a_thousand_keys_are_refused() {
    let yaml = |count: usize| {
        let keys = (0..count).map(|n| format!("  - {{name: k{n}, key: a-key-of-the-tests-{n}}}\n"));
        format!("server:\n  keys:\n{}", keys.collect::<String>())
    };
    let loaded = Folder::new(&[("config.yaml", &yaml(1000))]).load(&QUIET);
    assert_eq!((problems(&loaded).as_str(), config(&loaded).server.keys.len()), ("", 1000));
    let expected = "error: config.yaml:1003:5: server.keys: 1001 keys (expected 1000 or fewer); remove those that are not used [too-many-keys]\n";
    assert_eq!(problems(&Folder::new(&[("config.yaml", &yaml(1001))]).load(&QUIET)), expected);
}

#[test]
fn named_keys_alone_require_authentication_for_api_and_metrics() {
    let yaml = "server:\n  keys: [{name: ci, key: a-key-of-the-tests-1}]\nmetrics: {enabled: true}\n";
    let folder = Folder::new(&[("config.yaml", yaml)]);
    let expected = "warning: config.yaml:3:20: metrics.endpoint: closed to everyone, because server.keys are for the API only; \
                    set METRICS_TOKEN or AURORA_MASTER_KEY [closed-metrics]\n";
    assert_eq!(problems(&folder.load(&[QUIET[1]])), expected);
    assert_eq!(problems(&folder.load(&[QUIET[1], ("METRICS_TOKEN", "a-token-of-the-tests")])), "");
}

#[test]
fn provider_resilience_overrides_the_global_one() {
    let yaml = "resilience:\n  retry: {max_retries: 2}\n  circuit_breaker: {timeout: 10s}\nproviders:\n  a:\n    type: ollama\n    \
                resilience:\n      retry: {backoff_factor: 3, jitter_factor: 0}\n      circuit_breaker: {failure_threshold: 0}\n  \
                b: {type: ollama}\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&[QUIET[0], ("RETRY_MAX_BACKOFF", "1m30s")]);
    assert_eq!(problems(&loaded), "");
    let second = std::time::Duration::from_secs(1);
    let all = Resilience {
        retry: Retry {
            max_retries: 2,
            initial_backoff: second / 4,
            max_backoff: 90 * second,
            backoff_factor: 2.0,
            jitter_factor: 0.1,
        },
        circuit_breaker: CircuitBreaker { failure_threshold: 5, success_threshold: 2, timeout: 10 * second },
    };
    let own = Resilience {
        retry: Retry { backoff_factor: 3.0, jitter_factor: 0.0, ..all.retry },
        circuit_breaker: CircuitBreaker { failure_threshold: 0, ..all.circuit_breaker },
    };
    let config = config(&loaded);
    assert_eq!(config.resilience, all);
    let of_providers: Vec<_> = config.providers.iter().map(|provider| provider.resilience).collect();
    assert_eq!(of_providers, [own, all]);
    assert_eq!(
        settings(&loaded, "providers.a.resilience"),
        [
            "providers.a.resilience.circuit_breaker.failure_threshold = 0 (config.yaml:9)",
            "providers.a.resilience.retry.backoff_factor = 3 (config.yaml:8)",
            "providers.a.resilience.retry.jitter_factor = 0 (config.yaml:8)",
        ]
    );
    assert_eq!(
        settings(&loaded, "resilience.retry.max"),
        [
            "resilience.retry.max_retries = 2 (config.yaml:2)",
            "resilience.retry.max_backoff = 90s (environment RETRY_MAX_BACKOFF)",
        ]
    );
}

#[test]
fn prices_are_parsed_exactly() {
    let yaml = "providers:\n  a:\n    type: ollama\n    prices:\n      gpt-4.1-mini: {input: 0.4, output: 1.6, cache_read: 0.1}\n      \
                x/y: {input: \"0.000001\", output: 2, cache_read: 0, cache_write: 3.75}\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&[QUIET[0]]);
    assert_eq!(problems(&loaded), "");
    let prices: Vec<_> = config(&loaded).providers[0].prices.iter().map(|(m, p)| (m.as_str(), *p)).collect();
    assert_eq!(
        prices,
        [
            (
                "gpt-4.1-mini",
                Prices { input: 400_000, output: 1_600_000, cache_read: 100_000, cache_write: 400_000 }
            ),
            ("x/y", Prices { input: 1, output: 2_000_000, cache_read: 0, cache_write: 3_750_000 }),
        ]
    );
    assert_eq!(
        settings(&loaded, "providers.a.prices"),
        [
            "providers.a.prices.gpt-4.1-mini = input 0.4, output 1.6, cache_read 0.1, cache_write 0.4 (config.yaml:5)",
            "providers.a.prices.x/y = input 0.000001, output 2, cache_read 0, cache_write 3.75 (config.yaml:6)",
        ]
    );
}

#[test]
fn routes_keep_the_order_of_targets() {
    let yaml = "providers:\n  a: {type: ollama, models: [x, b/y]}\n  b: {type: ollama}\nroutes:\n  smart: [a/b/y, b/z, jina/w]\n  \
                one: a/x\n  both: a/x, b/x\n  a/x: {targets: [b/x], strategy: round_robin}\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&QUIET);
    assert_eq!(
        problems(&loaded),
        "warning: config.yaml:6:8: routes.one: a/x is also a route, but a target is always a model of a provider; list the \
         targets of that route here, or rename it [target-is-route]\n\
         warning: config.yaml:7:9: routes.both: a/x is also a route, but a target is always a model of a provider; list the \
         targets of that route here, or rename it [target-is-route]\n"
    );
    assert_eq!(
        settings(&loaded, "routes."),
        [
            "routes.smart.targets = a/b/y, b/z, jina/w (config.yaml:5)",
            "routes.smart.strategy = first (default)",
            "routes.one.targets = a/x (config.yaml:6)",
            "routes.one.strategy = first (default)",
            "routes.both.targets = a/x, b/x (config.yaml:7)",
            "routes.both.strategy = first (default)",
            "routes.a/x.targets = b/x (config.yaml:8)",
            "routes.a/x.strategy = round_robin (config.yaml:8)",
        ]
    );
    let config = config(&loaded);
    let target = &config.routes[0].targets[0];
    assert_eq!((target.provider.as_str(), target.model.as_str()), ("a", "b/y"));
    assert_eq!(config.named_models(), [("a", "x"), ("a", "b/y"), ("b", "z"), ("jina", "w"), ("b", "x")]);
}

#[test]
fn a_route_without_a_usable_provider_is_dropped() {
    let yaml = "providers:\n  b: {type: groq, api_key: \"${NOT_SET}\"}\nroutes:\n  a: [b/x]\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&QUIET);
    assert!(config(&loaded).routes.is_empty());
    let ids: Vec<_> = loaded.problems.iter().map(|problem| problem.id).collect();
    assert_eq!(ids, ["unset-key", "target-left-out"]);
}

#[test]
fn proxies_are_read_from_settings_and_environment() {
    let yaml = ("config.yaml", "http:\n  proxy: proxy.internal:3128\n");
    let all = ("HTTPS_PROXY", "http://user:hidden@secure.internal:1");
    let cases: [(&[_], &[_], &str); 6] = [
        (&[], &[], "none (default)"),
        (&[], &[("NO_PROXY", "a")], "none (default)"),
        (
            &[yaml],
            &[("no_proxy", "a, .b")],
            "http://proxy.internal:3128; not for a, .b (config.yaml:2, environment no_proxy)",
        ),
        (
            &[],
            &[("http_proxy", "http://lower"), ("HTTP_PROXY", "http://upper")],
            "http: http://lower (environment http_proxy)",
        ),
        (
            &[yaml],
            &[all],
            "https: http://…@secure.internal:1, http: http://proxy.internal:3128 (environment HTTPS_PROXY, config.yaml:2)",
        ),
        (&[(".env", "HTTP_PROXY=http://file\n")], &[], "http: http://file (.env:1)"),
    ];
    for (files, variables, expected) in cases {
        let loaded = Folder::new(files).load(variables);
        assert_eq!(settings(&loaded, "http.proxy"), [format!("http.proxy = {expected}")]);
        assert!(!format!("{loaded:?}").contains("hidden"));
    }
    let proxy = config(&Folder::new(&[yaml]).load(&[all, ("NO_PROXY", "x")])).http.proxy.clone();
    let urls = [&proxy.https, &proxy.http].map(|url| url.as_ref().map(|url| url.as_str().to_owned()));
    assert_eq!(
        urls.map(Option::unwrap_or_default),
        ["http://user:hidden@secure.internal:1/", "http://proxy.internal:3128/"]
    );
    assert_eq!(proxy.no_proxy, ["x"]);
}

#[test]
fn metrics_listen_address_is_separate() {
    let variables = [("BASE_PATH", "/gw"), ("METRICS_LISTEN", "[::]:9090"), ("METRICS_MAX_MODELS", "7")];
    let loaded = Folder::new(&[]).load(&variables);
    let own = config(&loaded);
    assert_eq!(own.metrics_address(), ("::", 9090));
    assert_eq!((own.metrics_path().as_str(), own.metrics.max_series), ("/metrics", 140));
    assert_eq!(own.metrics_url(), "http://[::1]:9090/metrics");
    assert_eq!(
        settings(&loaded, "metrics.")[2..],
        [
            "metrics.max_models = 7 (environment METRICS_MAX_MODELS)",
            "metrics.max_unlisted_models = 20 (default)",
            "metrics.max_series = 140 (20 × metrics.max_models) (default)",
            "metrics.exemplars = false (default)",
            "metrics.listen = [::]:9090 (environment METRICS_LISTEN)",
            "metrics.token = not set (default)",
        ]
    );
    let loaded = Folder::new(&[]).load(&[("METRICS_LISTEN", "127.0.0.1:0"), ("METRICS_MAX_SERIES", "100")]);
    assert_eq!(config(&loaded).metrics.listen, Some(("127.0.0.1".to_owned(), 0)));
    assert_eq!(config(&loaded).metrics.max_series, 100);
}

#[test]
fn usage_injection_depends_on_the_provider_type() {
    let declaring: Vec<_> =
        aurora::config::PROVIDER_TYPES.iter().filter(|row| row.inject_usage).map(|row| row.name).collect();
    assert_eq!(
        declaring,
        ["openai", "anthropic", "groq", "deepseek", "openrouter", "xai", "ollama", "vllm", "azure"]
    );
    let yaml = "providers:\n  a: {type: ollama}\n  b: {type: ollama, inject_usage: off}\n  c: {type: jina, api_key: \"${JINA_API_KEY}\", inject_usage: \"1\"}\n";
    let loaded = Folder::new(&[("config.yaml", yaml)]).load(&QUIET);
    let usage: Vec<_> = config(&loaded).providers.iter().map(|provider| provider.inject_usage).collect();
    assert_eq!(usage, [true, false, true]);
}

#[test]
fn reload_reads_all_sources_again() {
    let folder =
        Folder::new(&[("config.yaml", "server:\n  master_key: ${K}\n"), (".env", "K=0123456789abcdef-1\n")]);
    let sources = folder.sources(&[QUIET[1]]);
    let key = |loaded: &Loaded| config(loaded).server.master_key.as_ref().map(|key| key.expose().to_owned());
    assert_eq!(key(&load(&sources)).as_deref(), Some("0123456789abcdef-1"));
    fs::write(folder.0.path().join(".env"), "K=0123456789abcdef-2\n").expect("a file");
    assert_eq!(key(&load(&sources)).as_deref(), Some("0123456789abcdef-2"));
}

#[test]
fn an_inline_key_in_a_world_readable_file_is_warned_of() {
    let key = "inline-secret-value-of-the-test";
    let folder = Folder::new(&[("config.yaml", &format!("server:\n  master_key: {key}\n"))]);
    assert_eq!(problems(&folder.load(&[QUIET[1]])), "");
    let path = folder.0.path().join("config.yaml");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("permissions");
    let loaded = folder.load(&[QUIET[1]]);
    let expected = "warning: config.yaml: contains a key and is readable by every user of this machine; \
                    chmod 600 it, or write ${VAR} instead of the key [readable-key]\n";
    assert_eq!(problems(&loaded), expected);
    assert!(!format!("{loaded:?}").contains(key));
}

proptest::proptest! {
    #[test]
    fn arbitrary_yaml_never_panics(text in "([a-z0-9é]|[:\\-\\[\\]{}&*!|>'\"#%@,$=~<? \t\n]|: |\n  |- |\\$\\{|server:\n  (keys:\n  - )?|routes:\n  a: |providers:\n  a: (type: ollama\n    (prices:\n      |resilience:\n      ))?){0,60}") {
        let folder = Folder::new(&[("config.yaml", &text), (".env", &text)]);
        let loaded = folder.load(&[("OPENAI_BASE_URL", &text), ("AURORA_HOST", &text), ("METRICS_ENDPOINT", &text)]);
        proptest::prop_assert_eq!(
            loaded.config.is_none(),
            loaded.problems.iter().any(|problem| problem.severity == Severity::Error)
        );
    }
}

#[test]
fn listen_addresses_become_dialable_urls() {
    for (host, url) in [
        ("0.0.0.0", "http://127.0.0.1:8080/gw/metrics"),
        ("::", "http://[::1]:8080/gw/metrics"),
        ("[::1]", "http://[::1]:8080/gw/metrics"),
        ("10.1.2.3", "http://10.1.2.3:8080/gw/metrics"),
        ("gateway.internal", "http://gateway.internal:8080/gw/metrics"),
    ] {
        let loaded = Folder::new(&[]).load(&[("AURORA_HOST", host), ("BASE_PATH", "/gw")]);
        let config = config(&loaded);
        assert_eq!(config.local_url(&config.metrics_path()), url);
    }
}

#[test]
fn demoted_problems_are_warnings() {
    let loaded = Folder::new(&[]).load(&[QUIET[0], QUIET[1], ("PORT", "http")]).demoted();
    let expected = "warning: environment PORT: server.port: invalid value (got \"http\", expected a port from 1 to \
                    65535); write for example 8080 [bad-value]\n";
    assert_eq!(problems(&loaded), expected);
}
