//! Colours by meaning, those of the dashboard's palette in the terminal's own shades. Symbols and words carry the meaning
//! where there is no colour.

use ratatui::style::{Color, Modifier, Style};

use crate::metrics::monitoring::Meaning;
use crate::watch::reading::Outcomes;

/// Styles of the view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    colour: bool,
}

impl Theme {
    /// Styles with colour, or with bold and dim text only.
    pub(super) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// Style of a meaning.
    pub(super) fn meaning(self, meaning: Meaning) -> Style {
        match meaning {
            Meaning::Fine => self.coloured(Color::Green),
            Meaning::Error => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            Meaning::Throttled => self.coloured(Color::Yellow),
            Meaning::Refused => self.coloured(Color::Blue),
            Meaning::Cancelled => self.coloured(Color::DarkGray),
        }
    }

    /// Style of figures that have no meaning of their own.
    pub(super) fn figures(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// Style of headings and keys.
    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Style of what explains.
    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}

/// Outcomes in the order in which they are shown: meaning, symbol, word, count.
pub(super) fn kinds(outcomes: &Outcomes) -> [(Meaning, &'static str, &'static str, f64); 5] {
    let Outcomes { ok, errors, throttled, refused, cancelled } = *outcomes;
    [
        (Meaning::Fine, "✓", "ok", ok),
        (Meaning::Error, "✗", "errors", errors),
        (Meaning::Throttled, "▲", "throttled", throttled),
        (Meaning::Refused, "!", "refused", refused),
        (Meaning::Cancelled, "·", "cancelled", cancelled),
    ]
}
