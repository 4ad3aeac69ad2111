//! The environment over `.env`, each variable with its place.

use std::collections::BTreeMap;
use std::path::Path;

use super::problem::{Fault, Layer, Place, Problems};
use super::source::Sources;
use super::{dotenv, files};

/// Every variable that is set and not empty.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, (String, Place)>);

impl Variables {
    /// Reads `.env`, then lays the environment over it.
    pub(super) fn read(sources: &Sources, problems: &mut Problems) -> Self {
        let mut variables = Self::default();
        match &sources.env_file {
            Some(path) => variables.read_file(
                &sources.directory.join(path),
                &path.display().to_string(),
                true,
                problems,
            ),
            None if sources.demo.is_none() => {
                variables.read_file(&sources.directory.join(".env"), ".env", false, problems);
            }
            None => {}
        }
        for (name, value) in sources.environment.iter().filter(|(_, value)| !value.is_empty()) {
            let place = Place::new(Layer::Environment, format!("environment {name}"));
            variables.0.insert(name.to_owned(), (value.to_owned(), place));
        }
        variables
    }

    fn read_file(&mut self, path: &Path, shown: &str, named: bool, problems: &mut Problems) {
        let place = Place::new(Layer::DotEnv, shown);
        let text = match files::read(path, &place) {
            Ok(Some(text)) => text,
            Ok(None) => {
                if named {
                    let fault = Fault::new("no-env-file", "does not exist", "create it, or drop --env-file");
                    problems.warn(&place, "", fault);
                }
                return;
            }
            Err((place, fault)) => return problems.error(&place, "", fault),
        };
        for line in dotenv::parse(&text) {
            let place = place.at(line.number, None);
            let Some((name, value)) = line.variable else {
                let fix = "write NAME=value, with the whole value in quotes or none";
                problems.error(&place, "", Fault::new("bad-env-line", "not an assignment", fix));
                continue;
            };
            if value.is_empty() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, (value, place));
            }
        }
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    /// The value of a variable and its place.
    pub(super) fn find(&self, name: &str) -> Option<(&str, &Place)> {
        self.0.get(name).map(|(value, place)| (value.as_str(), place))
    }

    /// Every variable by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, &Place)> {
        self.0.iter().map(|(name, (value, place))| (name.as_str(), value.as_str(), place))
    }
}
