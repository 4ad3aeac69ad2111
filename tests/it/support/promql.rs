//! What an expression of Prometheus reads and how it groups: enough to hold it against the contract.

/// The parts of an expression that name metrics and labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) selectors: Vec<Selector>,
    /// Labels in `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    pub(crate) groupings: Vec<String>,
}

/// One selector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator and value.
    pub(crate) matchers: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

use Token::{Sign, Text, Word};

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// Reads an expression.
pub(crate) fn read(text: &str) -> Expression {
    let tokens = tokens(text);
    let mut expression = Expression::default();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            Word(word) if GROUPING.contains(&word.as_str()) => {
                if rest.first() == Some(&Sign('(')) {
                    let end = place_of(rest, ')');
                    let labels = rest[..end].iter().filter_map(|token| match token {
                        Word(label) => Some(label.clone()),
                        Text(_) | Sign(_) => None,
                    });
                    expression.groupings.extend(labels);
                    rest = &rest[end..];
                }
            }
            Word(word) if OPERATORS.contains(&word.as_str()) || is_call(rest) => {}
            Word(metric) if rest.first() == Some(&Sign('{')) => {
                let end = place_of(rest, '}');
                let matchers = matchers(&rest[1..end]);
                expression.selectors.push(Selector { metric: metric.clone(), matchers });
                rest = &rest[end..];
            }
            Word(metric) => {
                expression.selectors.push(Selector { metric: metric.clone(), matchers: Vec::new() });
            }
            Text(_) | Sign(_) => {}
        }
    }
    expression
}

/// Whether the word before these tokens is a function or an aggregation.
fn is_call(after: &[Token]) -> bool {
    match after.first() {
        Some(Word(word)) => word == "by" || word == "without",
        first => first == Some(&Sign('(')),
    }
}

fn place_of(tokens: &[Token], sign: char) -> usize {
    tokens.iter().position(|token| *token == Sign(sign)).unwrap_or_else(|| panic!("no {sign} in {tokens:?}"))
}

fn matchers(tokens: &[Token]) -> Vec<(String, String, String)> {
    let parts = tokens.split(|token| *token == Sign(',')).filter(|part| !part.is_empty());
    let read = |part: &[Token]| match part {
        [Word(label), signs @ .., Text(value)] => {
            let operator = signs.iter().map(|sign| match sign {
                Sign(sign) => *sign,
                other => panic!("{other:?} in {part:?}"),
            });
            (label.clone(), operator.collect(), value.clone())
        }
        _ => panic!("no matcher: {part:?}"),
    };
    parts.map(read).collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            // Durations and resolutions.
            '[' => while rest.next_if(|c| *c != ']').is_some() {},
            '"' => {
                let value: String = std::iter::from_fn(|| rest.next_if(|c| *c != '"')).collect();
                assert!(!value.contains('\\'), "an escape, which this reader does not know: {text}");
                rest.next();
                tokens.push(Text(value));
            }
            '0'..='9' => while rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.').is_some() {},
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let more = std::iter::from_fn(|| {
                    rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == ':')
                });
                tokens.push(Word(std::iter::once(c).chain(more).collect()));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Sign(c)),
        }
    }
    tokens
}

#[test]
fn expressions_are_read() {
    let expression = read(
        r#"1 - sum by (job, le) (rate(a_bucket{x="1", y!~"b|c"}[5m])) / on (job) group_left up offset 5m
           and time() - scalar(aurora:b:c) < bool 1e9"#,
    );
    let matcher =
        |label: &str, operator: &str, value: &str| (label.to_owned(), operator.to_owned(), value.to_owned());
    assert_eq!(
        expression,
        Expression {
            selectors: vec![
                Selector {
                    metric: "a_bucket".to_owned(),
                    matchers: vec![matcher("x", "=", "1"), matcher("y", "!~", "b|c")],
                },
                Selector { metric: "up".to_owned(), matchers: Vec::new() },
                Selector { metric: "aurora:b:c".to_owned(), matchers: Vec::new() },
            ],
            groupings: ["job", "le", "job"].map(str::to_owned).to_vec(),
        }
    );
}
