//! `--require 'family{label="value"} > number'`.

use std::str::FromStr;

use regex_lite::Regex;

use crate::config::values::names;
use crate::metrics::parser::{Exposition, Kind, Sample};

/// A condition on the sum of the matching series.
#[derive(Debug, Clone)]
pub struct Requirement {
    text: String,
    name: String,
    matchers: Vec<Matcher>,
    operator: Operator,
    number: f64,
}

/// A requirement and its result.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Checked {
    /// The requirement, as given.
    pub expr: String,
    /// The sum of the matching series; `None` when the family is absent.
    pub value: Option<f64>,
    /// True if it holds.
    pub ok: bool,
    /// The name that was probably meant by one that is absent.
    #[serde(skip)]
    pub similar: Option<String>,
}

#[derive(Debug, Clone)]
struct Matcher {
    label: String,
    wanted: Wanted,
}

#[derive(Debug, Clone)]
enum Wanted {
    Equal(String),
    Unequal(String),
    Like(Regex),
    Unlike(Regex),
}

/// A comparison operator and its function.
type Operator = (&'static str, fn(&f64, &f64) -> bool);

/// Longer operators first, so that `>=` is not parsed as `>`.
const OPERATORS: [Operator; 6] =
    [("==", f64::eq), ("!=", f64::ne), (">=", f64::ge), ("<=", f64::le), (">", f64::gt), ("<", f64::lt)];

impl Checked {
    /// The requirement and the value found.
    pub(crate) fn explain(&self) -> String {
        match (self.value, &self.similar) {
            (Some(value), _) => format!("required {}, but the sum is {value}", self.expr),
            (None, Some(similar)) => {
                format!(
                    "required {}, but the exposition has no such family; did you mean {similar}?",
                    self.expr
                )
            }
            (None, None) => format!(
                "required {}, but the exposition has no such family; a histogram is named with _count, _sum or \
                 _bucket",
                self.expr
            ),
        }
    }
}

impl Requirement {
    /// Checks it; a family without a matching series sums up to 0, an absent family fails.
    #[must_use]
    pub fn check(&self, exposition: &Exposition) -> Checked {
        let mut known = false;
        let mut value = 0.0;
        for family in &exposition.families {
            let suffix = self.name.strip_prefix(family.name.as_str());
            known |= match family.kind {
                Kind::Histogram => matches!(suffix, Some("_bucket" | "_count" | "_sum")),
                Kind::Summary => matches!(suffix, Some("" | "_count" | "_sum")),
                Kind::Counter | Kind::Gauge | Kind::Untyped => suffix == Some(""),
            };
            for sample in &family.samples {
                if self.matches(sample) {
                    value += sample.value;
                }
            }
        }
        let ok = known && self.operator.1(&value, &self.number);
        let similar = if known { None } else { self.similar(exposition) };
        Checked { expr: self.text.clone(), value: known.then_some(value), ok, similar }
    }

    fn similar(&self, exposition: &Exposition) -> Option<String> {
        let mut names = Vec::new();
        for family in &exposition.families {
            let suffixes: &[&str] = match family.kind {
                Kind::Histogram => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            names.extend(suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)));
        }
        names::similar(&self.name, names.iter().map(String::as_str)).map(str::to_owned)
    }

    fn matches(&self, sample: &Sample) -> bool {
        *sample.name == *self.name
            && self.matchers.iter().all(|matcher| matcher.matches(sample.label(&matcher.label)))
    }
}

impl Matcher {
    fn matches(&self, value: &str) -> bool {
        match &self.wanted {
            Wanted::Equal(wanted) => value == wanted,
            Wanted::Unequal(wanted) => value != wanted,
            Wanted::Like(wanted) => wanted.is_match(value),
            Wanted::Unlike(wanted) => !wanted.is_match(value),
        }
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let name = take_name(&mut rest, ":");
        if name.is_empty() {
            return Err(
                "expected a family first: aurora_requests_total{status_type=\"success\"} > 0".to_owned()
            );
        }
        let mut matchers = Vec::new();
        if take(&mut rest, "{") {
            while !take(&mut rest, "}") {
                matchers.push(take_matcher(&mut rest)?);
                if !take(&mut rest, ",") && !rest.starts_with('}') {
                    return Err("expected `,` or `}` after a matcher".to_owned());
                }
            }
        }
        let operator = OPERATORS
            .into_iter()
            .find(|(written, _)| take(&mut rest, written))
            .ok_or("expected one of == != > >= < <= and a number after the family")?;
        let number = rest.parse().map_err(|_| format!("expected a number after {}", operator.0))?;
        Ok(Self { text: text.trim().to_owned(), name, matchers, operator, number })
    }
}

fn take(rest: &mut &str, wanted: &str) -> bool {
    let Some(after) = rest.strip_prefix(wanted) else { return false };
    *rest = after.trim_start();
    true
}

fn take_name(rest: &mut &str, also: &str) -> String {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || also.contains(c));
    let end = rest.find(ends).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after.trim_start();
    name.to_owned()
}

fn take_matcher(rest: &mut &str) -> Result<Matcher, String> {
    let label = take_name(rest, "");
    if label.is_empty() {
        return Err("expected a matcher: label=\"value\", with = != =~ or !~".to_owned());
    }
    let Some(operator) = ["=~", "!~", "!=", "="].into_iter().find(|written| take(rest, written)) else {
        return Err(format!("expected one of = != =~ !~ after {label}"));
    };
    let Some(value) = take_quoted(rest) else {
        return Err(format!("the value of {label} must be quoted"));
    };
    let wanted = match operator {
        "=~" => Wanted::Like(anchored(&value)?),
        "!~" => Wanted::Unlike(anchored(&value)?),
        "!=" => Wanted::Unequal(value),
        _ => Wanted::Equal(value),
    };
    Ok(Matcher { label, wanted })
}

/// A regular expression that matches whole values, as label matchers of Prometheus do.
fn anchored(value: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?s:{value})$")).map_err(|_| format!("{value:?} is not a regular expression"))
}

/// A value in double or single quotes; a backslash makes the next character literal, `\n` a line feed.
fn take_quoted(rest: &mut &str) -> Option<String> {
    let quote = rest.chars().next()?;
    if !matches!(quote, '"' | '\'') {
        return None;
    }
    let mut value = String::new();
    let mut characters = rest[1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            _ if character == quote => {
                *rest = rest[at + 2..].trim_start();
                return Some(value);
            }
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::parser::parse;

    const PAGE: &str = "# TYPE r counter\nr{m=\"a\",s=\"ok\"} 3\nr{m=\"b\",s=\"bad\"} 2\nr{m=\"a\\\"\",s=\"ok\"} 1\n\
                        # TYPE h histogram\nh_bucket{le=\"+Inf\"} 4\nh_sum 2\nh_count 4\n# TYPE none counter\n";

    fn check(text: &str) -> (Option<f64>, bool) {
        let checked = text.parse::<Requirement>().expect(text).check(&parse(PAGE.as_bytes()).expect("valid"));
        assert_eq!(checked.expr, text);
        (checked.value, checked.ok)
    }

    #[test]
    fn sum_of_matching_series_is_compared() {
        for (text, expected) in [
            ("r > 5", (Some(6.0), true)),
            ("r>=6", (Some(6.0), true)),
            ("r < 6", (Some(6.0), false)),
            ("r <= 6.0", (Some(6.0), true)),
            ("r == 6e0", (Some(6.0), true)),
            ("r != 6", (Some(6.0), false)),
            ("r{} == 6", (Some(6.0), true)),
            ("r{s=\"ok\"} == 4", (Some(4.0), true)),
            ("r{s='ok', m!=\"a\",} == 1", (Some(1.0), true)),
            ("r{m=\"a\\\"\"} == 1", (Some(1.0), true)),
            ("r{m=~\"a|b\"} == 5", (Some(5.0), true)),
            ("r{m!~\"a.*\"} == 2", (Some(2.0), true)),
            ("r{absent=\"\"} == 6", (Some(6.0), true)),
            ("r{m=\"c\"} == 0", (Some(0.0), true)),
            ("h_count == 4", (Some(4.0), true)),
            ("h_bucket{le=\"+Inf\"} < 4", (Some(4.0), false)),
            ("none == 0", (Some(0.0), true)),
            ("h > 0", (None, false)),
            ("absent == 0", (None, false)),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn a_misspelt_family_has_a_suggestion() {
        let page = "# TYPE aurora_requests_total counter\n# TYPE aurora_lag_seconds histogram\n\
                    aurora_lag_seconds_bucket{le=\"+Inf\"} 0\naurora_lag_seconds_sum 0\naurora_lag_seconds_count 0\n";
        let exposition = parse(page.as_bytes()).expect("valid");
        for (text, meant) in [
            ("aurora_request_total > 0", "did you mean aurora_requests_total?"),
            ("aurora_lag_second_count > 0", "did you mean aurora_lag_seconds_count?"),
            ("go_goroutines > 0", "a histogram is named with _count, _sum or _bucket"),
        ] {
            let checked = text.parse::<Requirement>().expect(text).check(&exposition);
            let expected = format!("required {text}, but the exposition has no such family; {meant}");
            assert_eq!(checked.explain(), expected);
        }
    }

    #[test]
    fn invalid_conditions_are_rejected() {
        for (text, expected) in [
            ("", "expected a family first: aurora_requests_total{status_type=\"success\"} > 0"),
            ("r", "expected one of == != > >= < <= and a number after the family"),
            ("r = 1", "expected one of == != > >= < <= and a number after the family"),
            ("r > many", "expected a number after >"),
            ("r{ > 1", "expected a matcher: label=\"value\", with = != =~ or !~"),
            ("r{m} > 1", "expected one of = != =~ !~ after m"),
            ("r{m=a} > 1", "the value of m must be quoted"),
            ("r{m=\"a} > 1", "the value of m must be quoted"),
            ("r{m=\"a\" n=\"b\"} > 1", "expected `,` or `}` after a matcher"),
            ("r{m=~\"(\"} > 1", "\"(\" is not a regular expression"),
        ] {
            assert_eq!(text.parse::<Requirement>().expect_err(text), expected, "{text}");
        }
    }
}
