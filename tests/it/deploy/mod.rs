//! The files of `deploy/`: they name what exists, and their numbers fit Aurora's settings. `scripts/check-deploy` has the
//! tools that read them.

pub(crate) mod names;
pub(crate) mod numbers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every file below `deploy/`, and the page about them: the path from the root and the text.
fn files() -> Vec<(String, String)> {
    let mut paths = vec![Path::new(ROOT).join("docs/deployment.md")];
    let mut folders = vec![Path::new(ROOT).join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(ROOT).expect("below the root").to_str().expect("UTF-8").to_owned();
        (name, fs::read_to_string(path).expect("UTF-8"))
    };
    paths.into_iter().map(read).collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The container of the Deployment.
fn container() -> Value {
    yaml("deploy/kubernetes/base/deployment.yaml")["spec"]["template"]["spec"]["containers"][0].clone()
}

/// The service of Compose that runs Aurora.
fn compose_service() -> Value {
    yaml("deploy/docker/compose.yaml")["services"]["aurora"].clone()
}

/// The strings of a list, or of the values of a map.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Object(map) => map.values().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
