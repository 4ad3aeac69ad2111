//! Retries: the headers that allow or forbid them, and the pause before each.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::config::Retry;

/// The pause before a retry, `None` when the provider asks for a longer one than may be. `retries` went before.
#[must_use]
pub fn pause(settings: &Retry, retries: u32, asked_for: Option<Duration>) -> Option<Duration> {
    let asked_for = asked_for.unwrap_or_default();
    let backoff = backoff(settings, retries, fastrand::f64());
    (asked_for <= settings.max_backoff).then(|| backoff.max(asked_for))
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
/// Whether a retry is worth it in the provider's own opinion; the SDKs of OpenAI and Anthropic obey it.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The provider's own opinion of a retry, where it has one.
#[must_use]
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get(SHOULD_RETRY)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// The pause that a response asks for: in milliseconds, in seconds or as a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text(RETRY_AFTER_MS).and_then(|text| text.parse::<f64>().ok());
    if let Some(pause) = milliseconds.and_then(|milliseconds| seconds(milliseconds / 1e3)) {
        return Some(pause);
    }
    let text = text(RETRY_AFTER)?;
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// A number of seconds as a duration, none where it is negative or no number; more than fits is long enough.
fn seconds(number: f64) -> Option<Duration> {
    (number >= 0.0).then(|| Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
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
        let milliseconds = |retries, random| backoff(&SETTINGS, retries, random).as_millis();
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 6].map(|n| milliseconds(n, 0.0)),
            [100, 200, 400, 800, 1600, 2000, 2000]
        );
        assert_eq!(milliseconds(u32::MAX, 0.0), 2000);
        assert_eq!([0.0, 0.5, 1.0].map(|random| milliseconds(1, random)), [200, 150, 100]);
        let constant = Retry { backoff_factor: 1.0, initial_backoff: Duration::ZERO, ..SETTINGS };
        assert_eq!(backoff(&constant, 3, 0.5), Duration::ZERO);
    }

    #[test]
    fn a_provider_may_ask_for_a_longer_pause_up_to_the_limit() {
        let settings = Retry { jitter_factor: 0.0, ..SETTINGS };
        let after = |milliseconds| pause(&settings, 0, Some(Duration::from_millis(milliseconds)));
        assert_eq!(after(50), Some(Duration::from_millis(100)));
        assert_eq!(after(150), Some(Duration::from_millis(150)));
        assert_eq!(after(2000), Some(Duration::from_secs(2)));
        assert_eq!(after(2001), None);
    }

    #[test]
    fn jitter_differs() {
        let pauses: Vec<_> = (0..20).map(|_| pause(&SETTINGS, 4, None)).collect();
        let limits = Some(Duration::from_millis(800))..=Some(Duration::from_millis(1600));
        assert!(pauses.iter().all(|pause| limits.contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static(text))]);
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999999999999999999999"), Some(Duration::MAX));
        assert_eq!(read("Fri, 02 Jan 2026 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Fri, 02 Jan 2026 11:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "-1", "NaN", "soon"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn retry_after_ms_goes_before_retry_after() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let read = |milliseconds: &'static str| {
            let headers = [(RETRY_AFTER_MS, milliseconds), (RETRY_AFTER, "7")];
            let headers = headers.map(|(name, text)| (name, http::HeaderValue::from_static(text)));
            retry_after(&HeaderMap::from_iter(headers), now)
        };
        assert_eq!(read("250"), Some(Duration::from_millis(250)));
        assert_eq!(read("0.5"), Some(Duration::from_micros(500)));
        for nonsense in ["", "-1", "NaN", "soon"] {
            assert_eq!(read(nonsense), Some(Duration::from_secs(7)), "{nonsense}");
        }
    }
}
