//! Commands, variables, metrics, paths and labels that `deploy/` and its page name.

use std::collections::BTreeSet;
use std::path::Path;

use aurora::cli::Cli;
use aurora::config::{PROVIDER_TYPES, reference};
use aurora::metrics::catalog::families::{FAMILIES, Kind};
use clap::CommandFactory as _;
use regex_lite::Regex;
use serde_json::Value;

use super::{ROOT, compose_service, container, files, strings, text, yaml};

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a regular expression")
}

#[test]
fn every_yaml_file_is_yaml() {
    let yaml: Vec<(String, String)> =
        files().into_iter().filter(|(path, _)| path.ends_with(".yaml") || path.ends_with(".yml")).collect();
    assert!(yaml.len() > 10);
    for (path, text) in yaml {
        if let Err(error) = serde_yaml::from_str::<Value>(&text) {
            panic!("{path}: {error}");
        }
    }
}

/// Commands of unit files, Dockerfiles, comments and the page; lists of words count as lines.
fn written_commands() -> Vec<String> {
    let command = regex(r#"(?m)(?:^|`|/usr/bin/|: |=0.0.0.0 )aurora ([a-z][^`"\]|\n]*)"#);
    let mut found = Vec::new();
    for (_, text) in files() {
        let text = text.replace("\", \"", " ");
        found.extend(command.captures_iter(&text).map(|found| found[1].trim().to_owned()));
    }
    found
}

#[test]
fn every_command_exists() {
    let mut commands = written_commands();
    let by_default = regex(r"^\$\{COMMAND:-(.*)\}$");
    let compose = compose_service();
    let compose = compose["command"].as_str().expect("a command");
    commands.push(by_default.captures(compose).expect("a default")[1].to_owned());
    commands.push(strings(&container()["args"]).join(" "));
    let dockerfile = text("deploy/docker/Dockerfile");
    commands.push(regex(r#"(?m)^CMD \["(.*)"\]"#).captures(&dockerfile).expect("a command")[1].to_owned());
    for expected in ["serve", "serve --demo", "config check", "health"] {
        assert!(commands.iter().any(|command| command == expected), "{expected} in {commands:?}");
    }
    for command in commands {
        let words = std::iter::once("aurora").chain(command.split_whitespace());
        if let Err(error) = Cli::command().try_get_matches_from(words) {
            panic!("aurora {command}: {error}");
        }
    }
}

/// Variables of settings and of provider types with the endings of theirs.
fn known_variables() -> BTreeSet<String> {
    let rows = regex(r"(?m)^\| `([A-Za-z_]+)` \| `[a-z]");
    let mut known: BTreeSet<String> = rows.captures_iter(&reference()).map(|row| row[1].to_owned()).collect();
    let endings: Vec<String> =
        known.iter().filter_map(|name| name.strip_prefix("T_")).map(str::to_owned).collect();
    assert!(endings.contains(&"API_KEY".to_owned()));
    for kind in PROVIDER_TYPES {
        known.extend(endings.iter().map(|ending| format!("{}_{ending}", kind.env_prefix)));
    }
    known.insert("AURORA_CONFIG_PATH".into());
    known
}

#[test]
fn every_variable_exists() {
    let known = known_variables();
    let named = regex(r"\b(?:AURORA|METRICS|LOG|BODY|HTTP|[A-Z]+)_[A-Z_]+[A-Z]\b");
    // Those of other programs; in a comment, the one that Kubernetes would set.
    let others = regex("^(GF_.*|GRAFANA_PASSWORD|RUST_VERSION|AURORA_PORT|AF_.*)$");
    let mut count = 0;
    for (path, text) in files() {
        for name in named.find_iter(&text).map(|name| name.as_str()).filter(|name| !others.is_match(name)) {
            assert!(known.contains(name), "{path}: {name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_autoscaler_reads_a_gauge_that_the_adapter_serves() {
    let autoscaler = yaml("deploy/kubernetes/monitored/autoscaler.yaml");
    let metric = autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"].as_str().expect("a name");
    let family = FAMILIES.iter().find(|family| family.name == metric).expect(metric);
    assert!(matches!(family.kind, Kind::Gauge));
    let adapter = yaml("deploy/kubernetes/monitored/prometheus-adapter.yaml");
    let series = adapter["rules"]["custom"][0]["seriesQuery"].as_str().expect("a selector");
    assert_eq!(series.split('{').next(), Some(metric));
    assert!(text("docs/deployment.md").contains(&format!("/{metric}\n")));
    let target = &autoscaler["spec"]["scaleTargetRef"];
    let deployment = yaml("deploy/kubernetes/base/deployment.yaml");
    assert_eq!((&target["kind"], &target["name"]), (&deployment["kind"], &deployment["metadata"]["name"]));
}

#[test]
fn every_file_that_another_names_exists() {
    let compose = yaml("deploy/docker/compose.yaml");
    let mut named: Vec<String> = Vec::new();
    for service in compose["services"].as_object().expect("services").values() {
        let mounted = strings(&service["volumes"]).into_iter().filter(|mount| mount.starts_with('.'));
        named.extend(mounted.filter_map(|mount| Some(format!("deploy/docker/{}", mount.split_once(':')?.0))));
    }
    named.push(format!(
        "deploy/docker/{}",
        compose["secrets"]["metrics-token"]["file"].as_str().expect("a file")
    ));
    let build = &compose_service()["build"];
    named.push(build["dockerfile"].as_str().expect("a file").to_owned());
    for folder in ["base", "monitored"] {
        let folder = format!("deploy/kubernetes/{folder}");
        let resources = yaml(&format!("{folder}/kustomization.yaml"))["resources"].clone();
        named.extend(strings(&resources).into_iter().map(|path| format!("{folder}/{path}")));
    }
    let ignored = text("deploy/docker/Dockerfile.dockerignore");
    named.extend(ignored.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned));
    let linked = regex(r"\]\(\.\./([^)#]+)\)");
    named.extend(linked.captures_iter(&text("docs/deployment.md")).map(|link| link[1].to_owned()));
    let scripts = regex(r"\bscripts/[a-z-]+");
    named.extend(scripts.find_iter(&text("docs/deployment.md")).map(|name| name.as_str().to_owned()));
    assert!(named.len() > 30, "{named:?}");
    for path in named {
        assert!(Path::new(ROOT).join(&path).exists(), "{path}");
    }
}

/// Paths below the root that the sources include into the binary are part of what Docker builds from.
#[test]
fn the_image_is_built_from_everything_that_is_included() {
    let ignored = text("deploy/docker/Dockerfile.dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let monitoring =
        ["rules", "runbook"].map(|file| text(&format!("src/metrics/monitoring/{file}.rs"))).concat();
    let included = regex(r#"include_str!\("(?:\.\./)+([^"]+)"\)"#);
    let included: Vec<&str> =
        included.captures_iter(&monitoring).filter_map(|path| Some(path.get(1)?.as_str())).collect();
    assert!(included.len() > 1);
    for path in included {
        assert!(sent.iter().any(|folder| path.starts_with(folder)), "{path}");
    }
}

#[test]
fn selectors_select_the_pods() {
    let deployment = yaml("deploy/kubernetes/base/deployment.yaml");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let disruption = yaml("deploy/kubernetes/base/disruption.yaml");
    let monitor = yaml("deploy/kubernetes/monitored/podmonitor.yaml");
    let service = yaml("deploy/kubernetes/base/service.yaml");
    let selectors = [
        &deployment["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &disruption["spec"]["selector"]["matchLabels"],
        &monitor["spec"]["selector"]["matchLabels"],
    ];
    for selector in selectors {
        assert_eq!(selector, labels);
    }
    let job = monitor["spec"]["jobLabel"].as_str().expect("a label");
    let job = labels[job].as_str().expect("a job");
    assert!(text("docs/deployment.md").contains(&format!("aurora metrics rules --job {job} ")));
}
