//! `aurora serve`.

use std::net::SocketAddr;

use super::{Context, Outcome};
use crate::config::{self, Demo, Flag, Key, Problem, Severity, Sources};
use crate::demo::{self, DemoUpstream};
use crate::gateway::{self, Ended, Gateway};
use crate::logging;
use crate::terminal::{Terminal, Tone};

/// What to serve, and where.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora serve --demo
  aurora serve --host 127.0.0.1 --port 0
  METRICS_ENABLED=true aurora serve -c /etc/aurora/config.yaml

Stops on SIGINT or SIGTERM once requests in flight are done; a second one stops at once. SIGHUP reads the \
configuration again, and a file that holds a secret is read again when it changes. A reload with errors, or one that lost \
a file or the last key, is refused: the active configuration stays, and the files are tried again until they are whole.
Exit codes: 0 stopped, 1 failed, 2 wrong usage, 78 configuration refused.")]
pub struct Args {
    /// Address to listen on, over server.host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on, over server.port; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Serve an embedded upstream: no key, no network, on 127.0.0.1
    ///
    /// The only provider is demo with the models demo-chat, demo-fast, demo-embed and the failing demo-429,
    /// demo-500, demo-slow and demo-cut. config.yaml, .env and provider variables are ignored unless -c or
    /// --env-file names them; variables that set host, port or metrics still count.
    #[arg(long)]
    pub demo: bool,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the address cannot be bound, or the process lacks what serving needs.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let upstream = if args.demo { Some(demo::start()?) } else { None };
    let sources = sources(args, context, upstream.as_ref());
    let loaded = config::load(&sources);
    let Some(config) = loaded.config else {
        refuse(&loaded.problems, context.terminal);
        return Ok(Outcome::Misconfigured);
    };
    let (log, log_level) = logging::init(&config.log, context.terminal)?;
    for problem in &loaded.problems {
        tracing::warn!(problem = problem.to_string(), "configuration");
    }
    let has_key = config.server.master_key.is_some();
    let gateway = Gateway::bind(config, log.dropped_lines())?;
    if args.demo {
        context.terminal.print(&next_steps(gateway.address(), &gateway.metrics_url(), has_key))?;
    }
    match gateway.run(sources, loaded.texts, log_level)? {
        Ended::Drained { .. } => Ok(Outcome::Fine),
        Ended::AtOnce => Ok(Outcome::Failed),
    }
}

fn sources(args: &Args, context: &Context, upstream: Option<&DemoUpstream>) -> Sources {
    let host = args.host.clone().map(|value| Flag { name: "--host", key: Key::ServerHost, value });
    let port = args.port.map(|port| Flag { name: "--port", key: Key::ServerPort, value: port.to_string() });
    Sources {
        environment: context.environment.clone(),
        config_file: context.global.config.clone(),
        env_file: context.global.env_file.clone(),
        flags: host.into_iter().chain(port).collect(),
        demo: upstream.map(|upstream| Demo {
            base_url: upstream.base_url(),
            models: demo::MODELS.iter().map(|model| (*model).to_owned()).collect(),
        }),
        file_limit: gateway::file_limit(),
        ..Sources::default()
    }
}

fn refuse(problems: &[Problem], terminal: Terminal) {
    for problem in problems {
        let (word, tone) = match problem.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warning),
        };
        terminal.say(&format!("{} {problem}", terminal.paint_err(tone, word)));
    }
    terminal.say(
        "aurora: not started: the configuration has errors; `aurora config check` shows what is in effect",
    );
}

/// What a newcomer tries first: a chat, a stream, a probe.
fn next_steps(address: SocketAddr, metrics: &str, has_key: bool) -> String {
    let key = if has_key { " \\\n    -H \"Authorization: Bearer $AURORA_MASTER_KEY\"" } else { "" };
    let chat = |flags: &str, more: &str| {
        format!(
            "  curl {flags}http://{address}/v1/chat/completions{key} \\\n    -H 'Content-Type: application/json' \\\n    \
             -d '{{\"model\":\"demo-chat\",{more}\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}'\n"
        )
    };
    format!(
        "Aurora serves its own demo provider on http://{address}. In another terminal:\n\n\
         A chat:\n{}\nA stream:\n{}\nThe metrics it left ({metrics}):\n  \
         aurora metrics probe {metrics}\n\n",
        chat("", ""),
        chat("-N ", "\"stream\":true,"),
    )
}
