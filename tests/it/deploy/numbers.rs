//! Ports, paths, keys and grace periods of `deploy/` are those of the configurations that it runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aurora::config::{Config, Environment, Sources, load};
use regex_lite::Regex;
use serde_json::Value;
use tempfile::TempDir;

use super::{ROOT, compose_service, container, strings, text, yaml};
use crate::support::aurora::Setup;
use crate::support::client::request;

const KEYS: &str = "/run/secrets/aurora";

/// Time beyond the grace period in which the process ends.
const MARGIN: Duration = Duration::from_secs(5);

/// Loads a configuration, which has no problem.
fn loaded(file: &Path, variables: Vec<(String, String)>) -> Config {
    let environment: Environment = variables.into_iter().collect();
    let loaded = load(&Sources { environment, config_file: Some(file.into()), ..Sources::default() });
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    loaded.config.expect("a configuration")
}

/// The keys of the secret, as docs/deployment.md creates it.
fn secret_keys() -> BTreeSet<String> {
    let page = text("docs/deployment.md");
    let literal = Regex::new("--from-literal=([a-z-]+)=").expect("a regular expression");
    literal.captures_iter(&page).map(|found| found[1].to_owned()).collect()
}

/// A folder with the mounted files, and the environment that names them.
fn pod() -> (TempDir, Vec<(String, String)>) {
    let folder = TempDir::new().expect("a temporary folder");
    let at = folder.path().to_str().expect("UTF-8").to_owned();
    let config = text("deploy/kubernetes/base/config.yaml").replace(KEYS, &at);
    std::fs::write(folder.path().join("config.yaml"), config).expect("a file in it");
    for key in secret_keys() {
        std::fs::write(folder.path().join(&key), format!("{key}-of-this-very-test")).expect("a file in it");
    }
    let variables = container()["env"].as_array().expect("variables").clone();
    let name_and_value = |variable: &Value| {
        let value = variable["value"].as_str()?.replace(KEYS, &at).replace("/etc/aurora", &at);
        Some((variable["name"].as_str()?.to_owned(), value))
    };
    let variables = variables.iter().filter_map(name_and_value).collect();
    (folder, variables)
}

fn pod_config() -> Config {
    let (folder, variables) = pod();
    loaded(&folder.path().join("config.yaml"), variables)
}

fn port_named(name: &str) -> Value {
    let ports = container()["ports"].as_array().expect("ports").clone();
    ports.into_iter().find(|port| port["name"] == name).expect(name)["containerPort"].clone()
}

#[test]
fn the_pod_serves_and_scrapes_where_its_configuration_says() {
    let config = pod_config();
    assert!(config.metrics.enabled && config.server.master_key.is_some() && config.metrics.token.is_some());
    assert_eq!(config.providers.len(), 1);
    assert_eq!(port_named("http"), config.server.port);
    assert_eq!(port_named("metrics"), config.metrics_address().1);
    let monitor = yaml("deploy/kubernetes/monitored/podmonitor.yaml");
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    assert_eq!((&endpoint["port"], &endpoint["honorLabels"]), (&"metrics".into(), &true.into()));
    assert_eq!(endpoint["path"], config.metrics_path());
    let credential = endpoint["authorization"]["credentials"]["key"].as_str().expect("a key");
    assert!(secret_keys().contains(credential), "{credential}");
    let service = yaml("deploy/kubernetes/base/service.yaml");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
}

#[test]
fn probes_succeed_on_a_pod_that_serves() {
    let (folder, variables) = pod();
    let config = folder.path().join("config.yaml");
    let written = std::fs::read_to_string(&config).expect("the file");
    // With a list of models, none is asked for.
    let lines = written
        .replace("0.0.0.0:9090", "127.0.0.1:0")
        .replace("    type: openai", "    type: openai\n    models: [one]");
    std::fs::write(&config, lines).expect("the file");
    let aurora =
        variables.iter().fold(Setup::new(), |setup, (name, value)| setup.variable(name, value)).start();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = container()[probe]["httpGet"].clone();
        assert_eq!(get["port"], "http", "{probe}");
        let path = get["path"].as_str().expect("a path");
        assert_eq!(aurora.send(request("GET", path, "", "")).status, 200, "{probe}");
    }
}

/// Seconds of `40s` or `40`.
fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("{text}")))
}

#[test]
fn nothing_is_killed_within_its_grace_period() {
    let needs = |config: &Config| config.server.shutdown.delay + config.server.shutdown.grace + MARGIN;
    let default = loaded_defaults();
    let unit = text("deploy/systemd/aurora.service");
    let unit = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
    assert!(seconds(unit) >= needs(&default), "aurora.service: {unit}");
    let compose = compose_service();
    let compose = compose["stop_grace_period"].as_str().expect("a time");
    assert!(seconds(compose) >= needs(&default), "compose.yaml: {compose}");
    let stop = Regex::new("--stop-timeout ([0-9]+)").expect("a regular expression");
    assert!(seconds(&stop.captures(&text("docs/deployment.md")).expect("a time")[1]) >= needs(&default));

    let deployment = yaml("deploy/kubernetes/base/deployment.yaml");
    let pod = &deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
    let pod = Duration::from_secs(pod.as_u64().expect("seconds"));
    assert!(pod >= needs(&pod_config()), "deployment.yaml: {pod:?}");
    assert!(
        pod_config().server.shutdown.delay >= Duration::from_secs(5),
        "the service forgets a pod within seconds"
    );
}

/// The repository's config.yaml: every value is the default.
fn loaded_defaults() -> Config {
    let variables = [("AURORA_MASTER_KEY", "k"), ("OPENAI_API_KEY", "k"), ("GROQ_API_KEY", "k")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.repeat(32)));
    loaded(&Path::new(ROOT).join("config.yaml"), variables.into())
}

#[test]
fn compose_connects_nginx_and_prometheus_to_the_replicas() {
    let service = compose_service();
    let environment = &service["environment"];
    let nginx = text("deploy/docker/nginx.conf");
    assert!(nginx.contains(&format!("server aurora:{} resolve;", loaded_defaults().server.port)));
    let prometheus = yaml("deploy/docker/prometheus.yml")["scrape_configs"][0].clone();
    let replicas = &prometheus["dns_sd_configs"][0];
    assert_eq!(strings(&replicas["names"]), ["aurora"]);
    let listen = environment["METRICS_LISTEN"].as_str().expect("an address");
    assert_eq!(listen, format!("0.0.0.0:{}", replicas["port"]));
    assert_eq!(environment["AURORA_HOST"], "0.0.0.0");
    assert_eq!(prometheus["honor_labels"], true);
    assert_eq!(prometheus["authorization"]["credentials_file"], environment["METRICS_TOKEN_FILE"]);
}

/// nginx's limits are Aurora's, so that Aurora is the one that refuses.
#[test]
fn nginx_waits_and_accepts_as_long_as_aurora_does() {
    let nginx = text("deploy/docker/nginx.conf");
    let config = loaded_defaults();
    assert!(nginx.contains(&format!("proxy_read_timeout {}s;", config.http.timeout.as_secs())));
    assert!(nginx.contains(&format!("client_max_body_size {}m;", config.server.body_size_limit >> 20)));
}
