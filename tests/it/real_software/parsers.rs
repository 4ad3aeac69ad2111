//! What others read in the exposition: Python's `prometheus_client` in both formats, and promtool.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use aurora::metrics::parser::{Exposition, Kind, parse};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat, key, request};
use crate::support::fixtures::{CHAT_RESPONSE, MASTER_KEY, PROVIDER_KEY};
use crate::support::programs::{piped, program};
use crate::support::sdk::python;
use crate::support::upstream::{Upstream, json};

/// A family as it was read: name, type, and samples by name and labels.
type Family = (String, String, BTreeMap<(String, BTreeMap<String, String>), f64>);

/// As Python reads an exposition.
fn by_python(exposition: &str, format: &str) -> Vec<Family> {
    type Read = Vec<(String, String, Vec<(String, BTreeMap<String, String>, String)>)>;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/exposition.py");
    let mut command = Command::new(python());
    command.args([script, format]);
    let output = piped(command, exposition);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Read = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |value: String| value.parse().expect("a number");
    let samples = |samples: Vec<(String, BTreeMap<String, String>, String)>| {
        let count = samples.len();
        let samples: BTreeMap<_, _> =
            samples.into_iter().map(|(name, labels, value)| ((name, labels), number(value))).collect();
        assert_eq!(samples.len(), count, "no series twice");
        samples
    };
    read.into_iter().map(|(name, kind, rows)| (name, kind, samples(rows))).collect()
}

/// The same of our own reading, with counters named as Python names them.
fn ours(exposition: &Exposition) -> Vec<Family> {
    let family = |family: &aurora::metrics::parser::Family| {
        let (name, kind) = match family.kind {
            Kind::Counter => (family.name.trim_end_matches("_total"), "counter"),
            Kind::Gauge => (family.name.as_str(), "gauge"),
            Kind::Histogram => (family.name.as_str(), "histogram"),
            Kind::Summary | Kind::Untyped => panic!("{}: Aurora has none", family.name),
        };
        let samples = family.samples.iter().map(|sample| {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            ((sample.name.to_string(), sample.labels.iter().map(owned).collect()), sample.value)
        });
        (name.to_owned(), kind.to_owned(), samples.collect())
    };
    exposition.families.iter().map(family).collect()
}

/// Families that a scrape does not move, with bucket edges as numbers.
fn lasting(families: Vec<Family>) -> Vec<Family> {
    let moves = |name: &str| name.starts_with("process_") || name.starts_with("aurora_metrics_scrape");
    let mut families: Vec<Family> = families.into_iter().filter(|(name, ..)| !moves(name)).collect();
    for (_, _, samples) in &mut families {
        *samples = std::mem::take(samples)
            .into_iter()
            .map(|((name, mut labels), value)| {
                if let Some(edge) = labels.get_mut("le") {
                    *edge = edge.parse::<f64>().expect("a number").to_string();
                }
                ((name, labels), value)
            })
            .collect();
    }
    families
}

fn promtool(exposition: &str) -> (Option<i32>, String) {
    let mut command = program("promtool", "prometheus");
    command.args(["check", "metrics"]);
    let output = piped(command, exposition);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn scrape(client: &mut Client, accept: &str) -> String {
    client.send(request("GET", "/metrics", &format!("{}accept: {accept}\r\n", key()), ""));
    let response = client.response();
    assert_eq!(response.status, 200);
    response.text().to_owned()
}

/// Everybody reads the same in what an idle instance shows; gives it as we read it.
fn all_agree(client: &mut Client) -> Exposition {
    let text = scrape(client, "text/plain");
    let open_metrics = scrape(client, "application/openmetrics-text");
    let exposition = parse(text.as_bytes()).expect("a sound exposition");
    let read = by_python(&text, "text");
    assert_eq!(read, ours(&exposition), "text");
    assert_eq!(lasting(by_python(&open_metrics, "openmetrics")), lasting(read), "OpenMetrics");
    assert_eq!(promtool(&text), (Some(0), String::new()));
    exposition
}

/// A model name as a label shows it: without control characters, at most 128 bytes.
fn label(name: &str) -> String {
    let mut label = String::new();
    for character in name.chars().filter(|character| !character.is_control()) {
        if label.len() + character.len_utf8() > 128 {
            break;
        }
        label.push(character);
    }
    label
}

/// Names to get wrong, one part after the other.
fn hostile_name() -> impl Strategy<Value = String> {
    let parts = [
        "\"",
        "\\",
        "\n",
        "\\n",
        "\r",
        "\t",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{feff}",
        "\u{202e}",
        "é",
        "e\u{301}",
        "🦀",
        "👩\u{200d}🚀",
        "{",
        "}",
        ",",
        "=",
        "# EOF",
        "# HELP x",
        " ",
        "le",
        "model",
        "gpt-4o",
        "NaN",
        "%",
        "'",
        "/",
        "\u{10ffff}",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(parts.to_vec()).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
        1 => Just("x\"\\".repeat(3_413)),
    ];
    prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

/// A name in YAML, which does not take every character as it is.
fn quoted(name: &str) -> String {
    let name = name.replace('$', "$$");
    let characters = name.chars().map(|character| format!("\\U{:08x}", u32::from(character)));
    format!("\"{}\"", characters.collect::<String>())
}

/// An instance with a provider for the configured names and one that takes any.
fn instance(upstream: &Upstream, configured: &[String]) -> Aurora {
    let provider = format!(
        "type: openai_compatible, base_url: \"http://{}/v1\", api_key: {PROVIDER_KEY}",
        upstream.address
    );
    let models: Vec<String> = configured.iter().map(|name| quoted(name)).collect();
    let text = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\nproviders:\n  listed: {{{provider}, \
         models: [{}]}}\n  open: {{{provider}}}\n",
        models.join(", ")
    );
    Setup::new().yaml(&text).start()
}

/// Longest name in bytes that a response admits.
const LONGEST_EARNED: usize = 128;

/// Sends each configured name once and each other name twice; every parser reads every one.
fn round_trip(configured: &[String], sent: &[String]) {
    let upstream = configured
        .iter()
        .chain(sent)
        .fold(Upstream::start(), |upstream, name| upstream.on(name, json(CHAT_RESPONSE)));
    let aurora = instance(&upstream, configured);
    let mut client = aurora.client();
    let mut expected: BTreeMap<(String, String), f64> = BTreeMap::new();
    let names = configured.iter().map(|name| ("listed", name));
    for (provider, name) in names.chain(sent.iter().chain(sent).map(|name| ("open", name))) {
        let model = serde_json::to_string(&format!("{provider}/{name}")).expect("JSON");
        client.send(chat(format!(r#"{{"model":{model},"messages":[]}}"#)));
        assert_eq!(client.response().status, 200, "{model:.200}");
        // An unlisted name that is too long for a label gets none.
        let unknown = provider == "open" && name.len() > LONGEST_EARNED;
        let shown = if unknown { "unknown".to_owned() } else { label(name) };
        *expected.entry((provider.to_owned(), shown)).or_default() += 1.0;
    }
    let total: f64 = expected.values().sum();
    crate::support::servers::wait_for("every request to be counted", || {
        let page = parse(scrape(&mut client, "text/plain").as_bytes()).expect("a sound exposition");
        let responses = page.family("aurora_answers_total").expect("shown").samples.iter();
        (responses.map(|sample| sample.value).sum::<f64>() == total).then_some(())
    });
    let page = all_agree(&mut client);
    let requests = page.family("aurora_requests_total").expect("shown").samples.iter();
    let counted: BTreeMap<(String, String), f64> = requests
        .filter(|sample| sample.value > 0.0)
        .map(|sample| ((sample.label("provider").to_owned(), sample.label("model").to_owned()), sample.value))
        .collect();
    assert_eq!(counted, expected);
}

#[test]
fn parsers_agree_on_hostile_label_values() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
    let names = || prop::collection::btree_set(hostile_name(), 1..10);
    let result = TestRunner::new_with_rng(config, rng).run(&(names(), names()), |(configured, sent)| {
        // The configuration takes only names that fit into a label.
        let configured: BTreeSet<String> =
            configured.iter().map(|name| label(name).trim().to_owned()).collect();
        let configured: Vec<String> = configured.into_iter().filter(|name| !name.is_empty()).collect();
        round_trip(&configured, &sent.into_iter().collect::<Vec<_>>());
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn parsers_agree_on_every_kind_of_traffic() {
    let aurora = Setup::new()
        .arguments(&["--demo"])
        .variable("AURORA_MASTER_KEY", MASTER_KEY)
        .variable("RETRY_MAX_RETRIES", "0")
        .variable("METRICS_EXEMPLARS", "true")
        .start();
    let mut client = aurora.client();
    for (model, stream, status) in [
        ("demo-fast", false, 200),
        ("demo-fast", true, 200),
        ("demo-429", false, 429),
        ("demo-500", false, 500),
        ("none", false, 404),
    ] {
        client.send(crate::support::client::chat_of(model, stream));
        assert_eq!(client.response().status, status, "{model}");
    }
    crate::support::servers::wait_for("every request to be counted", || {
        let page = parse(scrape(&mut client, "text/plain").as_bytes()).expect("a sound exposition");
        let responses = page.family("aurora_answers_total").expect("shown").samples.iter();
        (responses.map(|sample| sample.value).sum::<f64>() == 5.0).then_some(())
    });
    let page = all_agree(&mut client);
    assert!(page.families.iter().filter(|family| family.kind == Kind::Histogram).count() >= 8);
}
