//! Ambiguous requests through a real nginx: what it takes for one request, Aurora takes for the same one.

use std::path::Path;

use tempfile::TempDir;

use crate::real_software::nginx::Nginx;
use crate::requests::http_surface::start;
use crate::requests::raw::{conversation, counted, rows, settled, statuses};
use crate::support::client::Client;

/// nginx as permissive as it can be: whatever it passes on, it passes as it came.
const LOCATION: &str = "
    ignore_invalid_headers off;
    underscores_in_headers on;
    large_client_header_buffers 4 128k;
    location / {
        proxy_pass http://aurora:8080;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_next_upstream off;
        proxy_request_buffering BUFFERING;
        proxy_pass_request_headers on;
    }";

/// Requests in the logs: all of them, and those that nginx passed on.
fn logged(folder: &Path) -> (u64, u64) {
    let lines = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        text.lines().count() as u64
    };
    (lines("all.log"), lines("passed.log"))
}

fn nothing_is_answered_that_nginx_did_not_count(buffering: &str) {
    let (upstream, aurora) = start();
    let folder = TempDir::new().expect("a temporary folder");
    let log = |name: &str, when: &str| {
        format!("access_log {} combined {when};\n", folder.path().join(name).display())
    };
    let logs = log("all.log", "") + &log("passed.log", "if=$upstream_status");
    let nginx = Nginx::start(&(logs + &LOCATION.replace("BUFFERING", buffering)), &aurora);
    // Ends the connection and is passed on like any other request.
    let last = b"GET /nowhere HTTP/1.1\r\nhost: aurora\r\nconnection: close\r\n\r\n";
    let mut faults = Vec::new();
    for row in rows(&["smuggling", "heads", "targets"]) {
        let (before, hits_before, (all_before, passed_before)) =
            (counted(&aurora), upstream.calls().len(), logged(folder.path()));
        let received = conversation(Client::connect(nginx.address), &[&row.bytes[..], last].concat());
        let Some(received) = received else {
            faults.push(format!("{}: the connection stays open", row.name));
            continue;
        };
        // Both count once the response is sent.
        let responses = statuses(&received).len() as u64;
        let seen = || {
            let (all, passed) = logged(folder.path());
            (all - all_before, passed - passed_before, counted(&aurora) - before)
        };
        settled(&true, || {
            let (all, passed, counted) = seen();
            passed == counted && all >= responses.max(1)
        });
        let (all, passed, counted) = seen();
        let hits = (upstream.calls().len() - hits_before) as u64;
        if counted != passed || hits > passed || responses > all {
            faults.push(format!(
                "{}: {responses} answers, nginx logged {all} and passed {passed}, {counted} counted, {hits} hits",
                row.name
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn requests_behind_nginx_are_never_smuggled() {
    nothing_is_answered_that_nginx_did_not_count("on");
}

#[test]
fn requests_behind_unbuffered_nginx_are_never_smuggled() {
    nothing_is_answered_that_nginx_did_not_count("off");
}
