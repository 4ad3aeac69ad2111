//! Properties of everything that reads foreign bytes, each a function of those bytes that panics where one does not
//! hold. `fuzz/` feeds them with generated input; a test replays the corpora that it found. Part of no normal build.

use crate::metrics::parser::{self, Exposition, Kind};

pub use crate::config::fuzzing::{configuration, dotenv, substitution};
pub use crate::gateway::fuzzing::{
    auth_header, client_http, form, json_members, request_body, sse_tap, upstream_response,
};
pub use crate::providers::fuzzing::upstream_http;

/// One property and the folder of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every property.
pub const TARGETS: [Target; 12] = [
    ("sse_tap", sse_tap),
    ("request_body", request_body),
    ("json_members", json_members),
    ("form", form),
    ("upstream_response", upstream_response),
    ("upstream_http", upstream_http),
    ("client_http", client_http),
    ("auth_header", auth_header),
    ("configuration", configuration),
    ("dotenv", dotenv),
    ("substitution", substitution),
    ("exposition", exposition),
];

/// An exposition that parses has the same contents when it is written anew.
pub fn exposition(data: &[u8]) {
    let Ok(first) = parser::parse(data) else { return };
    let text = written(&first);
    match parser::parse(text.as_bytes()) {
        Ok(second) => assert_eq!(contents(&first), contents(&second), "{text}"),
        Err(error) => panic!("{error} in {text}"),
    }
}

/// The text format of an exposition.
fn written(exposition: &Exposition) -> String {
    let mut text = String::new();
    for family in &exposition.families {
        if let Some(help) = &family.help {
            let help = help.replace('\\', r"\\").replace('\n', r"\n");
            text += &format!("# HELP {} {help}\n", family.name);
        }
        text += &format!("# TYPE {} {}\n", family.name, name_of(family.kind));
        for sample in &family.samples {
            match sample.timestamp {
                Some(timestamp) => text += &format!("{sample} {} {timestamp}\n", sample.value),
                None => text += &format!("{sample} {}\n", sample.value),
            }
        }
    }
    text
}

const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Untyped => "untyped",
    }
}

/// Everything but the numbers of the lines; values by their bits, as NaN equals nothing.
fn contents(exposition: &Exposition) -> Vec<String> {
    let mut lines = Vec::new();
    for family in &exposition.families {
        lines.push(format!("{} {:?} {:?}", family.name, family.kind, family.help));
        for sample in &family.samples {
            let value = if sample.value.is_nan() { f64::NAN } else { sample.value };
            lines.push(format!("{sample} {:x} {:?}", value.to_bits(), sample.timestamp));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            files.push((path.clone(), fs::read(path).unwrap()));
        }
        files
    }

    #[test]
    fn every_corpus_is_replayed() {
        for (target, property) in TARGETS {
            let inputs = corpus(target);
            assert!(inputs.len() >= 10, "{target}: {} inputs", inputs.len());
            for (path, input) in inputs {
                let holds = std::panic::catch_unwind(|| property(&input)).is_ok();
                assert!(holds, "{}", path.display());
            }
        }
    }

    #[test]
    fn every_target_has_its_program() {
        let manifest = include_str!("../fuzz/Cargo.toml");
        let programs: Vec<&str> =
            manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
        let targets = TARGETS.map(|(name, _)| name);
        assert_eq!(programs[1..], targets[..]);
    }
}
