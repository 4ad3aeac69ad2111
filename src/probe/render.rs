//! Output of the probe: text, JSON, or the page itself.

use std::collections::HashSet;

use reqwest::StatusCode;

use super::{Bucket, Http, Report, Summary};
use crate::metrics::parser::{Exposition, Sample};
use crate::table::{aligned, printable};
use crate::terminal::{Terminal, Tone};

/// Reports as text: the result, the response and its numbers; one row per report if there are several.
#[must_use]
pub fn text(reports: &[Report], terminal: &Terminal) -> String {
    let mut sections = match reports {
        [report] => vec![result_of_one(report, terminal) + &one(report)],
        several => vec![result_of_all(several, terminal) + &replicas(several)],
    };
    for report in reports {
        let Some(series) = &report.series else { continue };
        let heading =
            if reports.len() == 1 { "series".to_owned() } else { format!("series of {}", report.url) };
        let mut rows = vec![vec![heading, "value".to_owned()]];
        rows.extend(series.iter().map(|row| vec![row.series.clone(), row.value.to_string()]));
        sections.push(aligned(&rows, 1..));
    }
    sections.join("\n")
}

/// Reports as one JSON document: a single report at the top, several under `replicas`.
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
    document.map(|text| text + "\n")
}

/// Pages as received; if there are several, each after a comment with its URL.
#[must_use]
pub fn raw(reports: &[Report]) -> String {
    let page = |report: &Report| {
        let heading = if reports.len() == 1 { String::new() } else { format!("# {}\n", report.url) };
        heading + report.page.as_deref().unwrap_or_default()
    };
    reports.iter().map(page).collect()
}

/// The result of one report, without colour.
#[must_use]
pub fn result_line(report: &Report) -> String {
    let (word, rest) = result_parts(report);
    word.to_owned() + &rest
}

/// Lines of a page with wanted samples, and their HELP and TYPE.
pub(crate) fn excerpt(page: &str, exposition: &Exposition, wanted: impl Fn(&Sample) -> bool) -> String {
    let mut families = HashSet::new();
    let mut lines = HashSet::new();
    for family in &exposition.families {
        let chosen = family.samples.iter().filter(|sample| wanted(sample)).map(|sample| sample.line);
        let before = lines.len();
        lines.extend(chosen);
        if lines.len() > before {
            families.insert(family.name.as_str());
        }
    }
    let kept = |index: usize, line: &str| {
        let mut words = line.split_whitespace();
        let declares = words.next() == Some("#") && matches!(words.next(), Some("HELP" | "TYPE"));
        lines.contains(&(index + 1)) || declares && words.next().is_some_and(|name| families.contains(name))
    };
    let numbered = page.split_inclusive('\n').enumerate();
    numbered.filter(|(index, line)| kept(*index, line)).map(|(_, line)| line).collect()
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

fn one(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    if let Some(http) = &report.http {
        row("status", status(http.status));
        row("content type", http.content_type.clone().unwrap_or("none".to_owned()));
        row("encoding", http.encoding.clone().unwrap_or("none".to_owned()));
        row(
            "time",
            format!("{} to the first byte, {} in total", seconds(http.first_byte_s), seconds(http.total_s)),
        );
        row("size", size(http));
        if let (Some(families), Some(series), Some(samples)) = (http.families, http.series, http.samples) {
            row(
                "exposition",
                format!(
                    "{}, {series} series, {}",
                    count(families, "family", "families"),
                    count(samples, "sample", "samples")
                ),
            );
        }
    }
    for checked in report.requirements.iter().filter(|checked| checked.ok) {
        row("passed", format!("{} (sum {})", checked.expr, checked.value.unwrap_or_default()));
    }
    let Some(summary) = &report.summary else { return aligned(&rows, 0..0) };
    row("counted", counted(report.window_s, summary.restarted));
    for (name, value) in numbers(summary) {
        row(name, value);
    }
    let models = models(summary);
    let separator = if models.is_empty() { "" } else { "\n" };
    format!("{}{separator}{models}", aligned(&rows, 0..0))
}

fn counted(window: Option<f64>, restarted: bool) -> String {
    let window = match window {
        Some(window) => format!("over {}", seconds(window)),
        None => "since the process started".to_owned(),
    };
    if restarted { window + ", during which the process restarted" } else { window }
}

fn status(code: u16) -> String {
    StatusCode::from_u16(code).map_or_else(|_| code.to_string(), |status| status.to_string())
}

fn size(http: &Http) -> String {
    match http.bytes {
        Some(bytes) if bytes == http.received_bytes => format!("{bytes} bytes"),
        Some(bytes) => format!("{bytes} bytes, {} as received", http.received_bytes),
        None => format!("{} bytes received", http.received_bytes),
    }
}

fn numbers(summary: &Summary) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let requests = match (summary.requests, summary.errors.unwrap_or_default()) {
        (None, _) => "none reported: there is no aurora_requests_total".to_owned(),
        (Some(requests), errors) => match summary.error_ratio {
            Some(ratio) => format!("{requests}, {errors} failed ({})", percent(ratio)),
            None => requests.to_string(),
        },
    };
    rows.push(("requests", requests));
    rows.extend(summary.in_flight.map(|running| ("in flight", running.to_string())));
    rows.extend(
        summary.tokens.map(|tokens| ("tokens", format!("{} input, {} output", tokens.input, tokens.output))),
    );
    let fullest = summary.label_sets.iter().max_by(|a, b| (a.used / a.limit).total_cmp(&(b.used / b.limit)));
    rows.extend(fullest.map(|sets| {
        let used = percent(sets.used / sets.limit);
        (
            "label sets",
            format!("{} of {} ({used}) in {}, the fullest family", sets.used, sets.limit, sets.family),
        )
    }));
    rows
}

fn models(summary: &Summary) -> String {
    if summary.models.is_empty() {
        return String::new();
    }
    let bucket = |value: Option<Bucket>| value.map_or("-".to_owned(), edges);
    let heading = ["provider", "model", "requests", "errors", "mean", "p50", "p95", "p99"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(summary.models.iter().map(|model| {
        vec![
            model.provider.clone(),
            model.model.clone(),
            model.requests.to_string(),
            model.error_ratio.map_or("-".to_owned(), percent),
            model.mean_s.map_or("-".to_owned(), seconds),
            bucket(model.p50),
            bucket(model.p95),
            bucket(model.p99),
        ]
    }));
    aligned(&rows, 2..)
}

/// One row per replica, then the message of each unhealthy one.
fn replicas(reports: &[Report]) -> String {
    let heading = ["replica", "result", "status", "time", "samples", "requests", "errors", "in flight"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let shown = |value: Option<String>| value.unwrap_or("-".to_owned());
    for report in reports {
        let http = report.http.as_ref();
        let summary = report.summary.as_ref();
        rows.push(vec![
            report.url.clone(),
            report.reason.word().to_owned(),
            shown(http.map(|http| http.status.to_string())),
            shown(http.map(|http| seconds(http.total_s))),
            shown(http.and_then(|http| http.samples).map(|samples| samples.to_string())),
            shown(summary.and_then(|summary| summary.requests).map(|requests| requests.to_string())),
            shown(summary.and_then(|summary| summary.error_ratio).map(percent)),
            shown(summary.and_then(|summary| summary.in_flight).map(|running| running.to_string())),
        ]);
    }
    let wrong = reports.iter().filter_map(|report| {
        let message = report.message.as_ref()?;
        Some(printable(&format!("{}: {message}", report.url)) + "\n")
    });
    let wrong = wrong.collect::<String>();
    let separator = if wrong.is_empty() { "" } else { "\n" };
    format!("{}{separator}{wrong}", aligned(&rows, 3..))
}
