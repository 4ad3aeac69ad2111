//! `aurora serve`.

use super::first_commands::{FirstCommands, without_provider};
use super::{Context, Outcome};
use crate::config::{self, Demo, Flag, Key, Problem, Severity, Sources};
use crate::demo::{self, DemoUpstream};
use crate::gateway::{self, Ended, Gateway};
use crate::logging;
use crate::terminal::{Tone, printable};

/// Arguments of `aurora serve`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora serve --demo
  aurora serve --host 127.0.0.1 --port 0
  METRICS_ENABLED=true aurora serve -c /etc/aurora/config.yaml

SIGINT or SIGTERM stops the gateway once the requests in flight are complete; a second signal stops it \
immediately. SIGHUP reloads the configuration; a change of a secret file reloads it too. A reload is rejected \
if the configuration has errors, a file is missing or the last key was removed: the active configuration stays, \
and the reload is retried until it succeeds.
Exit codes: 0 stopped, 1 failed, 2 invalid usage, 78 invalid configuration.")]
pub struct Args {
    /// Address to listen on; overrides server.host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on; overrides server.port; 0 picks a free port
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Run with an embedded upstream on 127.0.0.1: no API key, no network
    ///
    /// The only provider is demo. Its models are demo-chat, demo-fast and demo-embed, and demo-429, demo-500,
    /// demo-slow and demo-cut, which fail on purpose. config.yaml, .env and provider variables are ignored unless -c or
    /// --env-file names them; variables that set host, port or metrics still apply.
    #[arg(long)]
    pub demo: bool,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// The address cannot be bound, or the process lacks a resource such as threads.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let upstream = if args.demo { Some(demo::start()?) } else { None };
    let sources = sources(args, context, upstream.as_ref());
    let mut loaded = config::load(&sources);
    let Some(config) = loaded.config.take() else {
        refuse(&loaded.problems, context);
        return Ok(Outcome::Misconfigured);
    };
    let (log, log_level) = logging::init(&config.log, context.terminal)?;
    for problem in &loaded.problems {
        tracing::warn!(problem = problem.to_string(), "configuration");
    }
    let has_provider = !config.providers.is_empty();
    let first = FirstCommands::new(&config, &loaded);
    let gateway = Gateway::bind(config, log.dropped_lines())?;
    if args.demo {
        let text = first.text(&context.program, gateway.address(), &gateway.metrics_url());
        context.terminal.print(&text)?;
    } else if !has_provider && context.terminal.stderr_is_terminal() {
        context.terminal.say(&without_provider(&context.program));
    }
    match gateway.run(sources, loaded, log_level)? {
        Ended::Drained { .. } => Ok(Outcome::Fine),
        Ended::AtOnce => Ok(Outcome::Failed),
    }
}

fn sources(args: &Args, context: &Context, upstream: Option<&DemoUpstream>) -> Sources {
    let mut flags = Vec::new();
    if let Some(host) = &args.host {
        flags.push(Flag { name: "--host", key: Key::ServerHost, value: host.clone() });
    }
    if let Some(port) = args.port {
        flags.push(Flag { name: "--port", key: Key::ServerPort, value: port.to_string() });
    }
    Sources {
        environment: context.environment.clone(),
        config_file: context.global.config.clone(),
        env_file: context.global.env_file.clone(),
        flags,
        demo: upstream.map(demo_provider),
        file_limit: gateway::file_limit(),
        ..Sources::default()
    }
}

fn demo_provider(upstream: &DemoUpstream) -> Demo {
    Demo { base_url: upstream.base_url(), models: demo::MODELS.iter().copied().map(str::to_owned).collect() }
}

fn refuse(problems: &[Problem], context: &Context) {
    let terminal = context.terminal;
    for problem in problems {
        let (word, tone) = match problem.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warning),
        };
        terminal.say(&format!("{} {}", terminal.paint_err(tone, word), printable(&problem.to_string())));
    }
    terminal.say(&format!(
        "aurora: not started: invalid configuration; run `{} config check` to see the effective settings",
        context.program
    ));
}
