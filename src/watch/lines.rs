//! One line per interval, as text or as JSON, for pipes and scripts.

use jiff::Timestamp;
use serde::Serialize;

use super::history::{Endpoint, History, Status};
use super::picture::{Breaker, Picture, missing, troubled_breakers};
use super::words::{at_most, number, percent, span};
use crate::probe::{LabelSets, Reason, fullest};
use crate::terminal::{printable, printable_json};

/// Circuit breakers that a line of text names.
const MOST_BREAKERS: usize = 10;

/// The last interval as one line of text, without its line feed.
pub(crate) fn text(history: &History) -> String {
    let gauges = history.gauges();
    let mut parts = Vec::new();
    if let Some(picture) = history.intervals.back().and_then(Picture::of) {
        let Picture { requests, requests_per_s, error_ratio, duration, first_token, tokens_per_s, .. } =
            picture;
        parts.push(format!("requests {} ({}/s)", number(Some(requests)), number(Some(requests_per_s))));
        parts.push(format!("errors {}", percent(error_ratio)));
        let percentiles = [("p50", duration.p50), ("p95", duration.p95), ("p99", duration.p99)];
        parts.extend(percentiles.map(|(name, bucket)| format!("{name} {}", at_most(bucket))));
        parts.push(format!("first token p95 {}", at_most(first_token.p95)));
        parts.push(format!("output tokens {}/s", number(Some(tokens_per_s.output))));
    } else if history.up().next().is_some() {
        parts.push("first page, no rates yet".to_owned());
    }
    if let Some(in_flight) = gauges.in_flight {
        parts.push(format!("in flight {}", number(Some(in_flight))));
    }
    if history.endpoints.len() > 1 {
        parts.push(format!("up {} of {}", history.up().count(), history.endpoints.len()));
    }
    let breakers = troubled_breakers(&gauges);
    parts.extend(breakers.iter().take(MOST_BREAKERS).map(|breaker| format!("breaker {}", state(breaker))));
    if breakers.len() > MOST_BREAKERS {
        parts.push(format!("{} more breakers", breakers.len() - MOST_BREAKERS));
    }
    parts.extend(history.endpoints.iter().filter_map(trouble));
    parts.extend(missing(history));
    printable(&parts.join("  "))
}

/// A circuit breaker that is not closed: `open: openai/gpt-4o`, `half-open: openai`.
pub(crate) fn state(Breaker { provider, model, open, .. }: &Breaker) -> String {
    let separator = if model.is_empty() { "" } else { "/" };
    let word = if *open > 0.0 { "open" } else { "half-open" };
    format!("{word}: {provider}{separator}{model}")
}

/// Trouble with an endpoint, in words.
pub(crate) fn trouble(endpoint: &Endpoint) -> Option<String> {
    let Endpoint { url, status, restarted, .. } = endpoint;
    match status {
        Status::Up if *restarted => Some(format!("{url} restarted")),
        Status::Up => None,
        Status::Waiting(since) => {
            Some(format!("{url} has not responded for {}", span(since.elapsed().as_secs_f64())))
        }
        Status::Down(finding) => Some(format!("{url} is down: {}", finding.message)),
    }
}

/// The last interval as one line of JSON, without its line feed.
///
/// # Errors
/// Serialisation failed, which no history causes.
pub(crate) fn json(history: &History, time: Timestamp) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        schema: u8,
        time: String,
        up: usize,
        endpoints: Vec<EndpointLine<'a>>,
        numbers: Option<Picture>,
        in_flight: Option<f64>,
        breakers: Vec<Breaker>,
        label_sets: Option<&'a LabelSets>,
        missing: Option<String>,
    }
    let gauges = history.gauges();
    let line = serde_json::to_string(&Line {
        schema: 1,
        time: time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        up: history.up().count(),
        endpoints: history.endpoints.iter().map(EndpointLine::of).collect(),
        numbers: history.intervals.back().and_then(Picture::of),
        in_flight: gauges.in_flight,
        breakers: troubled_breakers(&gauges),
        label_sets: fullest(&gauges.label_sets),
        missing: missing(history),
    })?;
    Ok(printable_json(&line))
}

/// One endpoint in JSON.
#[derive(Serialize)]
struct EndpointLine<'a> {
    url: &'a str,
    up: bool,
    /// As `metrics probe` names it; `waiting` while a response is awaited.
    reason: &'static str,
    message: Option<&'a str>,
    restarted: bool,
}

impl<'a> EndpointLine<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        let (reason, message) = match &endpoint.status {
            Status::Up => (Reason::Ok.word(), None),
            Status::Waiting(_) => ("waiting", None),
            Status::Down(finding) => (finding.reason.word(), Some(finding.message.as_str())),
        };
        let up = endpoint.status == Status::Up;
        Self { url: &endpoint.url, up, reason, message, restarted: endpoint.restarted }
    }
}
