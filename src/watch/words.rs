//! Numbers in few characters.

use crate::probe::Bucket;

/// A count or rate: `0`, `0.25`, `12.4`, `812`, `12.3k`, `1.2M`; a dash where there is none.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "-".to_owned() };
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 9.995 => trimmed(format!("{value:.2}")),
        small if small < 99.95 => trimmed(format!("{value:.1}")),
        medium if medium < 9_999.5 => format!("{value:.0}"),
        large if large < 999_950.0 => trimmed(format!("{:.1}", value / 1e3)) + "k",
        large if large < 999_950_000.0 => trimmed(format!("{:.1}", value / 1e6)) + "M",
        huge if huge < 1e12 => trimmed(format!("{:.1}", value / 1e9)) + "G",
        _ => format!("{value:.0e}"),
    }
}

fn trimmed(decimals: String) -> String {
    if decimals.contains('.') {
        return decimals.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    decimals
}

/// A ratio as a percentage: `0 %`, `0.25 %`, `12.4 %`.
pub(crate) fn percent(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) => format!("{} %", number(Some(ratio * 100.0))),
        None => "-".to_owned(),
    }
}

/// A percentile by the upper bound of its bucket: `≤ 250 ms`, `≤ 1.5 s`, `> 600 s`.
pub(crate) fn at_most(bucket: Option<Bucket>) -> String {
    match bucket {
        None => "-".to_owned(),
        Some(Bucket { upper_s: Some(upper), .. }) => format!("≤ {}", seconds(upper)),
        Some(Bucket { lower_s, .. }) => format!("> {}", seconds(lower_s)),
    }
}

/// Seconds: `25 ms`, `1.5 s`, `600 s`.
pub(crate) fn seconds(value: f64) -> String {
    if value < 1.0 {
        format!("{} ms", number(Some(value * 1e3)))
    } else {
        format!("{} s", number(Some(value)))
    }
}

/// A time on the scale of minutes and days: `45 s`, `12 min`, `3 h 20 min`, `5 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round();
    let (minutes, hours, days) =
        ((seconds / 60.0).floor(), (seconds / 3600.0).floor(), (seconds / 86_400.0).floor());
    if seconds < 120.0 {
        format!("{seconds} s")
    } else if minutes < 120.0 {
        format!("{minutes} min")
    } else if hours < 48.0 {
        format!("{hours} h {} min", minutes - hours * 60.0)
    } else {
        format!("{days} d {} h", hours - days * 24.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.004, "0"),
            (0.25, "0.25"),
            (7.0, "7"),
            (9.999, "10"),
            (12.44, "12.4"),
            (99.96, "100"),
            (812.3, "812"),
            (9_999.6, "10k"),
            (12_345.0, "12.3k"),
            (1_200_000.0, "1.2M"),
            (3e9, "3G"),
            (4e300, "4e300"),
            (-3.5, "-3.5"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(number(Some(value)), expected, "{value}");
        }
        assert_eq!(
            (number(None), percent(Some(0.0215)), percent(None)),
            ("-".into(), "2.15 %".into(), "-".into())
        );
    }

    #[test]
    fn percentiles_are_upper_bounds() {
        let bucket = |lower_s, upper_s| Some(Bucket { lower_s, upper_s });
        for (found, expected) in [
            (bucket(0.1, Some(0.25)), "≤ 250 ms"),
            (bucket(1.0, Some(1.5)), "≤ 1.5 s"),
            (bucket(0.0, Some(0.0025)), "≤ 2.5 ms"),
            (bucket(600.0, None), "> 600 s"),
            (None, "-"),
        ] {
            assert_eq!(at_most(found), expected);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, expected) in [
            (0.4, "0 s"),
            (119.0, "119 s"),
            (120.0, "2 min"),
            (12_000.0, "3 h 20 min"),
            (446_400.0, "5 d 4 h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
