//! `aurora metrics list`: every metric family, as a table or as JSON.

use serde::Serialize;

use crate::cli::{Context, Outcome};
use crate::config::values::names;
use crate::gateway;
use crate::metrics::catalog::families::{FAMILIES, Family};
use crate::metrics::catalog::worst_case::{self, Bounds};
use crate::table::aligned;
use crate::terminal::{Terminal, Tone};

/// Arguments of `aurora metrics list`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics list
  aurora metrics list aurora_requests_total aurora_tokens_total
  aurora metrics list --format json | jq -r '.families[].name'

SERIES is the maximum number of series of a family under the default limits.")]
pub struct Args {
    /// Families to list [default: all]
    #[arg(value_name = "FAMILY", value_parser = family)]
    pub families: Vec<String>,
    /// Output format: text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "FORMAT")]
    pub format: Format,
}

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Limits behind the SERIES column: one provider, one client, the routes of Aurora, the default limits.
fn defaults() -> Bounds {
    Bounds {
        providers: 1,
        models: 200,
        model_routes: 0,
        clients: 1,
        routes: gateway::route_count() as u64,
        max_series: 4_000,
    }
}

/// Lists every family.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let wanted = &args.families;
    let mut rows = Vec::new();
    for family in FAMILIES {
        if wanted.is_empty() || wanted.iter().any(|name| name == family.name) {
            rows.push(Row::of(family, defaults()));
        }
    }
    let text = match args.format {
        Format::Text => table(&rows, context.terminal),
        Format::Json => serde_json::to_string_pretty(&Document { schema: 1, families: &rows })? + "\n",
    };
    context.terminal.print(&text)?;
    Ok(Outcome::Fine)
}

/// The name of a family.
fn family(name: &str) -> Result<String, String> {
    if FAMILIES.iter().any(|family| family.name == name) {
        return Ok(name.to_owned());
    }
    Err(match meant(name) {
        Some(meant) => format!("no such family; did you mean {meant}?"),
        None => "no such family; `aurora metrics list` shows all".to_owned(),
    })
}

/// The family of a histogram's series, of a name without its prefix, or of one that is misspelt.
fn meant(name: &str) -> Option<&'static str> {
    let known = || FAMILIES.iter().map(|family| family.name);
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(family) = known().find(|family| name.strip_suffix(suffix) == Some(family)) {
            return Some(family);
        }
    }
    let prefixed = format!("aurora_{name}");
    names::similar(name, known()).or_else(|| names::similar(&prefixed, known())).or_else(|| {
        known().filter(|family| name.len() > 3 && family.contains(name)).min_by_key(|family| family.len())
    })
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    families: &'a [Row],
}

/// A family as it is listed.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    r#type: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    buckets: Option<&'static [f64]>,
    worst_case_series: u64,
    help: &'static str,
}

impl Row {
    fn of(family: &'static Family, bounds: Bounds) -> Self {
        let Family { name, kind, unit, labels, buckets, help } = family;
        Self {
            name,
            r#type: kind.name(),
            unit,
            labels,
            buckets: buckets.map(|buckets| buckets.upper),
            worst_case_series: worst_case::series(family, bounds),
            help,
        }
    }

    fn cells(&self) -> Vec<String> {
        let unit = if self.unit.is_empty() { "-" } else { self.unit };
        let labels = if self.labels.is_empty() { "-".to_owned() } else { self.labels.join(" ") };
        let series = self.worst_case_series.to_string();
        vec![self.name.to_owned(), self.r#type.to_owned(), unit.to_owned(), series, labels]
    }
}

/// One aligned line for each family; below it its help and, for a histogram, its bucket edges.
fn table(rows: &[Row], terminal: Terminal) -> String {
    let heading = ["NAME", "TYPE", "UNIT", "SERIES", "LABELS"].map(str::to_owned).to_vec();
    let cells = std::iter::once(heading).chain(rows.iter().map(Row::cells)).collect::<Vec<_>>();
    let aligned = aligned(&cells, 3..4);
    let mut lines = aligned.lines();
    let mut text = terminal.paint(Tone::Faint, lines.next().unwrap_or_default()) + "\n";
    for (row, line) in rows.iter().zip(lines) {
        let (name, rest) = line.split_at(row.name.len());
        text += &format!("{}{rest}\n    {}\n", terminal.paint(Tone::Strong, name), row.help);
        if let Some(edges) = row.buckets {
            let edges: Vec<String> = edges.iter().map(ToString::to_string).collect();
            text += &format!("    buckets {}\n", edges.join(" "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::terminal::ColorChoice;

    const ROWS: [Row; 2] = [
        Row {
            name: "aurora_x_total",
            r#type: "counter",
            unit: "",
            labels: &[],
            buckets: None,
            worst_case_series: 1,
            help: "Things.",
        },
        Row {
            name: "aurora_y_seconds",
            r#type: "histogram",
            unit: "seconds",
            labels: &["provider", "model"],
            buckets: Some(&[0.5, 10.0]),
            worst_case_series: 202,
            help: "Time.",
        },
    ];

    #[test]
    fn columns_are_aligned() {
        let terminal = Terminal::new(ColorChoice::Never, &Environment::default());
        assert_eq!(
            table(&ROWS, terminal),
            "\
NAME              TYPE       UNIT     SERIES  LABELS
aurora_x_total    counter    -             1  -
    Things.
aurora_y_seconds  histogram  seconds     202  provider model
    Time.
    buckets 0.5 10
"
        );
    }

    #[test]
    fn json_document_is_stable() {
        assert_eq!(
            serde_json::to_string(&Document { schema: 1, families: &ROWS[1..] }).unwrap(),
            r#"{"schema":1,"families":[{"name":"aurora_y_seconds","type":"histogram","unit":"seconds","labels":["provider","model"],"buckets":[0.5,10.0],"worst_case_series":202,"help":"Time."}]}"#
        );
    }
}
