//! `aurora config init`: a first configuration for the providers whose variables are set.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::check;
use crate::cli::metrics::probe::say_errors;
use crate::cli::program::quoted;
use crate::cli::{Context, Outcome};
use crate::config::{self, Environment, Loaded, Provider, Sources};
use crate::gateway;

/// Arguments of `aurora config init`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora config init
  OPENAI_API_KEY=... aurora config init --dir /etc/aurora

config.yaml has the providers whose variables are set, such as OPENAI_API_KEY, and refers to them by name: no key \
is written into it. .env gets a new AURORA_MASTER_KEY and is readable only by you; it is not written if that \
variable is set. Files that exist are never changed.
Exit codes: 0 written and valid, 1 otherwise, 2 invalid usage.")]
pub struct Args {
    /// Folder to write to; it is created if need be
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Name of the variable with the master key.
const MASTER_KEY: &str = "AURORA_MASTER_KEY";

/// Writes the files, then prints what `config check` says of them.
///
/// # Errors
/// The configuration file exists, a variable is wrong, or a file cannot be written.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    if context.global.config.is_some() || context.global.env_file.is_some() {
        bail!("--config and --env-file are not for config init; name the folder with --dir");
    }
    let (yaml, env) = (args.dir.join("config.yaml"), args.dir.join(".env"));
    if is_there(&yaml) {
        bail!(
            "{} exists and is not overwritten; run `aurora config check` to see what it says",
            yaml.display()
        );
    }
    let found = load(args, context, Path::new("/dev/null"));
    let Some(config) = &found.config else {
        say_errors(&found, true, context);
        bail!("nothing is written: correct the variables first");
    };
    let has_key = found.source_of(config::Key::ServerMasterKey).is_some_and(|source| source != "default");
    let providers = config.providers.as_slice();
    DirBuilder::new()
        .recursive(true)
        .create(&args.dir)
        .with_context(|| format!("cannot create {}", args.dir.display()))?;

    let mut text = String::new();
    let writes_env = !has_key && !is_there(&env);
    if writes_env {
        write(&env, &dotenv(&new_key()?))?;
        text += &format!("wrote {}, readable only by you: {MASTER_KEY}, the key of clients\n", env.display());
    }
    write(&yaml, &config_yaml(providers, has_key || writes_env, &context.environment))?;
    let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    let names =
        if names.is_empty() { "no provider, for no key was found".to_owned() } else { names.join(", ") };
    text += &format!("wrote {}: {names}\n", yaml.display());
    text += &format!("start it with: {}\n\n", start(args, context));
    context.terminal.print(&text)?;
    check::print(&load(args, context, Path::new("config.yaml")), &check::Args::default(), context)
}

fn load(args: &Args, context: &Context, config_file: &Path) -> Loaded {
    config::load(&Sources {
        environment: context.environment.clone(),
        directory: args.dir.clone(),
        config_file: Some(config_file.to_owned()),
        file_limit: gateway::file_limit(),
        ..Sources::default()
    })
}

/// True for a broken link too, which a new file would follow.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Writes a new file that only its owner can read.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// 32 random bytes in hexadecimal.
fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    let read: io::Result<()> =
        File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.context("cannot read /dev/urandom for a new key")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The command that starts the gateway in the folder.
fn start(args: &Args, context: &Context) -> String {
    let program = &context.program;
    if args.dir == Path::new(".") {
        return format!("{program} serve");
    }
    let folder = quoted(&args.dir.display().to_string());
    match (program.is_relative(), std::path::absolute(program.as_given())) {
        (true, Ok(path)) => format!("cd {folder} && {} serve", quoted(&path.display().to_string())),
        _ => format!("cd {folder} && {program} serve"),
    }
}

fn dotenv(key: &str) -> String {
    format!(
        "# Variables of Aurora; those of the environment override them. Keep this file out of version control.\n\
         # Send this key as `Authorization: Bearer KEY`; change it with: openssl rand -hex 32\n\
         {MASTER_KEY}={key}\n"
    )
}

const HEAD: &str = "\
# Settings of Aurora. Strings may contain ${VAR} and ${VAR:-default}; keep keys in variables, not in this file.
# `aurora config check --all` prints every setting; docs/configuration.md explains them.

server:
  #host: 127.0.0.1       # only this machine can connect; default: 0.0.0.0
  #port: 8080
  # Key of clients and Prometheus.
";

const METRICS: &str = "
metrics:
  enabled: true          # served at /metrics, with the master key
  #listen: 127.0.0.1:9090  # serve them only there

# The name is the `provider` label of the metrics. Without `models`, the provider is asked for its list.
";

const NO_PROVIDER: &str = "\
#providers:
#  openai:
#    type: openai
#    api_key: ${OPENAI_API_KEY}
";

const ROUTES: &str = "
# Model names of your own, each with its targets in order: `provider/model`.
#routes:
#  smart: [openai/gpt-4.1, anthropic/claude-sonnet-4-5]
";

fn config_yaml(providers: &[Arc<Provider>], has_key: bool, environment: &Environment) -> String {
    let default = if has_key { "" } else { ":-" };
    let mut text = format!("{HEAD}  master_key: ${{{MASTER_KEY}{default}}}\n{METRICS}");
    text += if providers.is_empty() { NO_PROVIDER } else { "providers:\n" };
    for provider in providers {
        text += &entry(provider, environment);
    }
    text + ROUTES
}

/// A provider, with its key as a reference.
fn entry(provider: &Provider, environment: &Environment) -> String {
    let mut text = format!("  {}:\n    type: {}\n", provider.name, provider.kind.name);
    let variable = |field| provider.kind.variable(&provider.name, field);
    // A key in a file is read by its variable alone.
    if provider.api_key.is_some() && environment.get(&variable("api_key_file")).is_none() {
        text += &format!("    api_key: ${{{}}}\n", variable("api_key"));
    }
    let base_url = provider.base_url.as_str().trim_end_matches('/');
    if provider.kind.default_base_url.is_none_or(|default| default != base_url) {
        text += &format!("    base_url: {}\n", literal(&base_url.into()));
    }
    if !provider.models.is_empty() {
        text += &format!("    models: {}\n", literal(&provider.models.as_slice().into()));
    }
    text
}

/// A value in which no `${VAR}` is replaced.
fn literal(value: &serde_json::Value) -> String {
    value.to_string().replace('$', "$$")
}
