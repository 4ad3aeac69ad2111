//! The picture: its parts from top to bottom, as many as the terminal has rows for.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use super::view::View;
use super::{figures, help, models};
use crate::metrics::monitoring::Meaning;
use crate::panics;
use crate::probe::{LabelSets, fullest};
use crate::terminal::printable;
use crate::watch::history::{Endpoint, Status};
use crate::watch::lines::{state, trouble};
use crate::watch::picture::{missing, troubled_breakers};
use crate::watch::words::{number, seconds, span};

/// Most rows of troubles with endpoints.
const TROUBLE_ROWS: usize = 4;

/// Time for which a restart is shown.
const RECENT: Duration = Duration::from_secs(60);

/// Most rows of the heat strip.
const HEAT_ROWS: u16 = 8;

/// Rows of models that come before a heat strip.
const MODEL_ROWS: u16 = 10;

/// Rows of each part.
struct Plan {
    troubles: u16,
    traffic: u16,
    outcomes: u16,
    heat: u16,
    footer: u16,
}

impl Plan {
    /// Parts by importance, until the rows between title and keys are used; the models get the rest.
    fn of(height: u16, troubles: usize) -> Self {
        let mut left = height.saturating_sub(2);
        let mut take = |rows: u16, kept: u16| {
            let taken = if left >= rows + kept { rows } else { 0 };
            left -= taken;
            taken
        };
        let troubles = take(u16::try_from(troubles).unwrap_or(u16::MAX), 0);
        let traffic = take(figures::ROWS, 3);
        let footer = take(1, 4);
        let outcomes = take(2, 5);
        let mut rows = HEAT_ROWS + 1;
        while rows > 2 && left < rows + MODEL_ROWS {
            rows -= 1;
        }
        let heat = if rows > 2 { rows } else { 0 };
        Self { troubles, traffic, outcomes, heat, footer }
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, theme: Theme) {
    panics::point("watch", view.filter.as_bytes());
    let area = frame.area();
    let troubles = troubles(view, theme, usize::from(area.width));
    let plan = Plan::of(area.height, troubles.len());
    let rows = [1, plan.troubles, plan.traffic, plan.outcomes, plan.heat];
    let mut constraints = rows.map(Constraint::Length).to_vec();
    constraints.extend([Constraint::Fill(1), Constraint::Length(plan.footer), Constraint::Length(1)]);
    let areas: [Rect; 8] = Layout::vertical(constraints).areas(area);
    let [title_area, trouble_area, traffic, outcomes, heat, models_area, footer_area, keys_area] = areas;
    frame.render_widget(title(view, theme), title_area);
    for (line, row) in troubles.into_iter().zip(trouble_area.rows()) {
        frame.render_widget(line, row);
    }
    figures::traffic(frame, traffic, view, theme);
    figures::outcomes(frame, outcomes, view, theme);
    figures::heat(frame, heat, view, theme);
    models::table(frame, models_area, view, theme);
    frame.render_widget(footer(view, theme), footer_area);
    frame.render_widget(keys(view, theme), keys_area);
    if view.help {
        help::draw(frame, area, theme);
    }
}

/// A heading that fills its row.
pub(super) fn rule(text: &str, width: u16, theme: Theme) -> Line<'static> {
    let text = format!(" {text} ");
    let rest = usize::from(width).saturating_sub(1 + Span::raw(text.as_str()).width());
    Line::from(vec![
        Span::styled("─", theme.faint()),
        Span::styled(text, theme.heading()),
        Span::styled("─".repeat(rest), theme.faint()),
    ])
}

fn title(view: &View, theme: Theme) -> Line<'static> {
    let endpoints = &view.history.endpoints;
    let up = view.history.up().count();
    let name = match endpoints.as_slice() {
        [endpoint] => printable(&endpoint.url),
        several => format!("{} endpoints", several.len()),
    };
    let waiting = endpoints.iter().all(|endpoint| matches!(endpoint.status, Status::Waiting(_)));
    let (meaning, state) = match up {
        0 if waiting && view.age().is_none() => (Meaning::Cancelled, "· waiting".to_owned()),
        0 => (Meaning::Error, down(view)),
        all if all == endpoints.len() => (Meaning::Fine, "✓ up".to_owned()),
        some => (Meaning::Throttled, format!("▲ up {some} of {}", endpoints.len())),
    };
    let mut spans = vec![
        Span::styled(" Aurora", theme.heading()),
        Span::raw(format!("  {name}  ")),
        Span::styled(state, theme.meaning(meaning)),
    ];
    if view.is_paused() {
        spans.push(Span::styled("  ▲ paused: p continues", theme.meaning(Meaning::Throttled)));
    }
    spans.push(Span::styled(format!("  every {}", seconds(view.interval.as_secs_f64())), theme.faint()));
    Line::from(spans)
}

/// State of a view without an endpoint that is up: its figures are old.
fn down(view: &View) -> String {
    let has_failed = view.history.endpoints.iter().any(|endpoint| matches!(endpoint.status, Status::Down(_)));
    let state = if has_failed { "✗ down" } else { "✗ late" };
    match view.age() {
        Some(age) => format!("{state}, figures {} old", span(age.as_secs_f64())),
        None => state.to_owned(),
    }
}

/// Troubles with endpoints, wrapped.
fn troubles(view: &View, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let of_endpoints = view.history.endpoints.iter().filter_map(|endpoint| {
        let meaning = if endpoint.status == Status::Up { Meaning::Throttled } else { Meaning::Error };
        Some((meaning, trouble(endpoint).or_else(|| recent_restart(endpoint))?))
    });
    let of_pages = missing(&view.history).map(|words| (Meaning::Throttled, words));
    for (meaning, words) in of_endpoints.chain(of_pages) {
        let symbol = if meaning == Meaning::Error { "✗" } else { "▲" };
        for line in wrapped(&format!("{symbol} {}", printable(&words)), width.saturating_sub(2)) {
            lines.push(Line::styled(format!(" {line}"), theme.meaning(meaning)));
        }
    }
    if lines.len() > TROUBLE_ROWS {
        lines.truncate(TROUBLE_ROWS - 1);
        lines.push(Line::styled(" … more troubles than fit here", theme.faint()));
    }
    lines
}

/// A restart that is not long ago, in words.
fn recent_restart(Endpoint { url, restart, .. }: &Endpoint) -> Option<String> {
    let ago = Instant::now().saturating_duration_since((*restart)?);
    (ago < RECENT).then(|| format!("{url} restarted {} ago", span(ago.as_secs_f64())))
}

/// `text` in lines of `width` characters, broken between words where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > width {
            lines.push(std::mem::take(&mut line));
            line.push_str("  ");
            length = 2;
        } else if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += letters;
    }
    lines.push(line);
    lines
}

/// Circuit breakers and cardinality.
fn footer(view: &View, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    let troubled = troubled_breakers(&view.gauges);
    for breaker in &troubled {
        let (symbol, meaning) =
            if breaker.open > 0.0 { ("✗", Meaning::Error) } else { ("▲", Meaning::Throttled) };
        let text = format!(" {symbol} breaker {} ", printable(&state(breaker)));
        spans.push(Span::styled(text, theme.meaning(meaning)));
    }
    let breakers = view.gauges.breakers.len();
    if troubled.is_empty() && breakers > 0 {
        let text = if breakers == 1 { "breaker" } else { "breakers" };
        spans.push(Span::styled(format!(" ✓ {breakers} {text} closed "), theme.meaning(Meaning::Fine)));
    }
    if let Some(LabelSets { family, used, limit }) = fullest(&view.gauges.label_sets) {
        let (used, limit) = (number(Some(*used)), number(Some(*limit)));
        spans.push(Span::raw(format!("  label sets {used}/{limit} in {} ", printable(family))));
    }
    let overflow = view.picture.as_ref().map_or(0.0, |picture| picture.label_overflow);
    if overflow > 0.0 {
        let text = format!(" ▲ {} observations under other ", number(Some(overflow)));
        spans.push(Span::styled(text, theme.meaning(Meaning::Throttled)));
    }
    Line::from(spans)
}

const KEYS: [(&str, &str); 7] = [
    ("q", "quit"),
    ("?", "help"),
    ("s", "sort"),
    ("/", "filter"),
    ("w", "window"),
    ("p", "pause"),
    ("↑↓", "scroll"),
];

fn keys(view: &View, theme: Theme) -> Line<'static> {
    if view.editing {
        let typed = Span::styled(format!("{}▏", printable(&view.filter)), theme.heading());
        return Line::from(vec![
            Span::raw(" filter: "),
            typed,
            Span::styled("  Enter keeps it, Esc clears it", theme.faint()),
        ]);
    }
    let mut spans = Vec::new();
    for (key, word) in KEYS {
        spans.push(Span::styled(format!(" {key}"), theme.heading()));
        spans.push(Span::styled(format!(" {word} "), Style::new()));
    }
    Line::from(spans)
}
