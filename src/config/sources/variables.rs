//! The environment over `.env`, each variable with its place.

use std::collections::BTreeMap;
use std::path::Path;

use super::dotenv::{self, Malformed};
use super::environment::Sources;
use super::files;
use super::texts::Text;
use crate::config::problem::{Fault, Layer, Place, Problems};

/// The path of `.env`; `None` where there is none to read.
pub(crate) fn dotenv_path(sources: &Sources) -> Option<&Path> {
    let found = sources.demo.is_none().then_some(Path::new(".env"));
    sources.env_file.as_deref().or(found)
}

/// Reads `.env`, or takes the text that the sources already hold.
pub(crate) fn dotenv_text(sources: &Sources, problems: &mut Problems) -> Option<Text> {
    if let Some(texts) = &sources.texts {
        return texts.env.clone();
    }
    let path = dotenv_path(sources)?;
    let place = Place::new(Layer::DotEnv, path.display().to_string());
    match files::read(&sources.directory.join(path), &place) {
        Ok(Some(text)) => return Some(Text { path: path.to_owned(), text }),
        Ok(None) if sources.env_file.is_some() => {
            let fault = Fault::new("no-env-file", "does not exist", "create it, or drop --env-file");
            problems.warn(&place, "", fault);
        }
        Ok(None) => {}
        Err(misread) => problems.error(&misread.0, "", misread.1),
    }
    None
}

/// Every variable that is set and not empty.
#[derive(Default)]
pub(crate) struct Variables(BTreeMap<String, (String, Place)>);

impl Variables {
    /// Lays the environment over the variables of `.env`.
    pub(crate) fn new(sources: &Sources, dotenv: Option<&Text>, problems: &mut Problems) -> Self {
        let mut variables = Self::default();
        if let Some(dotenv) = dotenv {
            variables.take_lines(dotenv, problems);
        }
        for (name, value) in sources.environment.iter().filter(|(_, value)| !value.is_empty()) {
            let place = Place::new(Layer::Environment, format!("environment {name}"));
            variables.0.insert(name.to_owned(), (value.to_owned(), place));
        }
        variables
    }

    fn take_lines(&mut self, dotenv: &Text, problems: &mut Problems) {
        let place = Place::new(Layer::DotEnv, dotenv.path.display().to_string());
        for line in dotenv::parse(&dotenv.text) {
            let place = place.at(line.number, None);
            let (name, value) = match line.variable {
                Ok(variable) => variable,
                Err(fault) => {
                    problems.error(&place, "", malformed(fault));
                    continue;
                }
            };
            if value.is_empty() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, (value, place));
            }
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (value, _) = self.0.get(name)?;
        Some(value)
    }

    /// The value of a variable and its place.
    pub(crate) fn find(&self, name: &str) -> Option<(&str, &Place)> {
        let (value, place) = self.0.get(name)?;
        Some((value, place))
    }

    /// Every variable by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str, &Place)> {
        self.0.iter().map(|(name, (value, place))| (name.as_str(), value.as_str(), place))
    }
}

/// The fault of a line that is no assignment; its text is not repeated.
fn malformed(malformed: Malformed) -> Fault {
    let (what, fix) = match malformed {
        Malformed::UnclosedQuote(quote) => {
            let what = format!("the quote that opens the value ({quote}) is never closed");
            let fix = format!("write {quote} at the end of the value too, or no quotes");
            return Fault::new("unclosed-quote", what, fix);
        }
        Malformed::AfterQuote => {
            ("text after the closing quote", "write the whole value in quotes, or none of it")
        }
        Malformed::Colon => ("a colon between name and value", "write NAME=value"),
        Malformed::NoEquals => ("no = after the name", "write NAME=value"),
        Malformed::Name => {
            ("not the name of a variable", "write NAME=value, the name in letters, digits and _")
        }
    };
    Fault::new("bad-env-line", what, fix)
}
