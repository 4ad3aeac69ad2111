//! The keys and the meaning of the numbers, over the picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::theme::Theme;

const TEXT: &str = " s S      sort by requests, errors, p95, time to first token, tokens, name
 /        filter models by a part of provider/model; Esc clears the filter
 w        window of models, outcomes and percentiles: 60 s, 5 min, 10 s
 p space  pause and continue
 ↑↓ jk    scroll; PageUp, PageDown, Home, End
 ctrl-z   suspend         q ctrl-c  quit

 requests  model calls as clients saw them: ok, errors, throttled (429),
           refused (invalid requests), cancelled (client disconnected)
 errors    share of failed calls; of a model: of requests to the provider
 p50 p95   upper bound of the bucket that contains the percentile
 ttft      time from dispatch to the first token of a stream
 tok/s     output tokens per second, as providers declare them
 ▁▂▃ ░▒▓   one column per interval, the newest at the right
 ✗ ▲       circuit breaker open, half-open";

/// Size of the box, with its border.
const WIDTH: u16 = 76;
const HEIGHT: u16 = 17;

/// Draws it in the middle.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let inside =
        area.centered(Constraint::Length(WIDTH.min(area.width)), Constraint::Length(HEIGHT.min(area.height)));
    let block = Block::bordered().title(" Help: any key closes it ").border_style(theme.heading());
    frame.render_widget(Clear, inside);
    frame.render_widget(Paragraph::new(TEXT).block(block), inside);
}
