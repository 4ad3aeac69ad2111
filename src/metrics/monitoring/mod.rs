//! The monitoring that ships with Aurora: recording rules, alerts, a dashboard and the stanza that scrapes it.
//!
//! The rules are the files of `monitoring/rules/`, carried in the binary; the dashboard is made from [`panels`]. This
//! module knows neither HTTP nor where a configuration comes from.

mod dashboard;
mod panels;
mod scrape;

pub use dashboard::dashboard;
pub use scrape::{Access, Scrape};

/// The files of `monitoring/rules/`, each one document with `groups:` at its top.
const RULES: [&str; 2] = [
    include_str!("../../../monitoring/rules/recording.yml"),
    include_str!("../../../monitoring/rules/alerts.yml"),
];

/// The job that the files are written for.
pub const JOB: &str = "aurora";

/// Recording rules and alerts for the scrape job `job`, as a file of Prometheus.
#[must_use]
pub fn rules(job: &str) -> String {
    let mut text = "# Recording rules and alerts of Aurora.\ngroups:\n".to_owned();
    for file in RULES {
        let groups = file.split_once("groups:\n").map_or(file, |(_, groups)| groups);
        text.push_str(&groups.replace(&format!("job=\"{JOB}\""), &format!("job=\"{job}\"")));
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The same rules as a `PrometheusRule` of the Prometheus Operator.
#[must_use]
pub fn prometheus_rule(job: &str) -> String {
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
    for line in rules(job).lines().skip(1) {
        let indent = if line.is_empty() { "" } else { "  " };
        text.push_str(&format!("{indent}{line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_holds_the_rules_of_the_files() {
        let manifest: serde_yaml::Value = serde_yaml::from_str(&prometheus_rule(JOB)).expect("YAML");
        let mut groups = Vec::new();
        for file in RULES {
            let file: serde_yaml::Value = serde_yaml::from_str(file).expect("YAML");
            groups.extend_from_slice(file["groups"].as_sequence().expect("groups"));
        }
        assert_eq!(manifest["spec"]["groups"], serde_yaml::Value::Sequence(groups));
        assert_eq!(manifest["kind"], "PrometheusRule");
    }

    #[test]
    fn rules_have_the_requested_job() {
        let text = rules("gateway");
        assert_eq!(text.matches("{job=\"gateway\"}").count(), 3, "down, a replica down, absent");
        assert_eq!(text, rules(JOB).replace("{job=\"aurora\"}", "{job=\"gateway\"}"));
    }
}
