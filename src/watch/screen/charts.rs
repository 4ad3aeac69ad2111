//! Sparklines, the bar of outcomes and the heat strip: characters first, colour in addition.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme::{Theme, kinds};
use crate::probe::{Bucket, Durations};
use crate::watch::reading::Outcomes;
use crate::watch::words::{at_most, percent};

/// Heights of a sparkline; the lowest is zero.
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Shares of a heat strip, the first for none.
const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// Values, newest first, as bars with the newest at the right; a blank where there is no value.
pub(super) fn sparkline(values: &[Option<f64>], width: usize) -> String {
    let shown = &values[..values.len().min(width)];
    let largest = shown.iter().flatten().copied().fold(0.0, f64::max);
    let mut bars = " ".repeat(width - shown.len());
    for value in shown.iter().rev() {
        bars.push_str(match value {
            None => " ",
            Some(value) => BARS[level(value / largest, BARS.len())],
        });
    }
    bars
}

/// Level of a share from 0 to 1: the first for none only, the last for all only.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the levels")]
fn level(share: f64, levels: usize) -> usize {
    if share > 0.0 { ((share * (levels - 1) as f64).ceil() as usize).clamp(1, levels - 1) } else { 0 }
}

/// The outcomes in words and percent, those that occurred.
pub(super) fn outcome_words(outcomes: &Outcomes, theme: Theme) -> Line<'static> {
    let total = outcomes.total();
    let mut spans = Vec::new();
    for (meaning, symbol, word, count) in kinds(outcomes) {
        if count > 0.0 {
            let text = format!(" {symbol} {word} {}  ", percent(Some(count / total)));
            spans.push(Span::styled(text, theme.meaning(meaning)));
        }
    }
    Line::from(spans)
}

/// The outcomes as one bar of their symbols. Each that occurred has a column at least.
pub(super) fn outcome_bar(outcomes: &Outcomes, width: usize, theme: Theme) -> Line<'static> {
    let kinds = kinds(outcomes);
    let total = outcomes.total();
    if total <= 0.0 {
        return Line::default();
    }
    let mut columns = kinds.map(|(.., count)| columns_of(count, total, width));
    let surplus = columns.iter().sum::<usize>();
    if let Some(most) = columns.iter_mut().max() {
        *most = (*most + width).saturating_sub(surplus);
    }
    let mut spans = Vec::new();
    for ((meaning, symbol, ..), columns) in kinds.into_iter().zip(columns) {
        let symbol = if symbol == "✓" { "━" } else { symbol };
        spans.push(Span::styled(symbol.repeat(columns.min(width)), theme.meaning(meaning)));
    }
    Line::from(spans)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the width")]
fn columns_of(count: f64, total: f64, width: usize) -> usize {
    if count > 0.0 { ((count / total * width as f64).round() as usize).max(1) } else { 0 }
}

/// One row of a heat strip: the bound of its durations, their share of all intervals and of each, newest first.
#[derive(Debug, PartialEq)]
pub(super) struct HeatRow {
    pub(super) label: String,
    pub(super) share: f64,
    shares: Vec<Option<f64>>,
}

/// Rows of a heat strip, slowest first: the buckets in which durations were, joined to `rows` at most. `None` among the
/// histograms is an interval without a page.
pub(super) fn heat(intervals: &[Option<&Durations>], rows: usize) -> Vec<HeatRow> {
    let mut all = Durations::default();
    for durations in intervals.iter().flatten() {
        all.merge(durations, 1.0);
    }
    let buckets: Vec<(Bucket, f64)> = all.counts().collect();
    let total: f64 = buckets.iter().map(|(_, count)| count).sum();
    let Some(first) = buckets.iter().position(|(_, count)| *count > 0.0) else { return Vec::new() };
    let last = buckets.iter().rposition(|(_, count)| *count > 0.0).unwrap_or(first);
    let joined = (last + 1 - first).div_ceil(rows.max(1));
    let mut strip = Vec::new();
    for group in buckets[first..=last].chunks(joined) {
        if let (Some((lowest, _)), Some((highest, _))) = (group.first(), group.last()) {
            let band = Bucket { lower_s: lowest.lower_s, upper_s: highest.upper_s };
            let share = group.iter().map(|(_, count)| count).sum::<f64>() / total;
            let shares = intervals.iter().map(|durations| share_of(band, *durations)).collect();
            strip.push(HeatRow { label: at_most(Some(band)), share, shares });
        }
    }
    strip.reverse();
    strip
}

/// Share of the durations that are in a band.
fn share_of(band: Bucket, durations: Option<&Durations>) -> Option<f64> {
    let upper = |bucket: Bucket| bucket.upper_s.unwrap_or(f64::INFINITY);
    let (mut inside, mut total) = (0.0, 0.0);
    for (bucket, count) in durations?.counts() {
        total += count;
        if bucket.lower_s >= band.lower_s && upper(bucket) <= upper(band) {
            inside += count;
        }
    }
    Some(if total > 0.0 { inside / total } else { 0.0 })
}

impl HeatRow {
    /// The shares as shades, the newest at the right.
    pub(super) fn shades(&self, width: usize, style: Style) -> Span<'static> {
        let shown = &self.shares[..self.shares.len().min(width)];
        let mut shades = " ".repeat(width - shown.len());
        for share in shown.iter().rev() {
            shades.push_str(SHADES[level(share.unwrap_or(0.0), SHADES.len())]);
        }
        Span::styled(shades, style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_tell_zero_from_nothing() {
        let values = [Some(8.0), Some(4.0), None, Some(0.0), Some(0.1)];
        assert_eq!(sparkline(&values, 7), "  ▂▁ ▅█");
        assert_eq!(sparkline(&values, 2), "▅█");
        assert_eq!(sparkline(&[Some(0.0); 3], 3), "▁▁▁");
        assert_eq!(sparkline(&[], 2), "  ");
    }

    #[test]
    fn every_outcome_that_occurred_has_a_column() {
        let text = |line: Line<'_>| line.spans.iter().map(|span| span.content.as_ref()).collect::<String>();
        let theme = Theme::new(false);
        let outcomes = Outcomes { ok: 997.0, errors: 1.0, throttled: 1.0, refused: 0.0, cancelled: 1.0 };
        assert_eq!(text(outcome_bar(&outcomes, 10, theme)), "━━━━━━━✗▲·");
        let expected = " ✓ ok 99.7 %   ✗ errors 0.1 %   ▲ throttled 0.1 %   · cancelled 0.1 %  ";
        assert_eq!(text(outcome_words(&outcomes, theme)), expected);
        assert_eq!(text(outcome_bar(&outcomes, 0, theme)), "");
        assert_eq!(text(outcome_bar(&Outcomes::default(), 10, theme)), "");
    }
}
