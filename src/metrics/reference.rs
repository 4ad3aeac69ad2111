//! `docs/metrics.md`, generated from the tables that the exposition is made from.

use super::families::{FAMILIES, Family};
use super::labels::{
    Answer, AuthFailure, DisconnectStage, Endpoint, HttpOutcome, Phase, StatusType, Stream, Surface,
    TokenKind,
};

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
    page.push_str("| label | family | values |\n| --- | --- | --- |\n");
    for (label, family, values) in closed_sets() {
        page.push_str(&format!("| `{label}` | {family} | {} |\n", codes(&values)));
    }
    page
}

/// The labels whose values are all known, where they mean different things with the family they belong to.
fn closed_sets() -> [(&'static str, &'static str, Vec<&'static str>); 12] {
    macro_rules! words {
        ($set:ty) => {
            <$set>::ALL.iter().map(|value| value.as_str()).collect()
        };
    }
    let mut directions: Vec<&str> = TokenKind::ALL.iter().map(|kind| kind.direction()).collect();
    directions.dedup();
    let mut kinds: Vec<&str> = words!(TokenKind);
    kinds.sort_unstable();
    kinds.dedup();
    [
        ("endpoint", "every one", words!(Endpoint)),
        ("stream", "every one; `unknown` only in the phase `decode`", words!(Stream)),
        ("status_type", "every one", words!(StatusType)),
        ("outcome", "`aurora_answers_total`", words!(Answer)),
        ("outcome", "`aurora_http_requests_total`", words!(HttpOutcome)),
        ("phase", "every one", words!(Phase)),
        ("status", "`aurora_gateway_phase_duration_seconds`", vec!["success", "error"]),
        ("stage", "`aurora_client_disconnects_total`", words!(DisconnectStage)),
        ("surface", "`aurora_auth_failures_total`", words!(Surface)),
        ("reason", "`aurora_auth_failures_total`", words!(AuthFailure)),
        ("direction", "`aurora_tokens_total`", directions),
        ("kind", "`aurora_tokens_total`", kinds),
    ]
}

fn codes(words: &[&str]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}
