//! The probe of metrics endpoints: [`fetch`] requests the page, [`judge`] classifies the response, [`summary`] reads the
//! numbers, [`render`] prints the report.

mod fetch;
mod judge;
pub mod ready;
pub mod render;
mod require;
mod summary;
mod target;
mod window;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use regex::Regex;

pub use judge::{Finding, Reason};
pub use require::{Checked, Requirement};
pub use summary::{Bucket, LabelSets, Model, Summary, Tokens};
pub use target::{Given, Origin, Settings, Target, Token, shown, targets};

use crate::metrics::parser::{Exposition, Sample};
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
    /// The series that `--filter` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<Series>>,
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

/// Probes every target concurrently; reports are in the order of the targets.
pub async fn probe(targets: &[Target], options: &Options) -> Vec<Report> {
    join_all(targets.iter().map(|target| probe_one(target, options))).await
}

async fn probe_one(target: &Target, options: &Options) -> Report {
    let first = scrape(target, options).await;
    let Some(over) = options.over.filter(|_| first.finding.is_none()) else {
        return first.report(target, options, None);
    };
    tokio::time::sleep(over).await;
    let second = scrape(target, options).await;
    second.report(target, options, Some(&first))
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
    let response = match fetch::fetch(&target.url, &target.headers, limits).await {
        Ok(response) => response,
        Err(failure) => {
            let finding = Some(judge::unreachable(target, &failure));
            return Scrape { at, finding, http: None, page: None, exposition: None };
        }
    };
    let body = response.body.as_ref().map(|body| target.redact(body));
    let (finding, exposition) = match judge::response(target, &response, body.as_deref()) {
        Ok(exposition) => (None, Some(exposition)),
        Err(Finding { reason, message }) => {
            (Some(Finding { reason, message: target.redact_text(&message) }), None)
        }
    };
    let header = |value: &Option<String>| value.as_deref().map(|value| target.redact_text(value));
    let page = body.ok().map(|body| String::from_utf8_lossy(&body).into_owned());
    let http = Some(Http {
        status: response.status.as_u16(),
        content_type: header(&response.content_type),
        encoding: header(&response.encoding),
        first_byte_s: response.first_byte.as_secs_f64(),
        total_s: response.total.as_secs_f64(),
        received_bytes: response.received,
        bytes: response.body.as_ref().ok().map(Vec::len),
        families: exposition.as_ref().map(|found| found.families.len()),
        series: exposition.as_ref().map(Exposition::series),
        samples: exposition.as_ref().map(Exposition::samples),
    });
    Scrape { at, finding, http, page, exposition }
}

impl Scrape {
    fn report(self, target: &Target, options: &Options, earlier: Option<&Self>) -> Report {
        let window_s = earlier.map(|earlier| self.at.duration_since(earlier.at).as_secs_f64());
        let pair = earlier.and_then(|earlier| earlier.exposition.as_ref()).zip(self.exposition.as_ref());
        let (counted, restarted) = match pair {
            Some((first, second)) => {
                let growth = window::growth(first, second);
                (Some(growth.exposition), growth.restarted)
            }
            None => (self.exposition.clone(), false),
        };
        let requirements = match &counted {
            Some(counted) => options.requirements.iter().map(|wanted| wanted.check(counted)).collect(),
            None => Vec::new(),
        };
        let finding = self.finding.or_else(|| judge::requirements(&requirements));
        let wanted = |sample: &Sample, filter: &Regex| filter.is_match(&sample.to_string());
        let page = match (&options.filter, &self.exposition) {
            (Some(filter), Some(found)) => {
                self.page.map(|page| render::excerpt(&page, found, |sample| wanted(sample, filter)))
            }
            _ => self.page,
        };
        let series = options.filter.as_ref().zip(counted.as_ref()).map(|(filter, counted)| {
            let samples = counted.families.iter().flat_map(|family| &family.samples);
            let chosen = samples.filter(|sample| wanted(sample, filter));
            chosen.map(|sample| Series { series: sample.to_string(), value: sample.value }).collect()
        });
        Report {
            url: shown(&target.url),
            healthy: finding.is_none(),
            reason: finding.as_ref().map_or(Reason::Ok, |finding| finding.reason),
            message: finding.map(|finding| finding.message),
            http: self.http,
            window_s,
            requirements,
            summary: counted.map(|counted| Summary::of(&counted, restarted)),
            series,
            page,
        }
    }
}
