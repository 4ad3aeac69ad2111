//! One colour per meaning, for every panel that shows outcomes, status codes or states.
//!
//! Green is fine, red is an error, amber is throttled or degraded, blue is the client's own mistake, grey was cancelled.
//! Shades tell values of one meaning apart; the legend names them.

use serde_json::{Value, json};

use self::Meaning::{Cancelled, Error, Fine, Refused, Throttled};

/// Amber: Grafana has no name for it.
pub(super) const AMBER: &str = "#f2a900";
const LIGHT_AMBER: &str = "#ffd166";
const GREY: &str = "#8e8e8e";
const LIGHT_GREY: &str = "#c0c0c0";

/// Meaning of an outcome, a status code or a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Green.
    Fine,
    /// Red.
    Error,
    /// Amber.
    Throttled,
    /// Blue: the client's own mistake.
    Refused,
    /// Grey.
    Cancelled,
}

impl Meaning {
    /// Meaning of a value of the label `outcome`; `None` for one that is not in the palette.
    pub(crate) fn of_outcome(outcome: &str) -> Option<Self> {
        let mut rows = PALETTE.iter().filter(|(label, ..)| *label == "outcome");
        Some(rows.find(|(_, values, ..)| values.split('|').any(|value| value == outcome))?.2)
    }
}

/// Label, pattern of its values, meaning, colour. A later row wins over an earlier one.
const PALETTE: &[(&str, &str, Meaning, &str)] = &[
    ("outcome", "ok|success|completed", Fine, "green"),
    ("outcome", "ok_after_retry", Fine, "light-green"),
    ("outcome", "ok_after_fallback", Fine, "super-light-green"),
    ("outcome", "upstream_error|server_error|error", Error, "red"),
    ("outcome", "gateway_error|unauthorized", Error, "dark-red"),
    ("outcome", "broken_stream|upstream_truncated|connect_error|broken", Error, "light-red"),
    ("outcome", "timeout", Error, "semi-dark-red"),
    ("outcome", "quota", Error, "super-light-red"),
    ("outcome", "rate_limited", Throttled, AMBER),
    ("outcome", "breaker_open", Throttled, LIGHT_AMBER),
    ("outcome", "caller_error|client_error", Refused, "blue"),
    ("outcome", "cancelled|client_disconnect", Cancelled, GREY),
    ("outcome", "shutdown", Cancelled, LIGHT_GREY),
    ("status_code", "[123]..", Fine, "green"),
    ("status_code", "4..", Refused, "blue"),
    ("status_code", "5..|network_error", Error, "red"),
    ("status_code", "504", Error, "semi-dark-red"),
    ("status_code", "429", Throttled, AMBER),
    ("status_code", "499", Cancelled, GREY),
    ("state", "closed", Fine, "green"),
    ("state", "open", Error, "red"),
    ("state", "half_open", Throttled, AMBER),
    ("to", "closed", Fine, "green"),
    ("to", "open", Error, "red"),
    ("to", "half_open", Throttled, AMBER),
    ("source", "native", Fine, "green"),
    ("source", "injected", Fine, "light-green"),
    ("source", "missing", Throttled, AMBER),
];

/// In a panel of failures: a stream that broke after a success status.
const FAILED: (&str, &str, Meaning, &str) = ("status_code", "[123]..", Error, "light-red");

/// Overrides of a panel's series colours: those of the last label of each legend, which is where a legend has the outcome.
/// `failed` is true for a panel of failures only.
pub(super) fn overrides(legends: &[&str], failed: bool) -> Vec<Value> {
    let rows = PALETTE.iter().chain(failed.then_some(&FAILED)).filter(|(label, ..)| {
        let end = format!("{{{{{label}}}}}");
        legends.iter().any(|legend| legend.ends_with(&end))
    });
    rows.map(|(_, values, _, colour)| {
        json!({
            "matcher": {"id": "byRegexp", "options": format!("/(^| )({values})$/")},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;
    use crate::metrics::catalog::families::FAMILIES;
    use crate::metrics::catalog::labels::CallOutcome;
    use crate::metrics::catalog::vocabulary::words;

    /// Colour of a value: that of the last row that matches.
    fn colour(label: &str, value: &str) -> Option<&'static str> {
        let matches =
            |pattern: &str| Regex::new(&format!("^({pattern})$")).expect("a pattern").is_match(value);
        let mut rows = PALETTE.iter().rev();
        rows.find(|(of, pattern, ..)| *of == label && matches(pattern)).map(|(.., colour)| *colour)
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
    fn shades_are_those_of_the_meaning() {
        for (label, values, meaning, colour) in PALETTE {
            let shades: &[&str] = match meaning {
                Fine => &["green", "light-green", "super-light-green"],
                Error => &["red", "dark-red", "semi-dark-red", "light-red", "super-light-red"],
                Throttled => &[AMBER, LIGHT_AMBER],
                Refused => &["blue"],
                Cancelled => &[GREY, LIGHT_GREY],
            };
            assert!(shades.contains(colour), "{label}={values}: {meaning:?} in {colour}");
        }
        for outcome in CallOutcome::WORDS {
            assert!(Meaning::of_outcome(outcome).is_some(), "{outcome}");
        }
        assert_eq!(Meaning::of_outcome("broken_stream"), Some(Error));
        assert_eq!(Meaning::of_outcome("rate_limited"), Some(Throttled));
        assert_eq!(Meaning::of_outcome("spilled"), None);
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
