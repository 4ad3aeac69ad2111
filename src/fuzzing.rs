//! Properties of everything that reads foreign bytes, each a function of those bytes that panics where one does not
//! hold. `fuzz/` feeds them with generated input; a test replays the corpora that it found. Part of no normal build.

use crate::metrics::parser::{self, Exposition, Kind, escape_label_value};

pub use crate::config::fuzzing::{configuration, dotenv, substitution};
pub use crate::gateway::fuzzing::{auth_header, form, request_body, sse_tap, upstream_response};

/// One property and the folder of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every property.
pub const TARGETS: [Target; 9] = [
    ("sse_tap", sse_tap),
    ("request_body", request_body),
    ("form", form),
    ("upstream_response", upstream_response),
    ("auth_header", auth_header),
    ("configuration", configuration),
    ("dotenv", dotenv),
    ("substitution", substitution),
    ("exposition", exposition),
];

/// An exposition that parses says the same when it is written anew.
pub fn exposition(data: &[u8]) {
    let Ok(first) = parser::parse(data) else { return };
    let text = written(&first);
    let second = parser::parse(text.as_bytes());
    let second = second.unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(said(&first), said(&second), "{text}");
}

/// The text format of an exposition.
fn written(exposition: &Exposition) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments| {
        assert_eq!(writeln!(text, "{arguments}"), Ok(()), "writing to a string cannot fail");
    };
    for family in &exposition.families {
        if let Some(help) = &family.help {
            let help = help.replace('\\', r"\\").replace('\n', r"\n");
            line(format_args!("# HELP {} {help}", family.name));
        }
        line(format_args!("# TYPE {} {}", family.name, name_of(family.kind)));
        for sample in &family.samples {
            match sample.timestamp {
                Some(timestamp) => line(format_args!("{sample} {} {timestamp}", sample.value)),
                None => line(format_args!("{sample} {}", sample.value)),
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
fn said(exposition: &Exposition) -> Vec<String> {
    let families = exposition.families.iter().flat_map(|family| {
        let head = format!("{} {:?} {:?}", family.name, family.kind, family.help);
        let samples = family.samples.iter().map(|sample| {
            let labels: Vec<_> =
                sample.labels.iter().map(|(name, value)| (name, escape_label_value(value))).collect();
            let value = if sample.value.is_nan() { f64::NAN } else { sample.value };
            format!("{} {labels:?} {:x} {:?}", sample.name, value.to_bits(), sample.timestamp)
        });
        std::iter::once(head).chain(samples).collect::<Vec<_>>()
    });
    families.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
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
        let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(programs[1..], targets[..]);
    }
}
