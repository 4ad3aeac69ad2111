//! First commands for a new user; they work as they are printed.

use std::net::SocketAddr;

use super::program::{self, Program};
use crate::config::{Config, Key, Loaded};

/// The part of the configuration that the commands need.
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

/// The text that `serve` prints on a terminal while no provider is configured.
pub(super) fn without_provider(program: &Program) -> String {
    format!(
        "No provider is configured, so model requests get 503. Stop with Ctrl-C, then try one of:\n  \
         {program} serve --demo     a built-in upstream: no API key, no network\n  \
         {program} config init      a first configuration for the keys that are set\n  \
         {program} config check     the settings in effect, and what is wrong with them"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_commands_name_the_program_as_it_was_started() {
        assert_eq!(
            without_provider(&Program::new(Some(&"./bin/aurora".into()))),
            "No provider is configured, so model requests get 503. Stop with Ctrl-C, then try one of:\n  \
             ./bin/aurora serve --demo     a built-in upstream: no API key, no network\n  \
             ./bin/aurora config init      a first configuration for the keys that are set\n  \
             ./bin/aurora config check     the settings in effect, and what is wrong with them"
        );
    }
}
