//! Form of the exposition that a scraper gets: its format by `Accept`, its encoding by `Accept-Encoding` (RFC 9110,
//! 12.5). Our own, since the `version` parameter decides between offers of the same media type.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName};

use crate::metrics::Format;

/// A form of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) content_type: &'static str,
    pub(crate) gzip: bool,
}

/// Formats that a scraper may request, best first where it has no preference.
const OFFERS: [Offer; 3] = [
    Offer {
        format: Format::Text,
        media_type: ("text", "plain"),
        version: "0.0.4",
        content_type: "text/plain; version=0.0.4; charset=utf-8",
    },
    Offer {
        format: Format::OpenMetrics,
        media_type: ("application", "openmetrics-text"),
        version: "1.0.0",
        content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    },
    // An exposition like ours is the same in both versions.
    Offer {
        format: Format::OpenMetrics,
        media_type: ("application", "openmetrics-text"),
        version: "0.0.1",
        content_type: "application/openmetrics-text; version=0.0.1; charset=utf-8",
    },
];

struct Offer {
    format: Format,
    media_type: (&'static str, &'static str),
    version: &'static str,
    content_type: &'static str,
}

impl Form {
    /// The form that the headers prefer: text where they accept none of the offers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let ranges: Vec<Item> = items(headers, &ACCEPT).collect();
        let weighed = OFFERS.iter().map(|offer| (offer, offer.weight(&ranges)));
        // The first of the best: max_by_key would take the last.
        let (best, _) = weighed.rev().max_by_key(|(_, weight)| *weight).unwrap_or((&OFFERS[0], None));
        Self { format: best.format, content_type: best.content_type, gzip: accepts_gzip(headers) }
    }
}

impl Offer {
    /// The weight of the range that names the offer most closely, and how closely; `None` where it is not wanted.
    fn weight(&self, ranges: &[Item]) -> Option<(u16, u8)> {
        let closest = ranges.iter().filter_map(|range| Some((self.closeness(range)?, range.weight))).max();
        match closest {
            Some((closeness, weight)) if weight > 0 => Some((weight, closeness)),
            _ => None,
        }
    }

    fn closeness(&self, range: &Item) -> Option<u8> {
        let (kind, subtype) = range.token.split_once('/')?;
        let is_same_kind = self.media_type.0.eq_ignore_ascii_case(kind);
        let is_same = is_same_kind && self.media_type.1.eq_ignore_ascii_case(subtype);
        match range.version {
            _ if range.token == "*/*" => Some(0),
            _ if is_same_kind && subtype == "*" => Some(1),
            _ if !is_same => None,
            None => Some(2),
            Some(version) => (version == self.version).then_some(3),
        }
    }
}

/// Returns true if HTML is accepted by name, with a weight no less than that of JSON: what browsers do.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let weight = |name: &str| {
        let named = items(headers, &ACCEPT).filter(|item| item.token.eq_ignore_ascii_case(name));
        named.map(|item| item.weight).max().unwrap_or(0)
    };
    let html = weight("text/html");
    html > 0 && html >= weight("application/json")
}

/// Returns true if gzip is accepted, with a weight no less than that of no encoding.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let gzip = encoding(headers, &["gzip", "x-gzip"]).or(encoding(headers, &["*"])).unwrap_or(0);
    gzip > 0 && gzip >= encoding(headers, &["identity"]).unwrap_or(0)
}

/// Weight of the first encoding that has one of these names.
fn encoding(headers: &HeaderMap, names: &[&str]) -> Option<u16> {
    for item in items(headers, &ACCEPT_ENCODING) {
        if names.iter().any(|name| item.token.eq_ignore_ascii_case(name)) {
            return Some(item.weight);
        }
    }
    None
}

/// One element of a list with weights.
struct Item<'a> {
    token: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    weight: u16,
}

/// Elements whose weight is no number from 0 to 1 are skipped.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Item<'a>> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(item)
}

fn item(text: &str) -> Option<Item<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let mut item = Item { token: parts.next()?, version: None, weight: 1000 };
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        if name.eq_ignore_ascii_case("q") {
            item.weight = thousandths(value)?;
        } else if name.eq_ignore_ascii_case("version") {
            item.version = Some(value.trim_matches('"'));
        }
    }
    Some(item)
}

/// `0.75` as 750.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, parts) = weight.split_once('.').unwrap_or((weight, ""));
    if parts.len() > 3 || !parts.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts: u16 = format!("{parts:0<3}").parse().ok()?;
    match whole {
        "0" => Some(parts),
        "1" if parts == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn format(accept: &[&'static str]) -> &'static str {
        let content_type = Form::of(&with(&ACCEPT, accept)).content_type;
        content_type.strip_suffix("; charset=utf-8").expect("always UTF-8")
    }

    const TEXT: &str = "text/plain; version=0.0.4";
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

    #[test]
    fn open_metrics_is_chosen_where_accept_prefers_it() {
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"",
            "application/openmetrics-text, */*",
            "application/*",
            "text/plain;q=0.5, application/openmetrics-text;q=0.501",
            "text/plain;q=0, */*",
            "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.1",
            // Prometheus 2 and 3.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        ] {
            assert_eq!(format(&[accept]), OPEN_METRICS, "{accept}");
        }
        assert_eq!(format(&["text/plain;q=0.2", "application/openmetrics-text"]), OPEN_METRICS);
        let older = "application/openmetrics-text; version=0.0.1";
        assert_eq!(format(&["application/openmetrics-text;version=0.0.1,text/plain;q=0.5"]), older);
    }

    #[test]
    fn text_is_chosen_otherwise() {
        assert_eq!(format(&[]), TEXT);
        for accept in [
            "",
            "*/*",
            "text/*",
            "text/plain",
            "text/plain;version=0.0.4",
            "text/plain, application/openmetrics-text",
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0.4, text/plain;version=0.0.4;q=0.5, */*;q=0.9",
            "application/openmetrics-text;q=0, */*;q=0.1",
            "application/openmetrics-text;q=high, */*;q=0.1",
            "application/openmetrics-text;version=2.0.0",
            "application/json",
            "text/html, application/xhtml+xml, */*;q=0.8",
            "*/*;q=0",
            "text/plain;q=0",
            ";;;,=,/",
        ] {
            assert_eq!(format(&[accept]), TEXT, "{accept}");
        }
    }

    #[test]
    fn gzip_is_chosen_where_accept_encoding_allows_it() {
        fn accepts(value: &'static str) -> bool {
            Form::of(&with(&ACCEPT_ENCODING, &[value])).gzip
        }
        for yes in ["gzip", "GZIP;q=0.5", "deflate, x-gzip", "*", "br;q=1, *;q=0.1", "identity;q=0.5, gzip"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip;q=0.0", "deflate", "*;q=0", "gzip;q=0, *", "gzip;q=x"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts("gzip;q=0.5, identity"));
        assert!(!Form::of(&HeaderMap::new()).gzip);
    }

    #[test]
    fn html_is_preferred_where_accept_names_it() {
        let prefers = |accept: &[&'static str]| prefers_html(&with(&ACCEPT, accept));
        for yes in [
            "text/html",
            "Text/HTML;q=0.1",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            "application/json;q=0.5, text/html;q=0.5",
        ] {
            assert!(prefers(&[yes]), "{yes}");
        }
        for no in [
            "",
            "*/*",
            "text/*",
            "text/html;q=0",
            "text/html;q=x",
            "text/html;q=0.5, application/json",
            "text/html-x",
        ] {
            assert!(!prefers(&[no]), "{no}");
        }
        assert!(prefers(&["application/json;q=0.9", "text/html"]));
        assert!(!prefers(&[]));
    }

    #[test]
    fn weights_are_thousandths() {
        let weights = ["0", "1", "0.5", "0.75", "0.001", "1.000", "1.", "0."];
        assert_eq!(weights.map(thousandths), [0, 1000, 500, 750, 1, 1000, 1000, 0].map(Some));
        assert_eq!(["", "2", "-1", "1.001", "0.1234", "0.x", ".5", "+0"].map(thousandths), [None; 8]);
    }
}
