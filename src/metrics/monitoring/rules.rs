//! The recording rules and alerts of `monitoring/rules/`.

use url::Url;

use super::{JOB, runbook};

/// The files, each one document with `groups:` at its top.
const FILES: [&str; 2] = [
    include_str!("../../../monitoring/rules/recording.yml"),
    include_str!("../../../monitoring/rules/alerts.yml"),
];

/// Expression of the availability objective in the files.
const OBJECTIVE: &str = "vector(0.995)";

/// Start of the annotation that names an alert's section of the runbook.
const RUNBOOK: &str = "runbook: aurora metrics runbook ";

/// The rules and what a deployment may set of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Name of the scrape job.
    pub job: String,
    /// Availability objective in percent, as the budget alerts divide it.
    pub objective: f64,
    /// Address at which the runbook is published, for `runbook_url`.
    pub runbook_base: Option<Url>,
}

impl Rules {
    /// A rule file of Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = "# Recording rules and alerts of Aurora.\ngroups:\n".to_owned();
        for file in FILES {
            let groups = file.split_once("groups:\n").map_or(file, |(_, groups)| groups);
            for line in groups.lines() {
                text.push_str(&self.line(line));
                text.push('\n');
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// The same rules as a `PrometheusRule` of the Prometheus Operator.
    #[must_use]
    pub fn prometheus_rule(&self) -> String {
        let mut text = "\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: aurora
  labels:
    app.kubernetes.io/name: aurora
spec:
"
        .to_owned();
        for line in self.prometheus().lines().skip(1) {
            let indent = if line.is_empty() { "" } else { "  " };
            text.push_str(&format!("{indent}{line}\n"));
        }
        text
    }

    /// A line of a file with the settings applied.
    fn line(&self, line: &str) -> String {
        let line = line
            .replace(&format!("job=\"{JOB}\""), &format!("job=\"{}\"", self.job))
            .replace(OBJECTIVE, &format!("vector({})", ratio(self.objective)));
        let Some((base, (indent, alert))) = self.runbook_base.as_ref().zip(line.split_once(RUNBOOK)) else {
            return line;
        };
        format!("{line}\n{indent}runbook_url: \"{}\"", runbook::address(base, alert))
    }
}

/// Decimal ratio of a percentage; the division leaves binary digits that are cut here.
fn ratio(percent: f64) -> String {
    format!("{:.7}", percent / 100.0).trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Rules {
        Rules { job: JOB.to_owned(), objective: 99.5, runbook_base: None }
    }

    #[test]
    fn a_manifest_holds_the_rules_of_the_files() {
        let manifest: serde_yaml::Value = serde_yaml::from_str(&shipped().prometheus_rule()).expect("YAML");
        let mut groups = Vec::new();
        for file in FILES {
            let file: serde_yaml::Value = serde_yaml::from_str(file).expect("YAML");
            groups.extend_from_slice(file["groups"].as_sequence().expect("groups"));
        }
        assert_eq!(manifest["spec"]["groups"], serde_yaml::Value::Sequence(groups));
        assert_eq!(manifest["kind"], "PrometheusRule");
    }

    #[test]
    fn rules_have_the_requested_job() {
        let text = Rules { job: "gateway".to_owned(), ..shipped() }.prometheus();
        assert_eq!(text.matches("{job=\"gateway\"}").count(), 4, "down, a replica down (twice), absent");
        assert_eq!(text, shipped().prometheus().replace("{job=\"aurora\"}", "{job=\"gateway\"}"));
    }

    #[test]
    fn rules_have_the_requested_objective() {
        let shipped = shipped();
        for (objective, ratio) in [(99.0, "0.99"), (99.9, "0.999"), (99.95, "0.9995"), (95.0, "0.95")] {
            let text = Rules { objective, ..shipped.clone() }.prometheus();
            let expected = shipped.prometheus().replace(OBJECTIVE, &format!("vector({ratio})"));
            assert_eq!(text, expected);
        }
        assert_eq!(shipped.prometheus().matches(OBJECTIVE).count(), 1);
    }

    #[test]
    fn every_alert_has_the_address_of_its_section() {
        let base = Url::parse("https://wiki.test/runbook").expect("a URL");
        let text = Rules { runbook_base: Some(base), ..shipped() }.prometheus();
        let written: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
        let anchors = runbook::sections().map(|section| section.alert.to_lowercase());
        let expected: Vec<String> =
            anchors.map(|anchor| format!("\"https://wiki.test/runbook#{anchor}\"")).collect();
        assert_eq!(written, expected);
        let rest: Vec<&str> = text.lines().filter(|line| !line.contains("runbook_url")).collect();
        assert_eq!(rest.join("\n") + "\n", shipped().prometheus());
    }
}
