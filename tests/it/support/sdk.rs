//! The SDKs that people use, as clients of the built binary in front of a scripted provider: what they make of the
//! responses, feature by feature, and what the metrics count meanwhile.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use aurora::metrics::parser::{Family, Kind, parse};

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::fixtures::{MASTER_KEY, PROVIDER_KEY};
use crate::support::upstream::{Step, Upstream, json, opening, response, stream};

/// An SDK and the provider that it is made for.
pub(crate) struct Sdk {
    /// Its name among Python packages, and the provider's name and type.
    pub(crate) name: &'static str,
    /// What follows the origin in its base URL.
    pub(crate) base: &'static str,
    /// The scripts of a response and of a stream that the troubles use too.
    pub(crate) usual: [&'static str; 2],
}

/// What an SDK said and what was counted meanwhile.
pub(crate) struct Run {
    pub(crate) output_text: String,
    pub(crate) counted: String,
    /// Counted by the instance that takes one request at a time.
    pub(crate) crowded: String,
    pub(crate) upstream: Upstream,
}

/// Aurora tries each request once and gives no provider up, so that every response is the SDK's to judge.
const ONE_TRY: &str = "resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 0}}";

/// Statuses that a provider refuses with, and the types it gives them.
const REFUSALS: [(&str, &str); 9] = [
    ("400 Bad Request", "invalid_request_error"),
    ("401 Unauthorized", "authentication_error"),
    ("403 Forbidden", "permission_error"),
    ("404 Not Found", "not_found_error"),
    ("409 Conflict", "conflict_error"),
    ("422 Unprocessable Entity", "invalid_request_error"),
    ("429 Too Many Requests", "rate_limit_error"),
    ("500 Internal Server Error", "api_error"),
    ("503 Service Unavailable", "api_error"),
];

/// The histograms whose counts follow from the calls alone.
const MEASURED: [&str; 3] = [
    "aurora_gateway_phase_duration_seconds",
    "aurora_request_duration_seconds",
    "aurora_time_to_first_token_seconds",
];

/// The Python that scripts/test makes for the tests.
pub(crate) fn python() -> String {
    #[expect(clippy::disallowed_methods, reason = "scripts/test names its Python to the tests this way")]
    let python = std::env::var("AURORA_TEST_PYTHON");
    python.expect("AURORA_TEST_PYTHON is not set: run scripts/test, which makes a Python with the SDKs")
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/sdk"))
}

/// Runs a script of testdata/sdk to its end; gives what it printed.
pub(crate) fn python_output(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(python())
        .arg(folder().join(script))
        .args(arguments)
        .env("AURORA_KEY", MASTER_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the Python of AURORA_TEST_PYTHON runs; if not, run scripts/test again");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

impl Sdk {
    /// Runs every feature; the responses come from `upstream`, to which the troubles are added.
    pub(crate) fn run(&self, upstream: Upstream) -> Run {
        let upstream = self.troubles(self.files(upstream));
        let (roomy, crowded) = (self.start(&upstream, ""), self.start(&upstream, ", max_in_flight: 1"));
        let [url, crowded_url] = [&roomy, &crowded].map(|aurora| aurora.url(self.base));
        let output_text = python_output(&format!("{}_sdk.py", self.name), &[&url, &crowded_url]);
        let [counted, crowded] = [(&roomy, ""), (&crowded, ".crowded")]
            .map(|(aurora, which)| settled(aurora, &format!("{}{which}.counted.txt", self.name)));
        Run { output_text, counted, crowded, upstream }
    }

    pub(crate) fn start(&self, upstream: &Upstream, server: &str) -> Aurora {
        let models = upstream.models().join(", ");
        let (name, address) = (self.name, upstream.address);
        let yaml = format!(
            "server: {{master_key: {MASTER_KEY}{server}}}\n\
             metrics: {{enabled: true}}\n\
             http: {{timeout: 2s}}\n\
             {ONE_TRY}\n\
             providers:\n  {name}: {{type: {name}, base_url: \"http://{address}/v1\", api_key: {PROVIDER_KEY}, models: [{models}]}}\n"
        );
        Setup::new().yaml(&yaml).start()
    }

    /// Every file of the SDK's folder is the script of the model that it is named after.
    pub(crate) fn files(&self, mut upstream: Upstream) -> Upstream {
        let entries = fs::read_dir(folder().join(self.name)).expect("the folder");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).expect("a script");
            let [name, kind] =
                [path.file_stem(), path.extension()].map(|part| part.and_then(|part| part.to_str()));
            let steps = if kind == Some("json") { json(&text) } else { stream(&events(&text)) };
            upstream = upstream.on(name.expect("a name"), steps);
        }
        upstream
    }

    fn script(&self, name: &str) -> String {
        fs::read_to_string(folder().join(self.name).join(name)).expect("a script")
    }

    /// The scripts of what both SDKs are tried with.
    fn troubles(&self, upstream: Upstream) -> Upstream {
        let [whole, events] = self.usual.map(|name| self.script(name));
        let events = self::events(&events);
        let endless = || [opening(&events[..events.len() / 2]), vec![Step::Stall]].concat();
        let kind = "content-type: application/json\r\n";
        // As a number with a fraction, which only SDKs read.
        let limited = format!("{kind}retry-after: 0.6\r\n");
        let facts = format!(
            "{kind}x-ratelimit-remaining-requests: 59\r\nx-request-id: req_of_the_provider\r\nrequest-id: req_of_the_provider\r\n"
        );
        let upstream = upstream
            .on("broken", [opening(&events[..events.len() / 2]), vec![Step::Close]].concat())
            .on("endless-sync", endless())
            .on("endless-async", endless())
            .on("facts", response("200 OK", &facts, &whole))
            .on("garbage", json("<html>"))
            .on("limited", response("429 Too Many Requests", &limited, refusal("rate_limit_error", "429")))
            .on("parallel", stream(&events))
            .on("room", json(&whole))
            .on("silent", vec![Step::Stall])
            .on("silent-sync", vec![Step::Stall])
            .on("silent-async", vec![Step::Stall]);
        REFUSALS.iter().fold(upstream, |upstream, (status, error)| {
            let code = &status[..3];
            upstream.on(&format!("status-{code}"), response(status, kind, refusal(error, code)))
        })
    }
}

/// An error in a shape that both SDKs know.
fn refusal(kind: &str, status: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":"The answer is {status}.","param":null,"code":null}}}}"#
    )
}

/// The events of a stream, each with the empty line that ends it.
fn events(text: &str) -> Vec<&str> {
    text.split_inclusive("\n\n").collect()
}

fn expected(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_default()
}

/// Keeps what was made where it differs from what was expected, so that it can be taken over after a look at it.
pub(crate) fn assert_as_expected(name: &str, made: &str) {
    let made_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let kept = folder().join(name);
    fs::write(&made_file, made).expect("a file in the target folder");
    assert!(
        made == expected(name),
        "not as in {}; see the difference with: diff {0} {}",
        kept.display(),
        made_file.display()
    );
}

/// What the metrics have counted, a line for each series that is not zero: every counter, every gauge of what is in
/// flight, and how many times and first tokens were measured.
fn counted(exposition: &str) -> String {
    let exposition = parse(exposition.as_bytes()).expect("an exposition");
    let mut lines = String::new();
    let about_calls =
        |family: &&Family| family.name.starts_with("aurora_") && !family.name.contains("scrape");
    for family in exposition.families.iter().filter(about_calls) {
        let wanted = |name: &str| match family.kind {
            Kind::Counter => true,
            Kind::Histogram => MEASURED.contains(&family.name.as_str()) && name.ends_with("_count"),
            _ => name.ends_with("requests_in_flight"),
        };
        for sample in family.samples.iter().filter(|sample| wanted(&sample.name) && sample.value != 0.0) {
            lines += &format!("{sample} {}\n", sample.value);
        }
    }
    lines
}

/// What has counted, once it is as this file expects it: the last response is counted after its client has read it.
pub(crate) fn settled(aurora: &Aurora, expected: &str) -> String {
    let expected = self::expected(expected);
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let counted = counted(&aurora.scrape());
        if counted == expected || Instant::now() > until {
            return counted;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
