//! The texts of the configuration file and `.env`, as they were read.

use std::fmt;
use std::path::{Path, PathBuf};

/// The texts that a configuration was loaded from.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The configuration file.
    pub(crate) config: Option<Text>,
    /// `.env`, or the file of `--env-file`.
    pub(crate) env: Option<Text>,
}

/// A file with its text.
#[derive(Clone)]
pub(crate) struct Text {
    /// As it is named or found, relative to the directory of the sources.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl fmt::Debug for Text {
    /// The path only: the text may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Text {
    /// True when it reads this variable, as `${NAME}` or `${NAME:-default}`.
    fn refers_to(&self, name: &str) -> bool {
        for (at, dollar) in self.text.match_indices("${") {
            let inside = &self.text[at + dollar.len()..];
            if let Some(rest) = inside.strip_prefix(name)
                && rest.starts_with(['}', ':'])
            {
                return true;
            }
        }
        false
    }
}

impl Texts {
    /// Files of `before` that are gone, unreadable or empty now, each as a sentence with its remedy.
    ///
    /// `directory` is where relative paths start.
    #[must_use]
    pub fn losses_since(&self, before: &Self, directory: &Path) -> Vec<String> {
        let mut losses = Vec::new();
        for (before, now) in [(&before.config, &self.config), (&before.env, &self.env)] {
            if let Some(before) = before {
                losses.extend(loss(before, now.as_ref(), directory));
            }
        }
        losses
    }

    /// True when the configuration file reads this variable, as `${NAME}`.
    pub(crate) fn refer_to(&self, name: &str) -> bool {
        self.config.as_ref().is_some_and(|text| text.refers_to(name))
    }
}

fn loss(before: &Text, now: Option<&Text>, directory: &Path) -> Option<String> {
    let shown = before.path.display();
    let is_same = now.is_some_and(|now| now.path == before.path);
    if let Some(now) = now
        && is_blank(&now.text)
        && !is_blank(&before.text)
    {
        let what = if is_same {
            "held settings before and is empty".to_owned()
        } else {
            format!("is empty and takes the place of {shown}")
        };
        let shown = now.path.display();
        return Some(format!("{shown} {what}; restore it, or restart to run without them"));
    }
    let what = match directory.join(&before.path).symlink_metadata() {
        _ if is_same => return None,
        // Another file takes its place while it is still there.
        Ok(_) if now.is_some() => return None,
        Ok(_) => "cannot be read",
        Err(_) => "is gone",
    };
    Some(format!("{shown} was read before and {what}; restore it, or restart to run without it"))
}

/// True for nothing but comments and white space, in YAML as in `.env`.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Texts {
        let config = Some(Text { path: path.into(), text: text.to_owned() });
        Texts { config, env: None }
    }

    #[test]
    fn a_replaced_file_is_lost_only_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (before, now) = (texts("config/config.yaml", "a: 1"), texts("config.yaml", "a: 2"));
        let gone = "config/config.yaml was read before and is gone; restore it, or restart to run without it"
            .to_owned();
        assert_eq!(now.losses_since(&before, folder.path()), [gone]);
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(folder.path().join("config/config.yaml"), "a: 1").unwrap();
        assert_eq!(now.losses_since(&before, folder.path()), [""; 0]);
    }

    #[test]
    fn an_empty_file_does_not_take_the_place_of_one_that_held_settings() {
        let (before, now) = (texts("config/config.yaml", "a: 1"), texts("config.yaml", ""));
        let empty = "config.yaml is empty and takes the place of config/config.yaml; restore it, or restart to run without \
                     them";
        assert_eq!(now.losses_since(&before, Path::new("")), [empty]);
    }

    #[test]
    fn a_file_that_was_empty_before_may_stay_empty() {
        let (blank, other) = (texts("config.yaml", "# nothing\n---\n"), texts("config.yaml", ""));
        assert_eq!(other.losses_since(&blank, Path::new("")), [""; 0]);
    }

    #[test]
    fn texts_are_never_printed() {
        let shown = format!("{:?}", texts("config.yaml", "canary"));
        assert_eq!(shown, r#"Texts { config: Some("config.yaml"), env: None }"#);
    }
}
