//! One active check of metrics endpoints: [`fetch`] asks, [`judge`] decides, [`summary`] reads the numbers,
//! [`render`] says it to people and programs.

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

/// How to probe.
#[derive(Debug, Clone)]
pub struct Options {
    /// For one fetch, from the name's resolution to the last byte.
    pub timeout: Duration,
    /// Largest page, in bytes, as received and as decompressed.
    pub max_size: usize,
    /// Time between two scrapes; `None` makes one scrape.
    pub over: Option<Duration>,
    /// What must hold.
    pub requirements: Vec<Requirement>,
    /// Which series are shown; `None` shows none (`raw`: all).
    pub filter: Option<Regex>,
}

/// What the probe of one target found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The URL without credentials and query.
    pub url: String,
    /// Whether the fetch, the exposition's structure and every requirement are fine.
    pub healthy: bool,
    /// The verdict in one word.
    pub reason: Reason,
    /// What is wrong and what to do; `None` when healthy.
    pub message: Option<String>,
    /// What was fetched; `None` when no answer came.
    pub http: Option<Http>,
    /// Seconds between the two scrapes of `--over`; `None` counts since the process started.
    pub window_s: Option<f64>,
    /// The requirements, as given.
    pub requirements: Vec<Checked>,
    /// What the numbers say; `None` without a valid exposition.
    pub summary: Option<Summary>,
    /// The series that `--filter` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<Series>>,
    /// The page itself, for `--format raw`: what `--filter` chose, without the credential that was sent.
    #[serde(skip)]
    pub page: Option<String>,
}

/// What was fetched; of two scrapes the second.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Http {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub encoding: Option<String>,
    /// Seconds from the start to the head of the answer.
    pub first_byte_s: f64,
    /// Seconds from the start to the last byte.
    pub total_s: f64,
    /// Bytes of the body as received.
    pub received_bytes: usize,
    /// Bytes of the body when decompressed; `None` when it did not arrive whole.
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
    /// Its value; with `--over`, what a counter grew by.
    pub value: f64,
}

/// Probes every target at once; the reports come in the order of the targets.
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

/// One fetch, judged.
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
    let answer = match fetch::fetch(&target.url, &target.headers, limits).await {
        Ok(answer) => answer,
        Err(failure) => {
            let finding = Some(judge::unreachable(target, &failure));
            return Scrape { at, finding, http: None, page: None, exposition: None };
        }
    };
    let body = answer.body.as_ref().map(|body| target.redact(body));
    let (finding, exposition) = match judge::answer(target, &answer, body.as_deref()) {
        Ok(exposition) => (None, Some(exposition)),
        Err(Finding { reason, message }) => {
            (Some(Finding { reason, message: target.redact_text(&message) }), None)
        }
    };
    let header = |value: &Option<String>| value.as_deref().map(|value| target.redact_text(value));
    let page = body.ok().map(|body| String::from_utf8_lossy(&body).into_owned());
    let http = Some(Http {
        status: answer.status.as_u16(),
        content_type: header(&answer.content_type),
        encoding: header(&answer.encoding),
        first_byte_s: answer.first_byte.as_secs_f64(),
        total_s: answer.total.as_secs_f64(),
        received_bytes: answer.received,
        bytes: answer.body.as_ref().ok().map(Vec::len),
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
