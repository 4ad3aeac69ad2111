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
