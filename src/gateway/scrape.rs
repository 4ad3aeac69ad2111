//! The metrics endpoint.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::GatewayError;
use super::reply::Reply;
use super::worker::Worker;
use crate::metrics::{Answer, TEXT_FORMAT, gzip};

/// Renders the exposition off the worker, so that requests do not wait for it.
pub(super) async fn scrape(worker: &Worker, headers: &HeaderMap) -> Reply {
    let Some(metrics) = worker.shared.metrics.clone() else {
        return GatewayError::NO_SUCH_ROUTE.into_reply();
    };
    let Ok(_turn) = worker.shared.rendering.acquire().await else {
        return GatewayError::Internal.into_reply();
    };
    let compress = accepts_gzip(headers);
    let rendered = tokio::task::spawn_blocking(move || {
        let text = metrics.render();
        if compress { gzip(&text) } else { Ok(text.into_bytes()) }
    });
    let Ok(Ok(body)) = rendered.await else { return GatewayError::Internal.into_reply() };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if compress {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Reply::full(StatusCode::OK, headers, body.into(), Answer::Ok)
}

/// Whether `Accept-Encoding` takes gzip (RFC 9110, 12.5.3): named, or covered by `*`, with a weight above zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut star = false;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            let accepted = weight.is_none_or(|weight| weight > 0.0);
            if coding.eq_ignore_ascii_case("gzip") {
                return accepted;
            }
            star |= coding == "*" && accepted;
        }
    }
    star
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        let accepts = |value: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        for yes in ["gzip", "GZIP;q=0.5", "deflate, gzip", "*", "br;q=1, *;q=0.1"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "deflate", "*;q=0", "gzip;q=0, *"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
