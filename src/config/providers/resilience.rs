//! `resilience` of one provider, and the rules for any.

use crate::config::problem::{Fault, Problems};
use crate::config::raw::given::{Content, RawEntry};
use crate::config::table::settings;
use crate::config::values::units;
use crate::config::{EffectiveSetting, Key, Resilience, Retry};

/// Resilience of a provider, with the settings that are its own.
pub(crate) struct OfProvider {
    pub(crate) effective: Resilience,
    /// Those that are its own.
    pub(crate) settings: Vec<EffectiveSetting>,
}

/// Lays the settings of a provider over those of all, row by row of the same table.
pub(crate) fn of_provider(entry: &RawEntry, all: Resilience, problems: &mut Problems) -> OfProvider {
    let mut scratch = settings::blank();
    scratch.resilience = all;
    let mut own = Vec::new();
    let fields = entry.fields.iter().filter(|(field, _)| field.starts_with("resilience."));
    for (field, given) in fields {
        let (Some(setting), key) = (settings::find(field), entry.path(field)) else { continue };
        let value = match &given.content {
            Content::Text(text) => setting.store(&mut scratch, text, false).map(|stored| stored.shown),
            Content::List(_) | Content::Missing(_) => Ok("taken for set".to_owned()),
        };
        match value {
            Ok(value) => own.push(EffectiveSetting { key, value, source: given.place.provenance() }),
            Err(fault) => problems.error(&given.place, &key, fault),
        }
    }
    let given = BACKOFFS.iter().find_map(|key| Some((*key, &entry.fields.get(key.as_str())?.place)));
    if let Some((key, place)) = given
        && let Some(fault) = check_backoff(&scratch.resilience.retry, key)
    {
        problems.error(place, entry.path(key.as_str()), fault);
    }
    OfProvider { effective: scratch.resilience, settings: own }
}

/// The settings that must go together.
pub(crate) const BACKOFFS: [Key; 2] = [Key::RetryMaxBackoff, Key::RetryInitialBackoff];

/// Checks that the first pause is no longer than the longest; the fault is worded for `key`, one of [`BACKOFFS`].
pub(crate) fn check_backoff(retry: &Retry, key: Key) -> Option<Fault> {
    let (initial, max) =
        (units::show_duration(retry.initial_backoff), units::show_duration(retry.max_backoff));
    let what = if key == Key::RetryMaxBackoff {
        format!("shorter than initial_backoff (got {max}, expected {initial} or more)")
    } else {
        format!("longer than max_backoff (got {initial}, expected {max} or less)")
    };
    let fault = Fault::new("bad-backoff", what, "change one of the two");
    (retry.initial_backoff > retry.max_backoff).then_some(fault)
}
