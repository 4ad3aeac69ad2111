//! Arguments of the commands that scrape metrics endpoints: addresses, credential, limits.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::probe::{load_settings, metrics_address, say_errors, settings_of};
use crate::cli::Context;
use crate::config::values::units;
use crate::config::{Config, Secret};
use crate::probe::{self, Given, Target, Token};

/// Endpoints and the limits of a scrape.
#[derive(Debug, clap::Args)]
pub(super) struct Endpoints {
    /// Metrics endpoints to scrape [default: the configured endpoint]
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Environment variable that holds the bearer token
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// File that holds the bearer token
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Additional request header, written NAME: VALUE (repeatable)
    #[arg(long = "header", value_name = "HEADER", value_parser = secret)]
    headers: Vec<Secret>,
    /// Timeout of one scrape; the default is that of Prometheus
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Maximum size of the response body, compressed or decompressed
    #[arg(long, default_value = "64M", value_name = "SIZE", value_parser = size)]
    pub(super) max_size: usize,
}

/// Largest token file in bytes, so that a device or a log that is named by mistake is not read to its end.
const LONGEST_TOKEN: u64 = 64 << 10;

/// Upper limit of every duration flag.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Endpoints {
    /// The endpoints with their credentials. Problems of a configuration that is not needed are warnings.
    ///
    /// # Errors
    /// There is nothing to scrape, or a credential or URL is invalid.
    pub(super) fn targets(&self, context: &Context) -> anyhow::Result<Vec<Target>> {
        let loaded = load_settings(context);
        let needed = self.urls.is_empty();
        say_errors(&loaded, needed, context);
        if needed && loaded.config.is_none() {
            bail!("invalid configuration: correct it, or pass the URL to probe");
        }
        let settings = settings_of(&loaded, Config::metrics_url, metrics_address);
        let given = Given { token: self.token(context)?, headers: self.headers.clone() };
        probe::targets(&self.urls, &given, settings.as_ref())
    }

    fn token(&self, context: &Context) -> anyhow::Result<Option<Token>> {
        let (value, from) = match (&self.token_env, &self.token_file) {
            (Some(name), _) => {
                let value = context.environment.get(name);
                let missing = format!("--token-env {name}: the variable is not set or empty; export it");
                (value.context(missing)?.to_owned(), format!("--token-env {name}"))
            }
            (None, Some(path)) => {
                let from = format!("--token-file {}", path.display());
                let mut value = String::new();
                File::open(path)
                    .and_then(|file| file.take(LONGEST_TOKEN + 1).read_to_string(&mut value))
                    .with_context(|| format!("{from}: cannot be read"))?;
                if value.len() as u64 > LONGEST_TOKEN {
                    bail!("{from}: larger than 64 KiB; name a file with the token alone");
                }
                (value, from)
            }
            (None, None) => return Ok(None),
        };
        let value = value.trim();
        if value.is_empty() {
            bail!("{from}: empty; write the token to it");
        }
        Ok(Some(Token { secret: Secret::new(value), from }))
    }
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// A duration of up to one day.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Some(found) if !found.is_zero() && found <= LONGEST => Ok(found),
        _ => Err("expected a duration of up to one day, such as 10s, 500ms or 1m30s".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match units::size(text).map(usize::try_from) {
        Some(Ok(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err("expected a size, such as 512K, 10M or 1G".to_owned()),
    }
}
