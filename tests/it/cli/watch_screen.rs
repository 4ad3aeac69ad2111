//! `aurora metrics watch` in a real terminal: keys, sizes, signals and panics, in tmux.

use std::process::Command;

use tempfile::TempDir;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat_of};
use crate::support::exposition::gateway;
use crate::support::fixtures::{CHAT_RESPONSE, MASTER_KEY};
use crate::support::programs::program;
use crate::support::servers::wait_for;
use crate::support::upstream::{Upstream, json, response};

/// A shell in a terminal of 80 columns and 24 rows; it ends when this is dropped.
struct Terminal {
    folder: TempDir,
}

impl Terminal {
    fn start() -> Self {
        drop(program("tmux", "tmux"));
        let folder = TempDir::new().expect("a temporary folder");
        let terminal = Self { folder };
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", "PS1='ready> ' exec sh"]);
        terminal.shows("ready>");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-S", "tmux", "-f", "/dev/null"]).args(arguments).current_dir(self.folder.path());
        tmux.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("KEY", MASTER_KEY);
        let output = tmux.output().expect("it was found");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Types keys by tmux's names.
    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "--"], keys].concat());
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen contains a text; gives the screen.
    fn shows(&self, text: &str) -> String {
        wait_for(text, || Some(self.screen()).filter(|screen| screen.contains(text)))
    }

    /// Waits until the screen does not contain a text.
    fn hides(&self, text: &str) {
        wait_for("its end", || (!self.screen().contains(text)).then_some(()));
    }

    /// Starts the view over this gateway; its process id is in the file `pid`.
    fn watch(&self, aurora: &Aurora) {
        self.watch_url(&aurora.url("/metrics"), "");
        self.shows("✓ up");
    }

    fn watch_url(&self, url: &str, options: &str) {
        let binary = env!("CARGO_BIN_EXE_aurora");
        let line = format!(
            "sh -c 'echo $$ > pid; exec {binary} metrics watch {url} --token-env KEY --interval 200ms {options}'; echo status $?"
        );
        self.keys(&[&line, "Enter"]);
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).expect("the shell wrote it");
        let sent = Command::new("kill").args(["-s", name, pid.trim()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until the view has given the terminal back: its screen left, the cursor visible, the shell reading lines.
    fn is_given_back(&self, text: &str) -> String {
        let screen = self.shows(text);
        assert_eq!(
            self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]),
            "0 1\n",
            "{screen}"
        );
        self.keys(&["echo a typed line", "Enter"]);
        self.shows("\na typed line\n");
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server may have ended with its shell.
        let kill =
            Command::new("tmux").args(["-S", "tmux", "kill-server"]).current_dir(self.folder.path()).output();
        drop(kill);
    }
}

/// What the shell prints when the view has ended. The status is that of the last interval, in which a busy machine may not have
/// got its scrape in time.
const ENDED: &str = "\nstatus ";

fn traffic(aurora: &Aurora) {
    let mut client = Client::connect(aurora.address);
    for model in ["plain", "plain", "broken"] {
        client.send(chat_of(model, false));
        client.response();
    }
}

fn upstream() -> Upstream {
    let failure = response("500 Internal Server Error", "", "{}");
    Upstream::start().on("plain", json(CHAT_RESPONSE)).on("broken", failure)
}

#[test]
fn keys_change_the_view() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let terminal = Terminal::start();
    terminal.watch(&aurora);
    traffic(&aurora);
    let screen = terminal.shows("✗ errors 33.3 %");
    for part in ["models by requests, last ", "up/plain ", "up/broken ", "duration  p50 ", "in flight "] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert_eq!(terminal.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]), "1 0\n");
    terminal.keys(&["s"]);
    terminal.shows("models by errors");
    terminal.keys(&["/", "p", "l", "a", "Enter"]);
    terminal.shows("filter pla: 1 of 2");
    terminal.hides("up/broken ");
    terminal.keys(&["Escape"]);
    terminal.shows("up/broken ");
    terminal.keys(&["p"]);
    terminal.shows("▲ paused: p continues");
    terminal.keys(&["p"]);
    terminal.hides("▲ paused");
    terminal.keys(&["?"]);
    terminal.shows("Help: any key closes it");
    terminal.keys(&["x"]);
    terminal.hides("Help: any key closes it");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    let wide = terminal.shows(" mean ");
    assert_eq!(wide.lines().map(|line| line.chars().count()).max(), Some(120), "{wide}");
    terminal.tmux(&["resize-window", "-x", "20", "-y", "5"]);
    terminal.shows(" q quit  ? help  s s\n");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.keys(&["q"]);
    terminal.is_given_back(ENDED);
}

#[test]
fn signals_give_the_terminal_back() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    for name in ["TERM", "INT", "HUP"] {
        let terminal = Terminal::start();
        terminal.watch(&aurora);
        terminal.signal(name);
        terminal.is_given_back(ENDED);
    }
    let terminal = Terminal::start();
    terminal.watch(&aurora);
    terminal.keys(&["C-c"]);
    terminal.is_given_back(ENDED);
}

#[test]
fn the_status_is_that_of_the_last_interval() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let url = aurora.url("/metrics");
    let terminal = Terminal::start();
    terminal.watch_url(&url, "--count 2");
    terminal.is_given_back("status 0");
    drop(aurora);
    terminal.keys(&["clear", "Enter"]);
    terminal.hides("status 0");
    terminal.watch_url(&url, "--count 2");
    let screen = terminal.is_given_back("status 1");
    let warning = format!("aurora: warning: {url} is down: connection refused: ");
    // The terminal breaks lines.
    assert!(screen.replace('\n', "").contains(&warning), "{screen}");
    terminal.keys(&["clear", "Enter"]);
    terminal.hides("status 1");
    terminal.watch_url(&url, "");
    terminal.shows("✗ down");
    terminal.keys(&["q"]);
    terminal.is_given_back("status 1");
}

#[test]
fn a_stopped_view_continues() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let terminal = Terminal::start();
    let line = format!(
        "{} metrics watch {} --token-env KEY --interval 200ms",
        env!("CARGO_BIN_EXE_aurora"),
        aurora.url("/metrics")
    );
    terminal.keys(&["set -m", "Enter", &line, "Enter"]);
    terminal.shows("✓ up");
    terminal.keys(&["C-z"]);
    terminal.is_given_back("Stopped");
    terminal.keys(&["fg", "Enter"]);
    terminal.shows("✓ up");
    terminal.keys(&["q"]);
    terminal.hides("✓ up");
}

#[test]
#[cfg(all(feature = "panic-points", debug_assertions))]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let terminal = Terminal::start();
    terminal.watch(&aurora);
    terminal.keys(&["/", "panic-in-watch"]);
    let screen = terminal.is_given_back("status 101");
    assert!(screen.contains("panic-in-watch"), "{screen}");
}

#[test]
fn a_terminal_that_is_unknown_gets_plain_lines() {
    let terminal = Terminal::start();
    let aurora = Setup::new().variable("METRICS_ENABLED", "true").start();
    for unknown in ["-u TERM", "TERM=dumb"] {
        let (binary, url) = (env!("CARGO_BIN_EXE_aurora"), aurora.url("/metrics"));
        let line = format!(
            "clear; env {unknown} {binary} metrics watch {url} --token-env KEY --interval 200ms --count 1; echo status $?"
        );
        terminal.keys(&[&line, "Enter"]);
        let screen = terminal.shows("\nstatus 0\n");
        assert!(screen.contains("Z  requests 0 (0/s)  errors -  p50 -"), "{screen}");
    }
}

#[test]
fn a_gateway_that_ends_leaves_its_last_figures() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let terminal = Terminal::start();
    terminal.watch(&aurora);
    traffic(&aurora);
    terminal.shows("up/plain");
    drop(aurora);
    let screen = terminal.shows("connection refused");
    for part in [
        "  ✗ down, figures ",
        " s old  every 200 ms\n",
        "/metrics is down: connection refused: ",
        "up/plain ",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}
