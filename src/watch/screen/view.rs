//! The state of the view: what is shown, and the keys that change it.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::probe::Bucket;
use crate::watch::history::{History, Interval, Status, sum};
use crate::watch::picture::{Model, Picture};
use crate::watch::reading::Gauges;
use crate::watch::rounds::Round;

/// Times over which the numbers of models are shown.
const WINDOWS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(10)];

/// Longest filter.
const LONGEST_FILTER: usize = 40;

/// Rows that a page key moves.
const PAGE: usize = 10;

/// Order of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Requests,
    Errors,
    P95,
    FirstToken,
    Tokens,
    Name,
}

/// Each order and its name.
const SORTS: [(Sort, &str); 6] = [
    (Sort::Requests, "requests"),
    (Sort::Errors, "errors"),
    (Sort::P95, "p95"),
    (Sort::FirstToken, "time to first token"),
    (Sort::Tokens, "tokens"),
    (Sort::Name, "name"),
];

/// Effect of a key on the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Redraw,
    Suspend,
    Quit,
}

/// Everything that the picture is drawn from.
pub(super) struct View {
    pub(super) history: History,
    pub(super) interval: Duration,
    /// Numbers over the window; `None` before the second page.
    pub(super) picture: Option<Picture>,
    pub(super) gauges: Gauges,
    /// Intervals since the view was paused, which are not shown; `None` if it is not.
    paused: Option<usize>,
    pub(super) help: bool,
    /// True while the filter is being typed.
    pub(super) editing: bool,
    pub(super) filter: String,
    /// First row of the models.
    pub(super) top: usize,
    window: usize,
    sort: usize,
}

impl View {
    pub(super) fn new(history: History, interval: Duration) -> Self {
        Self {
            history,
            interval,
            picture: None,
            gauges: Gauges::default(),
            paused: None,
            help: false,
            editing: false,
            filter: String::new(),
            top: 0,
            window: 0,
            sort: 0,
        }
    }

    pub(super) fn window(&self) -> Duration {
        WINDOWS[self.window]
    }

    pub(super) fn sort(&self) -> (Sort, &'static str) {
        SORTS[self.sort]
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Intervals that are shown, newest first.
    pub(super) fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.history.intervals.iter().rev().skip(self.paused.unwrap_or(0))
    }

    /// Takes a round. While paused, only the states of the endpoints change.
    pub(super) fn take(&mut self, round: Round) {
        let is_counted = self.history.take(round);
        match &mut self.paused {
            Some(hidden) => *hidden += usize::from(is_counted),
            None => self.refresh(),
        }
    }

    fn refresh(&mut self) {
        self.picture = Picture::of(&sum(self.intervals(), self.window(), self.interval));
        // Gauges of a lost endpoint stay as they were; the view says that they are old.
        if self.paused.is_none() && self.history.up().next().is_some() {
            self.gauges = self.history.gauges();
        }
    }

    /// Time since the last page, if no endpoint gives any now.
    pub(super) fn age(&self) -> Option<Duration> {
        if self.history.endpoints.iter().any(|endpoint| endpoint.status == Status::Up) {
            return None;
        }
        let readings = self.history.endpoints.iter().filter_map(|endpoint| endpoint.last.as_ref());
        let last = readings.map(|reading| reading.at).max()?;
        Some(Instant::now().saturating_duration_since(last))
    }

    /// The models that the filter leaves, in order.
    pub(super) fn models(&self) -> Vec<&Model> {
        let wanted = self.filter.to_lowercase();
        let models = self.picture.iter().flat_map(|picture| &picture.models);
        let mut models: Vec<&Model> =
            models.filter(|model| full_name(model).to_lowercase().contains(&wanted)).collect();
        let (sort, _) = self.sort();
        if sort != Sort::Name {
            models.sort_by(|one, other| key(other, sort).total_cmp(&key(one, sort)));
        }
        models
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Redraw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Effect::Quit,
                KeyCode::Char('z') => Effect::Suspend,
                _ => Effect::Redraw,
            };
        }
        if self.editing {
            self.edit(key.code);
            return Effect::Redraw;
        }
        if self.help && key.code != KeyCode::Char('q') {
            self.help = false;
            return Effect::Redraw;
        }
        self.command(key.code)
    }

    fn command(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('s') => self.sort = (self.sort + 1) % SORTS.len(),
            KeyCode::Char('S') => self.sort = (self.sort + SORTS.len() - 1) % SORTS.len(),
            KeyCode::Char('w') => {
                self.window = (self.window + 1) % WINDOWS.len();
                self.refresh();
            }
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Up | KeyCode::Char('k') => self.top = self.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.top += 1,
            KeyCode::PageUp => self.top = self.top.saturating_sub(PAGE),
            KeyCode::PageDown => self.top += PAGE,
            KeyCode::Home => self.top = 0,
            KeyCode::End => self.top = usize::MAX,
            _ => {}
        }
        self.top = self.top.min(self.models().len().saturating_sub(1));
        Effect::Redraw
    }

    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(typed) if self.filter.chars().count() < LONGEST_FILTER => self.filter.push(typed),
            _ => {}
        }
        self.top = 0;
    }

    fn pause(&mut self) {
        if self.paused.take().is_none() {
            self.paused = Some(0);
        }
        self.refresh();
    }
}

/// Provider and model as one name.
pub(super) fn full_name(Model { provider, model, .. }: &Model) -> String {
    let separator = if provider.is_empty() || model.is_empty() { "" } else { "/" };
    format!("{provider}{separator}{model}")
}

/// Value by which models are ordered, largest first; those without one come last.
fn key(model: &Model, sort: Sort) -> f64 {
    let upper = |bucket: Option<Bucket>| match bucket {
        Some(Bucket { upper_s, .. }) => upper_s.unwrap_or(f64::INFINITY),
        None => -1.0,
    };
    match sort {
        Sort::Requests | Sort::Name => model.requests,
        Sort::Errors => model.error_ratio.unwrap_or(-1.0),
        Sort::P95 => upper(model.duration.p95),
        Sort::FirstToken => upper(model.first_token.p95),
        Sort::Tokens => model.tokens_per_s.output,
    }
}
