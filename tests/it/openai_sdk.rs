//! OpenAI's own Python SDK as the caller of `aurora serve --demo`, and what the metrics say about its calls.

use std::process::Command;
use std::time::Instant;

use aurora::metrics::parser::{Exposition, Kind, parse};

use crate::aurora::{Aurora, PATIENCE, Setup};
use crate::client::call;

const KEY: &str = "a-master-key-for-the-sdk";

/// The Python that scripts/test makes for the tests.
pub(crate) fn python() -> String {
    #[expect(clippy::disallowed_methods, reason = "scripts/test names its Python to the tests this way")]
    let python = std::env::var("AURORA_TEST_PYTHON");
    python.expect("AURORA_TEST_PYTHON is not set: run scripts/test, which makes a Python with the OpenAI SDK")
}

fn sdk(aurora: &Aurora) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/openai_sdk.py");
    let output = Command::new(python())
        .args([script, &aurora.url("/v1")])
        .env("AURORA_KEY", KEY)
        .output()
        .expect("the Python of AURORA_TEST_PYTHON runs; if not, run scripts/test again");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every counter and histogram that has counted, as `name{labels} count`; histograms by their `_count`.
fn counted(exposition: &Exposition) -> String {
    let mut lines = String::new();
    for family in exposition.families.iter().filter(|family| family.name.starts_with("aurora_")) {
        let wanted = |name: &str| match family.kind {
            Kind::Histogram => name.ends_with("_count"),
            kind => kind == Kind::Counter,
        };
        for sample in family.samples.iter().filter(|sample| wanted(&sample.name) && sample.value != 0.0) {
            lines.push_str(&format!("{sample} {}\n", sample.value));
        }
    }
    lines
}

/// What has counted, once it is as expected: the last answer is counted after its caller has read it.
async fn settled(aurora: &Aurora, expected: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let page = call(&aurora.url("/metrics"), Some(KEY), None).await;
        let counted = counted(&parse(page.body.as_bytes()).unwrap());
        if counted == expected || Instant::now() > until {
            return counted;
        }
    }
}

#[tokio::test]
async fn the_sdk_works_and_the_metrics_show_exactly_its_calls() {
    let aurora = Setup::new().arguments(&["--demo"]).variable("AURORA_MASTER_KEY", KEY).start();
    assert_eq!(sdk(&aurora), include_str!("testdata/openai_sdk.said.txt"));
    let expected = include_str!("testdata/openai_sdk.counted.txt");
    assert_eq!(settled(&aurora, expected).await, expected);
}
