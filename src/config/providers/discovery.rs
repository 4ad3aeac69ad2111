//! Providers that variables describe: `OPENAI_API_KEY`, `OPENAI_EAST_BASE_URL`.

use std::collections::BTreeMap;

use super::types::PROVIDER_TYPES;
use crate::config::ProviderType;
use crate::config::problem::Place;
use crate::config::raw::given::{Content, Given};
use crate::config::sources::variables::Variables;
use crate::config::table::setting::{Setting, Shape, Slot};
use crate::config::table::settings::SETTINGS;

/// A provider as variables describe it.
pub(crate) struct Discovered {
    pub(crate) kind: &'static ProviderType,
    /// True when its variables have a suffix, as in `OPENAI_EAST_API_KEY`.
    pub(crate) is_named: bool,
    /// `PREFIX` or `PREFIX_SUFFIX` of its variables.
    pub(crate) prefix: String,
    /// The place of its first variable.
    pub(crate) place: Place,
    /// By the name of the field, such as `base_url`.
    pub(crate) fields: BTreeMap<String, Given>,
}

/// Every provider that a variable describes, by name.
pub(crate) fn discover(variables: &Variables) -> BTreeMap<String, Discovered> {
    let mut found: BTreeMap<String, Discovered> = BTreeMap::new();
    for (name, value, place) in variables.iter() {
        let Some(part) = take_apart(name) else { continue };
        let content = match part.setting.slot {
            Slot::Entry(Shape::List) => Content::list(value),
            _ => Content::Text(value.to_owned()),
        };
        let provider = found.entry(provider_name(part.kind, part.suffix)).or_insert(Discovered {
            kind: part.kind,
            is_named: part.suffix.is_some(),
            prefix: part.prefix.to_owned(),
            place: place.clone(),
            fields: BTreeMap::new(),
        });
        provider.fields.insert(part.field.to_owned(), Given { content, place: place.clone() });
    }
    found
}

/// A variable's name, taken apart.
struct Part<'a> {
    kind: &'static ProviderType,
    suffix: Option<&'a str>,
    prefix: &'a str,
    setting: &'static Setting,
    field: &'static str,
}

/// The longest prefix of the table wins: `OPENAI_COMPATIBLE_API_KEY` is no `openai` of that name.
fn take_apart(name: &str) -> Option<Part<'_>> {
    let types = PROVIDER_TYPES.iter().filter(|row| is_below(name, row.env_prefix));
    let kind = types.max_by_key(|row| row.env_prefix.len())?;
    let rest = &name[kind.env_prefix.len()..];
    SETTINGS.iter().find_map(|setting| {
        let field = setting.key.as_str().strip_prefix("providers.NAME.")?;
        let ending = setting.environment.first()?.strip_prefix('T')?;
        let suffix = rest.strip_suffix(ending)?;
        let prefix = &name[..name.len() - ending.len()];
        match suffix.strip_prefix('_') {
            None if suffix.is_empty() => Some(Part { kind, suffix: None, prefix, setting, field }),
            Some(suffix) if is_suffix(suffix) => {
                Some(Part { kind, suffix: Some(suffix), prefix, setting, field })
            }
            _ => None,
        }
    })
}

fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'))
}

fn is_suffix(suffix: &str) -> bool {
    suffix.starts_with(|c: char| c.is_ascii_alphanumeric())
        && suffix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn provider_name(kind: &ProviderType, suffix: Option<&str>) -> String {
    match suffix {
        Some(suffix) => format!("{}-{}", kind.name, suffix.to_ascii_lowercase().replace('_', "-")),
        None => kind.name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_by_the_longest_prefix() {
        for (name, expected) in [
            ("OPENAI_API_KEY", Some(("openai", "api_key"))),
            ("OPENAI_EAST_API_KEY", Some(("openai-east", "api_key"))),
            ("OPENAI_API_KEY_FILE", Some(("openai", "api_key_file"))),
            ("OPENAI_EAST_API_KEY_FILE", Some(("openai-east", "api_key_file"))),
            ("OPENAI_US_EAST_BASE_URL", Some(("openai-us-east", "base_url"))),
            ("OPENAI_COMPATIBLE_API_KEY", Some(("openai_compatible", "api_key"))),
            ("OPENAI_COMPATIBLE_LAB_MODELS", Some(("openai_compatible-lab", "models"))),
            ("AZURE_API_VERSION", Some(("azure", "api_version"))),
            ("OPENAI_ORG_ID", None),
            ("OPENAI__API_KEY", None),
            ("OPENAI_east_API_KEY", None),
            ("OPENAIX_API_KEY", None),
            ("MY_OPENAI_API_KEY", None),
        ] {
            let found = take_apart(name).map(|part| (provider_name(part.kind, part.suffix), part.field));
            let expected = expected.map(|(provider, field)| (provider.to_owned(), field));
            assert_eq!(found, expected, "{name}");
        }
    }
}
