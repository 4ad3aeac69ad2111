//! Keys: what they may be, and where an entry has its own from.

use super::Secret;
use super::files::SecretFiles;
use super::problem::{Fault, Problems};
use super::raw::RawEntry;

/// Shortest key that is not guessed, in characters.
const MIN_KEY: usize = 16;

/// What to do about a key that will not do.
pub(super) const MAKE_ONE: &str = "make one with: openssl rand -hex 32";

/// A key that a header can carry; an empty one is none.
///
/// # Errors
/// A key that no header can carry; it is not repeated.
pub(super) fn read(text: &str) -> Result<Option<Secret>, Fault> {
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

/// The key of an entry, by value in `field` or by the file that `field` with `_file` names; `Some(None)` where neither is
/// given, `None` where what is wrong is already said.
pub(super) fn of_entry(
    entry: &RawEntry,
    field: &str,
    files: &mut SecretFiles<'_>,
    problems: &mut Problems,
) -> Option<Option<Secret>> {
    let file_field = format!("{field}_file");
    if entry.refused.contains(field) || entry.refused.contains(&file_field) {
        return None;
    }
    if let (Some(given), true) = (entry.fields.get(field), entry.fields.contains_key(&file_field)) {
        let what = format!("{field} and {file_field} are both given");
        problems.error(&given.place, &entry.path(field), Fault::new("two-keys", what, "keep one of them"));
        return None;
    }
    if entry.missing(field).or(entry.missing(&file_field)).is_some() {
        return Some(Some(assumed()));
    }
    let (text, place) = match (entry.text(field), entry.text(&file_field)) {
        (Some((text, place)), _) => (Ok(text.to_owned()), place),
        (None, Some((path, place))) => (files.read(path, place), place),
        (None, None) => return Some(None),
    };
    text.and_then(|text| read(&text)).map_err(|fault| problems.error(place, &entry.path(field), fault)).ok()
}

/// Why a key may be guessed.
pub(super) fn weakness(secret: &Secret) -> Option<String> {
    let is_short = secret.expose().chars().count() < MIN_KEY;
    is_short.then(|| format!("shorter than {MIN_KEY} characters, so it can be guessed"))
}

/// Stands for a key that `--assume-set` takes for set; nothing is ever sent with it.
pub(super) fn assumed() -> Secret {
    Secret::new("taken for set, never sent")
}

/// A secret as `config check` shows it.
pub(super) fn show(secret: Option<&Secret>) -> String {
    match secret {
        None => "not set".to_owned(),
        Some(secret) if *secret == assumed() => "taken for set".to_owned(),
        Some(secret) => format!("{secret:?}"),
    }
}
