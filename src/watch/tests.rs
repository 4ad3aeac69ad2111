use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::history::History;
use super::lines;
use super::reading::Reading;
use super::rounds::Round;
use crate::metrics::parser::{Exposition, parse};
use crate::probe::{Finding, Reason};

pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

/// A page of Aurora with the numbers of one model, as they are after `n` times the same traffic: 6 calls with an error
/// and a disconnect, one of them above a second.
fn page(n: u32) -> String {
    page_of(&[("openai", "gpt", n)])
}

/// As [`page`], for several models.
pub(crate) fn page_of(models: &[(&str, &str, u32)]) -> String {
    let mut page = "# TYPE aurora_build_info gauge\naurora_build_info 1\n".to_owned();
    let mut family = |name: &str, kind: &str, samples: &dyn Fn(f64) -> Vec<(&'static str, f64)>| {
        page += &format!("# TYPE {name} {kind}\n");
        for (provider, model, n) in models {
            for (rest, value) in samples(f64::from(*n)) {
                let (suffix, label) = rest.split_once('|').expect("a bar");
                let labels = format!("provider=\"{provider}\",model=\"{model}\"{label}");
                page += &format!("{name}{suffix}{{{labels}}} {value}\n");
            }
        }
    };
    family("aurora_answers_total", "counter", &|n| {
        vec![
            ("|,outcome=\"ok\"", 4.0 * n),
            ("|,outcome=\"upstream_error\"", n),
            ("|,outcome=\"cancelled\"", n),
        ]
    });
    family("aurora_requests_in_flight", "gauge", &|_| vec![("|", 3.0)]);
    family("aurora_requests_total", "counter", &|n| {
        vec![
            ("|,status_type=\"success\"", 4.0 * n),
            ("|,status_type=\"error\"", n),
            ("|,status_type=\"cancelled\"", n),
        ]
    });
    family("aurora_request_duration_seconds", "histogram", &|n| {
        vec![
            ("_bucket|,le=\"0.1\"", 0.0),
            ("_bucket|,le=\"0.25\"", 4.0 * n),
            ("_bucket|,le=\"1\"", 5.0 * n),
            ("_bucket|,le=\"+Inf\"", 6.0 * n),
            ("_sum|", 6.0 * n),
            ("_count|", 6.0 * n),
        ]
    });
    family("aurora_time_to_first_token_seconds", "histogram", &|n| {
        vec![("_bucket|,le=\"0.1\"", n), ("_bucket|,le=\"+Inf\"", n), ("_sum|", n), ("_count|", n)]
    });
    family("aurora_tokens_total", "counter", &|n| {
        vec![("|,direction=\"input\"", 5.0 * n), ("|,direction=\"output\"", 100.0 * n)]
    });
    page
}

pub(crate) fn parsed(page: &str) -> Exposition {
    parse(page.as_bytes()).expect(page)
}

const STARTED: &str = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ";

pub(crate) fn down(message: &str) -> Finding {
    Finding { reason: Reason::Refused, message: message.to_owned() }
}

/// A history and the time of its next round.
pub(crate) struct Past {
    pub(crate) history: History,
    pub(crate) at: Instant,
}

impl Past {
    pub(crate) fn of(urls: &[&str]) -> Self {
        let at = Instant::now();
        let history = History::new(urls.iter().map(|url| (*url).to_owned()), INTERVAL, at);
        Self { history, at }
    }

    /// A round with these pages, one interval after the last.
    pub(crate) fn round(&mut self, pages: &[Option<Result<&str, Finding>>]) -> String {
        self.at += INTERVAL;
        let read = |page: &str| Reading::of(&parsed(page), self.at);
        let results = pages.iter().map(|page| page.clone().map(|page| page.map(read))).collect();
        self.history.take(Round { at: self.at, results });
        lines::text(&self.history)
    }
}

#[test]
fn a_line_shows_the_increase_of_the_interval() {
    let mut past = Past::of(&["http://a/metrics"]);
    assert_eq!(past.round(&[Some(Ok(&page(10)))]), "first page, no rates yet  in flight 3");
    let line = past.round(&[Some(Ok(&page(12)))]);
    let expected = "requests 12 (6/s)  errors 16.7 %  p50 ≤ 250 ms  p95 > 1 s  p99 > 1 s  first token p95 ≤ 100 ms  \
                    output tokens 100/s  in flight 3";
    assert_eq!(line, expected);
    let quiet =
        "requests 0 (0/s)  errors -  p50 -  p95 -  p99 -  first token p95 -  output tokens 0/s  in flight 3";
    assert_eq!(past.round(&[Some(Ok(&page(12)))]), quiet);
}

#[test]
fn endpoints_are_summed_and_one_that_is_down_is_named() {
    let mut past = Past::of(&["http://a/metrics", "http://b/metrics"]);
    past.round(&[Some(Ok(&page(1))), Some(Ok(&page(5)))]);
    let both = past.round(&[Some(Ok(&page(2))), Some(Ok(&page(6)))]);
    assert!(both.starts_with("requests 12 (6/s)  errors 16.7 %  "), "{both}");
    assert!(both.ends_with("  output tokens 100/s  in flight 6  up 2 of 2"), "{both}");
    let one = past.round(&[Some(Ok(&page(3))), Some(Err(down("connection refused")))]);
    let expected = "  in flight 3  up 1 of 2  http://b/metrics is down: connection refused";
    assert!(one.starts_with("requests 6 (3/s)") && one.ends_with(expected), "{one}");
    let none = past.round(&[None, Some(Err(down("connection refused")))]);
    let waiting =
        "up 0 of 2  http://a/metrics has not responded for 0 s  http://b/metrics is down: connection refused";
    assert_eq!(none, waiting);
}

#[test]
fn an_increase_after_a_gap_is_spread_over_it() {
    let mut past = Past::of(&["http://a/metrics"]);
    past.round(&[Some(Ok(&page(1)))]);
    for _ in 0..3 {
        assert_eq!(past.round(&[Some(Err(down("refused")))]), "http://a/metrics is down: refused");
    }
    // 24 calls in 8 s.
    let line = past.round(&[Some(Ok(&page(5)))]);
    assert!(line.starts_with("requests 6 (3/s)  errors 16.7 %"), "{line}");
}

#[test]
fn a_late_page_counts_for_all_its_time() {
    let mut past = Past::of(&["http://a/metrics"]);
    past.round(&[Some(Ok(&page(1)))]);
    assert_eq!(past.round(&[None]), "http://a/metrics has not responded for 0 s");
    let line = past.round(&[Some(Ok(&page(3)))]);
    assert!(line.starts_with("requests 12 (3/s)  errors 16.7 %"), "{line}");
}

#[test]
fn a_restart_begins_at_zero() {
    let mut past = Past::of(&["http://a/metrics"]);
    past.round(&[Some(Ok(&page(9)))]);
    let fewer = past.round(&[Some(Ok(&page(1)))]);
    assert!(
        fewer.starts_with("requests 6 (3/s)") && fewer.ends_with("  http://a/metrics restarted"),
        "{fewer}"
    );

    // As many calls as before, by a process that started a second ago.
    let started = |seconds: f64| format!("{}{STARTED}{seconds}\n", page(9));
    let now = f64::from(i32::try_from(Timestamp::now().as_second()).expect("before 2038"));
    let mut past = Past::of(&["http://a/metrics"]);
    past.round(&[Some(Ok(&started(1e9)))]);
    let restarted = past.round(&[Some(Ok(&started(now - 1.0)))]);
    assert!(restarted.starts_with("requests 54 (27/s)") && restarted.ends_with(" restarted"), "{restarted}");
    let after = past.round(&[Some(Ok(&started(now - 1.0)))]);
    assert!(after.starts_with("requests 0 (0/s)") && after.ends_with("in flight 3"), "{after}");

    // A process that has run for long, behind the same address: its calls were not made in this interval.
    let other = past.round(&[Some(Ok(&started(1e9)))]);
    assert!(other.starts_with("requests 0 (0/s)") && other.ends_with(" restarted"), "{other}");
}

#[test]
fn open_breakers_are_named_with_their_state() {
    let breakers = "# TYPE aurora_circuit_breaker_state gauge\n\
        aurora_circuit_breaker_state{provider=\"a\",model=\"m\",state=\"open\"} 1\n\
        aurora_circuit_breaker_state{provider=\"a\",model=\"n\",state=\"closed\"} 1\n\
        aurora_circuit_breaker_state{provider=\"b\",model=\"\",state=\"half_open\"} 1\n";
    let mut past = Past::of(&["http://a/metrics"]);
    let line = past.round(&[Some(Ok(&(page(1) + breakers)))]);
    assert_eq!(line, "first page, no rates yet  in flight 3  breaker open: a/m  breaker half-open: b");
}

#[test]
fn of_very_many_open_breakers_the_number_is_said() {
    let mut pages = page(1) + "# TYPE aurora_circuit_breaker_state gauge\n";
    for number in 0..20_000 {
        pages += &format!(
            "aurora_circuit_breaker_state{{provider=\"p{number:05}\",model=\"m\",state=\"open\"}} 1\n"
        );
    }
    let mut past = Past::of(&["http://a/metrics"]);
    let line = past.round(&[Some(Ok(&pages))]);
    let shown: Vec<String> = (0..10).map(|number| format!("breaker open: p{number:05}/m  ")).collect();
    assert!(line.ends_with(&format!("{}9990 more breakers", shown.concat())), "{line}");
}

#[test]
fn the_page_of_another_program_lacks_families() {
    let mut past = Past::of(&["http://node/metrics"]);
    let page = "# TYPE node_load1 gauge\nnode_load1 0.3\n# TYPE aurora_tokens_total counter\naurora_tokens_total 3\n";
    past.round(&[Some(Ok(page))]);
    let expected = "requests 0 (0/s)  errors -  p50 -  p95 -  p99 -  first token p95 -  output tokens 0/s  \
        not a page of Aurora: http://node/metrics has no aurora_requests_total, aurora_request_duration_seconds, \
        aurora_time_to_first_token_seconds, aurora_requests_in_flight; `aurora metrics probe` summarises any page";
    assert_eq!(past.round(&[Some(Ok(page))]), expected);
}

#[test]
fn json_has_the_same_numbers() {
    let limits = "# TYPE aurora_metrics_label_sets gauge\naurora_metrics_label_sets{family=\"a\"} 5\n\
        aurora_metrics_label_sets{family=\"b\"} 30\n# TYPE aurora_metrics_label_sets_limit gauge\n\
        aurora_metrics_label_sets_limit{family=\"a\"} 10\naurora_metrics_label_sets_limit{family=\"b\"} 100\n\
        # TYPE aurora_metrics_label_overflow_total counter\naurora_metrics_label_overflow_total{family=\"a\"} ";
    let mut past = Past::of(&["http://a/metrics", "http://b/metrics"]);
    past.round(&[Some(Ok(&format!("{}{limits}1\n", page(1)))), None]);
    past.round(&[Some(Ok(&format!("{}{limits}4\n", page(2)))), Some(Err(down("connection refused")))]);
    let bucket = r#"{"lower_s":0.1,"upper_s":0.25}"#;
    let first = r#"{"mean_s":1.0,"p50":{"lower_s":0.0,"upper_s":0.1},"p95":{"lower_s":0.0,"upper_s":0.1},"p99":{"lower_s":0.0,"upper_s":0.1}}"#;
    let last = r#"{"lower_s":1.0,"upper_s":null}"#;
    let shared = format!(
        r#""error_ratio":0.16666666666666666,"tokens_per_s":{{"input":2.5,"output":50.0}},"duration":{{"mean_s":1.0,"p50":{bucket},"p95":{last},"p99":{last}}},"first_token":{first}"#
    );
    let expected = format!(
        r#"{{"schema":1,"time":"1970-01-01T00:00:00.000Z","up":1,"endpoints":[{{"url":"http://a/metrics","up":true,"reason":"ok","message":null,"restarted":false}},{{"url":"http://b/metrics","up":false,"reason":"refused","message":"connection refused","restarted":false}}],"numbers":{{"seconds":2.0,"requests":6.0,"requests_per_s":3.0,"outcomes":{{"ok":4.0,"errors":1.0,"throttled":0.0,"refused":0.0,"cancelled":1.0}},{shared},"models":[{{"provider":"openai","model":"gpt","requests":6.0,"requests_per_s":3.0,{shared}}}],"label_overflow":3.0}},"in_flight":3.0,"breakers":[],"label_sets":{{"family":"a","used":5.0,"limit":10.0}},"missing":null}}"#
    );
    assert_eq!(lines::json(&past.history, Timestamp::UNIX_EPOCH).expect("JSON"), expected);
}

#[test]
fn foreign_names_cannot_drive_the_terminal() {
    let mut past = Past::of(&["http://a/metrics"]);
    let breaker = "# TYPE aurora_circuit_breaker_state gauge\n\
        aurora_circuit_breaker_state{provider=\"\u{1b}]0;x\u{7}\",model=\"\u{202e}m\u{9b}2J\",state=\"open\"} 1\n";
    let line = past.round(&[Some(Ok(&(page(1) + breaker)))]);
    assert_eq!(
        line,
        "first page, no rates yet  in flight 3  breaker open: \u{fffd}]0;x\u{fffd}/\u{fffd}m\u{fffd}2J"
    );
    let json = lines::json(&past.history, Timestamp::UNIX_EPOCH).expect("JSON");
    assert!(json.contains(r#""provider":"\u001b]0;x\u0007","model":"\u202em\u009b2J""#), "{json}");
}

#[test]
fn values_that_are_no_numbers_count_nothing() {
    let page = |calls: &str| {
        format!(
            "# TYPE aurora_answers_total counter\naurora_answers_total{{outcome=\"ok\"}} {calls}\n\
             # TYPE aurora_build_info gauge\naurora_build_info 1\n\
             # TYPE aurora_requests_in_flight gauge\naurora_requests_in_flight NaN\n"
        )
    };
    let mut past = Past::of(&["http://a/metrics"]);
    assert_eq!(past.round(&[Some(Ok(&page("0")))]), "first page, no rates yet  in flight 0");
    let line = past.round(&[Some(Ok(&page("1e308")))]);
    assert!(line.starts_with("requests 1e308 (5e307/s)  errors 0 %"), "{line}");
}

#[test]
fn a_page_without_bounds_is_bounded() {
    let mut page =
        "# TYPE aurora_build_info gauge\naurora_build_info 1\n# TYPE aurora_requests_total counter\n"
            .to_owned();
    for n in 0..12_000 {
        page += &format!("aurora_requests_total{{provider=\"p\",model=\"{n}{}\"}} 1\n", "long".repeat(100));
    }
    let reading = Reading::of(&parsed(&page), Instant::now());
    assert_eq!(reading.counts.models.len(), 10_001);
    let others = reading.counts.models.iter().find(|(name, _)| name.provider.is_empty());
    assert_eq!(
        others.map(|(name, counts)| (name.model.as_str(), counts.requests)),
        Some(("all others", 2_000.0))
    );
}
