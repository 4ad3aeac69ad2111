//! Formatting of an event as one line.

use std::error::Error;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::terminal::{Terminal, Tone, drives_terminals, printable_json};

/// Format of a line.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// `{"time":"…","level":"INFO","msg":"…","field":…}`.
    Json,
    /// `TIME INFO  message field=value`, the level coloured as the terminal's stderr is.
    Text(Terminal),
}

impl Form {
    /// Line of `event` with its line feed. `time` is in UTC with milliseconds.
    pub(crate) fn line(self, event: &Event<'_>, time: Timestamp) -> String {
        let mut fields = Fields { form: self, message: String::new(), rest: String::new() };
        event.record(&mut fields);
        let Fields { message, rest, .. } = fields;
        let level = event.metadata().level();
        match self {
            Self::Json => {
                let msg = json(&message);
                printable_json(&format!(
                    "{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"msg\":{msg}{rest}}}\n"
                ))
            }
            Self::Text(terminal) => {
                let level_text = terminal.paint_err(tone(*level), &format!("{level:<5}"));
                format!("{time:.3} {level_text} {}{rest}\n", escaped(&message))
            }
        }
    }
}

const fn tone(level: Level) -> Tone {
    match level {
        Level::ERROR => Tone::Bad,
        Level::WARN => Tone::Warning,
        Level::INFO => Tone::Good,
        Level::DEBUG | Level::TRACE => Tone::Faint,
    }
}

struct Fields {
    form: Form,
    message: String,
    rest: String,
}

impl Fields {
    /// Numbers and booleans, which look the same in both formats.
    fn bare(&mut self, field: &Field, value: &(impl Serialize + fmt::Display)) {
        match self.form {
            Form::Json => self.append(format_args!(",{}:{}", json(field.name()), json(value))),
            Form::Text(_) => self.append(format_args!(" {}={value}", field.name())),
        }
    }

    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        match self.form {
            Form::Json => self.append(format_args!(",{}:{}", json(field.name()), json(value))),
            Form::Text(_) => self.append(format_args!(" {}={}", field.name(), quoted(value))),
        }
    }

    fn append(&mut self, text: fmt::Arguments<'_>) {
        self.rest.write_fmt(text).unwrap_or_else(|error| unreachable!("a string takes any write: {error}"));
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.bare(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        self.text(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// JSON text of a scalar; a number that JSON cannot represent is null.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// `text` with characters that drive terminals escaped as `\u{…}`.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if drives_terminals(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// `text` as a value of `field=value`, quoted unless it is one word.
fn quoted(text: &str) -> String {
    if !text.is_empty() && text.chars().all(needs_no_quotes) {
        return escaped(text);
    }
    format!("\"{}\"", escaped(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn needs_no_quotes(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::Subscriber;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;
    use crate::config::Environment;
    use crate::terminal::ColorChoice;

    struct Collect(Form, Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Collect {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let noon: Timestamp = "2026-01-02T12:00:00.0071Z".parse().unwrap();
            self.1.lock().unwrap().push_str(&self.0.line(event, noon));
        }
    }

    fn written(form: Form, events: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let subscriber = tracing_subscriber::registry().with(Collect(form, Arc::clone(&text)));
        tracing::subscriber::with_default(subscriber, events);
        text.lock().unwrap().clone()
    }

    fn text(choice: ColorChoice) -> Form {
        Form::Text(Terminal::new(choice, &Environment::default()))
    }

    fn every_kind_of_field() {
        let cause = std::io::Error::other("no route");
        let error = anyhow::Error::from(cause).context("dial failed");
        tracing::warn!(
            endpoint = "/metrics",
            status = 502_u64,
            change = -1,
            seconds = 0.25,
            stream = true,
            provider = %"open ai",
            error = AsRef::<dyn Error>::as_ref(&error),
            text = ?"a\nb",
            "request {}",
            "failed"
        );
    }

    #[test]
    fn json_keeps_types_and_order() {
        assert_eq!(
            written(Form::Json, || tracing::info!(endpoint = "/metrics", "prometheus metrics enabled")),
            "{\"time\":\"2026-01-02T12:00:00.007Z\",\"level\":\"INFO\",\"msg\":\"prometheus metrics enabled\",\
             \"endpoint\":\"/metrics\"}\n"
        );
        assert_eq!(
            written(Form::Json, every_kind_of_field),
            "{\"time\":\"2026-01-02T12:00:00.007Z\",\"level\":\"WARN\",\"msg\":\"request failed\",\
             \"endpoint\":\"/metrics\",\"status\":502,\"change\":-1,\"seconds\":0.25,\"stream\":true,\
             \"provider\":\"open ai\",\"error\":\"dial failed: no route\",\"text\":\"\\\"a\\\\nb\\\"\"}\n"
        );
    }

    #[test]
    fn text_lines_are_readable() {
        assert_eq!(
            written(text(ColorChoice::Never), every_kind_of_field),
            "2026-01-02T12:00:00.007Z WARN  request failed endpoint=/metrics status=502 change=-1 seconds=0.25 \
             stream=true provider=\"open ai\" error=\"dial failed: no route\" text=\"\\\"a\\\\nb\\\"\"\n"
        );
        assert_eq!(
            written(text(ColorChoice::Always), || tracing::info!("ready")),
            "2026-01-02T12:00:00.007Z \u{1b}[32mINFO \u{1b}[0m ready\n"
        );
    }

    #[test]
    fn logged_text_cannot_forge_a_line_or_control_the_terminal() {
        fn hostile() {
            tracing::error!(model = "a\u{1b}[2J\r\n\u{202e}b", "x\ny\u{7f}");
        }
        assert_eq!(
            written(text(ColorChoice::Never), hostile),
            "2026-01-02T12:00:00.007Z ERROR x\\ny\\u{7f} model=\"a\\u{1b}[2J\\r\\n\\u{202e}b\"\n"
        );
        assert_eq!(
            written(Form::Json, hostile),
            "{\"time\":\"2026-01-02T12:00:00.007Z\",\"level\":\"ERROR\",\"msg\":\"x\\ny\\u007f\",\
             \"model\":\"a\\u001b[2J\\r\\n\\u202eb\"}\n"
        );
    }

    #[test]
    fn numbers_without_a_json_form_are_null() {
        assert_eq!(
            written(Form::Json, || tracing::info!(ratio = f64::NAN, "")),
            "{\"time\":\"2026-01-02T12:00:00.007Z\",\"level\":\"INFO\",\"msg\":\"\",\"ratio\":null}\n"
        );
    }
}
