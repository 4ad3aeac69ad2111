//! The stanza of `prometheus.yml` that scrapes an Aurora.

use std::path::PathBuf;

use super::JOB;

/// Default path of the file that holds Prometheus' credential.
const CREDENTIAL_FILE: &str = "/etc/prometheus/aurora-key";

/// Facts of a scrape stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrape {
    /// Host and port.
    pub target: String,
    /// True when it listens on every interface, so that the host is only this machine's view.
    pub every_interface: bool,
    /// Path of the metrics endpoint.
    pub path: String,
    /// Credential of the endpoint.
    pub access: Access,
}

/// Credential of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It is open.
    Open,
    /// With the credential in this file.
    File(PathBuf),
    /// With a credential that is in no file yet.
    Elsewhere {
        /// The setting that holds it and where that was set, such as `metrics.token (config.yaml:3)`.
        setting: String,
        /// Its form in a shell: a variable, or words in place of the value.
        shell: String,
    },
}

impl Scrape {
    /// The stanza, complete where Prometheus can read the credential; the credential itself is never in it.
    #[must_use]
    pub fn stanza(&self) -> String {
        let Self { target, every_interface, path, access } = self;
        let elsewhere = if *every_interface {
            "      # Aurora listens on every interface: write the name by which Prometheus reaches it.\n"
        } else {
            ""
        };
        format!(
            "scrape_configs:\n  - job_name: {JOB}\n    metrics_path: {}\n    scrape_interval: 15s\n    \
             scrape_timeout: 10s\n    \
             # Aurora's own labels win over target labels of the same name, such as `endpoint`.\n    \
             honor_labels: true\n    static_configs:\n{elsewhere}      - targets: [{}]\n{}",
            quoted(path),
            quoted(target),
            access.lines(),
        )
    }
}

impl Access {
    fn lines(&self) -> String {
        match self {
            Self::Open => String::new(),
            Self::File(path) => {
                let path = quoted(&path.to_string_lossy());
                format!("    authorization:\n      credentials_file: {path}\n")
            }
            Self::Elsewhere { setting, shell } => format!(
                "    # The endpoint wants {setting}. Prometheus reads it from a file; write one, then take away the #:\n    \
                 #   printf %s \"{shell}\" > {CREDENTIAL_FILE}\n    \
                 # authorization:\n    \
                 #   credentials_file: {CREDENTIAL_FILE}\n"
            ),
        }
    }
}

/// A YAML scalar of any text: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(access: Access) -> Scrape {
        Scrape {
            target: "10.0.0.1:8080".to_owned(),
            every_interface: false,
            path: "/gateway/metrics".to_owned(),
            access,
        }
    }

    const OPEN: &str = "\
scrape_configs:
  - job_name: aurora
    metrics_path: \"/gateway/metrics\"
    scrape_interval: 15s
    scrape_timeout: 10s
    # Aurora's own labels win over target labels of the same name, such as `endpoint`.
    honor_labels: true
    static_configs:
      - targets: [\"10.0.0.1:8080\"]
";

    #[test]
    fn stanza_of_an_open_endpoint_has_the_address_only() {
        assert_eq!(scrape(Access::Open).stanza(), OPEN);
    }

    #[test]
    fn a_wildcard_address_has_a_comment() {
        let note =
            "      # Aurora listens on every interface: write the name by which Prometheus reaches it.\n";
        let targets = "      - targets:";
        let scrape = Scrape { every_interface: true, ..scrape(Access::Open) };
        assert_eq!(scrape.stanza(), OPEN.replace(targets, &format!("{note}{targets}")));
    }

    #[test]
    fn stanza_refers_to_the_credentials_file() {
        let stanza = scrape(Access::File("/run/secrets/a \"key\"".into())).stanza();
        let lines = "    authorization:\n      credentials_file: \"/run/secrets/a \\\"key\\\"\"\n";
        assert_eq!(stanza, format!("{OPEN}{lines}"));
    }

    #[test]
    fn without_a_file_the_stanza_has_the_command_that_creates_it() {
        let access = Access::Elsewhere {
            setting: "metrics.token (environment METRICS_TOKEN)".to_owned(),
            shell: "$METRICS_TOKEN".to_owned(),
        };
        let lines = "    \
    # The endpoint wants metrics.token (environment METRICS_TOKEN). Prometheus reads it from a file; write one, then take away the #:
    #   printf %s \"$METRICS_TOKEN\" > /etc/prometheus/aurora-key
    # authorization:
    #   credentials_file: /etc/prometheus/aurora-key
";
        assert_eq!(scrape(access).stanza(), format!("{OPEN}{lines}"));
    }
}
