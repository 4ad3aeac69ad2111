//! `aurora config check`: validation of the configuration, its effective settings and their consequences.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use serde::{Serialize, Serializer};

use crate::cli::{Context, Outcome};
use crate::config::{self, Config, EffectiveSetting, Loaded, Problem, Severity, Sources, Strategy, WARNINGS};
use crate::gateway;
use crate::metrics::catalog::families::FAMILIES;
use crate::metrics::catalog::worst_case::{self, Bounds};
use crate::table::aligned;
use crate::terminal::{Terminal, Tone, printable, printable_json};

/// Arguments of `aurora config check`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora config check
  aurora config check /etc/aurora/config.yaml --all
  aurora config check --strict --allow no-master-key
  aurora config check --assume-set --format json | jq '.problems[].message'

Errors and warnings come first, errors again last if the report is longer than a screen. docs/configuration.md \
describes the JSON document.
Exit codes: 0 valid, 1 not valid, 2 invalid usage.")]
pub struct Args {
    /// Configuration file, as with --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// Show every setting, not only those that differ from their defaults
    #[arg(long)]
    pub all: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Fail on warnings as well as errors
    #[arg(long)]
    pub strict: bool,
    /// Ignore the warning with this ID under --strict (repeatable)
    #[arg(long, value_name = "ID", value_parser = PossibleValuesParser::new(WARNINGS), hide_possible_values = true)]
    pub allow: Vec<String>,
    /// Treat unset variables as set, and list them
    #[arg(long)]
    pub assume_set: bool,
}

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Runs it.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let loaded = config::load(&Sources {
        environment: context.environment.clone(),
        config_file: args.file.clone().or_else(|| context.global.config.clone()),
        env_file: context.global.env_file.clone(),
        assume_set: args.assume_set,
        file_limit: gateway::file_limit(),
        ..Sources::default()
    });
    print(&loaded, args, context)
}

/// Prints the report of a configuration.
///
/// # Errors
/// Writing to stdout failed.
pub(super) fn print(loaded: &Loaded, args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let report = Report::new(loaded, args);
    let text = match args.format {
        Format::Text => report.text(args.all, &context.terminal),
        Format::Json => json(&report)?,
    };
    context.terminal.print(&text)?;
    Ok(if report.valid { Outcome::Fine } else { Outcome::Failed })
}

fn json(report: &Report<'_>) -> serde_json::Result<String> {
    Ok(printable_json(&serde_json::to_string(report)?) + "\n")
}

/// Lines of a terminal, less one for the prompt and one for the conclusion.
const SCREEN: usize = 22;

/// The report; its JSON form is stable.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: u8,
    valid: bool,
    problems: &'a [Problem],
    #[serde(serialize_with = "typed")]
    settings: &'a [EffectiveSetting],
    metrics: Option<Metrics>,
    /// Names of the client keys.
    keys: Vec<&'a str>,
    providers: Vec<Provider<'a>>,
    routes: Vec<Route<'a>>,
    needs: &'a [String],
}

/// Each setting with its value as JSON has it.
fn typed<S: Serializer>(settings: &[EffectiveSetting], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(settings.iter().map(
        |setting| serde_json::json!({"key": setting.key, "value": setting.typed(), "source": setting.source}),
    ))
}

#[derive(Debug, Serialize)]
struct Metrics {
    enabled: bool,
    endpoint: String,
    url: String,
    auth: Auth,
    worst_case: WorstCase,
}

/// Credentials that give access to the metrics endpoint.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Auth {
    None,
    #[serde(rename = "nobody")]
    Closed,
    MasterKey,
    MetricsToken,
    MetricsTokenOrMasterKey,
}

#[derive(Debug, Serialize)]
struct Provider<'a> {
    name: &'a str,
    r#type: &'static str,
    base_url: &'a str,
    key_set: bool,
    /// Empty: discovered, if the upstream lists its models.
    models: &'a [String],
    #[serde(skip)]
    has_list: bool,
    inject_usage: bool,
}

#[derive(Debug, Serialize)]
struct Route<'a> {
    model: &'a str,
    strategy: Strategy,
    /// Each `provider/model`.
    targets: Vec<String>,
}

/// Maximum size of the exposition.
#[derive(Debug, Serialize)]
struct WorstCase {
    series: u64,
    samples: u64,
    /// Memory of the exemplars.
    exemplar_bytes: u64,
}

fn worst_case(config: &Config) -> WorstCase {
    let bounds = Bounds {
        providers: config.providers.len() as u64,
        models: config.metrics.max_models as u64,
        model_routes: config.routes.len() as u64,
        clients: if config.server.keys.is_empty() { 0 } else { config.server.keys.len() as u64 + 1 },
        routes: gateway::route_count() as u64,
        max_series: config.metrics.max_series as u64,
    };
    let workers = if config.metrics.exemplars { config.server.workers.get() as u64 } else { 0 };
    let exemplar_bytes = worst_case::exemplar_bytes(bounds, workers);
    let mut worst = WorstCase { series: 0, samples: 0, exemplar_bytes };
    for family in FAMILIES {
        worst.series += worst_case::series(family, bounds);
        worst.samples += worst_case::samples(family, bounds);
    }
    worst
}

impl<'a> Report<'a> {
    fn new(loaded: &'a Loaded, args: &Args) -> Self {
        let fails = |problem: &Problem| match problem.severity {
            Severity::Error => true,
            Severity::Warning => args.strict && !args.allow.iter().any(|id| id == problem.id),
        };
        let mut report = Self {
            schema: 1,
            valid: !loaded.problems.iter().any(fails),
            problems: &loaded.problems,
            settings: &loaded.settings,
            metrics: None,
            keys: Vec::new(),
            providers: Vec::new(),
            routes: Vec::new(),
            needs: &loaded.needs,
        };
        if let Some(config) = &loaded.config {
            report.metrics = Some(metrics(config));
            report.keys = config.server.keys.iter().map(|key| key.name.as_str()).collect();
            report.providers = config.providers.iter().map(|it| provider(it)).collect();
            report.routes = config.routes.iter().map(route).collect();
        }
        report
    }

    fn text(&self, all: bool, terminal: &Terminal) -> String {
        let mut out = lines(self.problems.iter(), terminal);
        if !self.problems.is_empty() {
            out.push('\n');
        }
        // What has an error would have other settings without it.
        out += &settings_table(self.settings, all, self.metrics.is_some(), terminal);
        if let Some(metrics) = &self.metrics {
            out.push('\n');
            out += &self.consequences(metrics);
        }
        out.push('\n');
        if out.lines().count() > SCREEN {
            let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
            out += &lines(errors, terminal);
        }
        out += &self.conclusion(terminal);
        out
    }

    fn consequences(&self, metrics: &Metrics) -> String {
        let mut rows = vec![vec!["metrics".to_owned(), metrics.describe()]];
        let WorstCase { series, samples, exemplar_bytes } = metrics.worst_case;
        let mut maximum = format!("{series} series, {samples} samples per scrape");
        if exemplar_bytes > 0 {
            maximum += &format!(", {:.1} MiB of exemplars", mebibytes(exemplar_bytes));
        }
        rows.push(vec!["maximum".to_owned(), maximum]);
        if !self.keys.is_empty() {
            rows.push(vec![
                "keys".to_owned(),
                format!("{}, not valid for the metrics endpoint", self.keys.join(", ")),
            ]);
        }
        for provider in &self.providers {
            rows.push(vec![format!("provider {}", provider.name), provider.describe()]);
        }
        if self.providers.is_empty() {
            rows.push(vec!["providers".to_owned(), "none".to_owned()]);
        }
        for route in &self.routes {
            rows.push(vec![format!("route {}", route.model), route.describe()]);
        }
        for name in self.needs {
            rows.push(vec!["needs".to_owned(), format!("{name} at run time")]);
        }
        aligned(&rows, 0..0)
    }

    fn conclusion(&self, terminal: &Terminal) -> String {
        let (word, tone) = if self.valid { ("valid", Tone::Good) } else { ("not valid", Tone::Bad) };
        let errors = counted(self.count(Severity::Error), "error");
        let warnings = counted(self.count(Severity::Warning), "warning");
        format!("{}: {errors}, {warnings}\n", terminal.paint(tone, word))
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

impl Metrics {
    fn describe(&self) -> String {
        let with = match self.auth {
            _ if !self.enabled => return format!("disabled; {} returns 404", self.url),
            Auth::None => return format!("{}, readable without authentication", self.url),
            Auth::Closed => return format!("{}, not readable with any key", self.url),
            Auth::MasterKey => "the master key",
            Auth::MetricsToken => "the metrics token",
            Auth::MetricsTokenOrMasterKey => "the metrics token or the master key",
        };
        format!("{}, readable with {with}", self.url)
    }
}

impl Provider<'_> {
    fn describe(&self) -> String {
        let key = if self.key_set { "key set" } else { "no key" };
        let models = match (self.models.is_empty(), self.has_list) {
            (true, true) => "models as listed by the upstream".to_owned(),
            (true, false) => "no models known".to_owned(),
            (false, _) => format!("models {}", self.models.join(", ")),
        };
        format!("{} at {}, {key}, {models}", self.r#type, self.base_url)
    }
}

impl Route<'_> {
    fn describe(&self) -> String {
        match self.strategy {
            Strategy::First => self.targets.join(", then "),
            Strategy::RoundRobin => format!("round robin {}", self.targets.join(", ")),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn metrics(config: &Config) -> Metrics {
    Metrics {
        enabled: config.metrics.enabled,
        endpoint: config.metrics.endpoint.clone(),
        url: config.metrics_url(),
        auth: match (&config.metrics.token, &config.server.master_key) {
            _ if config.metrics_are_closed() => Auth::Closed,
            (None, None) => Auth::None,
            (None, Some(_)) => Auth::MasterKey,
            (Some(_), None) => Auth::MetricsToken,
            (Some(_), Some(_)) => Auth::MetricsTokenOrMasterKey,
        },
        worst_case: worst_case(config),
    }
}

fn provider(provider: &config::Provider) -> Provider<'_> {
    Provider {
        name: &provider.name,
        r#type: provider.kind.name,
        base_url: provider.base_url.as_str().trim_end_matches('/'),
        key_set: provider.api_key.is_some(),
        models: &provider.models,
        has_list: provider.kind.models_path.is_some(),
        inject_usage: provider.inject_usage,
    }
}

fn route(route: &config::Route) -> Route<'_> {
    Route {
        model: &route.model,
        strategy: route.strategy,
        targets: route.targets.iter().map(ToString::to_string).collect(),
    }
}

fn severity_label(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Error => ("error:", Tone::Bad),
        Severity::Warning => ("warning:", Tone::Warning),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Each problem on a line.
fn lines<'p>(problems: impl Iterator<Item = &'p Problem>, terminal: &Terminal) -> String {
    let mut out = String::new();
    for problem in problems {
        let (word, tone) = severity_label(problem.severity);
        out += &format!("{} {}\n", terminal.paint(tone, word), printable(&problem.to_string()));
    }
    out
}

/// The settings that differ from their defaults, or all; `counts` adds the number of the others.
fn settings_table(settings: &[EffectiveSetting], all: bool, counts: bool, terminal: &Terminal) -> String {
    let mut rows = vec![["SETTING", "VALUE", "SOURCE"].map(str::to_owned).to_vec()];
    for setting in settings {
        let EffectiveSetting { key, value, source } = setting;
        if all || source != "default" || setting.is_refused() {
            rows.push(vec![key.clone(), value.clone(), source.clone()]);
        }
    }
    let omitted = settings.len() + 1 - rows.len();
    let table = aligned(&rows, 0..0);
    let mut out = match table.split_once('\n') {
        Some((head, rest)) if rows.len() > 1 => format!("{}\n{rest}", terminal.paint(Tone::Strong, head)),
        _ => String::new(),
    };
    if omitted > 0 && counts {
        let note = format!("{} at the default; --all shows them", counted(omitted, "setting"));
        out += &format!("{}\n", terminal.paint(Tone::Faint, &note));
    }
    out
}

#[cfg(test)]
mod tests;
