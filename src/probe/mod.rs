//! The probe of metrics endpoints: [`fetch`] requests the page, [`judge`] classifies the response, [`summary`] reads the
//! numbers, [`render`] prints the report.

mod fetch;
mod judge;
mod overview;
pub mod ready;
pub mod render;
mod require;
mod summary;
mod target;
mod window;

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use regex_lite::Regex;

pub use judge::{Finding, Reason};
pub use overview::{FamilySize, Overview};
pub use require::{Checked, Requirement};
pub use summary::{Bucket, LabelSets, Model, Summary, Tokens};
pub(crate) use summary::{Durations, fullest, label_sets};
pub use target::{Given, Origin, Settings, Target, Token, shown, targets};

use crate::config::values::names;
use crate::metrics::parser::Exposition;
use fetch::Limits;

/// Options of a probe.
#[derive(Debug, Clone)]
pub struct Options {
    /// Timeout of one scrape, from name resolution to the last byte.
    pub timeout: Duration,
    /// Maximum size of the body in bytes, as received and as decompressed.
    pub max_size: usize,
    /// Time between two scrapes; `None` makes one scrape.
    pub over: Option<Duration>,
    /// Conditions that must hold.
    pub requirements: Vec<Requirement>,
    /// Series to show; `None` shows none (`raw`: all).
    pub filter: Option<Regex>,
}

/// Result of the probe of one target.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The URL without credentials and query.
    pub url: String,
    /// True if the fetch, the exposition and every requirement passed.
    pub healthy: bool,
    /// The result in one word.
    pub reason: Reason,
    /// The problem and its remedy; `None` if healthy.
    pub message: Option<String>,
    /// Facts of the response; `None` without one.
    pub http: Option<Http>,
    /// Seconds between the two scrapes of `--over`; `None` counts since the process started.
    pub window_s: Option<f64>,
    /// The requirements, as given.
    pub requirements: Vec<Checked>,
    /// Numbers of the exposition; `None` without a valid one.
    pub summary: Option<Summary>,
    /// Overview of a page that is not Aurora's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<Overview>,
    /// The series that `--filter` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<Series>>,
    /// The family that a `--filter` without a match probably meant.
    #[serde(skip)]
    pub meant: Option<String>,
    /// The page itself, for `--format raw`: filtered by `--filter`, without the credential that was sent.
    #[serde(skip)]
    pub page: Option<String>,
}

/// Facts of the response; of two scrapes, the second.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Http {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub encoding: Option<String>,
    /// Seconds from the start to the head of the response.
    pub first_byte_s: f64,
    /// Seconds from the start to the last byte.
    pub total_s: f64,
    /// Bytes of the body as received.
    pub received_bytes: usize,
    /// Bytes of the decompressed body; `None` if it is incomplete.
    pub bytes: Option<usize>,
    /// Families; `None` without a valid exposition.
    pub families: Option<usize>,
    /// Label sets; a histogram with all its buckets is one.
    pub series: Option<usize>,
    /// Samples: the lines with a value.
    pub samples: Option<usize>,
}

/// A series and its value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Series {
    /// Name and labels, as the text format writes them.
    pub series: String,
    /// Its value; with `--over`, the increase of a counter.
    pub value: f64,
}

/// Runs a probe in a runtime of its own. A name lookup that outlasts the timeout of the probe is left behind: the system's
/// resolver cannot be interrupted, and the end of a runtime would wait for it.
///
/// # Errors
/// The runtime did not start.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

/// Probes every target concurrently; reports are in the order of the targets.
pub async fn probe(targets: &[Target], options: &Options) -> Vec<Report> {
    join_all(targets.iter().map(|target| probe_one(target, options))).await
}

async fn probe_one(target: &Target, options: &Options) -> Report {
    let mut first = scrape(target, options).await;
    match options.over {
        Some(over) if first.finding.is_none() => {
            first.page = None;
            tokio::time::sleep(over).await;
            let second = scrape(target, options).await;
            second.report(target, options, Some(&first))
        }
        _ => first.report(target, options, None),
    }
}

/// One scrape for its numbers alone, and the time at which the page was made.
pub(crate) async fn exposition(
    target: &Target,
    timeout: Duration,
    max_size: usize,
) -> (Instant, Result<Exposition, Finding>) {
    let at = Instant::now();
    match fetch::fetch(&target.url, &target.headers, Limits { timeout, max_size }).await {
        Ok(mut response) => {
            let received = std::mem::replace(&mut response.body, Ok(Vec::new()));
            let body = received.map(|body| target.redact(body));
            let classified = judge::response(target, &response, body.as_deref());
            (at + response.first_byte, classified.map_err(|finding| redacted_finding(target, finding)))
        }
        Err(failure) => (at, Err(judge::unreachable(target, &failure))),
    }
}

/// One classified fetch.
struct Scrape {
    at: Instant,
    finding: Option<Finding>,
    http: Option<Http>,
    page: Option<String>,
    exposition: Option<Exposition>,
}

async fn scrape(target: &Target, options: &Options) -> Scrape {
    let at = Instant::now();
    let limits = Limits { timeout: options.timeout, max_size: options.max_size };
    let mut response = match fetch::fetch(&target.url, &target.headers, limits).await {
        Ok(response) => response,
        Err(failure) => {
            let finding = Some(judge::unreachable(target, &failure));
            return Scrape { at, finding, http: None, page: None, exposition: None };
        }
    };
    let received = std::mem::replace(&mut response.body, Ok(Vec::new()));
    let bytes = received.as_ref().ok().map(Vec::len);
    let body = received.map(|body| target.redact(body));
    let (finding, exposition) = match judge::response(target, &response, body.as_deref()) {
        Ok(exposition) => (None, Some(exposition)),
        Err(finding) => (Some(redacted_finding(target, finding)), None),
    };
    let page = body.ok().map(text);
    let http = Some(Http {
        status: response.status.as_u16(),
        content_type: redacted(target, response.content_type.as_deref()),
        encoding: redacted(target, response.encoding.as_deref()),
        first_byte_s: response.first_byte.as_secs_f64(),
        total_s: response.total.as_secs_f64(),
        received_bytes: response.received,
        bytes,
        families: exposition.as_ref().map(|found| found.families.len()),
        series: exposition.as_ref().map(Exposition::series),
        samples: exposition.as_ref().map(Exposition::samples),
    });
    Scrape { at, finding, http, page, exposition }
}

fn redacted_finding(target: &Target, Finding { reason, message }: Finding) -> Finding {
    Finding { reason, message: target.redact_text(&message) }
}

/// A page as text, without a copy where it is UTF-8.
fn text(page: Vec<u8>) -> String {
    match String::from_utf8(page) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn redacted(target: &Target, value: Option<&str>) -> Option<String> {
    Some(target.redact_text(value?))
}

/// The series that `filter` matches.
fn chosen(exposition: &Exposition, filter: &Regex) -> Vec<Series> {
    let mut chosen = Vec::new();
    for family in &exposition.families {
        for sample in &family.samples {
            let series = sample.to_string();
            if filter.is_match(&series) {
                chosen.push(Series { series, value: sample.value });
            }
        }
    }
    chosen
}

/// The family whose name is like the first word of a pattern.
fn meant(filter: &Regex, exposition: &Exposition) -> Option<String> {
    let mut words = filter.as_str().split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let families = exposition.families.iter().map(|family| family.name.as_str());
    names::similar(words.find(|word| !word.is_empty())?, families).map(str::to_owned)
}

impl Scrape {
    fn report(self, target: &Target, options: &Options, earlier: Option<&Self>) -> Report {
        let (mut window_s, mut first) = (None, None);
        if let Some(earlier) = earlier {
            window_s = Some(self.at.duration_since(earlier.at).as_secs_f64());
            first = earlier.exposition.as_ref();
        }
        let page = match (self.page, &self.exposition, &options.filter) {
            (Some(whole), Some(exposition), Some(filter)) => {
                Some(render::excerpt(&whole, exposition, filter))
            }
            (page, ..) => page,
        };
        let (counted, restarted) = match (first, self.exposition) {
            (Some(first), Some(second)) => {
                let growth = window::growth(first, second);
                (Some(growth.exposition), growth.restarted)
            }
            (_, exposition) => (exposition, false),
        };
        let requirements = match &counted {
            Some(counted) => options.requirements.iter().map(|wanted| wanted.check(counted)).collect(),
            None => Vec::new(),
        };
        let (mut series, mut meant_family) = (None, None);
        if let (Some(filter), Some(counted)) = (&options.filter, &counted) {
            let chosen = chosen(counted, filter);
            if chosen.is_empty() {
                meant_family = meant(filter, counted);
            }
            series = Some(chosen);
        }
        let (reason, message) = match self.finding.or(judge::requirements(&requirements)) {
            Some(Finding { reason, message }) => (reason, Some(message)),
            None => (Reason::Ok, None),
        };
        Report {
            url: shown(&target.url),
            healthy: message.is_none(),
            reason,
            message,
            http: self.http,
            window_s,
            requirements,
            overview: counted.as_ref().and_then(Overview::of),
            summary: counted.map(|counted| Summary::of(&counted, restarted)),
            series,
            meant: meant_family,
            page,
        }
    }
}
