//! A row of the settings table: how its value is written, read and shown.

use std::time::Duration;

use super::paths::Checked;
use super::problem::{Fault, Severity};
use super::{Config, Secret, units};

/// One row: a setting, its names, its default and its meaning.
pub(super) struct Setting {
    /// Dotted path; `NAME` and `MODEL` stand for any name.
    pub(super) key: &'static str,
    /// Variables; one that ends in `_FILE` names a file with the value, `T_` stands for a provider type's prefix.
    pub(super) environment: &'static [&'static str],
    pub(super) default: Default,
    pub(super) slot: Slot,
    pub(super) help: &'static str,
}

/// What a setting is when no layer gives it.
pub(super) enum Default {
    /// This text, read like any other.
    Text(&'static str),
    /// What [`super::settings::blank`] holds; the words say what that is.
    Derived(&'static str),
}

/// How a value is written and where it goes.
pub(super) enum Slot {
    Text {
        expected: &'static str,
        check: fn(&str) -> Checked,
        set: fn(&mut Config, String),
    },
    Secret(fn(&mut Config, Option<Secret>)),
    Flag(fn(&mut Config, bool)),
    Port(fn(&mut Config, u16)),
    Count {
        min: u64,
        max: u64,
        set: fn(&mut Config, usize),
    },
    Size {
        min: u64,
        max: u64,
        set: fn(&mut Config, usize),
    },
    Time {
        min: Duration,
        max: Duration,
        set: fn(&mut Config, Duration),
    },
    Choice(&'static [Word]),
    /// A string of a provider, read in `providers.rs`.
    ProviderText,
    /// A key of a provider.
    ProviderSecret,
    /// A list of strings of a provider.
    ProviderList,
    /// Comes in a later build: an error in a file, this in the environment.
    Later(Severity),
}

/// One word of a [`Slot::Choice`]: its spellings, the first is shown.
pub(super) struct Word(pub(super) &'static [&'static str], pub(super) fn(&mut Config));

/// A value as it was taken.
#[derive(Debug)]
pub(super) struct Stored {
    /// As `config check` shows it.
    pub(super) shown: String,
    /// What was changed about it.
    pub(super) notice: Option<Fault>,
}

impl Setting {
    /// Whether `config check` and the reference know it as a setting of this build.
    pub(super) fn is_later(&self) -> bool {
        matches!(self.slot, Slot::Later(_))
    }

    /// Whether it belongs to one provider.
    pub(super) fn is_of_provider(&self) -> bool {
        self.key.starts_with("providers.")
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self.slot, Slot::Secret(_) | Slot::ProviderSecret)
    }

    /// What may be written, for people.
    pub(super) fn expected(&self) -> String {
        match &self.slot {
            Slot::Text { expected, .. } => (*expected).to_owned(),
            Slot::Secret(_) | Slot::ProviderSecret | Slot::ProviderText => "a string".to_owned(),
            Slot::ProviderList => "a list of strings".to_owned(),
            Slot::Flag(_) => "true or false".to_owned(),
            Slot::Port(_) => "a port from 1 to 65535".to_owned(),
            Slot::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Slot::Size { min, max, .. } => {
                format!("a size from {} to {}, such as 512K", units::show_size(*min), units::show_size(*max))
            }
            Slot::Time { min, max, .. } => {
                let (min, max) = (units::show_duration(*min), units::show_duration(*max));
                format!("a duration from {min} to {max}, such as 1m30s")
            }
            Slot::Choice(words) => {
                format!("one of {}", words.iter().map(|word| word.0[0]).collect::<Vec<_>>().join(", "))
            }
            Slot::Later(_) => "nothing".to_owned(),
        }
    }

    /// Reads `text` into its place; `zero_port` allows port 0, any free one.
    ///
    /// # Errors
    /// Text that is not a value of this setting.
    pub(super) fn store(&self, config: &mut Config, text: &str, zero_port: bool) -> Result<Stored, Fault> {
        let shown = match &self.slot {
            Slot::Text { check, set, .. } => {
                let (kept, notice) = check(text)?;
                set(config, kept.clone());
                return Ok(Stored { shown: if kept.is_empty() { "/".to_owned() } else { kept }, notice });
            }
            Slot::Secret(set) => {
                let secret = secret(text)?;
                let shown =
                    secret.as_ref().map_or_else(|| "not set".to_owned(), |secret| format!("{secret:?}"));
                set(config, secret);
                Some(shown)
            }
            Slot::Flag(set) => units::flag(text).map(|on| {
                set(config, on);
                on.to_string()
            }),
            Slot::Port(set) => units::number(text)
                .and_then(|number| u16::try_from(number).ok())
                .filter(|port| *port > 0 || zero_port)
                .map(|port| {
                    set(config, port);
                    port.to_string()
                }),
            Slot::Count { min, max, set } => within(units::number(text), *min, *max).map(|number| {
                set(config, number);
                number.to_string()
            }),
            Slot::Size { min, max, set } => within(units::size(text), *min, *max).map(|number| {
                set(config, number);
                units::show_size(number as u64)
            }),
            Slot::Time { min, max, set } => {
                units::duration(text).filter(|time| (*min..=*max).contains(time)).map(|time| {
                    set(config, time);
                    units::show_duration(time)
                })
            }
            Slot::Choice(words) => choose(words, text, config),
            Slot::ProviderText | Slot::ProviderSecret | Slot::ProviderList | Slot::Later(_) => None,
        };
        shown.map(|shown| Stored { shown, notice: None }).ok_or_else(|| self.refuse(text))
    }

    fn refuse(&self, text: &str) -> Fault {
        let got: String = text.chars().take(64).collect();
        let example = match self.default {
            Default::Text(text) => text,
            Default::Derived(_) => "4",
        };
        Fault::new(
            "bad-value",
            format!("a wrong value (got {got:?}, expected {})", self.expected()),
            format!("write for example {example}"),
        )
    }
}

fn within(number: Option<u64>, min: u64, max: u64) -> Option<usize> {
    number.filter(|number| (min..=max).contains(number)).and_then(|number| usize::try_from(number).ok())
}

fn choose(words: &[Word], text: &str, config: &mut Config) -> Option<String> {
    let wanted = text.trim().to_ascii_lowercase();
    let word = words.iter().find(|word| word.0.contains(&wanted.as_str()))?;
    word.1(config);
    Some(word.0[0].to_owned())
}

/// A key that a header can carry; an empty one is none.
///
/// # Errors
/// A key that no header can carry; it is not repeated.
pub(super) fn secret(text: &str) -> Result<Option<Secret>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.trim() != text {
        let what = "a key that begins or ends with white space, which no header can carry";
        return Err(Fault::new("bad-key", what, "remove the white space"));
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let what =
            "a key with a line end, a control character or one outside ASCII, which no header can carry";
        return Err(Fault::new("bad-key", what, "write the key alone, in printable ASCII"));
    }
    Ok(Some(Secret::new(text)))
}

/// Stands for a key that `--assume-set` takes for set; nothing is ever sent with it.
pub(super) fn assumed_secret() -> Secret {
    Secret::new("taken for set, never sent")
}
