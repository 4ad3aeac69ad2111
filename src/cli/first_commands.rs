//! First commands for a new user of the demo: a chat, a stream, a probe. They work as they are printed.

use std::net::SocketAddr;

use super::program::{self, Program};
use crate::config::{Config, Key, Loaded};

/// What the commands need of the configuration.
pub(super) struct FirstCommands {
    base_path: String,
    has_metrics: bool,
    /// Opens the API.
    key: Option<Credential>,
    /// Opens the metrics endpoint.
    metrics_key: Option<Credential>,
}

/// A configured key as a shell reads it.
enum Credential {
    File(String),
    Variable(&'static str),
}

impl FirstCommands {
    pub(super) fn new(config: &Config, loaded: &Loaded) -> Self {
        let master = config.server.master_key.is_some();
        let key = || master.then(|| Credential::new(loaded, Key::ServerMasterKey, "AURORA_MASTER_KEY"));
        let token = config.metrics.token.is_some();
        Self {
            base_path: config.server.base_path.clone(),
            has_metrics: config.metrics.enabled,
            key: key(),
            metrics_key: key()
                .or_else(|| token.then(|| Credential::new(loaded, Key::MetricsToken, "METRICS_TOKEN"))),
        }
    }

    /// The text that `serve --demo` prints.
    pub(super) fn text(&self, program: &Program, address: SocketAddr, metrics: &str) -> String {
        let place =
            if program.is_relative() { "In another terminal, in this folder" } else { "In another terminal" };
        let chat = self.chat(address, "", "");
        let stream = self.chat(address, "-N ", "\"stream\":true,");
        let mut text = format!(
            "Aurora is running with its demo provider on http://{address}. {place}:\n\n\
             A chat:\n{chat}\nA stream:\n{stream}\n"
        );
        if self.has_metrics {
            let key = self.metrics_key.as_ref().map(Credential::flag).unwrap_or_default();
            text += &format!("The metrics of these requests:\n  {program} metrics probe {metrics}{key}\n\n");
        }
        text
    }

    /// A chat with curl: `flags` for curl itself, `fields` for the body.
    fn chat(&self, address: SocketAddr, flags: &str, fields: &str) -> String {
        let key = self.key.as_ref().map(Credential::header).unwrap_or_default();
        format!(
            "  curl {flags}http://{address}{}/v1/chat/completions{key} \\\n    \
             -H 'Content-Type: application/json' \\\n    \
             -d '{{\"model\":\"demo-chat\",{fields}\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}'\n",
            self.base_path
        )
    }
}

impl Credential {
    fn new(loaded: &Loaded, key: Key, variable: &'static str) -> Self {
        match loaded.secret_file_of(key) {
            Some(path) => Self::File(program::quoted(&path.display().to_string())),
            None => Self::Variable(variable),
        }
    }

    /// A header for curl.
    fn header(&self) -> String {
        let value = match self {
            Self::File(path) => format!("$(cat {path})"),
            Self::Variable(name) => format!("${name}"),
        };
        format!(" \\\n    -H \"Authorization: Bearer {value}\"")
    }

    /// A flag for `metrics probe`.
    fn flag(&self) -> String {
        match self {
            Self::File(path) => format!(" --token-file {path}"),
            Self::Variable(name) => format!(" --token-env {name}"),
        }
    }
}
