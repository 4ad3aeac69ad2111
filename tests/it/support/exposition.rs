//! What an instance's metrics say.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::aurora::Aurora;
use crate::support::client::{Client, key, request};
use crate::support::fixtures::PROVIDER_KEY;
use crate::support::upstream::Upstream;

/// Counts are settled when an observer drops, which may be a moment after the client has the last byte.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

/// No retries, no breaker.
pub(crate) const BRITTLE: &str =
    "resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 0}}";

/// `config.yaml` for one provider `up` with the scripted models, locked and with metrics on; `server` is the inside of
/// a flow mapping, `rest` top-level YAML. Unless that says otherwise, every failure is seen as it is, see [`BRITTLE`].
pub(crate) fn yaml(upstream: &Upstream, server: &str, rest: &str) -> String {
    let resilience = if rest.contains("resilience:") { "" } else { BRITTLE };
    let models = models(upstream);
    format!(
        "server: {{master_key: {key}, {server}}}\n\
         metrics: {{enabled: true}}\n\
         {resilience}\n\
         {rest}\n\
         providers:\n  up: {{type: openai_compatible, base_url: \"http://{address}/v1\", api_key: {PROVIDER_KEY}{models}}}\n",
        key = crate::support::fixtures::MASTER_KEY,
        address = upstream.address,
    )
}

/// The scripted models as a further key of a provider.
fn models(upstream: &Upstream) -> String {
    let models: Vec<String> = upstream.models().iter().map(|model| format!("{model:?}")).collect();
    if models.is_empty() { String::new() } else { format!(", models: [{}]", models.join(", ")) }
}

/// An instance in front of several scripted providers, each with its name and what else its YAML says (`, key: value`).
pub(crate) fn gateways(providers: &[(&str, &Upstream, &str)], rest: &str) -> Aurora {
    let mut text = format!(
        "server: {{master_key: {}}}\nmetrics: {{enabled: true}}\nlog: {{requests: all}}\n{rest}\nproviders:\n",
        crate::support::fixtures::MASTER_KEY
    );
    for (name, upstream, more) in providers {
        let models = if more.contains("models:") { String::new() } else { models(upstream) };
        text += &format!(
            "  {name}: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: k-{name}{models}{more}}}\n",
            upstream.address
        );
    }
    crate::support::aurora::Setup::new().yaml(&text).start()
}

/// An instance in front of the scripted provider, see [`yaml`].
pub(crate) fn gateway(upstream: &Upstream, server: &str, rest: &str) -> Aurora {
    crate::support::aurora::Setup::new().yaml(&yaml(upstream, server, rest)).start()
}

impl Aurora {
    /// The exposition.
    pub(crate) fn scrape(&self) -> String {
        let mut client = Client::connect(self.address);
        client.send(request("GET", "/metrics", &key(), ""));
        let response = client.response();
        assert_eq!(response.status, 200);
        response.text().to_owned()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> f64 {
        let scrape = self.scrape();
        let bytes = scrape.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        bytes.and_then(|bytes| bytes.parse().ok()).expect("a number of bytes")
    }

    /// Samples of a family that are not zero, each as its label values and its value.
    pub(crate) fn counts(&self, family: &str) -> Vec<String> {
        self.scrape().lines().filter_map(|line| compact(line, family)).collect()
    }

    /// Waits until a family's samples that are not zero are these.
    pub(crate) fn settles(&self, family: &str, expected: &[&str]) {
        let until = Instant::now() + SETTLE_LIMIT;
        let mut counts = self.counts(family);
        while counts != expected && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
            counts = self.counts(family);
        }
        assert_eq!(counts, expected, "{family}");
    }
}

/// `name{a="x",b="y"} 2` as `x y 2`.
fn compact(line: &str, family: &str) -> Option<String> {
    let (labels, value) = line.strip_prefix(family)?.strip_prefix('{')?.rsplit_once("} ")?;
    if value == "0" {
        return None;
    }
    let mut text = String::new();
    for label in labels.split("\",") {
        text.push_str(label.split_once("=\"")?.1.trim_end_matches('"'));
        text.push(' ');
    }
    Some(text + value)
}
