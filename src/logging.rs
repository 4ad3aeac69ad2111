//! Log lines on stderr: one JSON object per line, or text.
//!
//! The thread of an event formats the line and puts it into a bounded queue; one thread writes. If stderr is blocked,
//! the queue fills up and further lines are dropped and counted: no request waits for a log.

mod line;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use signal_hook::consts::SIGXFSZ;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFormat};
use crate::panics;
use crate::terminal::Terminal;

pub use line::Form;
pub use queue::{DroppedLines, LogGuard, LogQueue, queue};

static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// Counts lines that a limit per second left out.
pub(crate) fn suppress(lines: u64) {
    SUPPRESSED.fetch_add(lines, Ordering::Relaxed);
}

/// Lines that limits left out since the start. They are not lost: other lines say for how many they stand.
pub(crate) fn suppressed_lines() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

/// Handle to change the minimum level.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<Targets, Registry>);

impl LogLevel {
    /// Sets the minimum level.
    pub fn set(&self, level: Level) {
        // It fails only after the log has ended.
        drop(self.0.reload(filter(level)));
    }
}

/// Writes the log events of the process to stderr until the guard is dropped. Panics are logged too, because the
/// standard report would wait for a blocked stderr. A log file at the size limit of the process (`ulimit -f`,
/// `LimitFSIZE=`) gets no more lines, but does not end the process.
///
/// # Errors
/// The writing thread or the signal handler cannot be set up, or there is a log already.
pub fn init(log: &Log, terminal: Terminal) -> anyhow::Result<(LogGuard, LogLevel)> {
    let form = match log.format {
        LogFormat::Auto if terminal.stderr_is_terminal() => Form::Text(terminal),
        LogFormat::Auto | LogFormat::Json => Form::Json,
        LogFormat::Text => Form::Text(terminal),
    };
    // With a handler of any kind the write fails with EFBIG instead of ending the process.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).context("cannot start logging")?;
    let (lines, guard) = queue(std::io::stderr()).context("cannot start logging")?;
    let (subscriber, level) = subscriber(form, log.level, lines);
    tracing::subscriber::set_global_default(subscriber).context("cannot start logging")?;
    panics::report();
    Ok((guard, level))
}

/// Formats events of this crate from `level` up, and of its dependencies from WARN up, into `lines`.
#[must_use]
pub fn subscriber(form: Form, level: Level, lines: LogQueue) -> (impl Subscriber + Send + Sync, LogLevel) {
    let (filter, handle) = reload::Layer::new(filter(level));
    // The filter is below the lines, since its handle has the type of the registry.
    let subscriber = tracing_subscriber::registry().with(filter).with(Lines { form, lines });
    (subscriber, LogLevel(handle))
}

fn filter(level: Level) -> Targets {
    let others = level.min(Level::WARN);
    Targets::new().with_default(others).with_target(env!("CARGO_CRATE_NAME"), level)
}

struct Lines {
    form: Form,
    lines: LogQueue,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let is_urgent = *event.metadata().level() <= Level::WARN;
        self.lines.push(self.form.line(event, jiff::Timestamp::now()), is_urgent);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn logged(form: Form, level: Level, events: fn()) -> Vec<String> {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (lines, guard) = queue(writer).unwrap();
        tracing::subscriber::with_default(subscriber(form, level, lines).0, events);
        drop(guard);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn levels_and_dependencies() {
        fn events() {
            tracing::debug!("own debug");
            tracing::info!("own info");
            tracing::info!(target: "hyper::proto", "dependency info");
            tracing::warn!(target: "hyper::proto", "dependency warning");
            tracing::error!("own error");
        }
        fn message(line: &str) -> String {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["msg"].as_str().unwrap().to_owned()
        }
        fn messages(level: Level) -> Vec<String> {
            logged(Form::Json, level, events).iter().map(String::as_str).map(message).collect()
        }
        assert_eq!(messages(Level::DEBUG), ["own debug", "own info", "dependency warning", "own error"]);
        assert_eq!(messages(Level::INFO), ["own info", "dependency warning", "own error"]);
        assert_eq!(messages(Level::ERROR), ["own error"]);
    }

    #[test]
    fn maximum_level_is_a_hint_for_callsites() {
        let (_, writer) = std::io::pipe().unwrap();
        let (lines, _guard) = queue(writer).unwrap();
        let (subscriber, _) = subscriber(Form::Json, Level::WARN, lines);
        assert_eq!(subscriber.max_level_hint(), Some(tracing::level_filters::LevelFilter::WARN));
    }
}
