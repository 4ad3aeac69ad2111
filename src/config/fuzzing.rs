//! Properties of what a configuration is read from; see [`crate::fuzzing`].

use std::path::PathBuf;
use std::sync::LazyLock;

use super::sources::dotenv as lines;
use super::sources::substitution::{Substituted, substitute};
use super::{Environment, Severity, Sources, load};

/// A folder of this process in memory, where there is such a file system.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(make_folder);

fn make_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = base.join(format!("aurora-fuzzing-{}", std::process::id()));
    assert!(std::fs::create_dir_all(&folder).is_ok(), "no folder {}", folder.display());
    folder
}

/// A file and, behind a NUL, a `.env`: loading never panics, gives a configuration exactly where no problem is an
/// error, gives the same result when repeated, and never opens what the environment locks.
pub fn configuration(data: &[u8]) {
    let (yaml, env) = match data.iter().position(|byte| *byte == 0) {
        Some(nul) => (&data[..nul], &data[nul + 1..]),
        None => (data, &b""[..]),
    };
    for (name, contents) in [("config.yaml", yaml), (".env", env)] {
        assert!(std::fs::write(FOLDER.join(name), contents).is_ok(), "cannot write {name}");
    }
    let variables = [("AURORA_MASTER_KEY", "3c1f0a9d5b7e2468aa"), ("SECRET", "9d1b2c3e4f50617283")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = variables.into_iter().collect::<Environment>();
    let sources = Sources { environment, directory: FOLDER.clone(), ..Sources::default() };
    let loaded = load(&sources);
    let has_errors = loaded.problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_ne!(loaded.config.is_some(), has_errors, "{:?}", loaded.problems);
    if let Some(config) = &loaded.config {
        assert!(config.server.master_key.is_some(), "a file opened what the environment locks");
    }
    // Loading takes most of the time of a run: a part of the inputs is enough to find what differs.
    if !data.len().is_multiple_of(16) {
        return;
    }
    let again = load(&sources);
    assert_eq!(loaded.problems, again.problems);
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", again.config));
}

/// Variables that are read can be written, in double quotes, and read again; lines have their numbers.
pub fn dotenv(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let total = text.matches('\n').count() + 1;
    let mut before = 0;
    for line in lines::parse(text) {
        assert!((before + 1..=total).contains(&line.number), "line {} of {total}", line.number);
        before = line.number;
        let Ok((name, value)) = line.variable else { continue };
        let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
        let written = format!("{name}=\"{quoted}\"\n");
        let again = lines::parse(&written).into_iter().next().and_then(|line| line.variable.ok());
        assert_eq!(again, Some((name, value)), "{written:?}");
    }
}

fn unset(_: &str) -> Option<&'static str> {
    None
}

fn set(_: &str) -> Option<&'static str> {
    Some("value")
}

/// A text in which every dollar is doubled is literal; a text of names resolves to their values.
pub fn substitution(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let doubled = text.replace('$', "$$");
    let literal = substitute(&doubled, unset);
    assert_eq!(literal, Ok(Substituted::Literal(text.to_owned())));
    let missing = substitute(text, unset);
    let found = substitute(text, set);
    match (&missing, &found) {
        (Err(one), Err(other)) => assert_eq!(one, other),
        (Ok(Substituted::Literal(one)), Ok(Substituted::Literal(other))) => assert_eq!(one, other),
        (Ok(Substituted::Missing(names)), Ok(Substituted::Resolved(_))) => assert!(!names.is_empty()),
        (Ok(Substituted::Resolved(_)), Ok(Substituted::Resolved(_))) => {}
        _ => panic!("{missing:?} but {found:?}"),
    }
}
