//! The dashboard of [`super::panels`] as Grafana imports it.

use serde_json::{Value, json};

use url::Url;

use super::panels::{Panel, ROWS, Row, View};
use super::{palette, runbook};
use crate::metrics::catalog::families::FAMILIES;

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// The dashboard as a JSON document; its panels link to the runbook if that is published at `runbook_base`.
#[must_use]
pub fn dashboard(runbook_base: Option<&Url>) -> String {
    let document = json!({
        "uid": "aurora-gateway",
        "title": "Aurora",
        "description": "The LLM gateway: responses to clients, calls to providers, cost.",
        "tags": ["aurora", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": annotations()},
        "links": [],
        "templating": {"list": variables()},
        "panels": rows(runbook_base),
    });
    format!("{document:#}\n")
}

/// Marks across all panels. A restart and a reload are marked at the time that the metric holds.
fn annotations() -> Vec<Value> {
    let reloads = "aurora_config_last_reload_success_timestamp_seconds{@job} \
                   > on (job, instance) process_start_time_seconds{@job} + 10";
    let breakers =
        "sum by (provider, to) (increase(aurora_circuit_breaker_transitions_total{@provider}[2m])) > 0";
    let mut restarts =
        annotation("Restarts", "purple", "1000 * process_start_time_seconds{@job}", "{{instance}}");
    let mut reloads = annotation("Reloads", "blue", &format!("1000 * ({reloads})"), "{{instance}}");
    for at_value in [&mut restarts, &mut reloads] {
        at_value["useValueForTime"] = json!(true);
    }
    vec![restarts, reloads, annotation("Circuit breakers", "orange", breakers, "{{provider}} to {{to}}")]
}

fn annotation(name: &str, colour: &str, expression: &str, text: &str) -> Value {
    json!({
        "name": name, "datasource": datasource(), "enable": true, "hide": false, "iconColor": colour,
        "expr": expanded(expression), "step": "60s", "titleFormat": name, "textFormat": text,
    })
}

fn variables() -> Vec<Value> {
    let source = json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0, "regex": "", "multi": false, "includeAll": false, "options": [], "current": {},
    });
    let models = r#"{__name__=~"aurora_answers_total|aurora_requests_total", job=~"$job"}"#;
    vec![
        source,
        variable("job", "Job", "label_values(aurora_build_info, job)"),
        variable("provider", "Provider", r#"label_values(aurora_requests_total{job=~"$job"}, provider)"#),
        variable("model", "Model", &format!("label_values({models}, model)")),
    ]
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(), "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": 0, "regex": "",
        "multi": true, "includeAll": true, "allValue": ".*",
        "options": [], "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
    })
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Panels of the first row, then a collapsed row for each of the others.
fn rows(runbook_base: Option<&Url>) -> Vec<Value> {
    let mut all = Vec::new();
    let (mut id, mut top) = (1, 0);
    for (index, row) in ROWS.iter().enumerate() {
        let (panels, bottom) = placed(row, id + 1, top + 1, runbook_base);
        let next = id + 1 + panels.len();
        let (open, folded) = if index == 0 { (panels, Vec::new()) } else { (Vec::new(), panels) };
        all.push(json!({
            "id": id, "type": "row", "title": row.title, "collapsed": index > 0, "panels": folded,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
        }));
        top = if open.is_empty() { top + 1 } else { bottom };
        all.extend(open);
        id = next;
    }
    all
}

/// The panels of a row from `top` on, left to right, then the next line; and where they end.
fn placed(row: &Row, first: usize, top: u64, runbook_base: Option<&Url>) -> (Vec<Value>, u64) {
    let (mut left, mut top, mut height) = (0, top, 0);
    let mut placed = Vec::new();
    for (id, panel) in (first..).zip(row.panels) {
        let (width, tall) = panel.view.size();
        if left + width > COLUMNS || height != 0 && height != tall {
            (left, top) = (0, top + height);
        }
        let place = json!({"h": tall, "w": width, "x": left, "y": top});
        placed.push(panel.placed(id, &place, runbook_base));
        (left, height) = (left + width, tall);
    }
    (placed, top + height)
}

impl View {
    /// Width and height in the grid.
    const fn size(self) -> (u64, u64) {
        match self {
            Self::Stat => (4, 4),
            Self::Lines | Self::Stack | Self::Heatmap | Self::Table => (8, 8),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Lines | Self::Stack => "timeseries",
            Self::Heatmap => "heatmap",
            Self::Table => "table",
        }
    }

    fn options(self) -> Value {
        match self {
            Self::Stat => json!({
                "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "value",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            }),
            Self::Lines | Self::Stack => json!({
                "legend": {"calcs": ["mean", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Self::Heatmap => json!({
                "calculate": false, "cellGap": 1, "legend": {"show": true},
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
                "tooltip": {"mode": "single", "yHistogram": false},
                "yAxis": {"axisPlacement": "left", "unit": "s"},
            }),
            Self::Table => json!({"showHeader": true, "cellHeight": "sm"}),
        }
    }

    fn colour(self) -> Value {
        match self {
            Self::Stat => json!({"mode": "fixed", "fixedColor": "blue"}),
            Self::Lines | Self::Stack | Self::Heatmap | Self::Table => json!({"mode": "palette-classic"}),
        }
    }

    /// Drawing of fields.
    fn custom(self) -> Value {
        let fill = if self == Self::Stack { 30 } else { 0 };
        let stacking = if self == Self::Stack { "normal" } else { "none" };
        match self {
            Self::Lines | Self::Stack => json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never",
                "spanNulls": false, "stacking": {"group": "A", "mode": stacking},
            }),
            Self::Stat | Self::Heatmap | Self::Table => json!({}),
        }
    }
}

impl Panel {
    fn placed(&self, id: usize, place: &Value, runbook_base: Option<&Url>) -> Value {
        let targets: Vec<Value> =
            ('A'..).zip(self.queries).map(|(letter, query)| self.target(letter, query)).collect();
        let mut defaults =
            json!({"unit": self.unit, "custom": self.view.custom(), "color": self.view.colour()});
        // Shares are read for their small differences, near none or near all.
        if self.unit != "percentunit" {
            defaults["min"] = json!(0);
        }
        let mut options = self.view.options();
        if !self.thresholds.is_empty() {
            defaults["color"] = json!({"mode": "thresholds"});
            defaults["thresholds"] = json!({"mode": "absolute", "steps": self.steps()});
            options["colorMode"] = json!("background");
        }
        let legends: Vec<&str> = self.queries.iter().map(|(legend, _)| *legend).collect();
        let failed = self.queries.iter().all(|(_, query)| query.contains(r#"status_type="error""#));
        json!({
            "id": id, "type": self.view.kind(), "title": self.title, "description": self.description(),
            "links": self.links(runbook_base),
            "datasource": datasource(), "gridPos": place, "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": palette::overrides(&legends, failed)},
            "targets": targets, "transformations": self.transformations(),
        })
    }

    fn steps(&self) -> Vec<Value> {
        self.thresholds.iter().map(|(colour, from)| json!({"color": colour, "value": from})).collect()
    }

    /// Its description, and the commands that print what to do.
    fn description(&self) -> String {
        let commands = self.alerts.iter().map(|alert| format!("`aurora metrics runbook {alert}`"));
        let commands: Vec<String> = commands.collect();
        if commands.is_empty() {
            self.about.to_owned()
        } else {
            format!("{} See {}.", self.about, commands.join(", "))
        }
    }

    fn links(&self, runbook_base: Option<&Url>) -> Vec<Value> {
        let link = |base: &Url, alert: &str| json!({"title": alert, "url": runbook::address(base, alert), "targetBlank": true});
        runbook_base.map_or_else(Vec::new, |base| self.alerts.iter().map(|alert| link(base, alert)).collect())
    }

    fn target(&self, letter: char, (legend, expression): &(&str, &str)) -> Value {
        let (format, now) = match self.view {
            View::Table => ("table", true),
            View::Heatmap => ("heatmap", false),
            View::Stat | View::Lines | View::Stack => ("time_series", false),
        };
        let mut target = json!({
            "refId": letter, "datasource": datasource(), "editorMode": "code", "expr": expanded(expression),
            "legendFormat": legend, "format": format, "instant": now, "range": !now,
        });
        if matches!(self.view, View::Lines | View::Heatmap) && has_exemplars(expression) {
            target["exemplar"] = json!(true);
        }
        target
    }

    fn transformations(&self) -> Value {
        match self.view {
            View::Table => json!([{
                "id": "organize",
                "options": {"excludeByName": {"Time": true}, "renameByName": {"Value": "number"}},
            }]),
            View::Stat | View::Lines | View::Stack | View::Heatmap => json!([]),
        }
    }
}

/// True if it reads buckets that may have exemplars.
fn has_exemplars(expression: &str) -> bool {
    let mut families = FAMILIES.iter().filter(|family| family.has_exemplars());
    families.any(|family| expression.contains(&format!("{}_bucket", family.name)))
}

/// The expression with the matchers of the variables.
fn expanded(expression: &str) -> String {
    expression
        .replace("@model", r#"@provider, model=~"$model""#)
        .replace("@provider", r#"@job, provider=~"$provider""#)
        .replace("@job", r#"job=~"$job""#)
}
