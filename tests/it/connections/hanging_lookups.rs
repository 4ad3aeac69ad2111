//! A resolver that never responds, in a mount namespace of its own: lookups delay no other request.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::aurora::{MARGIN, Setup, WAIT_LIMIT};
use crate::support::client::{Client, chat, key, request};
use crate::support::fixtures::MASTER_KEY;

/// More than the threads that one runtime has for blocking work (512).
const NAMES: usize = 560;
/// Lookups that are under way at a time.
const LOOKUPS: usize = 64;

#[test]
fn metrics_respond_within_a_second_while_five_hundred_lookups_hang() {
    // glibc uses port 53 only: any loopback address without a listener will do.
    let silent = UdpSocket::bind("127.83.7.5:53").expect("root, and a free port 53");
    let mut text = format!(
        "server: {{workers: 1, master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true, max_models: 1000, max_series: 100}}\nhttp: {{connect_timeout: 60s}}\n\
         resilience: {{circuit_breaker: {{failure_threshold: 0}}}}\nproviders:\n"
    );
    for n in 0..NAMES {
        text += &format!(
            "  p{n}: {{type: openai_compatible, base_url: \"http://host-{n}.test/v1\", models: [m{n}]}}\n"
        );
    }
    let aurora = Setup::new()
        .yaml(&text)
        .file(
            "resolv.conf",
            &format!("nameserver {}\noptions timeout:30 attempts:5\n", silent.local_addr().unwrap().ip()),
        )
        .shell("mount --bind \"$PWD/resolv.conf\" /etc/resolv.conf")
        .unshared()
        .start();
    let mut clients: Vec<Client> = (0..NAMES).map(|_| aurora.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let body = format!(r#"{{"model":"p{n}/m{n}"}}"#);
        client.send(request(
            "POST",
            "/v1/chat/completions",
            &format!("{}content-type: application/json\r\n", key()),
            body,
        ));
    }
    // Every lookup that has begun has reached the resolver.
    silent.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut sent = std::collections::HashSet::new();
    let mut packet = [0; 512];
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until
        && let Ok(length) = silent.recv(&mut packet)
    {
        // The name stands behind the header of 12 bytes and ends before type and class.
        sent.insert(packet[12..length.max(16) - 4].to_vec());
    }
    assert_eq!(sent.len(), LOOKUPS, "names that are being looked up");
    let in_flight = format!("\naurora_http_requests_in_flight {NAMES}\n");
    let until = Instant::now() + WAIT_LIMIT;
    while !aurora.scrape().contains(&in_flight) {
        assert!(Instant::now() < until, "not all requests are in flight");
    }
    // Large enough to be parsed off the worker.
    let large = format!(r#"{{"model":1,"user":"{}"}}"#, "x".repeat(300 << 10));
    let refused = within_a_second("a large body", || aurora.send(chat(&large)));
    assert_eq!(refused.status, 400, "{}", refused.text());
    within_a_second("a scrape", || aurora.scrape());
    drop(clients);
}

#[test]
fn commands_end_at_their_timeout_while_a_lookup_hangs() {
    let silent = UdpSocket::bind("127.83.7.6:53").expect("root, and a free port 53");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let resolver =
        format!("nameserver {}\noptions timeout:30 attempts:5\n", silent.local_addr().unwrap().ip());
    std::fs::write(folder.path().join("resolv.conf"), resolver).expect("a file");
    for (arguments, host) in [
        ("metrics probe http://host.test --timeout 1s", ""),
        ("metrics watch http://host.test --timeout 1s --interval 1s --count 1", ""),
        ("health", "host.test"),
    ] {
        let binary = env!("CARGO_BIN_EXE_aurora");
        let line = format!("mount --bind resolv.conf /etc/resolv.conf && exec {binary} {arguments}");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &line]).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("AURORA_HOST", host).current_dir(folder.path());
        let begun = Instant::now();
        let output = command.output().expect("unshare runs");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{arguments}: {printed}");
        assert!(printed.contains("no response from host.test:"), "{arguments}: {printed}");
        // A lookup takes 150 s.
        assert!(begun.elapsed() < WAIT_LIMIT, "{arguments}: {:?}", begun.elapsed());
    }
}

/// The fastest of three: the machine may be busy with other tests, and what waits for a lookup takes a minute.
fn within_a_second<T>(what: &str, work: impl Fn() -> T) -> T {
    let timed = || {
        let begun = Instant::now();
        let done = work();
        (begun.elapsed(), done)
    };
    let (took, done) = [timed(), timed(), timed()].into_iter().min_by_key(|(took, _)| *took).unwrap();
    assert!(took < Duration::from_secs(1) + MARGIN, "{what} took {took:?}");
    done
}
