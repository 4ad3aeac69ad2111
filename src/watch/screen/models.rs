//! The models, one per row.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

use super::draw::rule;
use super::theme::Theme;
use super::view::{Sort, View, full_name};
use crate::metrics::monitoring::Meaning;
use crate::terminal::printable;
use crate::watch::picture::Model;
use crate::watch::reading::{Gauges, Name};
use crate::watch::words::{at_most, number, percent, seconds, span};

/// A column beside the name.
struct Column {
    heading: &'static str,
    width: u16,
    /// Width of the terminal from which on it is shown.
    from: u16,
    value: fn(&Model) -> String,
    /// The order that it stands for.
    sort: Option<Sort>,
}

const COLUMNS: [Column; 9] = [
    Column {
        heading: "req/s",
        width: 6,
        from: 0,
        value: |model| number(Some(model.requests_per_s)),
        sort: Some(Sort::Requests),
    },
    Column {
        heading: "errors",
        width: 7,
        from: 36,
        value: |model| percent(model.error_ratio),
        sort: Some(Sort::Errors),
    },
    Column { heading: "mean", width: 8, from: 100, value: |model| mean(model), sort: None },
    Column { heading: "p50", width: 8, from: 70, value: |model| at_most(model.duration.p50), sort: None },
    Column {
        heading: "p95",
        width: 8,
        from: 44,
        value: |model| at_most(model.duration.p95),
        sort: Some(Sort::P95),
    },
    Column { heading: "p99", width: 8, from: 78, value: |model| at_most(model.duration.p99), sort: None },
    Column {
        heading: "ttft p95",
        width: 8,
        from: 62,
        value: |model| at_most(model.first_token.p95),
        sort: Some(Sort::FirstToken),
    },
    Column {
        heading: "in/s",
        width: 6,
        from: 110,
        value: |model| number(Some(model.tokens_per_s.input)),
        sort: None,
    },
    Column {
        heading: "tok/s",
        width: 6,
        from: 52,
        value: |model| number(Some(model.tokens_per_s.output)),
        sort: Some(Sort::Tokens),
    },
];

fn mean(model: &Model) -> String {
    match model.duration.mean_s {
        Some(mean) => seconds(mean),
        None => "-".to_owned(),
    }
}

/// Draws a heading and as many models as there are rows.
pub(super) fn table(frame: &mut Frame<'_>, area: Rect, view: &mut View, theme: Theme) {
    let Some(first) = area.rows().next() else { return };
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let visible = usize::from(below.height.saturating_sub(1));
    let most = view.models().len().saturating_sub(visible);
    view.top = view.top.min(most);
    let models = view.models();
    let (sort, order) = view.sort();
    frame.render_widget(rule(&heading(view, order, models.len()), area.width, theme), first);
    if models.is_empty() {
        frame.render_widget(Line::styled(format!("  {}", why_empty(view)), theme.faint()), below);
        return;
    }
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let mut titles = vec![Cell::from("  model")];
    for column in &columns {
        let mark = if column.sort == Some(sort) { "▼" } else { "" };
        titles.push(Cell::from(Line::from(format!("{mark}{}", column.heading)).right_aligned()));
    }
    let taken: u16 = columns.iter().map(|column| column.width + 1).sum();
    let name_width = usize::from(below.width.saturating_sub(taken));
    let shown = models.iter().skip(view.top).take(visible);
    let rows = shown.map(|model| row(model, name_width, &columns, &view.gauges, theme));
    let mut widths = vec![Constraint::Fill(1)];
    widths.extend(columns.iter().map(|column| Constraint::Length(column.width)));
    let table = Table::new(rows, widths).header(Row::new(titles).style(theme.faint())).column_spacing(1);
    let table = if view.age().is_some() { table.style(theme.faint()) } else { table };
    frame.render_widget(table, below);
}

fn heading(view: &View, order: &str, matching: usize) -> String {
    let all = view.picture.as_ref().map_or(0, |picture| picture.models.len());
    // Less than the window has passed at first.
    let window = match &view.picture {
        Some(picture) => span(picture.seconds),
        None => span(view.window().as_secs_f64()),
    };
    let mut text = format!("models by {order}, last {window}");
    if !view.filter.is_empty() {
        text += &format!(" ─ filter {}: {matching} of {all}", printable(&view.filter));
    }
    text
}

fn why_empty(view: &View) -> String {
    match &view.picture {
        None => "rates need a second page".to_owned(),
        Some(picture) if picture.models.is_empty() => "no requests".to_owned(),
        Some(_) => "no model matches the filter; Esc clears it".to_owned(),
    }
}

fn row<'a>(model: &Model, name_width: usize, columns: &[&Column], gauges: &Gauges, theme: Theme) -> Row<'a> {
    let (mark, meaning) = breaker(model, gauges);
    let name = shortened(format!("{mark} {}", printable(&full_name(model))), name_width);
    let mut cells = vec![match meaning {
        Some(meaning) => Cell::from(name).style(theme.meaning(meaning)),
        None => Cell::from(name),
    }];
    let failed = model.error_ratio.is_some_and(|ratio| ratio > 0.0);
    for column in columns {
        let cell = Cell::from(Line::from((column.value)(model)).right_aligned());
        let is_red = failed && column.sort == Some(Sort::Errors);
        cells.push(if is_red { cell.style(theme.meaning(Meaning::Error)) } else { cell });
    }
    Row::new(cells)
}

/// `text` in at most `width` columns, with an ellipsis where it is longer.
fn shortened(text: String, width: usize) -> String {
    if text.len() <= width || Span::raw(text.as_str()).width() <= width {
        return text;
    }
    let mut start: String = text.chars().take(width).collect();
    while Span::raw(start.as_str()).width() >= width.max(1) {
        start.pop();
    }
    start + "…"
}

/// Mark of a model's circuit breaker.
fn breaker(model: &Model, gauges: &Gauges) -> (&'static str, Option<Meaning>) {
    let name = Name { provider: model.provider.clone(), model: model.model.clone() };
    match gauges.breakers.get(&name) {
        Some([_, open, _]) if *open > 0.0 => ("✗", Some(Meaning::Error)),
        Some([_, _, half_open]) if *half_open > 0.0 => ("▲", Some(Meaning::Throttled)),
        _ => (" ", None),
    }
}
