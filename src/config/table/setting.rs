//! A row of the settings table: how its value is written, read and shown.

use std::time::Duration;

use serde_json::Value;

use crate::config::problem::Fault;
use crate::config::values::paths::{self, Checked};
use crate::config::values::{meant, secrets, units};
use crate::config::{Config, Key, Secret};

/// One row: a setting, its names, its default and its meaning.
pub(crate) struct Setting {
    pub(crate) key: Key,
    /// Variables; one that ends in `_FILE` names a file with the value, `T_` stands for a provider type's prefix.
    pub(crate) environment: &'static [&'static str],
    pub(crate) default: Default,
    pub(crate) slot: Slot,
    pub(crate) help: &'static str,
}

/// Value of a setting that no layer gives.
pub(crate) enum Default {
    /// This text, read like any other.
    Text(&'static str),
    /// The value of [`super::settings::blank`], described in words.
    Derived(&'static str),
}

/// Syntax of a value and the field that stores it.
pub(crate) enum Slot {
    Text {
        expected: &'static str,
        check: fn(&str) -> Checked,
        set: fn(&mut Config, String),
    },
    Secret(fn(&mut Config, Option<Secret>)),
    Flag(fn(&mut Config, bool)),
    Port(fn(&mut Config, u16)),
    /// `HOST:PORT`; port 0 is any free one.
    Address(fn(&mut Config, (String, u16))),
    Count {
        min: u32,
        max: u32,
        set: fn(&mut Config, u32),
    },
    /// A number that may have a fraction.
    Factor {
        min: f64,
        max: f64,
        set: fn(&mut Config, f64),
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
    /// A URL in the file and six variables, read in `proxy.rs`.
    Proxy,
    /// A value of an entry that is named by its owner (a provider, a route, a client's key), read with the entry.
    Entry(Shape),
}

/// Syntax of a value of an entry.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Secret,
    List,
    Flag,
    /// USD per million tokens.
    Price,
    Word(&'static [&'static str]),
    /// Rows of their own.
    Section,
}

/// One word of a [`Slot::Choice`]: its spellings, the first is shown.
pub(crate) struct Word(pub(crate) &'static [&'static str], pub(crate) fn(&mut Config));

/// A value as it was stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// As `config check` shows it.
    pub(crate) shown: String,
    /// Notice of what was changed about it.
    pub(crate) notice: Option<Fault>,
}

impl Setting {
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.slot, Slot::Secret(_) | Slot::Entry(Shape::Secret))
    }

    /// Accepted values in words.
    pub(crate) fn expected(&self) -> String {
        match &self.slot {
            Slot::Text { expected, .. } => (*expected).to_owned(),
            Slot::Secret(_) | Slot::Entry(Shape::Secret | Shape::Text) => "a string".to_owned(),
            Slot::Entry(Shape::List) => "a list of strings".to_owned(),
            Slot::Flag(_) | Slot::Entry(Shape::Flag) => "true or false".to_owned(),
            Slot::Entry(Shape::Price) => "USD per million tokens with at most 6 decimals".to_owned(),
            Slot::Entry(Shape::Word(words)) => one_of(words),
            Slot::Entry(Shape::Section) => "a section".to_owned(),
            Slot::Proxy => "a URL".to_owned(),
            Slot::Port(_) => "a port from 1 to 65535".to_owned(),
            Slot::Address(_) => "a host and a port".to_owned(),
            Slot::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Slot::Factor { min, max, .. } => format!("a number from {min} to {max}"),
            Slot::Size { min, max, .. } => {
                format!("a size from {} to {}, such as 512K", units::show_size(*min), units::show_size(*max))
            }
            Slot::Time { min, max, .. } => {
                let (min, max) = (units::show_duration(*min), units::show_duration(*max));
                format!("a duration from {min} to {max}, such as 1m30s")
            }
            Slot::Choice(words) => one_of(&words.iter().map(|word| word.0[0]).collect::<Vec<_>>()),
        }
    }

    /// Reads `text` into its place; `zero_port` allows port 0, any free one.
    ///
    /// # Errors
    /// Text that is not a value of this setting.
    pub(crate) fn store(&self, config: &mut Config, text: &str, zero_port: bool) -> Result<Stored, Fault> {
        let shown = match &self.slot {
            Slot::Text { check, set, .. } => {
                let (kept, notice) = check(text)?;
                set(config, kept.clone());
                return Ok(Stored { shown: if kept.is_empty() { "/".to_owned() } else { kept }, notice });
            }
            Slot::Secret(set) => {
                let secret = secrets::read(text)?;
                let shown = secrets::show(secret.as_ref());
                set(config, secret);
                Some(shown)
            }
            Slot::Address(set) => {
                let (host, port) = paths::address(text)?;
                let shown = paths::authority(&host, port);
                set(config, (host, port));
                Some(shown)
            }
            _ => self.store_plain(config, text, zero_port),
        };
        match shown {
            Some(shown) => Ok(Stored { shown, notice: None }),
            None => Err(self.refuse(text)),
        }
    }

    /// Stores a value whose only fault is that it is not what the setting expects, which is `None`; returns it as it
    /// is shown.
    fn store_plain(&self, config: &mut Config, text: &str, zero_port: bool) -> Option<String> {
        match &self.slot {
            Slot::Flag(set) => {
                let on = units::flag(text)?;
                set(config, on);
                Some(on.to_string())
            }
            Slot::Port(set) => {
                let port = u16::try_from(units::number(text)?).ok()?;
                if port == 0 && !zero_port {
                    return None;
                }
                set(config, port);
                Some(port.to_string())
            }
            Slot::Count { min, max, set } => {
                let number = within(u32::try_from(units::number(text)?).ok()?, *min, *max)?;
                set(config, number);
                Some(number.to_string())
            }
            Slot::Factor { min, max, set } => {
                let number = within(units::decimal(text)?, *min, *max)?;
                set(config, number);
                Some(number.to_string())
            }
            Slot::Size { min, max, set } => {
                let bytes = within(units::size(text)?, *min, *max)?;
                set(config, usize::try_from(bytes).ok()?);
                Some(units::show_size(bytes))
            }
            Slot::Time { min, max, set } => {
                let time = within(units::duration(text)?, *min, *max)?;
                set(config, time);
                Some(units::show_duration(time))
            }
            Slot::Choice(words) => choose(words, text, config),
            Slot::Text { .. } | Slot::Secret(_) | Slot::Address(_) | Slot::Proxy | Slot::Entry(_) => None,
        }
    }

    /// A value as it is shown, with its type: sizes in bytes, durations in seconds; `None` where it is none of the
    /// setting's syntax, such as a default in words.
    pub(crate) fn typed(&self, shown: &str) -> Option<Value> {
        // `4000 (20 × metrics.max_models)`
        let number = shown.split(' ').next().unwrap_or(shown);
        match &self.slot {
            Slot::Flag(_) | Slot::Entry(Shape::Flag) => units::flag(shown).map(Value::from),
            Slot::Port(_) | Slot::Count { .. } => units::number(number).map(Value::from),
            Slot::Factor { .. } | Slot::Entry(Shape::Price) => units::decimal(shown).map(Value::from),
            Slot::Size { .. } => units::size(shown).map(Value::from),
            Slot::Time { .. } => units::duration(shown).map(|time| Value::from(time.as_secs_f64())),
            Slot::Entry(Shape::List) => Some(shown.split(", ").collect()),
            _ => Some(Value::from(shown)),
        }
    }

    /// The fault of a text that is not a value of this setting.
    pub(crate) fn refuse(&self, text: &str) -> Fault {
        let got: String = text.chars().take(64).collect();
        let what = format!("invalid value (got {got:?}, expected {})", self.expected());
        let fix = self.meant(text).unwrap_or_else(|| format!("write for example {}", self.example()));
        Fault::new("bad-value", what, fix)
    }

    fn example(&self) -> String {
        match (&self.default, &self.slot) {
            (Default::Text(text), _) => (*text).to_owned(),
            (_, Slot::Entry(Shape::Price)) => "2.5".to_owned(),
            (_, Slot::Size { .. }) => "64M".to_owned(),
            (_, Slot::Count { min, .. }) => (*min).max(4).to_string(),
            _ => "another".to_owned(),
        }
    }

    /// The remedy of a text of which can be told what it was meant to be.
    fn meant(&self, text: &str) -> Option<String> {
        if meant::is_quoted(text) {
            return Some(meant::QUOTED.1.to_owned());
        }
        match &self.slot {
            Slot::Flag(_) | Slot::Entry(Shape::Flag) => Some(match meant::flag(text) {
                Some(meant) => format!("write {meant}"),
                None => "write true or false".to_owned(),
            }),
            Slot::Port(_) if text.starts_with("tcp://") => Some(
                "Kubernetes sets such variables for its services: set enableServiceLinks to false in the pod, or \
                 rename the service"
                    .to_owned(),
            ),
            Slot::Factor { min, max, .. } => {
                let factor = within(meant::factor(text)?, *min, *max)?;
                Some(format!("write {factor}"))
            }
            Slot::Count { min, max, .. } => {
                let (min, max) = (u64::from(*min), u64::from(*max));
                nearest_bound(units::number(text)?, min, max, |number| number.to_string())
            }
            Slot::Size { min, max, .. } => match units::size(text) {
                Some(bytes) => nearest_bound(bytes, *min, *max, units::show_size),
                None => Some(format!("write {}", meant::quantity(text)?)),
            },
            Slot::Time { min, max, .. } => meant_time(text, *min, *max),
            Slot::Choice(words) => {
                let known: Vec<&str> = words.iter().map(|word| word.0[0]).collect();
                Some(format!("write {}", meant::word(text, &known)?))
            }
            Slot::Entry(Shape::Word(words)) => Some(format!("write {}", meant::word(text, words)?)),
            _ => None,
        }
    }
}

/// The remedy of a value out of range.
fn nearest_bound<T: PartialOrd + Copy>(
    value: T,
    min: T,
    max: T,
    show: impl Fn(T) -> String,
) -> Option<String> {
    if value < min {
        return Some(format!("write {} or more", show(min)));
    }
    (value > max).then(|| format!("write {} or less", show(max)))
}

fn meant_time(text: &str, min: Duration, max: Duration) -> Option<String> {
    let Some(time) = units::duration(text) else {
        let meant = meant::quantity(text)?;
        return units::duration(&meant).map(|_| format!("write {meant}"));
    };
    if units::number(text).is_some() && time > max && time / 1000 <= max {
        return Some(format!("write {}ms: a number without a unit is seconds", text.trim()));
    }
    nearest_bound(time, min, max, units::show_duration)
}

fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}

fn within<T: PartialOrd>(value: T, min: T, max: T) -> Option<T> {
    (min..=max).contains(&value).then_some(value)
}

fn choose(words: &[Word], text: &str, config: &mut Config) -> Option<String> {
    let wanted = text.trim().to_ascii_lowercase();
    let word = words.iter().find(|word| word.0.contains(&wanted.as_str()))?;
    word.1(config);
    Some(word.0[0].to_owned())
}
