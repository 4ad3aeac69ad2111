//! Every route as a client meets it: its methods, its lock, where it leads, what it is called in metrics.

use aurora::api::Endpoint;
use aurora::api::paths::{PREFIXES, is_below};
use aurora::config::PROVIDER_TYPES;
use aurora::gateway::route_table;

use crate::support::aurora::Aurora;
use crate::support::client::{key, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::refusal;
use crate::support::upstream::{Upstream, json};

/// Key that a route requires.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lock {
    Open,
    Key,
    MetricsKey,
}

/// One row.
pub(crate) struct Route {
    pub(crate) template: &'static str,
    /// As `Allow` has them.
    allow: &'static str,
    /// A path of it.
    path: &'static str,
    pub(crate) lock: Lock,
    /// Request to the provider; empty where there is none.
    pub(crate) endpoint: &'static str,
}

const fn row(
    template: &'static str,
    allow: &'static str,
    path: &'static str,
    lock: Lock,
    endpoint: &'static str,
) -> Route {
    Route { template, allow, path, lock, endpoint }
}

/// Endings of the paths that take a form.
const FORMS: [&str; 4] = ["transcriptions", "translations", "/edits", "/variations"];

const ANY: &str = "GET,HEAD,POST,PUT,PATCH,DELETE";

/// Every route but the one for whatever no other is for.
#[rustfmt::skip]
pub(crate) const ROUTES: [Route; 55] = [
    row("/metrics", "GET,HEAD", "/metrics", Lock::MetricsKey, ""),
    row("/v1/chat/completions", "POST", "/v1/chat/completions", Lock::Key, "/chat/completions"),
    row("/v1/completions", "POST", "/v1/completions", Lock::Key, "/completions"),
    row("/v1/responses", "POST", "/v1/responses", Lock::Key, "/responses"),
    row("/v1/responses/{id}", "GET,DELETE", "/v1/responses/resp_1", Lock::Key, "/responses/{id}"),
    row("/v1/responses/{id}/cancel", "POST", "/v1/responses/resp_1/cancel", Lock::Key, "/responses/{id}"),
    row("/v1/responses/{id}/input_items", "GET", "/v1/responses/resp_1/input_items", Lock::Key, "/responses/{id}"),
    row("/v1/responses/input_tokens", "POST", "/v1/responses/input_tokens", Lock::Key, "/responses/input_tokens"),
    row("/v1/responses/compact", "POST", "/v1/responses/compact", Lock::Key, "/responses/compact"),
    row("/v1/conversations", "POST", "/v1/conversations", Lock::Key, "/conversations"),
    row("/v1/conversations/{id}", "GET,POST,DELETE", "/v1/conversations/conv_1", Lock::Key, "/conversations/{id}"),
    row("/v1/conversations/{id}/items", "GET,POST", "/v1/conversations/conv_1/items", Lock::Key, "/conversations/{id}"),
    row("/v1/conversations/{id}/items/{item_id}", "GET,DELETE", "/v1/conversations/conv_1/items/msg_1", Lock::Key, "/conversations/{id}"),
    row("/v1/embeddings", "POST", "/v1/embeddings", Lock::Key, "/embeddings"),
    row("/v1/rerank", "POST", "/v1/rerank", Lock::Key, "/rerank"),
    row("/v1/messages", "POST", "/v1/messages", Lock::Key, "/messages"),
    row("/v1/messages/count_tokens", "POST", "/v1/messages/count_tokens", Lock::Key, "/messages/count_tokens"),
    row("/v1/messages/batches", "GET,POST", "/v1/messages/batches", Lock::Key, "/messages/batches"),
    row("/v1/messages/batches/{id}", "GET,DELETE", "/v1/messages/batches/msgbatch_1", Lock::Key, "/messages/batches/{id}"),
    row("/v1/messages/batches/{id}/cancel", "POST", "/v1/messages/batches/msgbatch_1/cancel", Lock::Key, "/messages/batches/{id}"),
    row("/v1/messages/batches/{id}/results", "GET", "/v1/messages/batches/msgbatch_1/results", Lock::Key, "/messages/batches/{id}"),
    row("/v1/moderations", "POST", "/v1/moderations", Lock::Key, "/moderations"),
    row("/v1/images/generations", "POST", "/v1/images/generations", Lock::Key, "/images/generations"),
    row("/v1/images/edits", "POST", "/v1/images/edits", Lock::Key, "/images/edits"),
    row("/v1/images/variations", "POST", "/v1/images/variations", Lock::Key, "/images/variations"),
    row("/v1/audio/speech", "POST", "/v1/audio/speech", Lock::Key, "/audio/speech"),
    row("/v1/audio/transcriptions", "POST", "/v1/audio/transcriptions", Lock::Key, "/audio/transcriptions"),
    row("/v1/audio/translations", "POST", "/v1/audio/translations", Lock::Key, "/audio/translations"),
    row("/v1/files", "GET,POST", "/v1/files", Lock::Key, "/files"),
    row("/v1/files/{id}", "GET,DELETE", "/v1/files/file-1", Lock::Key, "/files/{id}"),
    row("/v1/files/{id}/content", "GET", "/v1/files/file-1/content", Lock::Key, "/files/{id}"),
    row("/v1/uploads", "POST", "/v1/uploads", Lock::Key, "/uploads"),
    row("/v1/uploads/{id}/parts", "POST", "/v1/uploads/upload_1/parts", Lock::Key, "/uploads/{id}"),
    row("/v1/uploads/{id}/complete", "POST", "/v1/uploads/upload_1/complete", Lock::Key, "/uploads/{id}"),
    row("/v1/uploads/{id}/cancel", "POST", "/v1/uploads/upload_1/cancel", Lock::Key, "/uploads/{id}"),
    row("/v1/vector_stores", "GET,POST", "/v1/vector_stores", Lock::Key, "/vector_stores"),
    row("/v1/vector_stores/{id}", "GET,POST,DELETE", "/v1/vector_stores/vs_1", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/search", "POST", "/v1/vector_stores/vs_1/search", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/files", "GET,POST", "/v1/vector_stores/vs_1/files", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/files/{file_id}", "GET,POST,DELETE", "/v1/vector_stores/vs_1/files/file-1", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/files/{file_id}/content", "GET", "/v1/vector_stores/vs_1/files/file-1/content", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/file_batches", "POST", "/v1/vector_stores/vs_1/file_batches", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/file_batches/{batch_id}", "GET", "/v1/vector_stores/vs_1/file_batches/b_1", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/file_batches/{batch_id}/cancel", "POST", "/v1/vector_stores/vs_1/file_batches/b_1/cancel", Lock::Key, "/vector_stores/{id}"),
    row("/v1/vector_stores/{id}/file_batches/{batch_id}/files", "GET", "/v1/vector_stores/vs_1/file_batches/b_1/files", Lock::Key, "/vector_stores/{id}"),
    row("/v1/batches", "GET,POST", "/v1/batches", Lock::Key, "/batches"),
    row("/v1/batches/{id}", "GET", "/v1/batches/batch_1", Lock::Key, "/batches/{id}"),
    row("/v1/batches/{id}/cancel", "POST", "/v1/batches/batch_1/cancel", Lock::Key, "/batches/{id}"),
    row("/v1/models", "GET,HEAD", "/v1/models", Lock::Key, ""),
    row("/v1/models/{id}", "GET,HEAD", "/v1/models/up/m", Lock::Key, ""),
    row("/openai/deployments/{model}/{rest}", "POST", "/openai/deployments/m/chat/completions", Lock::Key, "/chat/completions"),
    row("/p/{provider}/{rest}", ANY, "/p/up/v1/fine_tuning/jobs", Lock::Key, "other"),
    row("/", "GET,HEAD", "/", Lock::Open, ""),
    row("/health", "GET,HEAD", "/health", Lock::Open, ""),
    row("/health/ready", "GET,HEAD", "/health/ready", Lock::Open, ""),
];

impl Route {
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.allow.split(',')
    }

    /// The first of its methods.
    pub(crate) fn method(&self) -> &'static str {
        self.methods().next().expect("a method")
    }

    /// A request that it serves; `headers` are lines with their ends.
    pub(crate) fn request(&self, method: &str, headers: &str) -> Vec<u8> {
        self.request_to(method, self.path, headers)
    }

    /// The path at which the provider is called.
    fn upstream_path(&self) -> String {
        let deployed =
            self.path.strip_prefix("/openai/deployments/m").map(|endpoint| format!("/v1{endpoint}"));
        deployed.unwrap_or_else(|| self.path.strip_prefix("/p/up").unwrap_or(self.path).to_owned())
    }

    fn request_to(&self, method: &str, path: &str, headers: &str) -> Vec<u8> {
        let form = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--\r\n";
        let (kind, body) = match method {
            "POST" if FORMS.iter().any(|form| self.template.ends_with(form)) => {
                ("multipart/form-data; boundary=x", form)
            }
            "POST" => ("application/json", r#"{"model":"m"}"#),
            _ => ("text/plain", ""),
        };
        request(method, path, &format!("{headers}content-type: {kind}\r\n"), body)
    }
}

/// A provider that has something for every route.
pub(crate) fn upstream() -> Upstream {
    let mut upstream = Upstream::start().on("m", json("{}"));
    for route in &ROUTES {
        upstream = upstream.on(&route.upstream_path(), json("{}"));
    }
    upstream
}

#[test]
fn the_table_has_every_route() {
    let expected: Vec<_> = ROUTES.iter().skip(1).map(|route| (route.template, route.allow)).collect();
    assert_eq!(route_table().collect::<Vec<_>>(), expected);
}

#[test]
fn every_route_is_below_a_prefix_that_the_metrics_endpoint_may_not_have() {
    // The root is no metrics endpoint either.
    for (template, _) in route_table().filter(|(template, _)| *template != "/") {
        assert!(PREFIXES.iter().any(|prefix| is_below(template, prefix)), "{template}");
    }
    for prefix in PREFIXES {
        assert!(route_table().any(|(template, _)| is_below(template, prefix)), "{prefix} has no route");
    }
}

#[test]
fn every_endpoint_is_routed_labelled_and_documented() {
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path);
    let [page, metrics] = ["docs/endpoints.md", "docs/metrics.md"].map(read);
    let label = metrics.lines().find(|line| line.starts_with("| `endpoint` |")).expect("the label's values");
    let routes: Vec<_> = route_table().collect();
    for endpoint in Endpoint::ALL {
        let name = endpoint.as_str();
        assert!(label.contains(&format!(" `{name}` ")), "{name} is no documented label");
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let is_passed_through = matches!(endpoint, Endpoint::Models | Endpoint::Other);
        assert_eq!(
            (row.is_none(), endpoint.paths().count() == 0),
            (is_passed_through, is_passed_through),
            "{name}"
        );
        for at in endpoint.paths() {
            let path = format!("/v1{}", at.path);
            assert!(routes.contains(&(path.as_str(), at.methods)), "{path} has no route");
            let shown = format!("{} `{path}`", at.methods.replace(',', ", "));
            assert!(row.expect("a row").contains(&shown), "{path} is not documented");
        }
        if let Some(row) = row {
            let types = PROVIDER_TYPES.iter().filter(|row| row.supports.contains(endpoint));
            for kind in types {
                assert!(row.contains(&format!(" `{}` ", kind.name)), "{name}: {}", kind.name);
            }
        }
    }
}

fn status(aurora: &Aurora, method: &str, request: Vec<u8>) -> u16 {
    let mut client = aurora.client();
    client.send(request);
    if method == "HEAD" { client.head().status } else { client.response().status }
}

#[test]
fn every_route_serves_its_methods_and_is_counted_by_name() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let (mut routes, mut endpoints) = (Vec::new(), std::collections::BTreeMap::<_, usize>::new());
    let mut dialled = Vec::new();
    for route in &ROUTES {
        for method in route.methods() {
            let what = format!("{method} {}", route.path);
            let open = status(&aurora, method, route.request(method, ""));
            assert_eq!(open, if route.lock == Lock::Open { 200 } else { 401 }, "{what}");
            assert_eq!(status(&aurora, method, route.request(method, &key())), 200, "{what}");
            if !route.endpoint.is_empty() {
                dialled.push(format!("{method} {} HTTP/1.1", route.upstream_path()));
                *endpoints.entry(route.endpoint).or_default() += 1;
            }
            if route.lock == Lock::Key {
                routes.push(format!("{} {method} 200 ok 1", route.template));
                routes.push(format!("{} {method} 401 ok 1", route.template));
            }
        }
    }
    let calls = upstream.calls();
    let heads: Vec<&str> = calls.iter().filter_map(|call| call.head.lines().next()).collect();
    assert_eq!(heads, dialled);
    let counted = aurora.counts("aurora_http_requests_total");
    let mut counted: Vec<_> = counted.into_iter().filter(|line| !line.starts_with("/metrics ")).collect();
    counted.sort_unstable();
    routes.sort_unstable();
    assert_eq!(counted, routes);
    let mut by_endpoint = std::collections::BTreeMap::<_, usize>::new();
    for line in aurora.counts("aurora_requests_total") {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[0], words[3], words[4]), ("up", "200", "success"), "{line}");
        *by_endpoint.entry(words[2].to_owned()).or_default() += words[6].parse::<usize>().expect("a count");
    }
    let expected = endpoints.iter().map(|(endpoint, count)| ((*endpoint).to_owned(), *count)).collect();
    assert_eq!(by_endpoint, expected);
    let responses = aurora.counts("aurora_answers_total");
    let answered: usize =
        responses.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(
        (answered, responses.iter().all(|line| line.contains(" ok "))),
        (dialled.len(), true),
        "{responses:?}"
    );
}

#[test]
fn every_route_refuses_other_methods_with_allow() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"];
    for route in &ROUTES {
        for method in methods.into_iter().filter(|method| !route.methods().any(|own| own == *method)) {
            let mut client = aurora.client();
            client.send(request(method, route.path, "origin: http://x\r\n", ""));
            let response = if method == "HEAD" { client.head() } else { client.response() };
            let what = format!("{method} {}", route.path);
            assert_eq!((response.status, response.header("allow")), (405, Some(route.allow)), "{what}");
            assert!(!response.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{what}");
            if method != "HEAD" {
                let message = format!("Method not allowed; allowed: {}.", route.allow.replace(',', ", "));
                assert_eq!(response.text(), refusal(&message, "", "method_not_allowed"), "{what}");
            }
        }
    }
    assert_eq!(upstream.calls().len(), 0);
    let counted = aurora.counts("aurora_http_requests_total");
    let files: Vec<&str> = counted.iter().filter_map(|line| line.strip_prefix("/v1/files/{id} ")).collect();
    assert_eq!(
        files,
        [
            "HEAD 405 ok 1",
            "OPTIONS 405 ok 1",
            "PATCH 405 ok 1",
            "POST 405 ok 1",
            "PUT 405 ok 1",
            "other 405 ok 3"
        ]
    );
}

#[test]
fn alternative_spellings_of_a_route_are_404() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    // The id of a model holds a slash, which SDKs write as `%2F`, and what passes through is the provider's to judge.
    let plain = |route: &&Route| !["/", "/v1/models/{id}", "/p/{provider}/{rest}"].contains(&route.template);
    for route in ROUTES.iter().filter(plain) {
        let path = route.path;
        let last = path.rfind('/').expect("a slash");
        let (parent, name) = path.split_at(last);
        let aliases = [
            format!("/{path}"),
            format!("{parent}/{name}"),
            format!("/x/..{path}"),
            format!("/.{path}"),
            format!("{parent}/x/..{name}"),
            format!("{parent}/.{name}"),
            format!("{parent}%2F{}", &name[1..]),
            format!("{parent}%2f{}", &name[1..]),
            format!("%2F{}", &path[1..]),
            path.to_ascii_uppercase(),
            format!("{path}//"),
            format!("{path}/."),
            format!("{path}/.."),
            format!("{path}%00"),
            format!("{path};a"),
        ];
        for alias in aliases {
            // Without a key nothing is to be had, and with one at most another route's refusal.
            let open = aurora.send(route.request_to(route.method(), &alias, "")).status;
            assert!(matches!(open, 400 | 401 | 404 | 405), "{alias}: {open}");
            let status = aurora.send(route.request_to(route.method(), &alias, &key())).status;
            assert!(matches!(status, 400 | 404 | 405), "{alias}: {status}");
        }
    }
    assert_eq!(upstream.calls().len(), 0);
}
