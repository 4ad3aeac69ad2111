//! `docs/metrics.md`, generated from the tables that the exposition is made from.

use super::families::{FAMILIES, Family};
use super::vocabulary::words;

const HEAD: &str = "\
# Metrics

Generated from the family table of the binary; edit that, not this page. `aurora metrics list` prints the same with the
most series that each family can grow to.

Names, labels, types and bucket edges change in a minor release only, with a line in the CHANGELOG.

## Families

";

const NAMES: &str = "
## Label values

A value that a caller chooses becomes a label value only once it is admitted, so the number of series is bounded.
`provider` is the configured name. `model` is the name sent upstream: configured models count under their own name from the
start, other names once the upstream lists them or answers them with success; before that they count as `unknown`, and past
`metrics.max_models` as `other`. `status_code` is the upstream's status, `network_error` when there was none, `504` when
Aurora's patience ended, `499` when the caller left. `route` is the path of the route, `unmatched` for any other path.
`method` is the request's, `other` for an unusual one.

";

/// The whole page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| family | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for Family { name, kind, labels, help, .. } in FAMILIES {
        page.push_str(&format!("| `{name}` | {} | {} | {help} |\n", kind.name(), codes(labels)));
    }
    page.push_str("\n## Buckets\n\nUpper edges in seconds; each histogram also has `+Inf`.\n\n");
    page.push_str("| family | edges |\n| --- | --- |\n");
    for family in FAMILIES {
        if let Some(buckets) = family.buckets {
            let edges: Vec<String> = buckets.upper.iter().map(ToString::to_string).collect();
            page.push_str(&format!("| `{}` | {} |\n", family.name, edges.join(" ")));
        }
    }
    page.push_str(NAMES);
    page.push_str("| label | values | families |\n| --- | --- | --- |\n");
    for (label, values, families) in closed_sets() {
        page.push_str(&format!("| `{label}` | {} | {} |\n", codes(values), codes(&families)));
    }
    page
}

/// A label with the families in which it takes these values.
type ClosedSet = (&'static str, &'static [&'static str], Vec<&'static str>);

/// The labels whose values are all known, by name; a label that means different things is there as often.
fn closed_sets() -> Vec<ClosedSet> {
    let mut sets: Vec<ClosedSet> = Vec::new();
    for family in FAMILIES {
        for label in family.labels {
            let Some(words) = words(family, label) else { continue };
            match sets.iter_mut().find(|(known, values, _)| known == label && *values == words) {
                Some((.., families)) => families.push(family.name),
                None => sets.push((label, words, vec![family.name])),
            }
        }
    }
    sets.sort_by_key(|(label, ..)| *label);
    sets
}

fn codes(words: &[&str]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}
