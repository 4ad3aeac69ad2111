//! The dashboard of [`super::panels`] as Grafana imports it.

use serde_json::{Value, json};

use super::panels::{Panel, ROWS, View};

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// The dashboard as a JSON document.
#[must_use]
pub fn dashboard() -> String {
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
        "panels": panels(),
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

/// Rows and panels with their positions: left to right, then the next line.
fn panels() -> Vec<Value> {
    let mut placed = Vec::new();
    let mut top = 0;
    for row in ROWS {
        let id = placed.len() + 1;
        placed.push(json!({
            "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
        }));
        top += 1;
        let (mut left, mut height) = (0, 0);
        for panel in row.panels {
            let (width, tall) = panel.view.size();
            if left + width > COLUMNS {
                (left, top, height) = (0, top + height, 0);
            }
            let place = json!({"h": tall, "w": width, "x": left, "y": top});
            placed.push(panel.placed(placed.len() + 1, &place));
            (left, height) = (left + width, height.max(tall));
        }
        top += height;
    }
    placed
}

impl View {
    /// Width and height in the grid.
    const fn size(self) -> (u64, u64) {
        match self {
            Self::Stat => (6, 4),
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
    fn placed(&self, id: usize, place: &Value) -> Value {
        let targets: Vec<Value> =
            ('A'..).zip(self.queries).map(|(letter, query)| self.target(letter, query)).collect();
        let mut defaults =
            json!({"unit": self.unit, "custom": self.view.custom(), "color": self.view.colour()});
        // Shares are read for their small differences, near none or near all.
        if self.unit != "percentunit" {
            defaults["min"] = json!(0);
        }
        json!({
            "id": id, "type": self.view.kind(), "title": self.title, "description": self.about,
            "datasource": datasource(), "gridPos": place, "options": self.view.options(),
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "targets": targets, "transformations": self.transformations(),
        })
    }

    fn target(&self, letter: char, (legend, expression): &(&str, &str)) -> Value {
        let (format, now) = match self.view {
            View::Table => ("table", true),
            View::Heatmap => ("heatmap", false),
            View::Stat | View::Lines | View::Stack => ("time_series", false),
        };
        json!({
            "refId": letter, "datasource": datasource(), "editorMode": "code", "expr": expanded(expression),
            "legendFormat": legend, "format": format, "instant": now, "range": !now,
        })
    }

    fn transformations(&self) -> Value {
        match self.view {
            View::Table => json!([{
                "id": "organize",
                "options": {"excludeByName": {"Time": true}, "renameByName": {"Value": "replicas"}},
            }]),
            View::Stat | View::Lines | View::Stack | View::Heatmap => json!([]),
        }
    }
}

/// The expression with the matchers of the variables.
fn expanded(expression: &str) -> String {
    expression
        .replace("@model", r#"@provider, model=~"$model""#)
        .replace("@provider", r#"@job, provider=~"$provider""#)
        .replace("@job", r#"job=~"$job""#)
}
