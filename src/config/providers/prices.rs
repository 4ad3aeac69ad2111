//! Prices of a provider's models.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::problem::{Fault, Place, Problems};
use crate::config::raw::given::RawEntry;
use crate::config::values::{names, units};
use crate::config::{EffectiveSetting, Key, Prices};

/// Reads the prices of a provider; `models` are those of the configuration, or empty.
pub(crate) fn read(
    entry: &RawEntry,
    models: &[String],
    problems: &mut Problems,
    settings: &mut Vec<EffectiveSetting>,
) -> BTreeMap<String, Prices> {
    let given = entry.fields.keys().chain(&entry.refused);
    // A model's name may hold dots, the name of a price does not.
    let priced: BTreeSet<&str> =
        given.filter_map(|field| Some(field.strip_prefix("prices.")?.rsplit_once('.')?.0)).collect();
    let mut prices = BTreeMap::new();
    for model in priced {
        let key = entry.path(&format!("prices.{model}"));
        let place = place(entry, model);
        if let Err(fault) = names::check_model(model) {
            problems.error(&place, &key, fault);
        }
        if !models.is_empty() && !models.iter().any(|listed| listed == model) {
            let what = format!("{model:?} is not one of the provider's models, so its prices are not used");
            problems.warn(&place, &key, Fault::new("unused-price", what, "write it as models has it"));
        }
        if let Some(price) = of_model(entry, model, &place, problems) {
            settings.push(EffectiveSetting { key, value: show(price), source: place.provenance() });
            prices.insert(model.to_owned(), price);
        }
    }
    prices
}

/// Place at which the prices of a model begin.
fn place(entry: &RawEntry, model: &str) -> Place {
    let places = PRICES.iter().filter_map(|(name, _)| Some(&entry.fields.get(&field(model, name))?.place));
    let first = places.min_by_key(|place| (place.line, place.column));
    first.unwrap_or(&entry.place).clone()
}

const PRICES: [(&str, Key); 4] = [
    ("input", Key::PriceInput),
    ("output", Key::PriceOutput),
    ("cache_read", Key::PriceCacheRead),
    ("cache_write", Key::PriceCacheWrite),
];

fn field(model: &str, name: &str) -> String {
    format!("prices.{model}.{name}")
}

/// `None` where a price is wrong or missing, which is then reported.
fn of_model(entry: &RawEntry, model: &str, place: &Place, problems: &mut Problems) -> Option<Prices> {
    let [input, output, cache_read, cache_write] =
        PRICES.map(|(name, key)| entry.read(&field(model, name), key, units::price, problems));
    for name in ["input", "output"] {
        if !entry.has(&field(model, name)) {
            let what = format!("no {name} price");
            let fix = format!("add {name}, 0 where it costs nothing");
            problems.error(place, entry.path(&format!("prices.{model}")), Fault::new("no-price", what, fix));
        }
    }
    let (input, output) = (input?, output?);
    Some(Prices {
        input,
        output,
        cache_read: cache_read.unwrap_or(input),
        cache_write: cache_write.unwrap_or(input),
    })
}

fn show(prices: Prices) -> String {
    let Prices { input, output, cache_read, cache_write } = prices;
    let [input, output, cache_read, cache_write] =
        [input, output, cache_read, cache_write].map(units::show_price);
    format!("input {input}, output {output}, cache_read {cache_read}, cache_write {cache_write}")
}
