//! The terminal in full-screen mode, given back as it was: at the end, on an error and on a panic.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::style::force_color_output;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Signal, getpid, kill_process};

/// True between [`enter`] and [`leave`].
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The terminal in full-screen mode until it is dropped.
pub(super) struct FullScreen {
    terminal: Buffered,
}

type Buffered = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

impl FullScreen {
    /// Enters full-screen mode; a panic leaves it before its message is printed.
    pub(super) fn enter(colour: bool) -> io::Result<Self> {
        // The choice is made: crossterm would follow NO_COLOR against --color always.
        force_color_output(colour);
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave();
            report(info);
        }));
        enter().inspect_err(|_| leave())?;
        Ok(Self { terminal: new_terminal()? })
    }

    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !ENTERED.load(Ordering::SeqCst) {
            return Err(io::Error::other("a panic in another thread ended the view; please report it"));
        }
        self.terminal.draw(picture)?;
        Ok(())
    }

    /// Stops the process as Ctrl-Z does, with the terminal given back until it continues.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        kill_process(getpid(), Signal::TSTP)?;
        enter()?;
        // A new one draws every cell; to clear the old one would ask the terminal for its cursor, whose response the
        // thread that reads keys would take.
        self.terminal = new_terminal()?;
        Ok(())
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

fn new_terminal() -> io::Result<Buffered> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, io::stdout())))
}

fn enter() -> io::Result<()> {
    ENTERED.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All), Hide)
}

/// Gives the terminal back, once. A terminal that is gone needs nothing.
fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        drop(disable_raw_mode());
        drop(execute!(io::stdout(), LeaveAlternateScreen, Show));
        drop(io::stdout().flush());
    }
}
