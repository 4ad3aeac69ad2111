//! Output of the probe: text, JSON, or the page itself.

use std::collections::HashSet;

use regex_lite::Regex;
use reqwest::StatusCode;

use super::{Bucket, Http, LabelSets, Model, Overview, Report, Summary, Tokens, fullest};
use crate::metrics::parser::Exposition;
use crate::table::aligned;
use crate::terminal::{Terminal, Tone, printable, printable_json};

/// Rows of models without `--all`: those with the most requests.
const MODELS: usize = 20;

/// Reports as text: the result, the response and its numbers; one row per report if there are several.
#[must_use]
pub fn text(reports: &[Report], all: bool, terminal: &Terminal) -> String {
    let mut sections = match reports {
        [report] => vec![result_of_one(report, terminal) + &one(report, all)],
        several => vec![result_of_all(several, terminal) + &replicas(several)],
    };
    for report in reports {
        let Some(series) = &report.series else { continue };
        let heading =
            if reports.len() == 1 { "series".to_owned() } else { format!("series of {}", report.url) };
        if series.is_empty() {
            let meant =
                report.meant.as_ref().map_or(String::new(), |meant| format!("; did you mean {meant}?"));
            sections.push(format!("{heading}  none matches{meant}\n"));
            continue;
        }
        let mut rows = vec![vec![heading, "value".to_owned()]];
        for row in series {
            rows.push(vec![row.series.clone(), row.value.to_string()]);
        }
        sections.push(aligned(&rows, 1..));
    }
    sections.join("\n")
}

/// Reports as one JSON document that cannot drive the terminal: a single report at the top, several under `replicas`.
///
/// # Errors
/// Serialisation failed, which no report causes.
pub fn json(reports: &[Report]) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct One<'a> {
        schema: u8,
        #[serde(flatten)]
        report: &'a Report,
    }
    #[derive(serde::Serialize)]
    struct Several<'a> {
        schema: u8,
        healthy: bool,
        reason: super::Reason,
        replicas: &'a [Report],
    }
    let document = match reports {
        [report] => serde_json::to_string_pretty(&One { schema: 1, report }),
        replicas => {
            let failed = replicas.iter().find(|report| !report.healthy);
            let reason = failed.map_or(super::Reason::Ok, |report| report.reason);
            serde_json::to_string_pretty(&Several { schema: 1, healthy: failed.is_none(), reason, replicas })
        }
    };
    Ok(printable_json(&document?) + "\n")
}

/// Pages as received; if there are several, each after a comment with its URL.
#[must_use]
pub fn raw(reports: &[Report]) -> String {
    let mut pages = String::new();
    for report in reports {
        if reports.len() != 1 {
            pages.push_str(&format!("# {}\n", report.url));
        }
        pages.push_str(report.page.as_deref().unwrap_or_default());
    }
    pages
}

/// The result of one report, without colour.
#[must_use]
pub fn result_line(report: &Report) -> String {
    let (word, rest) = result_parts(report);
    word.to_owned() + &rest
}

/// Lines of a page with samples that `filter` matches, and their HELP and TYPE.
pub(crate) fn excerpt(page: &str, exposition: &Exposition, filter: &Regex) -> String {
    let mut families = HashSet::new();
    let mut lines = HashSet::new();
    for family in &exposition.families {
        for sample in &family.samples {
            if filter.is_match(&sample.to_string()) {
                lines.insert(sample.line);
                families.insert(family.name.as_str());
            }
        }
    }
    let mut excerpt = String::new();
    for (index, line) in page.split_inclusive('\n').enumerate() {
        let is_chosen = match declared(line) {
            Some(family) => families.contains(family),
            None => lines.contains(&(index + 1)),
        };
        if is_chosen {
            excerpt.push_str(line);
        }
    }
    excerpt
}

/// Family that a line with HELP or TYPE declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    if words.next() == Some("#") && matches!(words.next(), Some("HELP" | "TYPE")) {
        words.next()
    } else {
        None
    }
}

/// Duration for display: `10 s`, `1.25 s`, `250 ms`, `0.4 ms`.
pub(crate) fn seconds(value: f64) -> String {
    if value >= 1.0 {
        format!("{} s", rounded(value, 100.0))
    } else {
        format!("{} ms", rounded(value * 1e3, 10.0))
    }
}

/// Bounds of a bucket: `< 10 ms`, `250–500 ms`, `0.5–1 s`, `> 600 s`.
fn edges(Bucket { lower_s, upper_s }: Bucket) -> String {
    match upper_s {
        None => format!("> {}", seconds(lower_s)),
        Some(upper) if lower_s <= 0.0 => format!("< {}", seconds(upper)),
        Some(upper) if upper < 1.0 => format!("{}–{}", rounded(lower_s * 1e3, 10.0), seconds(upper)),
        Some(upper) => format!("{}–{}", rounded(lower_s, 100.0), seconds(upper)),
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn percent(ratio: f64) -> String {
    format!("{} %", rounded(ratio * 100.0, 100.0))
}

fn result_parts(Report { url, message, .. }: &Report) -> (&'static str, String) {
    match message {
        None => ("healthy", printable(&format!(": {url}"))),
        Some(message) => ("unhealthy", printable(&format!(": {url}: {message}"))),
    }
}

fn tone(healthy: bool) -> Tone {
    if healthy { Tone::Good } else { Tone::Bad }
}

fn result_of_one(report: &Report, terminal: &Terminal) -> String {
    let (word, rest) = result_parts(report);
    format!("{}{rest}\n", terminal.paint(tone(report.healthy), word))
}

fn result_of_all(reports: &[Report], terminal: &Terminal) -> String {
    let healthy = reports.iter().filter(|report| report.healthy).count();
    let all = healthy == reports.len();
    let word = if all { "healthy" } else { "unhealthy" };
    format!("{}: {healthy} of {} replicas are healthy\n", terminal.paint(tone(all), word), reports.len())
}

fn one(report: &Report, all: bool) -> String {
    let mut rows = Vec::new();
    if let Some(http) = &report.http {
        rows.push(row("status", status(http.status)));
        rows.push(row("content type", http.content_type.clone().unwrap_or("none".to_owned())));
        rows.push(row("encoding", http.encoding.clone().unwrap_or("none".to_owned())));
        let (first_byte, total) = (seconds(http.first_byte_s), seconds(http.total_s));
        rows.push(row("time", format!("{first_byte} to the first byte, {total} in total")));
        rows.push(row("size", size(http)));
        if let (Some(families), Some(series), Some(samples)) = (http.families, http.series, http.samples) {
            let families = count(families, "family", "families");
            let samples = count(samples, "sample", "samples");
            rows.push(row("exposition", format!("{families}, {series} series, {samples}")));
        }
    }
    for checked in report.requirements.iter().filter(|checked| checked.ok) {
        let sum = checked.value.unwrap_or_default();
        rows.push(row("passed", format!("{} (sum {sum})", checked.expr)));
    }
    let Some(summary) = &report.summary else { return aligned(&rows, 0..0) };
    rows.push(row("counted", counted(report.window_s, summary.restarted)));
    if let Some(overview) = &report.overview {
        return format!("{}\n{}", aligned(&rows, 0..0), families(overview));
    }
    rows.extend(numbers(summary));
    let models = models(summary, all);
    let separator = if models.is_empty() { "" } else { "\n" };
    format!("{}{separator}{models}", aligned(&rows, 0..0))
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn counted(window: Option<f64>, restarted: bool) -> String {
    let window = match window {
        Some(window) => format!("over {}", seconds(window)),
        None => "since the process started".to_owned(),
    };
    if restarted { window + ", during which the process restarted" } else { window }
}

fn status(code: u16) -> String {
    match StatusCode::from_u16(code) {
        Ok(status) => status.to_string(),
        Err(_) => code.to_string(),
    }
}

fn size(http: &Http) -> String {
    match http.bytes {
        Some(bytes) if bytes == http.received_bytes => format!("{bytes} bytes"),
        Some(bytes) => format!("{bytes} bytes, {} as received", http.received_bytes),
        None => format!("{} bytes received", http.received_bytes),
    }
}

fn numbers(summary: &Summary) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let requests = match (summary.requests, summary.errors.unwrap_or_default()) {
        (None, _) => "none reported: there is no aurora_requests_total".to_owned(),
        (Some(requests), errors) => match summary.error_ratio {
            Some(ratio) => format!("{requests}, {errors} failed ({})", percent(ratio)),
            None => requests.to_string(),
        },
    };
    rows.push(row("requests", requests));
    if let Some(in_flight) = summary.in_flight {
        rows.push(row("in flight", in_flight.to_string()));
    }
    if let Some(Tokens { input, output }) = summary.tokens {
        rows.push(row("tokens", format!("{input} input, {output} output")));
    }
    if let Some(LabelSets { family, used, limit }) = fullest(&summary.label_sets) {
        let share = percent(used / limit);
        rows.push(row("label sets", format!("{used} of {limit} ({share}) in {family}, the fullest family")));
    }
    rows
}

fn models(summary: &Summary, all: bool) -> String {
    if summary.models.is_empty() {
        return String::new();
    }
    let mut shown: Vec<&Model> = summary.models.iter().collect();
    let rest = if all { 0 } else { shown.len().saturating_sub(MODELS) };
    if rest > 0 {
        shown.sort_by(|a, b| b.requests.total_cmp(&a.requests));
        shown.truncate(MODELS);
    }
    let heading = ["provider", "model", "requests", "errors", "mean", "p50", "p95", "p99"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for model in shown {
        rows.push(vec![
            model.provider.clone(),
            model.model.clone(),
            model.requests.to_string(),
            cell(model.error_ratio.map(percent)),
            cell(model.mean_s.map(seconds)),
            cell(model.p50.map(edges)),
            cell(model.p95.map(edges)),
            cell(model.p99.map(edges)),
        ]);
    }
    let table = aligned(&rows, 2..);
    if rest == 0 {
        table
    } else {
        format!("{table}{} with fewer requests: --all\n", count(rest, "model", "models"))
    }
}

/// The largest families and the process of another exporter.
fn families(Overview { families, process }: &Overview) -> String {
    let heading = ["largest families", "series", "counted"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for family in families {
        rows.push(vec![family.family.clone(), family.series.to_string(), cell(family.counted)]);
    }
    let table = aligned(&rows, 1..);
    if process.is_empty() {
        return table;
    }
    let mut rows = vec![row("process", "value".to_owned())];
    rows.extend(process.iter().map(|(name, value)| row(name, value.to_string())));
    format!("{table}\n{}", aligned(&rows, 1..))
}

/// A value, or a dash in its place.
fn cell(value: Option<impl ToString>) -> String {
    match value {
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    }
}

/// One row per replica, then the message of each unhealthy one.
fn replicas(reports: &[Report]) -> String {
    let heading = ["replica", "result", "status", "time", "samples", "requests", "errors", "in flight"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let absent = ["-", "-", "-"].map(str::to_owned);
    let mut failures = String::new();
    for report in reports {
        let http = match &report.http {
            Some(http) => [http.status.to_string(), seconds(http.total_s), cell(http.samples)],
            None => absent.clone(),
        };
        let numbers = match &report.summary {
            Some(Summary { requests, error_ratio, in_flight, .. }) => {
                [cell(*requests), cell(error_ratio.map(percent)), cell(*in_flight)]
            }
            None => absent.clone(),
        };
        let result = [report.url.clone(), report.reason.word().to_owned()];
        rows.push([&result[..], &http, &numbers].concat());
        if let Some(message) = &report.message {
            failures.push_str(&printable(&format!("{}: {message}", report.url)));
            failures.push('\n');
        }
    }
    let separator = if failures.is_empty() { "" } else { "\n" };
    format!("{}{separator}{failures}", aligned(&rows, 3..))
}
