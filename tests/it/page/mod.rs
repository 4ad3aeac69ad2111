//! Promises of the documentation page about metrics, a test for each, with the sentence quoted above it.

mod costs;
mod guarding;
mod scraping;
mod starting;
mod troubles;

use crate::support::aurora::{Aurora, Setup};
use crate::support::fixtures::NO_ROUTE;
use crate::support::programs::{Response, curl};
use crate::support::servers::free_port;

/// These shell lines, then `./bin/aurora`, as the page has it; only the port is the test's.
fn page(lines: &str) -> Setup {
    Setup::bare().shell(lines).variable("PORT", &free_port().to_string())
}

/// The page's example key.
const OPENAI_KEY: &str = "<your OpenAI API key>";

fn get(aurora: &Aurora, path: &str) -> Response {
    curl(&aurora.url(path), &[])
}

fn get_with(aurora: &Aurora, path: &str, key: &str) -> Response {
    curl(&aurora.url(path), &["--header", &format!("Authorization: Bearer {key}")])
}

fn assert_exposition(response: &Response) {
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let first = "# HELP aurora_answers_total Authenticated model calls by requested model and outcome for the client.\n\
                 # TYPE aurora_answers_total counter\n";
    assert!(response.body.starts_with(first), "{}", response.body);
}

fn assert_absent(response: &Response) {
    assert_eq!((response.status, response.body.as_str()), (404, NO_ROUTE));
}
