use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::draw::draw;
use super::theme::Theme;
use super::view::{Effect, View};
use crate::probe::Finding;
use crate::watch::reading::Reading;
use crate::watch::rounds::Round;
use crate::watch::tests::{INTERVAL, Past, down, page_of, parsed};

const URL: &str = "http://127.0.0.1:8080/metrics";

/// A view and the time of its next round.
struct Scene {
    view: View,
    at: Instant,
}

impl Scene {
    fn of(urls: &[&str]) -> Self {
        let Past { history, at } = Past::of(urls);
        Self { view: View::new(history, INTERVAL), at }
    }

    /// A view after some intervals of traffic of three models, with an open breaker and label sets.
    fn busy() -> Self {
        let mut scene = Self::of(&[URL]);
        let mut total = 0;
        for n in [0, 1, 2, 4, 3, 1, 0, 2] {
            total += n;
            scene.page(&busy_page(total));
        }
        scene
    }

    fn page(&mut self, page: &str) {
        self.round(vec![Some(Ok(Reading::of(&parsed(page), self.at + INTERVAL)))]);
    }

    fn round(&mut self, results: Vec<Option<Result<Reading, Finding>>>) {
        self.at += INTERVAL;
        self.view.take(Round { at: self.at, results });
    }

    fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '\u{8}' => KeyCode::Backspace,
                other => KeyCode::Char(other),
            };
            assert_eq!(self.view.key(KeyEvent::new(code, KeyModifiers::NONE)), Effect::Redraw);
        }
    }

    /// The picture as text, without blanks at the ends of lines.
    fn drawn(&mut self, width: u16, height: u16) -> String {
        let backend = self.backend(width, height, false);
        let mut text = String::new();
        for row in backend.buffer().content().chunks(usize::from(width)) {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn backend(&mut self, width: u16, height: u16, colour: bool) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend");
        terminal.draw(|frame| draw(frame, &mut self.view, Theme::new(colour))).expect("a test backend");
        terminal.backend().clone()
    }
}

fn busy_page(n: u32) -> String {
    let rest = "# TYPE aurora_circuit_breaker_state gauge\n\
        aurora_circuit_breaker_state{provider=\"anthropic\",model=\"claude\",state=\"open\"} 1\n\
        aurora_circuit_breaker_state{provider=\"openai\",model=\"gpt-5\",state=\"closed\"} 1\n\
        # TYPE aurora_metrics_label_sets gauge\naurora_metrics_label_sets{family=\"aurora_requests_total\"} 412\n\
        # TYPE aurora_metrics_label_sets_limit gauge\n\
        aurora_metrics_label_sets_limit{family=\"aurora_requests_total\"} 4000\n";
    page_of(&[("openai", "gpt-5", 3 * n), ("anthropic", "claude", n), ("mistral", "small", n.min(2))]) + rest
}

#[test]
fn the_picture_fits_80_by_24() {
    assert_eq!(Scene::busy().drawn(80, 24), include_str!("testdata/80x24.txt"));
}

#[test]
fn a_larger_terminal_has_more_columns_and_bands() {
    assert_eq!(Scene::busy().drawn(120, 40), include_str!("testdata/120x40.txt"));
}

#[test]
fn a_tiny_terminal_has_the_models() {
    let tiny = " Aurora  http://127.\n─ models by requests\n  model       ▼req/s\n  openai/gpt…   16.7\n q quit  ? help  s s\n";
    assert_eq!(Scene::busy().drawn(20, 5), tiny);
}

#[test]
fn no_size_panics() {
    let mut scene = Scene::busy();
    scene.round(vec![Some(Err(down("connection refused: nothing listens there")))]);
    for help in [false, true] {
        scene.view.help = help;
        for width in [1, 2, 3, 10, 15, 37, 80, 300] {
            for height in [1, 2, 3, 4, 6, 9, 12, 17, 60] {
                scene.drawn(width, height);
            }
        }
    }
    Scene::of(&[URL, URL]).drawn(80, 24);
}

#[test]
fn keys_sort_filter_and_pause() {
    let mut scene = Scene::busy();
    let rows = |scene: &mut Scene| {
        let text = scene.drawn(80, 24);
        let names = text.lines().filter_map(|line| {
            let name = line.trim_start_matches([' ', '✗']).split(' ').next()?;
            ["openai/gpt-5", "anthropic/claude", "mistral/small"].into_iter().find(|known| *known == name)
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(rows(&mut scene), ["openai/gpt-5", "anthropic/claude", "mistral/small"]);
    scene.keys("S");
    assert!(scene.drawn(80, 24).contains("─ models by name, last 14 s ─"));
    assert_eq!(rows(&mut scene), ["anthropic/claude", "mistral/small", "openai/gpt-5"]);
    scene.keys("s/AI/\u{8}");
    assert!(scene.drawn(80, 24).ends_with("\n filter: AI▏  Enter keeps it, Esc clears it\n"));
    scene.keys("\n");
    assert!(scene.drawn(80, 24).contains("─ models by requests, last 14 s ─ filter AI: 1 of 3 ─"));
    assert_eq!(rows(&mut scene), ["openai/gpt-5"]);
    scene.keys("\u{1b}");
    assert_eq!(rows(&mut scene).len(), 3);

    let before = scene.drawn(80, 24);
    scene.keys("p");
    scene.page(&busy_page(99));
    let title = "▲ paused: p continues  every 2 s";
    assert_eq!(scene.drawn(80, 24), before.replacen("every 2 s", title, 1));
    scene.keys("p");
    assert!(scene.drawn(80, 24).contains("models by requests, last 16 s"));
    scene.keys("ww");
    assert!(scene.drawn(80, 24).contains("models by requests, last 10 s"));
    scene.keys("/nobody");
    assert!(scene.drawn(80, 24).contains("\n  no model matches the filter; Esc clears it\n"));
}

#[test]
fn ctrl_c_and_q_quit() {
    let mut scene = Scene::busy();
    let mut press = |code, modifiers| scene.view.key(KeyEvent::new(code, modifiers));
    assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Effect::Quit);
    assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Effect::Quit);
    assert_eq!(press(KeyCode::Char('z'), KeyModifiers::CONTROL), Effect::Suspend);
    assert_eq!(press(KeyCode::Char('/'), KeyModifiers::NONE), Effect::Redraw);
    assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Effect::Redraw);
    assert_eq!(scene.view.filter, "q");
}

#[test]
fn scrolling_ends_at_the_last_model() {
    let models: Vec<(String, u32)> = (1..=30).map(|n| (format!("m{n:02}"), 100 - n)).collect();
    let page = |factor: u32| {
        let models: Vec<_> = models.iter().map(|(name, n)| ("p", name.as_str(), n * factor)).collect();
        page_of(&models)
    };
    let mut scene = Scene::of(&[URL]);
    scene.page(&page(1));
    scene.page(&page(2));
    let shown = |scene: &mut Scene| {
        let text = scene.drawn(80, 24);
        let rows: Vec<&str> =
            text.lines().filter(|line| line.starts_with("  p/m")).map(|line| &line[2..7]).collect();
        format!("{} to {} of {}", rows[0], rows[rows.len() - 1], rows.len())
    };
    assert_eq!(shown(&mut scene), "p/m01 to p/m08 of 8");
    scene.keys("jj");
    assert_eq!(shown(&mut scene), "p/m03 to p/m10 of 8");
    scene.view.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    assert_eq!(shown(&mut scene), "p/m23 to p/m30 of 8");
    scene.keys("k");
    assert_eq!(shown(&mut scene), "p/m22 to p/m29 of 8");
}

#[test]
fn a_lost_endpoint_is_said_in_words_and_its_figures_are_old() {
    let mut scene = Scene::busy();
    let before = scene.drawn(80, 24);
    scene.round(vec![Some(Err(down(
        "connection refused: nothing listens at 127.0.0.1:8080; is it running?",
    )))]);
    let after = scene.drawn(80, 24);
    let (title, rest) = after.split_once('\n').expect("lines");
    // The pages of this scene are of the near future.
    assert_eq!(title, format!(" Aurora  {URL}  ✗ down, figures 0 s old  every 2 s"));
    let trouble = " ✗ http://127.0.0.1:8080/metrics is down: connection refused: nothing listens\n   \
        at 127.0.0.1:8080; is it running?\n";
    assert!(rest.starts_with(trouble), "{after}");
    let models = |text: &str| {
        text.split_once("─ models").expect("models").1.lines().take(5).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(models(&after), models(&before));

    let mut scene = Scene::busy();
    scene.round(vec![None]);
    let late = scene.drawn(80, 24);
    let title =
        format!(" Aurora  {URL}  ✗ late, figures 0 s old  every 2 s\n ✗ {URL} has not responded for 0 s\n");
    assert!(late.starts_with(&title), "{late}");
}

#[test]
fn endpoints_are_counted() {
    let mut scene = Scene::of(&["http://a/metrics", "http://b/metrics", "http://c/metrics"]);
    let title = |scene: &mut Scene| scene.drawn(80, 24).lines().next().expect("a title").to_owned();
    assert_eq!(title(&mut scene), " Aurora  3 endpoints  · waiting  every 2 s");
    let page = |at| Some(Ok(Reading::of(&parsed(&busy_page(1)), at)));
    let at = scene.at + INTERVAL;
    scene.round(vec![page(at), page(at), Some(Err(down("refused")))]);
    assert_eq!(title(&mut scene), " Aurora  3 endpoints  ▲ up 2 of 3  every 2 s");
    let at = scene.at + INTERVAL;
    scene.round(vec![page(at), page(at), page(at)]);
    assert_eq!(title(&mut scene), " Aurora  3 endpoints  ✓ up  every 2 s");
}

#[test]
fn colours_follow_the_palette_and_can_be_off() {
    let mut scene = Scene::busy();
    let mut colours = |symbol: &str, colour: bool| {
        let backend = scene.backend(80, 24, colour);
        let cells = backend.buffer().content().iter().filter(|cell| cell.symbol() == symbol);
        let mut colours: Vec<Color> = cells.map(|cell| cell.fg).collect();
        colours.dedup();
        colours
    };
    assert_eq!(colours("━", true), [Color::Green]);
    assert_eq!(colours("✗", true), [Color::Red]);
    assert_eq!(colours("·", true), [Color::DarkGray]);
    let backend = scene.backend(80, 24, false);
    assert!(backend.buffer().content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}

#[test]
fn foreign_names_cannot_drive_the_terminal() {
    let mut scene = Scene::of(&[URL]);
    for n in [1, 2] {
        scene.page(&page_of(&[("\u{1b}[2J\u{9b}", "\u{202e}evil\u{7}", n)]));
    }
    let text = scene.drawn(80, 24);
    assert!(text.contains("  \u{fffd}[2J\u{fffd}/\u{fffd}evil\u{fffd} "), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']));
}

/// Figures of the last minute that a title promises are not those of ten minutes ago.
#[test]
fn figures_from_before_an_outage_leave_the_window() {
    let calls = |scene: &Scene| scene.view.picture.as_ref().map(|picture| picture.requests);
    let mut scene = Scene::of(&[URL]);
    scene.page(&page_of(&[("openai", "gpt", 1)]));
    scene.page(&page_of(&[("openai", "gpt", 11)]));
    for _ in 0..40 {
        scene.round(vec![Some(Err(down("connection refused")))]);
    }
    assert_eq!(calls(&scene), Some(60.0), "the last figures stay while there are no others");
    scene.page(&page_of(&[("openai", "gpt", 11)]));
    assert_eq!(calls(&scene), Some(0.0));
}

#[test]
fn a_restart_is_shown_for_a_minute() {
    let mut scene = Scene::busy();
    scene.page(&busy_page(1));
    let second = |scene: &mut Scene| scene.drawn(80, 24).lines().nth(1).map(str::to_owned);
    assert_eq!(second(&mut scene), Some(format!(" ▲ {URL} restarted")));
    scene.page(&busy_page(1));
    assert_eq!(second(&mut scene), Some(format!(" ▲ {URL} restarted 0 s ago")));
    scene.view.history.endpoints[0].restart = Instant::now().checked_sub(Duration::from_secs(61));
    assert!(second(&mut scene).is_some_and(|line| line.starts_with(" requests")));
}
