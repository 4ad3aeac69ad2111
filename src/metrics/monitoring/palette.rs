//! One colour per meaning, for every panel that shows outcomes, status codes or states.
//!
//! Green is fine, red is an error, amber is throttled or degraded, blue is the client's own mistake, grey was cancelled.
//! Shades tell values of one meaning apart; the legend names them.

use serde_json::{Value, json};

/// Amber: Grafana has no name for it.
pub(super) const AMBER: &str = "#f2a900";
const LIGHT_AMBER: &str = "#ffd166";
const GREY: &str = "#8e8e8e";
const LIGHT_GREY: &str = "#c0c0c0";

/// Label, pattern of its values, colour. A later row wins over an earlier one.
const PALETTE: &[(&str, &str, &str)] = &[
    ("outcome", "ok|success|completed", "green"),
    ("outcome", "ok_after_retry", "light-green"),
    ("outcome", "ok_after_fallback", "super-light-green"),
    ("outcome", "upstream_error|server_error|error", "red"),
    ("outcome", "gateway_error|unauthorized", "dark-red"),
    ("outcome", "broken_stream|upstream_truncated|connect_error|broken", "light-red"),
    ("outcome", "timeout", "semi-dark-red"),
    ("outcome", "quota", "super-light-red"),
    ("outcome", "rate_limited", AMBER),
    ("outcome", "breaker_open", LIGHT_AMBER),
    ("outcome", "caller_error|client_error", "blue"),
    ("outcome", "cancelled|client_disconnect", GREY),
    ("outcome", "shutdown", LIGHT_GREY),
    ("status_code", "[123]..", "green"),
    ("status_code", "4..", "blue"),
    ("status_code", "5..|network_error", "red"),
    ("status_code", "504", "semi-dark-red"),
    ("status_code", "429", AMBER),
    ("status_code", "499", GREY),
    ("state", "closed", "green"),
    ("state", "open", "red"),
    ("state", "half_open", AMBER),
    ("to", "closed", "green"),
    ("to", "open", "red"),
    ("to", "half_open", AMBER),
    ("source", "native", "green"),
    ("source", "injected", "light-green"),
    ("source", "missing", AMBER),
];

/// In a panel of failures: a stream that broke after a success status.
const FAILED: (&str, &str, &str) = ("status_code", "[123]..", "light-red");

/// Overrides of a panel's series colours: those of the last label of each legend, which is where a legend has the outcome.
/// `failed` is true for a panel of failures only.
pub(super) fn overrides(legends: &[&str], failed: bool) -> Vec<Value> {
    let rows = PALETTE.iter().chain(failed.then_some(&FAILED)).filter(|(label, _, _)| {
        let end = format!("{{{{{label}}}}}");
        legends.iter().any(|legend| legend.ends_with(&end))
    });
    rows.map(|(_, values, colour)| {
        json!({
            "matcher": {"id": "byRegexp", "options": format!("/(^| )({values})$/")},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::metrics::catalog::families::FAMILIES;
    use crate::metrics::catalog::vocabulary::words;

    /// Colour of a value: that of the last row that matches.
    fn colour(label: &str, value: &str) -> Option<&'static str> {
        let matches =
            |pattern: &str| Regex::new(&format!("^({pattern})$")).expect("a pattern").is_match(value);
        let mut rows = PALETTE.iter().rev();
        rows.find(|(of, pattern, _)| *of == label && matches(pattern)).map(|(_, _, colour)| *colour)
    }

    #[test]
    fn every_outcome_has_a_colour() {
        for family in FAMILIES {
            for label in ["outcome", "source", "to"] {
                let values = family.labels.contains(&label).then(|| words(family, label)).flatten();
                for value in values.unwrap_or_default() {
                    assert!(colour(label, value).is_some(), "{label}={value} of {}", family.name);
                }
            }
        }
    }

    #[test]
    fn a_meaning_has_one_colour() {
        for (label, value, expected) in [
            ("outcome", "ok", "green"),
            ("outcome", "completed", "green"),
            ("outcome", "broken_stream", "light-red"),
            ("outcome", "rate_limited", AMBER),
            ("outcome", "cancelled", GREY),
            ("outcome", "client_disconnect", GREY),
            ("status_code", "200", "green"),
            ("status_code", "404", "blue"),
            ("status_code", "429", AMBER),
            ("status_code", "499", GREY),
            ("status_code", "503", "red"),
            ("status_code", "504", "semi-dark-red"),
            ("status_code", "network_error", "red"),
            ("state", "half_open", AMBER),
        ] {
            assert_eq!(colour(label, value), Some(expected), "{label}={value}");
        }
    }

    #[test]
    fn a_failure_with_a_success_status_is_no_success() {
        let last = |failed| overrides(&["{{provider}} {{status_code}}"], failed).pop().expect("an override");
        assert_eq!(last(true)["matcher"]["options"], "/(^| )([123]..)$/");
        assert_eq!(last(true)["properties"][0]["value"]["fixedColor"], "light-red");
        assert_eq!(last(false)["matcher"]["options"], "/(^| )(499)$/");
    }

    #[test]
    fn only_the_last_label_of_a_legend_is_coloured() {
        let options = |legend: &'static str| {
            let found = overrides(&[legend], false);
            found.iter().map(|one| one["matcher"]["options"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            options("{{provider}} to {{to}}"),
            [r#""/(^| )(closed)$/""#, r#""/(^| )(open)$/""#, r#""/(^| )(half_open)$/""#]
        );
        assert_eq!(options("{{outcome}} {{model}}"), Vec::<String>::new());
    }
}
