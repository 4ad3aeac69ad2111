//! The live view over metrics endpoints: [`rounds`] scrapes them interval after interval, [`reading`] keeps the numbers of
//! a page and gives their increase, [`history`] holds the past, [`picture`] makes the numbers that are shown; [`screen`] draws
//! them in a terminal, [`lines`] prints them elsewhere.

mod history;
mod lines;
mod picture;
mod reading;
mod rounds;
mod screen;
#[cfg(test)]
mod tests;
mod words;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::probe::{Target, block_on, shown};
use crate::terminal::{Terminal, Tone};
use history::{History, Status};
pub use screen::show;

/// Options of the view.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time between two scrapes.
    pub interval: Duration,
    /// Intervals after which the view ends; `None` ends with the program.
    pub count: Option<u64>,
    /// Timeout of one scrape.
    pub timeout: Duration,
    /// Maximum size of a page in bytes.
    pub max_size: usize,
    /// JSON in place of text.
    pub json: bool,
}

/// Prints one line per interval. Returns true if every endpoint was up in the last one.
///
/// # Errors
/// Writing to stdout failed, or the runtime did not start.
pub fn print_lines(targets: &[Target], options: &Options, terminal: Terminal) -> anyhow::Result<bool> {
    let mut history = new_history(targets, options);
    let mut printed = 0;
    let mut is_first = true;
    let mut outcome = Ok(());
    let scrapes = rounds::run(targets, options, |round| {
        history.take(round);
        // The first pages give no increase yet.
        if std::mem::take(&mut is_first) {
            warn_of_failures(&history, terminal);
            return true;
        }
        printed += 1;
        outcome = print_line(&history, options.json, terminal);
        outcome.is_ok() && options.count.is_none_or(|count| printed < count)
    });
    block_on(scrapes)?;
    outcome?;
    Ok(history.all_up())
}

fn new_history(targets: &[Target], options: &Options) -> History {
    let urls = targets.iter().map(|target| shown(&target.url));
    History::new(urls, options.interval, Instant::now())
}

fn print_line(history: &History, json: bool, terminal: Terminal) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let line = if json {
        lines::json(history, now)?
    } else {
        format!("{}  {}", now.strftime("%H:%M:%SZ"), lines::text(history))
    };
    Ok(terminal.print(&(line + "\n"))?)
}

/// Says which endpoints are down: an interval before the first line, and when the screen with their names is gone.
fn warn_of_failures(history: &History, terminal: Terminal) {
    let label = terminal.paint_err(Tone::Warning, "warning:");
    for endpoint in &history.endpoints {
        if let (Status::Down(_), Some(trouble)) = (&endpoint.status, lines::trouble(endpoint)) {
            terminal.say(&format!("aurora: {label} {}", crate::terminal::printable(&trouble)));
        }
    }
}
