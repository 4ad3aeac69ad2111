//! Names of providers, clients and models.

use crate::config::problem::Fault;

/// Longest model name, in bytes.
const MAX_MODEL: usize = 128;

/// `[a-z0-9][a-z0-9._-]{0,63}`: a name that is a label value, a part of a path and of `provider/model`.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().next().is_some_and(is_lower_or_digit)
        && name.bytes().all(|byte| is_lower_or_digit(byte) || b"._-".contains(&byte))
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// A model as its upstream calls it.
///
/// # Errors
/// A name that no label value could be.
pub(crate) fn check_model(name: &str) -> Result<(), Fault> {
    let bad = name.is_empty()
        || name.len() > MAX_MODEL
        || name.chars().any(char::is_control)
        || name.trim() != name;
    if bad {
        let what = "not a model name (expected 1 to 128 bytes without control characters and outer spaces)";
        return Err(Fault::new("bad-model-name", what, "write it as the upstream does"));
    }
    Ok(())
}

/// The nearest of some names, where one is near enough to be meant.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let (distance, candidate) = closest(name, known)?;
    (distance <= 1 + candidate.len() / 4).then_some(candidate)
}

/// The same for long names, such as those of models and metrics: one of six characters may differ.
pub(crate) fn similar<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let is_similar = |candidate: &str, distance: usize| distance <= candidate.len() / 6;
    let lengths_allow = |candidate: &&str| is_similar(candidate, candidate.len().abs_diff(name.len()));
    let (distance, candidate) = closest(name, known.into_iter().filter(lengths_allow))?;
    is_similar(candidate, distance).then_some(candidate)
}

/// The name with the smallest edit distance, and that distance; of several the first by alphabet.
pub(crate) fn closest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<(usize, &'n str)> {
    known.into_iter().map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate)).min()
}
