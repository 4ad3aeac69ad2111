//! Logging as the process does it: lines through the queue to a reader, who may be slow or gone.

use std::io::{Read, pipe};

use aurora::config::Environment;
use aurora::logging::{self, Form};
use aurora::terminal::{ColorChoice, Terminal};
use serde_json::Value;
use tracing::Level;

fn logged(form: Form, events: impl FnOnce()) -> String {
    let (mut reader, writer) = pipe().unwrap();
    let (lines, guard) = logging::queue(writer).unwrap();
    tracing::subscriber::with_default(logging::subscriber(form, Level::DEBUG, lines).0, events);
    drop(guard);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// `line` without its time, which must be of the form `2026-01-02T12:00:00.007Z`.
fn timeless(line: &str, time: &str) -> String {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    assert_eq!(time.chars().map(shape).collect::<String>(), "0000-00-00T00:00:00.000Z");
    line.replace(time, "TIME")
}

#[test]
fn a_line_is_one_json_object_with_time_level_and_message_first() {
    let text = logged(Form::Json, || {
        tracing::info!(target: "aurora", endpoint = "/metrics", "prometheus metrics enabled");
        tracing::info!(target: "aurora", "prometheus metrics disabled");
    });
    let lines: Vec<String> = text
        .lines()
        .map(|line| timeless(line, serde_json::from_str::<Value>(line).unwrap()["time"].as_str().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            r#"{"time":"TIME","level":"INFO","msg":"prometheus metrics enabled","endpoint":"/metrics"}"#,
            r#"{"time":"TIME","level":"INFO","msg":"prometheus metrics disabled"}"#,
        ]
    );
}

#[test]
fn text_lines_start_with_the_same_time() {
    let plain = Form::Text(Terminal::new(ColorChoice::Never, &Environment::default()));
    let text = logged(plain, || tracing::warn!(target: "aurora", key = "server.master_key", "no master key"));
    let time = text.split(' ').next().unwrap();
    assert_eq!(timeless(&text, time), "TIME WARN  no master key key=server.master_key\n");
}

#[test]
fn a_blocked_log_reader_blocks_no_writer() {
    let (reader, writer) = pipe().unwrap();
    let (lines, guard) = logging::queue(writer).unwrap();
    let dropped = guard.dropped_lines();
    tracing::subscriber::with_default(logging::subscriber(Form::Json, Level::INFO, lines).0, || {
        for number in 0..20_000_u32 {
            tracing::info!(target: "aurora", number, "a line");
        }
    });
    drop(guard);
    assert!(dropped.count() > 0);
    drop(reader);
}
