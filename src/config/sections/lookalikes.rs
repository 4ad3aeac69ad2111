//! Variables that look like ours but are not: `METRICS_ENABLE`, `AURORA_MASTERKEY`.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::config::problem::{Fault, Layer, Place, Problems};
use crate::config::providers::types::PROVIDER_TYPES;
use crate::config::sources::texts::Texts;
use crate::config::sources::variables::Variables;
use crate::config::table::settings::SETTINGS;
use crate::config::values::names;

/// Variables of other gateways and of SDKs, each with ours and the configurations that seem to lack it.
const FOREIGN: [Foreign; 7] = [
    ("LITELLM_MASTER_KEY", "AURORA_MASTER_KEY", is_open),
    ("PROXY_MASTER_KEY", "AURORA_MASTER_KEY", is_open),
    ("OPENAI_API_BASE", "OPENAI_BASE_URL", |_| true),
    ("AZURE_API_BASE", "AZURE_BASE_URL", serves_nothing),
    ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL", serves_nothing),
    ("GOOGLE_API_KEY", "GEMINI_API_KEY", serves_nothing),
    ("OLLAMA_API_BASE", "OLLAMA_BASE_URL", serves_nothing),
];

type Foreign = (&'static str, &'static str, fn(&Config) -> bool);

fn is_open(config: &Config) -> bool {
    config.server.master_key.is_none()
}

fn serves_nothing(config: &Config) -> bool {
    config.providers.is_empty()
}

/// Variables that are read but are no settings.
const OTHERS: [&str; 1] = ["AURORA_CONFIG_PATH"];
/// Edits between a variable and the one that is meant.
const MAX_DISTANCE: usize = 2;
/// Prefixes this long may have a letter wrong themselves (`METRIC_ENABLED`); shorter ones are other programs' too
/// (`FTP_PROXY`, `GROK_API_KEY`).
const LONG_PREFIX: usize = 6;

/// Warns of every variable that looks like one of ours, unless the configuration file reads it.
pub(crate) fn check(config: &Config, variables: &Variables, texts: &Texts, problems: &mut Problems) {
    let known = known();
    for (name, value, place) in variables.iter() {
        if is_of_others(name, value, place) || texts.refer_to(name) {
            continue;
        }
        let lacking = FOREIGN.iter().find(|(foreign, meant, lacks)| {
            *foreign == name && variables.get(meant).is_none() && lacks(config)
        });
        let meant = match lacking {
            Some((_, meant, _)) => Some(*meant),
            None => meant(name, &known),
        };
        if let Some(meant) = meant {
            let what = format!("{name} is not a variable of Aurora");
            let fault = Fault::new("unknown-variable", what, format!("did you mean {meant}?"));
            problems.warn(place, "", fault);
        }
    }
}

/// Every variable that has a meaning, without suffixes of named providers.
fn known() -> BTreeSet<String> {
    let names = SETTINGS.iter().flat_map(|setting| setting.environment).copied().chain(OTHERS);
    let mut known = BTreeSet::new();
    for name in names {
        match name.strip_prefix("T_") {
            Some(field) => {
                known.extend(PROVIDER_TYPES.iter().map(|row| format!("{}_{field}", row.env_prefix)));
            }
            None => drop(known.insert(name.to_owned())),
        }
    }
    known
}

/// Addresses that Kubernetes and Docker put into the environment for a service named like a prefix of ours, and the
/// model that other programs request of a provider.
fn is_of_others(name: &str, value: &str, place: &Place) -> bool {
    let is_service_link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    is_service_link || place.layer == Layer::Environment && name.ends_with("_MODEL")
}

/// The variable that was meant; `None` for one of ours, and for one that is like none of them.
fn meant<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    if known.contains(name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    if let Some(rest) = upper.strip_prefix("AURORA_")
        && let Some(unprefixed) = known.get(rest)
    {
        return Some(unprefixed);
    }
    let prefix = upper.split_once('_')?.0;
    let candidates = known.iter().map(String::as_str).filter(|candidate| shares_prefix(prefix, candidate));
    let (distance, nearest) = names::closest(&upper, candidates)?;
    (distance <= MAX_DISTANCE).then_some(nearest)
}

fn shares_prefix(prefix: &str, candidate: &str) -> bool {
    let Some((theirs, _)) = candidate.split_once('_') else { return false };
    let is_setting = !PROVIDER_TYPES.iter().any(|row| candidate.starts_with(row.env_prefix));
    theirs == prefix
        || is_setting && theirs.len() >= LONG_PREFIX && strsim::damerau_levenshtein(prefix, theirs) == 1
}
