//! Shape of `src/`: directions of imports between its folders and within `src/gateway/`, sizes of folders, visibility,
//! and the first words of doc comments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex_lite::Regex;

/// Folders and files at the top of `src/`, each with what it may import. `cli` is the edge, and `fuzzing`
/// is in no normal build: both may import everything.
pub(crate) const TOP: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("http1", &[]),
    ("config", &["api"]),
    ("table", &["terminal"]),
    ("terminal", &["config"]),
    ("logging", &["config", "panics", "terminal"]),
    ("panics", &["metrics"]),
    ("tls", &[]),
    ("version", &[]),
    ("metrics", &["api"]),
    ("providers", &["api", "config", "http1", "metrics", "tls"]),
    ("gateway", &["api", "config", "http1", "logging", "metrics", "panics", "providers", "tls", "version"]),
    ("probe", &["config", "metrics", "table", "terminal", "tls"]),
    ("watch", &["metrics", "panics", "probe", "terminal"]),
    ("demo", &["api"]),
];

/// Rooms of `src/gateway/`, from the socket down; a room may import those below it.
const GATEWAY: &[&str] =
    &["server", "handlers", "dispatch", "response", "observe", "state", "request", "http"];

/// Files beside the rooms that reach into them for fuzzing; no room may import them.
const ENTRIES: &[&str] = &["fuzzing"];

/// Paths that begin at the crate or at a parent module.
static PATHS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(crate|super)((?:::(?:super|\w+))+)").expect("a pattern"));

/// Most files at one level of a folder.
const ROOM_SIZE: usize = 10;

/// An import: the file, its line, and the path behind `crate::`.
struct Import {
    place: String,
    from: Vec<String>,
    to: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            source_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The module path of a file: `src/gateway/http/auth.rs` is `gateway`, `http`, `auth`.
fn module(file: &Path) -> Vec<String> {
    let below = file.strip_prefix(root()).unwrap().with_extension("");
    let mut path: Vec<String> =
        below.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
        path.pop();
    }
    path
}

/// Every path of a file that begins with `crate::` or `super::`, tests and comments aside.
fn imports(file: &Path) -> Vec<Import> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("\n#[cfg(test)]").next().unwrap();
    let from = module(file);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap();
        for captures in PATHS.captures_iter(code) {
            let mut to = if &captures[1] == "crate" { Vec::new() } else { from.clone() };
            if &captures[1] == "super" {
                to.pop();
            }
            for part in captures[2].split("::").skip(1) {
                if part == "super" {
                    to.pop();
                } else {
                    to.push(part.to_owned());
                }
            }
            let place = format!("{}:{}", file.strip_prefix(root()).unwrap().display(), index + 1);
            found.push(Import { place, from: from.clone(), to });
        }
    }
    found
}

fn all_imports() -> Vec<Import> {
    let mut files = Vec::new();
    source_files(&root(), &mut files);
    files.iter().flat_map(|file| imports(file)).collect()
}

#[test]
fn folders_depend_in_one_direction() {
    let mut wrong = Vec::new();
    for Import { place, from, to } in all_imports() {
        let (Some(from), Some(target)) = (from.first(), to.first()) else { continue };
        if from == "cli" || from == "fuzzing" || from == target {
            continue;
        }
        let allowed = TOP.iter().find(|(name, _)| name == from).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{from} is missing from the table"));
        let only_parser = from == "probe" && target == "metrics";
        if !allowed.contains(&target.as_str()) || only_parser && to.get(1).is_none_or(|it| it != "parser") {
            wrong.push(format!("{place}: {from} must not import {}", to.join("::")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn gateway_folders_depend_downwards() {
    let level = |room: &str| GATEWAY.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for Import { place, from, to } in all_imports() {
        let [first, room, ..] = from.as_slice() else { continue };
        let [target, other, ..] = to.as_slice() else { continue };
        if first != "gateway" || target != "gateway" {
            continue;
        }
        if ENTRIES.contains(&room.as_str()) {
            continue;
        }
        let (Some(here), Some(there)) = (level(room), level(other)) else {
            wrong.push(format!("{place}: {room} or {other} is no room of the gateway"));
            continue;
        };
        if there < here {
            wrong.push(format!("{place}: {room} is below {other} and must not import {}", to.join("::")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_folder_holds_at_most_ten_files() {
    let mut files = Vec::new();
    source_files(&root(), &mut files);
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    for folder in folders {
        let count = files.iter().filter(|file| file.parent() == Some(folder)).count();
        assert!(count <= ROOM_SIZE, "{} holds {count} files", folder.display());
    }
}

/// A row of the path in `lib.rs`: a file and its functions.
static ROW: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^//! \| `([\w/]+\.rs)` \| (`.+?`) \|").expect("a pattern"));

#[test]
fn every_function_on_the_path_of_a_request_is_in_its_file() {
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    let (mut functions, mut missing) = (0, Vec::new());
    for row in ROW.captures_iter(&text) {
        let source = fs::read_to_string(root().join(&row[1])).unwrap_or_default();
        for function in row[2].split(", ").map(|name| name.trim_matches('`')) {
            functions += 1;
            let definition = Regex::new(&format!(r"\bfn {function}[(<]")).unwrap();
            if !definition.is_match(&source) {
                missing.push(format!("{}: {function}", &row[1]));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(functions >= 40, "{functions}");
}

/// Most items in `src/` that are visible to a parent module or to a path.
const RESTRICTED_ITEMS: usize = 350;

/// Doc blocks in a thousand that may open with a question word.
const QUESTION_OPENINGS: usize = 30;

/// Visibility between private and `pub(crate)`.
static RESTRICTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bpub\((super|in [\w:]+)\)").expect("a pattern"));

/// Question words, which do not name the thing.
static QUESTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(What|Who|Whose|Whom|Where|Whether|How|Why|When|Which|Whatever|Whoever)\b")
        .expect("a pattern")
});

/// First lines of the doc blocks of a file.
fn doc_openings(text: &str) -> Vec<&str> {
    let marker = |line: &str| ["///", "//!"].into_iter().find(|marker| line.starts_with(marker));
    let mut openings = Vec::new();
    let mut before = None;
    for line in text.lines().map(str::trim_start) {
        let now = marker(line);
        if now.is_some() && now != before {
            openings.push(line[3..].trim_start());
        }
        before = now;
    }
    openings
}

fn all_sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    source_files(&root(), &mut files);
    let named = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(root()).unwrap().display().to_string(), text)
    };
    files.into_iter().map(named).collect()
}

#[test]
fn few_items_are_visible_to_their_parent_only() {
    let count: usize = all_sources().iter().map(|(_, text)| RESTRICTED.find_iter(text).count()).sum();
    assert!(count < RESTRICTED_ITEMS, "{count} items are pub(super) or pub(in …)");
}

#[test]
fn every_file_states_its_purpose() {
    let mut bare = Vec::new();
    for (name, text) in all_sources() {
        if !text.starts_with("//!") && !name.ends_with("tests.rs") {
            bare.push(name);
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn doc_blocks_open_with_the_thing_they_name() {
    let mut worst = Vec::new();
    let (mut blocks, mut questions) = (0, 0);
    for (name, text) in all_sources() {
        let openings = doc_openings(&text);
        let asking = openings.iter().filter(|opening| QUESTION.is_match(opening)).count();
        blocks += openings.len();
        questions += asking;
        worst.push((asking, name));
    }
    worst.sort_by(|one, other| other.cmp(one));
    worst.truncate(30);
    let share = 1000 * questions / blocks;
    assert!(share <= QUESTION_OPENINGS, "{questions} of {blocks} doc blocks, most of them in {worst:#?}");
}

#[test]
fn doc_openings_are_the_first_lines_of_blocks() {
    let text = "//! What.\n//! More.\n\n/// One\n/// two.\nfn f() {\n    /// Three.\n";
    assert_eq!(doc_openings(text), ["What.", "One", "Three."]);
    assert!(QUESTION.is_match("Whether it is.") && !QUESTION.is_match("Whole bodies."));
}
