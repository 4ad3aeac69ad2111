//! Syntax of values: booleans, numbers, sizes and durations.

use std::time::Duration;

/// A USD per million tokens, in picodollars per token.
const PICODOLLARS: u64 = 1_000_000;

/// Decimals of a price that picodollars can hold.
const PRICE_DECIMALS: usize = 6;

/// A million USD per million tokens: beyond it the unit is wrong.
const MAX_PRICE: u64 = 1_000_000 * PICODOLLARS;

/// `true/false/1/0/yes/no/on/off` in any case.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number without a sign; one too large for 64 bits is the largest.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = text.trim();
    if is_digits(digits) { Some(digits.parse().unwrap_or(u64::MAX)) } else { None }
}

/// A number without a sign that may have a fraction, such as `2` or `0.25`.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if is_digits(whole) && is_digits(fraction) { text.parse().ok() } else { None }
}

/// USD per million tokens in picodollars per token: exact, so no more than six decimals.
pub(crate) fn price(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > PRICE_DECIMALS {
        return None;
    }
    let price: u64 = format!("{whole}{fraction:0<PRICE_DECIMALS$}").parse().ok()?;
    (price <= MAX_PRICE).then_some(price)
}

/// A price as [`price`] reads it.
pub(crate) fn show_price(picodollars: u64) -> String {
    let fraction = format!("{:0>PRICE_DECIMALS$}", picodollars % PICODOLLARS);
    let shown = format!("{}.{fraction}", picodollars / PICODOLLARS);
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The leading digits, and the rest.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Bytes: `10M`, `512K`, `1G`, `64KiB`, `64KB` or a bare number. Units count in 1024.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (digits, unit) = split_digits(text.trim());
    let scale: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    Some(number(digits)?.saturating_mul(scale))
}

/// `500ms`, `30s`, `1m30s`, `2h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (digits, tail) = split_digits(rest);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let count = number(digits)?;
        let part = match unit {
            "ms" => Duration::from_millis(count),
            "s" => Duration::from_secs(count),
            "m" => Duration::from_secs(count.saturating_mul(60)),
            "h" => Duration::from_secs(count.saturating_mul(3600)),
            _ => return None,
        };
        total = total.saturating_add(part);
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A size as [`size`] reads it, in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A duration as [`duration`] reads it.
pub(crate) fn show_duration(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_any_case() {
        for (text, expected) in [
            ("true", Some(true)),
            ("YES", Some(true)),
            ("On", Some(true)),
            ("1", Some(true)),
            ("False", Some(false)),
            ("no", Some(false)),
            ("OFF", Some(false)),
            ("0", Some(false)),
            ("2", None),
            ("", None),
            ("enabled", None),
        ] {
            assert_eq!(flag(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("10M", Some(10 << 20)),
            ("512K", Some(512 << 10)),
            ("1G", Some(1 << 30)),
            ("3KB", Some(3 << 10)),
            ("3MiB", Some(3 << 20)),
            ("3 MB", Some(3 << 20)),
            ("77", Some(77)),
            ("99999999999999999999G", Some(u64::MAX)),
            ("10T", None),
            ("M", None),
            ("-1", None),
            ("1.5M", None),
            ("", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        assert_eq!(
            ["33554432", "1536", "77", "0"].map(|text| size(text).map(show_size)),
            [Some("32M".to_owned()), Some("1536".to_owned()), Some("77".to_owned()), Some("0".to_owned())]
        );
    }

    #[test]
    fn prices() {
        for (text, expected) in [
            ("2.5", Some(2_500_000)),
            ("15", Some(15_000_000)),
            ("0.000001", Some(1)),
            ("0", Some(0)),
            ("1000000", Some(MAX_PRICE)),
            ("1000000.1", None),
            ("0.0000001", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("$2", None),
            (".5", None),
            ("5.", None),
            ("", None),
        ] {
            assert_eq!(price(text), expected, "{text}");
        }
        assert_eq!([2_500_000, 10_000_000, 1, 0].map(show_price), ["2.5", "10", "0.000001", "0"]);
    }

    #[test]
    fn decimals() {
        for (text, expected) in [
            ("2", Some(2.0)),
            ("0.25", Some(0.25)),
            (" 1.50 ", Some(1.5)),
            ("1e2", None),
            ("inf", None),
            ("nan", None),
            ("-1", None),
            (".5", None),
            ("1.", None),
            ("1.2.3", None),
        ] {
            assert_eq!(decimal(text), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("2h", Some(Duration::from_secs(7200))),
            ("30", Some(Duration::from_secs(30))),
            ("1m30", None),
            ("30 s", None),
            ("5d", None),
            ("-5s", None),
            ("s", None),
            ("", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
    }
}
