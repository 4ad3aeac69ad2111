//! Rolling restarts behind a real nginx lose no request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::real_software::nginx::Nginx;
use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat_of};
use crate::support::exposition::yaml;
use crate::support::fixtures::OK;
use crate::support::servers::free_port;
use crate::support::upstream::{Upstream, json};

const REPLICAS: usize = 3;
const CLIENTS: usize = 8;
/// From one restart to the next. nginx skips a server that refused a connection for a second and up to two more, because it
/// counts whole seconds: with this, one of three is always in use, however long a restart takes.
const APART: Duration = Duration::from_secs(3);

fn replica(upstream: &Upstream, port: u16) -> Aurora {
    let setup = Setup::bare().variable("LOG_FORMAT", "json").yaml(&yaml(upstream, "", ""));
    setup.arguments(&["serve", "--host", "127.0.0.1", "--port", &port.to_string()]).start()
}

/// Sends chats one after the other, each on a kept connection as long as nginx keeps it; returns how many were answered.
fn load(nginx: SocketAddr, enough: &AtomicBool) -> usize {
    let mut served = 0;
    let mut client = Client::connect(nginx);
    while !enough.load(Ordering::SeqCst) {
        client.send(chat_of("m", false));
        let response = client.response();
        assert_eq!(response.status_and_text(), (200, OK), "after {served}");
        served += 1;
        if response.header("connection") == Some("close") {
            client = Client::connect(nginx);
        }
        thread::sleep(Duration::from_millis(10));
    }
    served
}

/// Restarts each replica in turn while clients send requests through nginx.
fn restart_all(upstream_lines: &str, location_lines: &str) {
    let upstream = Upstream::start().on("m", json(OK));
    let mut replicas: Vec<Aurora> = (0..REPLICAS).map(|_| replica(&upstream, free_port())).collect();
    let nginx = {
        let all: Vec<&Aurora> = replicas.iter().collect();
        let location = format!("location / {{\nproxy_pass http://aurora:8080;\n{location_lines}\n}}");
        Nginx::with_upstream(&location, upstream_lines, &all)
    };
    let enough = AtomicBool::new(false);
    let served: usize = thread::scope(|scope| {
        let loads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load(nginx.address, &enough))).collect();
        upstream.received("m", 200);
        for place in 0..REPLICAS {
            let begun = Instant::now();
            let old = replicas.remove(place);
            let port = old.address.port();
            let (status, log) = old.stop();
            assert_eq!(status.code(), Some(0));
            assert!(log.last().expect("lines").contains(r#""msg":"stopped","cut":0"#), "{log:#?}");
            replicas.insert(place, replica(&upstream, port));
            thread::sleep(APART.saturating_sub(begun.elapsed()));
            upstream.received("m", upstream.calls().len() + 200);
        }
        enough.store(true, Ordering::SeqCst);
        loads.into_iter().map(|load| load.join().expect("every request was answered")).sum()
    });
    assert_eq!(upstream.calls().len(), served);
}

#[test]
fn a_rolling_restart_behind_nginx_that_keeps_connections_loses_nothing() {
    restart_all("keepalive 32;", "proxy_http_version 1.1;\nproxy_set_header Connection \"\";");
}

#[test]
fn a_rolling_restart_behind_nginx_that_keeps_none_loses_nothing() {
    restart_all("", "");
}
