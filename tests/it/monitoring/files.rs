//! The monitoring that ships names nothing that does not exist, and nothing that means something else elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aurora::metrics::catalog::families::{FAMILIES, Kind};
use aurora::metrics::monitoring::{self, Section, sections};
use serde_json::Value;

use crate::monitoring::promql::{self, Expression, Selector};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What Prometheus adds to every series.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// Labels of `ALERTS` that rules may rely on.
const ALERT_LABELS: [&str; 5] = ["alertname", "alertstate", "job", "provider", "severity"];

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every rule of the files, in their order.
pub(crate) fn rules() -> Vec<Value> {
    let files = ["monitoring/rules/recording.yml", "monitoring/rules/alerts.yml"];
    let read = |path: &&str| serde_yaml::from_str::<Value>(&file(path)).expect("YAML");
    let groups = files.iter().map(read).flat_map(|file| file["groups"].as_array().expect("groups").clone());
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The names that recording rules give.
pub(crate) fn recorded() -> BTreeSet<String> {
    rules().iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&file("monitoring/grafana/dashboards/aurora.json")).expect("JSON")
}

/// Every panel but the headings, those of collapsed rows included.
pub(crate) fn panels() -> Vec<Value> {
    let mut panels = Vec::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        match panel["panels"].as_array() {
            Some(folded) => panels.extend_from_slice(folded),
            None => panels.push(panel.clone()),
        }
    }
    panels
}

/// Variables of the dashboard: an expression and the label whose values they offer.
pub(crate) fn variables() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let list = dashboard["templating"]["list"].as_array().expect("variables");
    let query = |variable: &Value| {
        let inside = variable["definition"].as_str()?.strip_prefix("label_values(")?.strip_suffix(')')?;
        inside.rsplit_once(", ").map(|(selector, label)| (selector.to_owned(), label.to_owned()))
    };
    list.iter().filter_map(query).collect()
}

/// Every expression that ships, each with where it stands.
pub(crate) fn expressions() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut all = Vec::new();
    for rule in rules() {
        let name = rule["record"].as_str().or(rule["alert"].as_str()).expect("a name").to_owned();
        all.push((name, text(&rule["expr"])));
    }
    for panel in panels() {
        for target in panel["targets"].as_array().expect("targets") {
            all.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    all
}

/// Code in running text that names metrics.
fn spoken_of(path: &str) -> Vec<(String, String)> {
    let text = file(path);
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let spans = line.split('`').skip(1).step_by(2).filter(|_| !fenced);
        // A family by its own name is spoken of, not read.
        let spans = spans.filter(|span| FAMILIES.iter().all(|family| family.name != *span));
        let spans = spans.filter(|span| span.starts_with("aurora:") || span.contains("aurora_"));
        // A bar in a table is escaped.
        found.extend(spans.map(|span| (path.to_owned(), span.replace("\\|", "|"))));
    }
    assert!(!found.is_empty(), "{path}");
    found
}

/// The labels of a metric, where Prometheus finds it; a metric that does not exist has none.
fn labels_of(metric: &str) -> Option<BTreeSet<&'static str>> {
    match metric {
        "up" => return Some(TARGET_LABELS.into()),
        "ALERTS" => return Some(ALERT_LABELS.into()),
        _ => {}
    }
    let parts = ["_bucket", "_sum", "_count"];
    let family = FAMILIES.iter().find(|family| match family.kind {
        Kind::Histogram => parts.iter().any(|part| metric.strip_suffix(part) == Some(family.name)),
        Kind::Counter | Kind::Gauge => family.name == metric,
    })?;
    let edge = metric.ends_with("_bucket").then_some("le");
    Some(family.labels.iter().copied().chain(TARGET_LABELS).chain(edge).collect())
}

/// The labels that each recorded name has: those it groups by.
fn recorded_labels() -> BTreeMap<String, BTreeSet<String>> {
    let mut labels = BTreeMap::new();
    for name in recorded() {
        let level = name.split(':').next().expect("a level");
        let of_level = ["job", "provider", "model", "outcome"]
            .iter()
            .filter(|label| level.split('_').any(|part| part == **label));
        labels.insert(name.clone(), of_level.map(|label| (*label).to_owned()).collect());
    }
    labels
}

/// What is wrong about an expression.
fn faults(expression: &Expression, recorded: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for Selector { metric, matchers } in &expression.selectors {
        let labels: BTreeSet<String> = match (labels_of(metric), recorded.get(metric)) {
            (Some(labels), _) => labels.into_iter().map(str::to_owned).collect(),
            (None, Some(labels)) => labels.clone(),
            (None, None) => {
                faults.push(format!("no metric {metric}"));
                continue;
            }
        };
        for (label, _, _) in matchers {
            if !labels.contains(label) {
                faults.push(format!("{metric} has no label {label}"));
            }
            if ["endpoint", "le"].contains(&label.as_str()) {
                faults.push(format!("selects on {label}"));
            }
        }
        known.extend(labels);
    }
    for label in &expression.groupings {
        if label == "endpoint" || !known.contains(label) {
            faults.push(format!("groups by {label}"));
        }
    }
    faults
}

#[test]
fn expressions_use_existing_metrics_and_labels() {
    let recorded = recorded_labels();
    let marks = dashboard()["annotations"]["list"].as_array().expect("annotations").clone();
    let text = |mark: &Value, field: &str| mark[field].as_str().expect("text").to_owned();
    let marks = marks.iter().map(|mark| (text(mark, "name"), text(mark, "expr")));
    let selected = variables().into_iter().map(|(selector, label)| {
        // The variable of models reads two families by a matcher of their names.
        let named = selector.strip_prefix("{__name__=~\"").and_then(|rest| rest.split_once("\", "));
        let selectors = named.map_or(vec![selector.clone()], |(names, rest)| {
            names.split('|').map(|name| format!("{name}{{{rest}")).collect()
        });
        (
            label.clone(),
            selectors.iter().map(|selector| format!("count by ({label}) ({selector})")).collect::<Vec<_>>(),
        )
    });
    let selected = selected.flat_map(|(label, all)| all.into_iter().map(move |one| (label.clone(), one)));
    let pages = ["docs/runbook.md", "docs/operations.md", "docs/migration.md", "README.md"];
    let documents = pages.into_iter().flat_map(spoken_of);
    let all: Vec<(String, String)> =
        expressions().into_iter().chain(marks).chain(selected).chain(documents).collect();
    assert!(all.len() > 120, "{}", all.len());
    for (place, expression) in all {
        let found = faults(&promql::read(&expression), &recorded);
        assert_eq!(found, Vec::<String>::new(), "{place}: {expression}");
    }
}

#[test]
fn faults_in_expressions_are_found() {
    let recorded = recorded_labels();
    for (expression, expected) in [
        ("sum(aurora_request_total)", "no metric aurora_request_total"),
        (r#"sum(aurora_requests_total{outcome="ok"})"#, "aurora_requests_total has no label outcome"),
        (r#"sum(aurora_requests_total{endpoint="/chat/completions"})"#, "selects on endpoint"),
        (r#"sum(aurora_request_duration_seconds_bucket{le="1"})"#, "selects on le"),
        ("sum by (endpoint) (aurora_requests_total)", "groups by endpoint"),
        ("sum by (outcome) (aurora_requests_total)", "groups by outcome"),
        ("sum(aurora_request_duration_seconds)", "no metric aurora_request_duration_seconds"),
        (
            r#"job:aurora_availability:ratio_5m{model="m"}"#,
            "job:aurora_availability:ratio_5m has no label model",
        ),
        ("aurora_gateway_overhead_seconds_bucket", ""),
    ] {
        assert_eq!(faults(&promql::read(expression), &recorded).join(", "), expected, "{expression}");
    }
}

#[test]
fn rules_aggregate_over_replicas_or_keep_the_instance() {
    for rule in rules() {
        let expression = rule["expr"].as_str().expect("text");
        let aggregates = ["sum by (job", "min by (job", "max by (job", "avg by (job", "count by (job"];
        let of_recorded = promql::read(expression)
            .selectors
            .iter()
            .all(|read| read.metric.contains(':') || read.metric == "ALERTS");
        let absence = expression.starts_with("absent(");
        assert!(
            of_recorded || absence || aggregates.iter().any(|aggregate| expression.contains(aggregate)),
            "{expression}"
        );
    }
}

/// The recording rules behind a recorded name that read the exposition themselves.
fn readers(name: &str) -> BTreeSet<String> {
    let rule = rules().into_iter().find(|rule| rule["record"] == name).expect("recorded");
    let mut found = BTreeSet::new();
    for Selector { metric, .. } in promql::read(rule["expr"].as_str().expect("text")).selectors {
        if labels_of(&metric).is_some() {
            found.insert(name.to_owned());
        } else {
            found.extend(readers(&metric));
        }
    }
    found
}

/// Rules are evaluated one after another: two that read the same counters see different scrapes when one arrives between
/// them, and an availability below 0 or above 1.
#[test]
fn an_availability_comes_from_one_reading_of_the_counters() {
    let availabilities: Vec<String> =
        recorded().into_iter().filter(|name| name.contains(":aurora_availability:ratio_")).collect();
    assert_eq!(availabilities.len(), 8, "{availabilities:?}");
    for name in availabilities {
        assert_eq!(readers(&name).len(), 1, "{name}: {:?}", readers(&name));
    }
}

#[test]
fn every_alert_has_severity_and_runbook() {
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let severity = alert["labels"]["severity"].as_str().expect("a severity");
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let annotations = alert["annotations"].as_object().expect("annotations");
        let written: Vec<&String> = annotations.keys().collect();
        assert_eq!(written, ["description", "runbook", "summary"], "{name}");
        assert_eq!(annotations["runbook"], format!("aurora metrics runbook {name}"));
    }
}

#[test]
fn the_runbook_has_a_complete_section_for_each_alert() {
    let alerts = alerts();
    let names: Vec<&str> = alerts.iter().map(|alert| alert["alert"].as_str().expect("a name")).collect();
    let titles: Vec<&str> = sections().map(|section| section.alert).collect();
    assert_eq!(names, titles, "the runbook has the order of the rules");
    for Section { alert, text } in sections() {
        let parts: Vec<&str> = text.split("- **").skip(1).collect();
        let starts: Vec<&str> = parts.iter().filter_map(|part| Some(part.split_once(":** ")?.0)).collect();
        assert_eq!(starts, ["Means", "Look at", "Do"], "{alert}");
        let spans = parts[1].split('`').skip(1).step_by(2);
        let queries = spans.filter(|span| {
            let parsed = promql_parser::parser::parse(span);
            parsed.is_ok() && span.contains(['(', '/', '=', ':'])
        });
        assert!(queries.count() > 0, "a query in: {}", parts[1]);
    }
}

#[test]
fn every_alert_has_a_firing_and_a_quiet_test_case() {
    let cases = ["presence", "availability", "providers", "answers", "gateway", "causes"];
    let (mut fire, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    let mut seen = String::new();
    for case in cases {
        let text = file(&format!("monitoring/tests/{case}.yml"));
        let tests: Value = serde_yaml::from_str(&text).expect("YAML");
        for test in tests["tests"].as_array().expect("tests") {
            for check in test["alert_rule_test"].as_array().into_iter().flatten() {
                let name = check["alertname"].as_str().expect("a name").to_owned();
                if check["exp_alerts"].is_array() { &mut fire } else { &mut quiet }.insert(name);
            }
        }
        seen.push_str(&text);
    }
    let names: BTreeSet<String> =
        alerts().iter().map(|alert| alert["alert"].as_str().expect("a name").to_owned()).collect();
    assert_eq!((&fire, &quiet), (&names, &names));
    let unseen: Vec<String> = recorded().into_iter().filter(|name| !seen.contains(name.as_str())).collect();
    assert_eq!(unseen, Vec::<String>::new(), "every recorded name has an expected value");
}

#[test]
fn the_dashboard_is_complete() {
    let panels = panels();
    assert!(panels.len() >= 24, "{}", panels.len());
    let dashboard = dashboard();
    let all = dashboard["panels"].as_array().expect("panels");
    let rows: Vec<&Value> = all.iter().filter(|panel| panel["type"] == "row").collect();
    let ids: BTreeSet<u64> =
        rows.iter().copied().chain(&panels).filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), rows.len() + panels.len());
    let headings: Vec<(&str, bool)> =
        rows.iter().filter_map(|row| Some((row["title"].as_str()?, row["collapsed"].as_bool()?))).collect();
    assert_eq!(
        headings,
        [
            ("Is it well?", false),
            ("Traffic", true),
            ("Latency", true),
            ("Streams", true),
            ("Tokens and cost", true),
            ("Providers", true),
            ("Gateway", true),
            ("Cardinality", true),
        ]
    );
    let visible = all.len() - rows.len();
    assert!(visible < 16, "{visible} panels are visible at first");
    for panel in &panels {
        for field in ["/title", "/description", "/fieldConfig/defaults/unit"] {
            let text = panel.pointer(field).and_then(Value::as_str).unwrap_or_default();
            assert!(!text.is_empty(), "{field} of {panel}");
        }
        let several = panel["type"] != "stat" && panel["type"] != "table";
        for target in panel["targets"].as_array().expect("targets") {
            let grouped = target["expr"].as_str().is_some_and(|expression| expression.contains(" by ("));
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            assert!(!(legend.is_empty() && several && grouped), "a legend for {}", panel["title"]);
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    let variables: Vec<(&str, &str)> = dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
        .iter()
        .map(|variable| {
            (variable["name"].as_str().unwrap_or(""), variable["allValue"].as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(variables, [("datasource", ""), ("job", ".*"), ("provider", ".*"), ("model", ".*")]);
}

/// `scripts/picture` selects panels by title.
#[test]
fn the_picture_shows_existing_panels() {
    let script = file("scripts/picture");
    let (_, lists) = script.split_once("\nPANELS = [").expect("the list of panels");
    let (lists, _) = lists.split_once("\nCOLOURS = ").expect("the end of the lists");
    let shown: BTreeSet<&str> = lists.split('"').skip(1).step_by(2).collect();
    assert_eq!(shown.len(), 6);
    let panels = panels();
    let titles: BTreeSet<&str> = panels.iter().filter_map(|panel| panel["title"].as_str()).collect();
    let missing: Vec<&&str> = shown.difference(&titles).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Panels that take the same place; those of a collapsed row take theirs below it once it is open.
fn overlaps(panels: &[Value]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut overlaps = Vec::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                if !taken.insert((x, y)) {
                    overlaps.push(format!("{} at {x}, {y}", panel["title"]));
                }
            }
        }
    }
    overlaps
}

#[test]
fn no_two_panels_overlap() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    assert_eq!(overlaps(panels), Vec::<String>::new());
    for row in panels {
        assert_eq!(overlaps(row["panels"].as_array().map_or(&[], Vec::as_slice)), Vec::<String>::new());
    }
}

#[test]
fn every_alert_has_a_panel_and_panels_link_to_the_runbook() {
    let base = url::Url::parse("https://wiki.test/runbook").expect("a URL");
    let published: Value = serde_json::from_str(&monitoring::dashboard(Some(&base))).expect("JSON");
    let rows = published["panels"].as_array().expect("panels");
    let folded = rows.iter().flat_map(|row| row["panels"].as_array().into_iter().flatten());
    let mut linked = BTreeSet::new();
    for panel in rows.iter().chain(folded) {
        for link in panel["links"].as_array().into_iter().flatten() {
            let alert = link["title"].as_str().expect("a title").to_owned();
            assert_eq!(link["url"], format!("https://wiki.test/runbook#{}", alert.to_lowercase()));
            let command = format!("`aurora metrics runbook {alert}`");
            assert!(panel["description"].as_str().expect("text").contains(&command), "{panel}");
            linked.insert(alert);
        }
    }
    let names: BTreeSet<String> =
        alerts().iter().map(|alert| alert["alert"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(linked, names);
}

/// Panels whose legends end in an outcome have the colours of the palette.
#[test]
fn panels_of_outcomes_have_the_palette() {
    let mut coloured = BTreeSet::new();
    for panel in panels() {
        let overrides = panel["fieldConfig"]["overrides"].as_array().expect("overrides").clone();
        let title = panel["title"].as_str().expect("a title");
        if !overrides.is_empty() {
            coloured.insert(title.to_owned());
        }
        let found = |matcher: &str| overrides.iter().any(|one| one["matcher"]["options"] == matcher);
        let expected = match title {
            "Responses by outcome" | "Streams by outcome" | "Attempts by outcome" => {
                "/(^| )(ok|success|completed)$/"
            }
            "HTTP responses by status" => "/(^| )([123]..)$/",
            _ => continue,
        };
        assert!(found(expected), "{title}: {overrides:?}");
    }
    let expected = [
        "Attempts by outcome",
        "Breaker transitions",
        "Circuit breakers that are not closed",
        "Connections",
        "Failed requests by status",
        "Fallbacks",
        "HTTP responses by status",
        "Responses by outcome",
        "Streams by outcome",
        "Usage reports by source",
    ];
    assert_eq!(coloured, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn the_first_row_has_thresholds() {
    let panels = panels();
    let judged = panels.iter().take_while(|panel| panel["type"] == "stat");
    let judged = judged.filter(|panel| panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds");
    let titles: Vec<&str> = judged.filter_map(|panel| panel["title"].as_str()).collect();
    assert_eq!(
        titles,
        [
            "Availability, last hour",
            "Error budget burn, last hour",
            "Firing alerts",
            "Saturation",
            "Time to first token, p95",
        ]
    );
}

#[test]
fn labels_of_the_exposition_win_over_those_of_the_target() {
    let yaml = |path: &str| serde_yaml::from_str::<Value>(&file(path)).expect("YAML");
    let monitor = yaml("monitoring/operator/servicemonitor.yaml");
    assert_eq!(monitor["spec"]["endpoints"][0]["honorLabels"], true);
    assert_eq!(yaml("monitoring/prometheus.yml")["scrape_configs"][0]["honor_labels"], true);
}

#[test]
fn grafana_provisions_data_source_and_dashboard() {
    let yaml = |name: &str| {
        let text = file(&format!("monitoring/grafana/provisioning/{name}"));
        serde_yaml::from_str::<Value>(&text).expect("YAML")
    };
    let source = &yaml("datasources/prometheus.yml")["datasources"][0];
    assert_eq!((&source["type"], &source["isDefault"]), (&Value::from("prometheus"), &Value::from(true)));
    let provider = &yaml("dashboards/aurora.yml")["providers"][0];
    assert_eq!(
        (&provider["type"], &provider["options"]["path"]),
        (&Value::from("file"), &Value::from("/var/lib/grafana/dashboards"),)
    );
}
