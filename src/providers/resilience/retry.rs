//! Retries: the headers that allow or forbid them, and the pause before each.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::config::Retry;

/// The pause before a retry, after `retries` earlier ones; `None` when the provider requests one beyond the limit.
#[must_use]
pub fn pause(settings: &Retry, retries: u32, requested: Option<Duration>) -> Option<Duration> {
    let requested = requested.unwrap_or_default();
    let backoff = backoff(settings, retries, fastrand::f64());
    (requested <= settings.max_backoff).then_some(backoff.max(requested))
}

/// `random` is from 0 to 1.
fn backoff(settings: &Retry, retries: u32, random: f64) -> Duration {
    let growth = settings.backoff_factor.powi(i32::try_from(retries).unwrap_or(i32::MAX));
    let full = (settings.initial_backoff.as_secs_f64() * growth).min(settings.max_backoff.as_secs_f64());
    Duration::try_from_secs_f64(full * (1.0 - settings.jitter_factor * random))
        .unwrap_or(settings.max_backoff)
}

/// More exact than `Retry-After`, in milliseconds; OpenAI's and Azure's APIs send it.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The provider's own decision about a retry; the SDKs of OpenAI and Anthropic obey it.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The provider's own decision about a retry, where it sent one.
#[must_use]
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get(SHOULD_RETRY)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// The pause that a response requests: in milliseconds, in seconds or as a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if let Some(text) = text(headers, &RETRY_AFTER_MS)
        && let Ok(milliseconds) = text.parse::<f64>()
        && let Some(pause) = seconds(milliseconds / 1e3)
    {
        return Some(pause);
    }
    let text = text(headers, &RETRY_AFTER)?;
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A number of seconds as a duration, none where it is negative or no number; more than fits is long enough.
fn seconds(number: f64) -> Option<Duration> {
    (number >= 0.0).then_some(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SETTINGS: Retry = Retry {
        max_retries: 9,
        initial_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        backoff_factor: 2.0,
        jitter_factor: 0.5,
    };

    #[test]
    fn backoff_grows_to_its_limit() {
        for (retries, random, milliseconds) in [
            (0, 0.0, 100),
            (1, 0.0, 200),
            (2, 0.0, 400),
            (3, 0.0, 800),
            (4, 0.0, 1600),
            (5, 0.0, 2000),
            (6, 0.0, 2000),
            (u32::MAX, 0.0, 2000),
            (1, 0.5, 150),
            (1, 1.0, 100),
        ] {
            let pause = backoff(&SETTINGS, retries, random);
            assert_eq!(pause, Duration::from_millis(milliseconds), "{retries} {random}");
        }
        let constant = Retry { backoff_factor: 1.0, initial_backoff: Duration::ZERO, ..SETTINGS };
        assert_eq!(backoff(&constant, 3, 0.5), Duration::ZERO);
    }

    #[test]
    fn a_provider_may_request_a_longer_pause_up_to_the_limit() {
        let settings = Retry { jitter_factor: 0.0, ..SETTINGS };
        for (requested, expected) in [(50, Some(100)), (150, Some(150)), (2000, Some(2000)), (2001, None)] {
            let pause = pause(&settings, 0, Some(Duration::from_millis(requested)));
            assert_eq!(pause, expected.map(Duration::from_millis), "{requested}");
        }
    }

    #[test]
    fn jitter_differs() {
        let pauses: Vec<_> = (0..20).map(|_| pause(&SETTINGS, 4, None)).collect();
        let limits = Some(Duration::from_millis(800))..=Some(Duration::from_millis(1600));
        assert!(pauses.iter().all(|pause| limits.contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }

    fn now() -> Timestamp {
        "2026-01-02T12:00:00Z".parse().unwrap()
    }

    fn read(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        retry_after(&headers, now())
    }

    fn read_both(milliseconds: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER_MS, HeaderValue::from_static(milliseconds));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        retry_after(&headers, now())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999999999999999999999"), Some(Duration::MAX));
        assert_eq!(read("Fri, 02 Jan 2026 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Fri, 02 Jan 2026 11:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "-1", "NaN", "soon"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }

    #[test]
    fn retry_after_ms_goes_before_retry_after() {
        assert_eq!(read_both("250"), Some(Duration::from_millis(250)));
        assert_eq!(read_both("0.5"), Some(Duration::from_micros(500)));
        for nonsense in ["", "-1", "NaN", "soon"] {
            assert_eq!(read_both(nonsense), Some(Duration::from_secs(7)), "{nonsense}");
        }
    }
}
