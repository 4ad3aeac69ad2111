//! Loading: every refusal word for word, every layer, every way a provider comes about.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aurora::config::{Config, Demo, Environment, Flag, Loaded, Severity, Sources, load};

/// A key nobody warns about, and a provider of a type no other test uses.
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
fn every_refusal_word_for_word() {
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
    assert!(count > 90, "only {count} files");
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
fn a_large_alias_of_a_large_list_is_refused() {
    let text = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(5000), "*a,".repeat(5000));
    let place = 5 + 3 * 9;
    let expected = format!(
        "error: config.yaml:2:{place}: more than 50000 values once its aliases are followed; write the values out [yaml-bomb]\n"
    );
    assert_eq!(problems(&Folder::new(&[("config.yaml", &text)]).load(&QUIET)), expected);
}

#[test]
fn a_file_that_is_named_must_be_there() {
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
fn the_first_file_of_the_search_counts() {
    let all = ["config.yaml", "config/config.yaml", "configs/config.yaml"];
    for (index, name) in all.iter().enumerate() {
        let files: Vec<_> = all[index..].iter().map(|name| (*name, "server:\n  port: 9000\n")).collect();
        let source = format!("{name}:2");
        assert_eq!(Folder::new(&files).load(&QUIET).source_of("server.port"), Some(source.as_str()));
    }
    assert_eq!(Folder::new(&[]).load(&QUIET).source_of("server.port"), Some("default"));
}

#[test]
fn a_later_layer_wins_and_says_so() {
    let yaml = ("config.yaml", "server:\n  port: 1001\n");
    let dotenv = (".env", "# first\nPORT=1000\nPORT=1002\n");
    let variable = ("PORT", "1003");
    let flag = Flag { name: "--port", key: "server.port", value: "0".to_owned() };
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
        assert_eq!((config(&loaded).server.port, loaded.source_of("server.port")), (port, Some(source)));
    }
}

#[test]
fn an_appended_line_disables_metrics() {
    let folder = Folder::new(&[(".env", "METRICS_ENABLED=true\nMETRICS_ENABLED=false\n")]);
    assert!(!config(&folder.load(&QUIET)).metrics.enabled);
    let folder = Folder::new(&[("config.yaml", "metrics:\n  enabled: ${METRICS:-on}\n")]);
    assert!(config(&folder.load(&QUIET)).metrics.enabled);
    assert!(!config(&folder.load(&[("METRICS", "no")])).metrics.enabled);
}

#[test]
fn the_page_s_set_ups_load_as_printed() {
    let production = "PORT=8080\nAURORA_MASTER_KEY=<your Aurora master key>\nMETRICS_ENABLED=true\n\
                      METRICS_ENDPOINT=/metrics\nOPENAI_API_KEY=<your OpenAI API key>\n";
    let loaded = Folder::new(&[(".env", production)]).load(&[]);
    assert_eq!(problems(&loaded), "");
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
fn the_example_behaves_like_the_defaults() {
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

/// Keeps a developer's own `.env` out of it.
fn quiet_dotenv() -> Sources {
    Sources { env_file: Some("/dev/null".into()), ..Sources::default() }
}

#[test]
fn variables_make_providers() {
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
    assert_eq!(loaded.source_of("providers.openai-east.api_key"), Some("environment OPENAI_EAST_API_KEY"));
}

#[test]
fn variables_overlay_the_file_s_providers() {
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
fn assumed_variables_are_listed() {
    let yaml = "server:\n  master_key: ${MASTER}\n  port: ${THE_PORT}\nproviders:\n  a: {type: openai, api_key: \"${KEY}\"}\n";
    let folder = Folder::new(&[("config.yaml", yaml)]);
    let loaded = load(&Sources { assume_set: true, ..folder.sources(&[]) });
    assert_eq!((problems(&loaded).as_str(), loaded.needs.join(" ").as_str()), ("", "KEY MASTER THE_PORT"));
    let value =
        |key: &str| loaded.settings.iter().find(|setting| setting.key == key).map(|s| s.value.clone());
    for key in ["server.master_key", "server.port", "providers.a.api_key"] {
        assert_eq!(value(key).as_deref(), Some("taken for set"), "{key}");
    }
}

#[test]
fn the_demo_is_alone_unless_a_file_is_named() {
    let folder = Folder::new(&[
        ("config.yaml", "server:\n  port: 1\nproviders:\n  a: {type: ollama}\n"),
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
    let warning = "warning: config.yaml:4:3: providers.a: ignored by --demo; drop --demo to use it [demo-provider-only]\n";
    assert_eq!(problems(&loaded), warning);
}

#[test]
fn an_inline_key_in_a_readable_file_is_pointed_out() {
    let key = "inline-secret-value-of-the-test";
    let folder = Folder::new(&[("config.yaml", &format!("server:\n  master_key: {key}\n"))]);
    assert_eq!(problems(&folder.load(&[QUIET[1]])), "");
    let path = folder.0.path().join("config.yaml");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("permissions");
    let loaded = folder.load(&[QUIET[1]]);
    let expected = "warning: config.yaml: holds a key and can be read by every user of this machine; \
                    chmod 600 it, or write ${VAR} instead of the key [readable-key]\n";
    assert_eq!(problems(&loaded), expected);
    assert!(!format!("{loaded:?}").contains(key));
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_panic(text in "([a-z0-9é]|[:\\-\\[\\]{}&*!|>'\"#%@,$=~<? \t\n]|: |\n  |- |\\$\\{|server:\n  |providers:\n  a: ){0,60}") {
        let folder = Folder::new(&[("config.yaml", &text), (".env", &text)]);
        let loaded = folder.load(&[("OPENAI_BASE_URL", &text), ("AURORA_HOST", &text), ("METRICS_ENDPOINT", &text)]);
        proptest::prop_assert_eq!(
            loaded.config.is_none(),
            loaded.problems.iter().any(|problem| problem.severity == Severity::Error)
        );
    }
}

#[test]
fn addresses_to_dial() {
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
    let expected = "warning: environment PORT: server.port: a wrong value (got \"http\", expected a port from 1 to \
                    65535); write for example 8080 [bad-value]\n";
    assert_eq!(problems(&loaded), expected);
}
