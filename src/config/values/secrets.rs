//! Secrets: the type that is never printed, the form of a key, and weak keys.

use std::fmt;

use crate::config::problem::Fault;
use crate::config::sources::substitution::is_name;
use crate::config::values::meant;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set ({} characters)", self.0.chars().count())
    }
}

/// Shortest key that cannot be guessed, in characters.
const MIN_KEY: usize = 16;

/// Placeholders of other gateways' documentation, in lower case.
const PLACEHOLDERS: [&str; 4] = ["changeme", "change-me", "change_me", "sk-1234"];
/// Beginnings of others: `your-api-key`, `sk-your-key`.
const PLACEHOLDER_STARTS: [&str; 4] = ["your-", "your_", "sk-your", "replace"];

/// Remedy for a key that is not acceptable.
pub(crate) const MAKE_ONE: &str = "generate one with: openssl rand -hex 32";

/// A key that a header can carry; an empty one is none.
///
/// # Errors
/// A key that no header can carry; it is not repeated.
pub(crate) fn read(text: &str) -> Result<Option<Secret>, Fault> {
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

/// A key that can be guessed: a placeholder from documentation, or a short one, whose fault has the id `short_id`.
pub(crate) fn weakness(secret: &Secret, short_id: &'static str) -> Option<Fault> {
    if let Some(fault) = mistake(secret, MAKE_ONE) {
        return Some(fault);
    }
    if secret.expose().chars().count() >= MIN_KEY {
        return None;
    }
    let what = format!("shorter than {MIN_KEY} characters, so it can be guessed");
    Some(Fault::new(short_id, what, MAKE_ONE))
}

/// Fault of a key that is hardly one: in quotes, or as documentation prints it; a warning, so that its examples can be
/// tried.
pub(crate) fn mistake(secret: &Secret, fix: &str) -> Option<Fault> {
    if meant::is_quoted(secret.expose()) {
        let (what, fix) = meant::QUOTED;
        return Some(Fault::new("quoted-key", what, fix));
    }
    let text = secret.expose().to_ascii_lowercase();
    let digits = text.trim_start_matches("sk-");
    let is_one = text.starts_with('<') && text.ends_with('>')
        || PLACEHOLDERS.contains(&text.as_str())
        || digits.len() > 2 && digits.chars().all(|c| "x.*-".contains(c))
        || PLACEHOLDER_STARTS.iter().any(|start| text.starts_with(start));
    is_one.then_some(Fault::new("placeholder-key", "a placeholder from documentation, not a key", fix))
}

/// Refuses a key that is the name of a variable in place of its value, as YAML gives it; `$$` begins a literal dollar.
///
/// # Errors
/// `$NAME`, `$(NAME)` and `os.environ/NAME`; the text is not repeated, it may be a key after all.
pub(crate) fn check_in_yaml(text: &str) -> Result<(), Fault> {
    refuse_reference(text, "write ${NAME}")
}

/// The same for a key in a variable, where nothing is expanded.
///
/// # Errors
/// The same, and `${NAME}`.
pub(crate) fn check_in_variable(text: &str) -> Result<(), Fault> {
    refuse_reference(text, "write the key itself: only the YAML file expands variables, as ${NAME}")
}

fn refuse_reference(text: &str, fix: &str) -> Result<(), Fault> {
    let Some(form) = reference(text) else { return Ok(()) };
    let what = format!("the name of a variable in place of its value ({form})");
    Err(Fault::new("key-reference", what, fix))
}

/// The form in which a whole text names a variable.
fn reference(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('$') else {
        return text.starts_with("os.environ").then_some("os.environ/NAME");
    };
    match (rest.chars().next()?, rest.chars().last()?) {
        ('{', '}') => Some("${NAME}"),
        ('(', ')') => Some("$(NAME)"),
        _ => is_name(rest).then_some("$NAME"),
    }
}

/// Placeholder of a key that `--assume-set` takes for set; nothing is ever sent with it.
pub(crate) fn assumed() -> Secret {
    Secret::new("taken for set, never sent")
}

/// A secret as `config check` shows it.
pub(crate) fn show(secret: Option<&Secret>) -> String {
    match secret {
        None => "not set".to_owned(),
        Some(secret) if *secret == assumed() => "taken for set".to_owned(),
        Some(secret) => format!("{secret:?}"),
    }
}
