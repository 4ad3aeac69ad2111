//! A resolver that never answers, in a mount namespace of its own: what waits for a name holds nobody else up.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use crate::aurora::Setup;
use crate::caller::{Caller, MASTER_KEY, key, request};

/// More than the threads that one runtime has for blocking work (512).
const NAMES: usize = 560;
/// Lookups that are under way at a time.
const LOOKUPS: usize = 64;

#[test]
fn a_scrape_answers_within_a_second_while_five_hundred_lookups_hang() {
    // glibc asks port 53 only: any loopback address that nobody else listens on will do.
    let silent = UdpSocket::bind("127.83.7.5:53").expect("root, and a free port 53");
    let mut text = format!(
        "server: {{workers: 1, master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true, max_models: 1000}}\nhttp: {{connect_timeout: 60s}}\n\
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
    let mut callers: Vec<Caller> = (0..NAMES).map(|_| aurora.caller()).collect();
    for (n, caller) in callers.iter_mut().enumerate() {
        let body = format!(r#"{{"model":"p{n}/m{n}"}}"#);
        caller.send(request(
            "POST",
            "/v1/chat/completions",
            &format!("{}content-type: application/json\r\n", key()),
            body,
        ));
    }
    // Every lookup that is begun has asked the resolver.
    silent.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut asked = std::collections::HashSet::new();
    let mut packet = [0; 512];
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until
        && let Ok(length) = silent.recv(&mut packet)
    {
        // The name stands behind the header of 12 bytes and ends before type and class.
        asked.insert(packet[12..length.max(16) - 4].to_vec());
    }
    assert_eq!(asked.len(), LOOKUPS, "names that are being looked up");
    let waiting =
        |page: &str| page.lines().any(|line| line == format!("aurora_http_requests_in_flight {NAMES}"));
    assert!(waiting(&aurora.scrape()), "every request waits for its name");
    for _ in 0..3 {
        let asked = Instant::now();
        assert!(aurora.scrape().contains("aurora_build_info"));
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "a scrape took {took:?}");
        thread::sleep(Duration::from_millis(10));
    }
    drop(callers);
}
