//! Real request lines against `docs/request-log.schema.json`, and the schema against what the lines may hold.

use std::collections::BTreeSet;

use aurora::metrics::{CallOutcome, HttpOutcome};
use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::logs::request_lines::raw_lines;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/request-log.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

fn object<'a>(value: &'a Value, member: &str) -> &'a Map<String, Value> {
    value[member].as_object().unwrap_or_else(|| panic!("{member} is no object"))
}

/// Rules that a field breaks. The keywords are those that the schema uses; any other is a fault of the schema.
fn broken(name: &str, rules: &Value, value: &Value) -> Vec<String> {
    let length = || value.as_str().map_or(0, |text| text.chars().count() as u64);
    let mut broken = Vec::new();
    for (keyword, rule) in rules.as_object().expect("rules") {
        let holds = match keyword.as_str() {
            "description" => true,
            "type" => match rule.as_str().expect("a type") {
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                "number" => value.is_number(),
                other => panic!("unknown type {other}"),
            },
            "enum" => rule.as_array().expect("a list").contains(value),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().expect("a text")).expect("a pattern");
                value.as_str().is_some_and(|text| pattern.is_match(text))
            }
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "maxLength" => length() <= rule.as_u64().expect("a number"),
            other => panic!("unknown keyword {other}"),
        };
        if !holds {
            broken.push(format!("{name}: {keyword} {rule} of {value}"));
        }
    }
    broken
}

/// Everything about a line that the schema does not allow.
fn faults(schema: &Value, line: &Value) -> Vec<String> {
    assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
    let properties = object(schema, "properties");
    let line = line.as_object().expect("an object");
    let mut faults = Vec::new();
    for name in schema["required"].as_array().expect("a list") {
        if !line.contains_key(name.as_str().expect("a name")) {
            faults.push(format!("{name} is missing"));
        }
    }
    for (name, value) in line {
        match properties.get(name) {
            Some(rules) => faults.extend(broken(name, rules, value)),
            None => faults.push(format!("{name} is unknown")),
        }
    }
    faults
}

#[test]
fn every_request_line_fits_the_schema_and_uses_all_of_it() {
    let schema = schema();
    let mut seen = BTreeSet::from(["stands_for".to_owned()]);
    let lines = raw_lines("all");
    assert_eq!(lines.len(), 14);
    for line in lines {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(faults(&schema, &line), [""; 0], "{line}");
        seen.extend(line.as_object().expect("an object").keys().cloned());
    }
    let described: BTreeSet<String> = object(&schema, "properties").keys().cloned().collect();
    assert_eq!(seen, described, "each property has its line; that of stands_for is in another test");
    assert_eq!(schema["properties"]["outcome"]["enum"], json!(CallOutcome::WORDS));
    assert_eq!(schema["properties"]["transfer"]["enum"], json!(HttpOutcome::WORDS));
}

#[test]
fn the_schema_refuses_what_is_no_request_line() {
    let schema = schema();
    let line = json!({
        "time": "2026-01-02T12:00:00.007Z", "level": "INFO", "msg": "request", "request_id": "r",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "endpoint": "/chat/completions", "status": 200,
        "outcome": "ok", "transfer": "ok", "duration_ms": 1.5, "stands_for": 2,
    });
    assert_eq!(faults(&schema, &line), [""; 0]);
    for (name, value, expected) in [
        ("stands_for", json!(1), "stands_for: minimum 2 of 1"),
        ("status", json!("200"), "status: type \"integer\" of \"200\""),
        ("outcome", json!("fine"), "outcome: enum"),
        ("trace_id", json!("4BF92F3577B34DA6A3CE929D0E0E4736"), "trace_id: pattern"),
        ("caller", json!("x".repeat(65)), "caller: maxLength 64"),
        ("prompt", json!("hello"), "prompt is unknown"),
    ] {
        let mut line = line.clone();
        line[name] = value;
        let faults = faults(&schema, &line);
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{faults:?}");
    }
    let mut without = line;
    without.as_object_mut().expect("an object").remove("trace_id");
    assert_eq!(faults(&schema, &without), ["\"trace_id\" is missing"]);
}
