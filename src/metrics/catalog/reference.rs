//! `docs/metrics.md`, generated from the tables that the exposition is made from.

use super::families::{FAMILIES, Family};
use super::vocabulary::words;
use super::worst_case::EXEMPLARS_SIZE;

const HEAD: &str = "\
# Metrics

Generated from the family table in the source; edit the table, not this page. `aurora metrics list` prints the same with the
maximum number of series of each family.

Names, labels, types and bucket edges change in a minor release only, with a line in the CHANGELOG.

## Families

A family is exposed once it has a series. Counters of few label values start at zero, so that `rate()` sees their first event;
histograms come with their first observation, families by client with `server.keys`, and the cost with configured prices. Over
replicas, counters and histograms can be summed, and so can gauges unless their meaning excludes it.

";

const BUCKETS: &str = "
## Buckets

Upper edges in the unit of the family; each histogram also has `+Inf`. OpenMetrics writes an edge of 1 as `1.0`, so never
match `le` literally.

";

const NAMES: &str = "
## Label values

A value that a client chooses becomes a label value only once it is admitted, so the number of series is bounded.

- `provider` is the configured name.
- `model` is the name sent upstream, without control characters and cut to 128 bytes. Configured models count under their own
  name from the start, others once the provider lists them or responds to them with success, the latter at most
  `metrics.max_unlisted_models` per provider; before that, and beyond that limit, they count as `unknown`. In
  `aurora_answers_total` it is the requested name: that of a configured route, else of the model.
- Beyond `metrics.max_models` (provider, model) pairs a model counts as `other`.
- If a family with the label `model` has `metrics.max_series` label sets, new ones are counted under the model `other`; if that
  would be new too, under the provider `other`. All other labels stay unchanged, so sums and error ratios stay exact.
  `aurora_metrics_label_overflow_total` counts each observation whose name one of these limits replaced, by family and reason.
  `aurora_metrics_label_sets` and `aurora_metrics_label_sets_limit` show how close a family is to its limit. Families without
  the label `model` are bounded by the configuration and have no limit.
- In `aurora_circuit_breaker_state` `model` is empty for the provider's own breaker, which counts failures to connect; that of a
  model counts its failed and missing responses, and is exposed from the start where the model is configured, otherwise once it
  is admitted and requested.
- `status_code` is the upstream's status, `network_error` when there was none, `504` after a timeout of Aurora, `503` when
  the breaker was open, `499` when the client disconnected. In the families of HTTP it is the status that the client received.
- `route` is the path of the route, `unmatched` for any other path.
- `caller` is the configured name of the key, `master` for the master key.
- `version`, `revision` and `rustc` describe the build, `hash` the configuration, `type` is the provider type, and `family` the
  name of a metric family.

These labels have only the values listed:

";

/// Text after the label values; `{bytes}` is the size of a series' exemplars.
const EXEMPLARS: &str = "
## Exemplars

With `metrics.exemplars` the buckets of `aurora_request_duration_seconds` and `aurora_time_to_first_token_seconds` each show the
trace, value and time of their latest request, in OpenMetrics only:

```text
aurora_request_duration_seconds_bucket{…,le=\"0.5\"} 7 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.412031482 1795785600.070
```

The request log has the same `trace_id` ([logs.md](logs.md#traces)). Prometheus stores exemplars if it runs with
`--enable-feature=exemplar-storage`; the latency panels of the dashboard show them.

A client may choose its trace id. The id is in the exemplar only, never in a label, so it adds no series. Each bucket keeps one
exemplar: {bytes} bytes for a series and worker, four times that for the models `unknown` and `other`. `aurora config check`
prints the maximum. If the setting is off, nothing is kept.
";

/// The page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| family | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n");
    for Family { name, kind, unit, labels, help, .. } in FAMILIES {
        let (kind, unit) = (kind.name(), if unit.is_empty() { "-" } else { unit });
        page.push_str(&format!("| `{name}` | {kind} | {unit} | {} | {help} |\n", codes(labels)));
    }
    page.push_str(BUCKETS);
    page.push_str("| family | unit | edges |\n| --- | --- | --- |\n");
    for Family { name, unit, buckets, .. } in FAMILIES {
        if let Some(buckets) = buckets {
            let edges: Vec<String> = buckets.upper.iter().map(ToString::to_string).collect();
            page.push_str(&format!("| `{name}` | {unit} | {} |\n", edges.join(" ")));
        }
    }
    page.push_str(NAMES);
    page.push_str("| label | values | families |\n| --- | --- | --- |\n");
    for (label, values, families) in closed_sets() {
        page.push_str(&format!("| `{label}` | {} | {} |\n", codes(values), codes(&families)));
    }
    page + &EXEMPLARS.replace("{bytes}", &EXEMPLARS_SIZE.to_string())
}

/// A label with the families in which it takes these values.
type ClosedSet = (&'static str, &'static [&'static str], Vec<&'static str>);

/// Labels with a closed set of values, by name; a label with several sets has a row for each.
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

/// Words without duplicates: `audio` is a kind of input and of output tokens.
fn codes(words: &[&str]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    let first = |(place, word): &(usize, &&str)| !words[..*place].contains(word);
    let codes = words.iter().enumerate().filter(first).map(|(_, word)| format!("`{word}`"));
    codes.collect::<Vec<_>>().join(" ")
}
