//! Configurations of other gateways, which are recognised by their sections.

use crate::config::problem::Fault;

/// Sections of the original Aurora gateway that this one does not have.
const UNSUPPORTED: &[&str] = &[
    "admin",
    "budgets",
    "cache",
    "cli_tools",
    "combos",
    "edition",
    "guardrails",
    "logging",
    "storage",
    "token_saver",
    "usage",
];

pub(crate) fn is_unsupported(section: &str) -> bool {
    UNSUPPORTED.contains(&section)
}

/// The warning at the first unsupported section, with the names of the others.
pub(crate) fn unsupported(others: &[&str]) -> Fault {
    let id = "unsupported-section";
    if others.is_empty() {
        return Fault::new(id, "not supported, ignored", "remove it when you no longer need it");
    }
    let what = format!(
        "sections of the original Aurora gateway that are not supported are ignored: this and {}",
        others.join(", ")
    );
    Fault::new(id, what, "remove them when you no longer need them")
}

/// True for a section that only `LiteLLM` has.
pub(crate) fn is_of_litellm(section: &str) -> bool {
    matches!(section, "model_list" | "litellm_settings")
}

/// The error for a whole file of `LiteLLM`.
pub(crate) fn litellm() -> Fault {
    let what = "this is a configuration of LiteLLM, not of Aurora";
    let fix = "write one with `aurora config init`: each entry of model_list is a model of `providers` or a name in `routes`";
    Fault::new("litellm-config", what, fix)
}

/// Keys of other programs, by the section they stand in, with their remedy.
const KEYS: &[(&str, &[&str], &str)] = &[
    (
        "server",
        &["tls", "ssl", "https", "cert", "cert_file"],
        "remove it and put a proxy with TLS in front: Aurora serves plain HTTP",
    ),
    ("server", &["api_key", "api_keys"], "write master_key, or keys for several clients"),
    (
        "providers.NAME",
        &["headers", "extra_headers", "default_headers"],
        "remove it: of a provider's headers only organization and project can be set",
    ),
    ("providers.NAME", &["timeout", "timeout_seconds"], "write http.timeout, which is for all providers"),
    ("providers.NAME", &["key", "token", "apikey"], "did you mean api_key?"),
    ("providers.NAME", &["url", "endpoint", "host", "api_base"], "did you mean base_url?"),
];

/// The remedy for a key that another program has in such a section.
pub(crate) fn remedy(key: &str, section: &str) -> Option<&'static str> {
    let row = KEYS.iter().find(|(row, keys, _)| *row == section && keys.contains(&key));
    row.map(|(_, _, remedy)| *remedy)
}
