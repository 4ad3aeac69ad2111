//! The view in full-screen mode: [`view`] is its state, [`draw`] its picture, [`terminal`] gives the terminal back.

mod charts;
mod draw;
mod figures;
mod help;
mod models;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod view;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crossterm::event::{self, Event, KeyEvent};
use tokio::signal::unix::{SignalKind, signal};

use self::terminal::FullScreen;
use self::theme::Theme;
use self::view::{Effect, View};
use super::rounds::{self, Round};
use super::{Options, new_history, warn_of_failures};
use crate::probe::Target;
use crate::terminal::Terminal;

/// Longest time without a new picture: ages of figures are shown in seconds.
const REDRAW: Duration = Duration::from_secs(1);

/// Events of the threads beside the view.
enum Happening {
    Round(Round),
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// A signal, or the end of the terminal.
    Stop,
}

/// Shows the view until a key, a signal or the last interval ends it. Returns true if every endpoint was up in the last
/// interval.
///
/// # Errors
/// The terminal cannot be used, or the runtime did not start.
pub fn show(targets: &[Target], options: &Options, terminal: Terminal) -> anyhow::Result<bool> {
    let (sender, happenings) = channel();
    scrape(targets.to_vec(), options.clone(), sender.clone())?;
    let mut view = View::new(new_history(targets, options), options.interval);
    let colour = terminal.colours_stdout();
    let screen =
        FullScreen::enter(colour).context("this terminal cannot show the view; use --format json")?;
    thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&sender))?;
    run(&mut view, screen, &happenings, options.count, Theme::new(colour))?;
    warn_of_failures(&view.history, terminal);
    Ok(view.history.all_up())
}

fn run(
    view: &mut View,
    mut screen: FullScreen,
    happenings: &Receiver<Happening>,
    count: Option<u64>,
    theme: Theme,
) -> anyhow::Result<()> {
    // The first pages give no increase yet.
    let mut left = count.map(|count| count + 1);
    loop {
        screen.draw(|frame| draw::draw(frame, view, theme))?;
        let mut next = match happenings.recv_timeout(REDRAW) {
            Ok(happening) => Some(happening),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => bail!("the threads of the view ended; please report it"),
        };
        while let Some(happening) = next {
            match happening {
                Happening::Stop => return Ok(()),
                Happening::Resized => {}
                Happening::Key(key) => match view.key(key) {
                    Effect::Redraw => {}
                    Effect::Suspend => screen.suspend()?,
                    Effect::Quit => return Ok(()),
                },
                Happening::Round(round) => {
                    view.take(round);
                    left = left.map(|left| left.saturating_sub(1));
                    if left == Some(0) {
                        return Ok(());
                    }
                }
            }
            next = happenings.try_recv().ok();
        }
    }
}

/// Scrapes in a thread of its own, which waits for signals as well. It ends with the program.
fn scrape(targets: Vec<Target>, options: Options, sender: Sender<Happening>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = Vec::new();
    {
        let _context = runtime.enter();
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
            signals.push(signal(kind)?);
        }
    }
    let work = async move {
        let stop = sender.clone();
        for mut signal in signals {
            let stop = stop.clone();
            tokio::spawn(async move {
                signal.recv().await;
                // The view may have ended.
                drop(stop.send(Happening::Stop));
            });
        }
        rounds::run(&targets, &options, |round| sender.send(Happening::Round(round)).is_ok()).await;
    };
    thread::Builder::new().name("scrapes".to_owned()).spawn(move || runtime.block_on(work))?;
    Ok(())
}

/// Reads keys until the terminal ends.
fn read_keys(sender: &Sender<Happening>) {
    loop {
        let happening = match event::read() {
            Ok(Event::Key(key)) => Happening::Key(key),
            Ok(Event::Resize(..)) => Happening::Resized,
            Ok(_) => continue,
            Err(_) => Happening::Stop,
        };
        let is_last = matches!(happening, Happening::Stop);
        if sender.send(happening).is_err() || is_last {
            return;
        }
    }
}
