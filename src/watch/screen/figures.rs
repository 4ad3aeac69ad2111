//! The figures of all models together: traffic as sparklines, outcomes as a bar, durations as a heat strip.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::charts::{heat as heat_rows, outcome_bar, outcome_words, sparkline};
use super::draw::rule;
use super::theme::Theme;
use super::view::View;
use crate::metrics::monitoring::Meaning;
use crate::watch::history::Interval;
use crate::watch::words::{at_most, number, percent};

/// Rows of [`traffic`].
pub(super) const ROWS: u16 = 4;

/// Width of the names and of the numbers beside a sparkline.
const NAME: usize = 15;
const NUMBER: usize = 9;

/// Columns of the largest value or the share beside a chart, on terminals that are this wide.
const LARGEST: usize = 11;
const WIDE: usize = 60;

/// Width of the bounds beside a heat strip.
const BOUND: usize = 11;

/// A value of an interval; `None` where no page gave one.
type Value = fn(&Interval) -> Option<f64>;

/// A row: name, value, unit, style.
type Row = (&'static str, Value, fn(Option<f64>) -> String, Style);

/// Rates and requests in flight: the last value, its past, the largest.
pub(super) fn traffic(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let rows: [Row; ROWS as usize] = [
        ("requests", requests, per_second, theme.meaning(Meaning::Fine)),
        ("errors", error_ratio, percent, theme.meaning(Meaning::Error)),
        ("output tokens", output_tokens, per_second, theme.figures()),
        ("in flight", |interval| interval.in_flight, number, theme.figures()),
    ];
    let width = usize::from(area.width);
    let largest_width = if width >= WIDE { LARGEST } else { 0 };
    let bars = width.saturating_sub(NAME + NUMBER + largest_width + 1);
    for ((name, value, unit, style), row) in rows.into_iter().zip(area.rows()) {
        let values: Vec<Option<f64>> = view.intervals().map(value).collect();
        let now = unit(values.iter().flatten().next().copied());
        let shown = &values[..values.len().min(bars)];
        let largest = shown.iter().flatten().copied().reduce(f64::max);
        let is_old = view.age().is_some();
        let number_style = if is_old { theme.faint() } else { theme.heading() };
        let mut spans = vec![
            Span::raw(format!(" {name:<width$}", width = NAME - 1)),
            Span::styled(format!("{now:>NUMBER$} "), number_style),
            Span::styled(sparkline(&values, bars), style.remove_modifier(Modifier::BOLD)),
        ];
        if largest_width > 0 && largest.is_some() {
            spans.push(Span::styled(format!(" max {}", unit(largest)), theme.faint()));
        }
        frame.render_widget(Line::from(spans), row);
    }
}

fn requests(interval: &Interval) -> Option<f64> {
    (interval.seconds > 0.0).then(|| interval.counts.outcomes.total() / interval.seconds)
}

fn error_ratio(interval: &Interval) -> Option<f64> {
    let outcomes = &interval.counts.outcomes;
    let total = outcomes.total();
    let quiet = (interval.seconds > 0.0).then_some(0.0);
    if total > 0.0 { Some(outcomes.errors / total) } else { quiet }
}

fn output_tokens(interval: &Interval) -> Option<f64> {
    (interval.seconds > 0.0).then(|| interval.all.output / interval.seconds)
}

fn per_second(value: Option<f64>) -> String {
    if value.is_some() { number(value) + "/s" } else { number(value) }
}

/// Outcomes over the window, in words and as a bar.
pub(super) fn outcomes(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let Some(picture) = &view.picture else { return };
    let [words, bar] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
    if picture.requests > 0.0 {
        frame.render_widget(outcome_words(&picture.outcomes, theme), words);
        let inner = Rect { x: bar.x + 1, width: bar.width.saturating_sub(2), ..bar };
        frame.render_widget(
            outcome_bar(&picture.outcomes, usize::from(inner.width), theme),
            inner.intersection(bar),
        );
    }
}

/// Durations: percentiles over the window, and the share of each band of durations, interval by interval.
pub(super) fn heat(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    if area.is_empty() {
        return;
    }
    let mut words = "duration".to_owned();
    if let Some(picture) = &view.picture {
        let duration = picture.duration;
        for (name, bucket) in [("p50", duration.p50), ("p95", duration.p95), ("p99", duration.p99)] {
            words += &format!("  {name} {}", at_most(bucket));
        }
        words += &format!(" ─ first token  p95 {}", at_most(picture.first_token.p95));
    }
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        frame.render_widget(rule(&words, area.width, theme), row);
    }
    let width = usize::from(area.width);
    let share_width = if width >= WIDE { LARGEST } else { 0 };
    let width = width.saturating_sub(BOUND + 1 + share_width);
    let shown = view.intervals().take(width);
    let durations: Vec<_> =
        shown.map(|interval| (interval.seconds > 0.0).then_some(&interval.all.durations)).collect();
    let strip = heat_rows(&durations, usize::from(area.height).saturating_sub(1));
    for (band, row) in strip.iter().zip(rows) {
        let bound = Span::styled(format!("{:>BOUND$} ", band.label), theme.faint());
        let mut spans = vec![bound, band.shades(width, theme.figures())];
        if share_width > 0 {
            spans.push(Span::styled(format!(" {}", percent(Some(band.share))), theme.faint()));
        }
        frame.render_widget(Line::from(spans), row);
    }
}
