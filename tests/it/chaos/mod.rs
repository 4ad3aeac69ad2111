//! Chaos with books: a provider that fails in every way, clients that disconnect at every stage, a scrape ten times a
//! second and a reload with rotated keys every second. In the end every number is accounted for and nothing is kept.
//!
//! `bench/chaos` runs it for as long as wanted; the test itself is a short run.

mod clients;
mod process;
mod provider;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aurora::metrics::parser::Exposition;

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::request;
use crate::support::fixtures::MASTER_KEY;
use crate::support::totals::{sum, sums, watch};
use crate::support::upstream::Upstream;
use clients::{ChaosClient, Ledger, Turns, rotating_key};
use process::Usage;

/// Requests a second of a client: of 200 clients what two busy cores do with an unoptimised binary.
const RATE: u32 = 3;
/// Resident memory that a run may add to what it was after the warm-up.
const MEMORY_MARGIN: u64 = 24 << 20;
/// Clients and provider have closed their sides, the gateway's follow within this time.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// Provider's key of a turn.
fn provider_key(turn: u64) -> String {
    format!("rotating-provider-key-{turn:08}")
}

/// Configuration of a turn: every other one changes the upstream client as well.
fn configuration(upstream: &Upstream, folder: &str, turn: u64) -> String {
    let provider = |kind: &str, models: &str, rest: &str| {
        let address = upstream.address;
        let key = format!("api_key_file: {folder}/provider.key");
        format!("{{type: {kind}, base_url: \"http://{address}/v1\", {key}, models: [{models}]{rest}}}")
    };
    let retries = ", resilience: {retry: {max_retries: 2, initial_backoff: 1ms, max_backoff: 20ms}}";
    let breaker = ", resilience: {circuit_breaker: {failure_threshold: 3, timeout: 300ms}}";
    format!(
        "server: {{master_key: {MASTER_KEY}, workers: 2, keys: [{{name: rotating, key_file: {folder}/client.key}}]}}\n\
         metrics: {{enabled: true}}\n\
         http: {{timeout: 10s, stream_idle: 5s, connect_timeout: {}s}}\n\
         log: {{requests: off}}\n\
         resilience: {{retry: {{max_retries: 0}}, circuit_breaker: {{failure_threshold: 0}}}}\n\
         routes: {{spare-route: [up/failing, again/spare], closed-route: [closed/any, again/spare]}}\n\
         providers:\n  up: {}\n  again: {}\n  weak: {}\n  claude: {}\n  \
         closed: {{type: openai_compatible, base_url: \"http://127.0.0.1:1/v1\", models: [any]}}\n",
        4 + turn % 2,
        provider("openai_compatible", &format!("{}, leave, failing", provider::MODEL), ""),
        provider("openai_compatible", &format!("spare, {}", provider::RETRIED.join(", ")), retries),
        provider("openai_compatible", &provider::WEAK.join(", "), breaker),
        provider("anthropic", &provider::MESSAGES.join(", "), ""),
    )
}

fn start(upstream: &Upstream) -> Aurora {
    let setup = Setup::new();
    let folder = setup.folder().display().to_string();
    let setup = setup.file("client.key", &rotating_key(0)).file("provider.key", &provider_key(0));
    setup.yaml(&configuration(upstream, &folder, 0)).start()
}

/// Loads the configuration of the next turn, with new keys, and waits until it is in force; the requests for that are
/// on the ledger.
fn reload(aurora: &Aurora, upstream: &Upstream, turns: &Turns, ledger: &mut Ledger) {
    let turn = turns.written.fetch_add(1, Ordering::SeqCst) + 1;
    let folder = aurora.folder().display().to_string();
    aurora.replace("client.key", &rotating_key(turn));
    aurora.replace("provider.key", &provider_key(turn));
    aurora.replace("config.yaml", &configuration(upstream, &folder, turn));
    aurora.signal("HUP");
    let headers = format!("authorization: Bearer {}\r\n", rotating_key(turn));
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let status = aurora.send(request("GET", "/v1/models", &headers, "")).status;
        ledger.ended(format!("{status} ok"));
        if status == 200 {
            break;
        }
        ledger.unauthorized += 1;
        assert!(Instant::now() < until, "a reload does not end");
        thread::sleep(Duration::from_millis(10));
    }
    turns.in_force.store(turn, Ordering::SeqCst);
}

/// The gateway, its provider and the turns of the keys.
type Scene<'a> = (&'a Aurora, &'a Upstream, &'a Turns);

/// Everything at once for this time; gives the number of scrapes.
fn storm(
    (aurora, upstream, turns): Scene,
    clients: &mut [ChaosClient],
    ledger: &mut Ledger,
    time: Duration,
) -> u64 {
    let (stop, unwatched) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(aurora, &unwatched));
        let clients: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| client.run(&stop))).collect();
        let over = Instant::now() + time;
        while Instant::now() < over {
            let next = Instant::now() + Duration::from_secs(1);
            reload(aurora, upstream, turns, ledger);
            thread::sleep(next.min(over).saturating_duration_since(Instant::now()));
        }
        stop.store(true, Ordering::SeqCst);
        let ended: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        unwatched.store(true, Ordering::SeqCst);
        let scrapes = watcher.join().expect("no scrape broke a rule");
        assert!(ended.iter().all(Result::is_ok), "a client failed");
        scrapes
    })
}

/// Waits until nothing is in flight and the provider's idle connections are closed, so that what is left is what the
/// gateway keeps: no more descriptors than at its start.
fn settle((aurora, upstream, _): Scene, start: &Usage) -> Usage {
    aurora.quiet();
    upstream.hang_up();
    Usage::settled(aurora, start.descriptors, CLOSED_WITHIN)
}

/// How long how many clients send.
#[derive(Clone, Copy)]
struct Extent {
    time: Duration,
    clients: usize,
}

impl Extent {
    /// As `bench/chaos` says by `AURORA_CHAOS_SECONDS`; among the other tests of `cargo test` a short run of few
    /// clients.
    fn wanted() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test has no other arguments")]
        let seconds = std::env::var("AURORA_CHAOS_SECONDS");
        let (seconds, clients) =
            seconds.map_or((6, 40), |seconds| (seconds.parse().expect("a whole number of seconds"), 200));
        Self { time: Duration::from_secs(seconds), clients }
    }
}

#[test]
fn totals_are_exact_after_every_fault() {
    let extent = Extent::wanted();
    let time = extent.time;
    let warm_up = (time / 3).min(Duration::from_secs(20));
    let upstream = provider::start();
    let aurora = start(&upstream);
    let turns = Turns::default();
    let pause = Duration::from_secs(1) / RATE;
    let mut clients: Vec<ChaosClient> = (0..extent.clients)
        .map(|number| ChaosClient::new(&aurora, &upstream, &turns, number, pause))
        .collect();

    let scene = (&aurora, &upstream, &turns);
    // Its threads open theirs after it says that it listens.
    let start = Usage::settled(&aurora, 0, Duration::from_secs(1));
    let mut ledger = Ledger::default();
    let mut scrapes = storm(scene, &mut clients, &mut ledger, warm_up);
    let before = settle(scene, &start);
    scrapes += storm(scene, &mut clients, &mut ledger, time.saturating_sub(warm_up));
    let after = settle(scene, &start);

    for client in clients {
        ledger.add(client.ledger);
    }
    let exposition = aurora.exposition();
    let written = turns.written.load(Ordering::SeqCst);
    report(extent, &exposition, &ledger, &upstream, [&start, &before, &after], [scrapes, written]);
    let mut faults = std::mem::take(&mut ledger.failures);
    let failed = faults.len();
    faults.truncate(20);
    faults.extend(books(&exposition, &ledger, upstream.hits()));
    if ledger.crossed_late > upstream.crossed() {
        let [late, all] = [ledger.crossed_late, upstream.crossed()];
        faults.push(format!("{late} connections broke before a response, {all} requests crossed a close"));
    }
    faults.extend(kept(&start, &before, &after));
    faults.extend(unknown_keys(&upstream, written));
    assert!(faults.is_empty(), "{failed} wrong responses; {faults:#?}");
}

/// Every invariant of the metrics that does not hold.
fn books(exposition: &Exposition, ledger: &Ledger, hits: u64) -> Vec<String> {
    let all = |name: &str| sum(exposition, name, |_| true);
    let mut faults = Vec::new();
    let mut equal = |what: &str, counted: u64, expected: u64| {
        if counted != expected {
            faults.push(format!("{what}: {counted} counted, {expected} expected"));
        }
    };
    equal("http_requests = requests sent", all("aurora_http_requests_total"), ledger.sent());
    equal("answers = authenticated model calls", all("aurora_answers_total"), ledger.calls);
    let dispatches = ledger.dispatched + all("aurora_fallbacks_total");
    equal("requests = dispatches", all("aurora_requests_total"), dispatches);
    equal("durations = dispatches", all("aurora_request_duration_seconds_count"), dispatches);
    let sent = sum(exposition, "aurora_upstream_attempts_total", |sample| {
        !["breaker_open", "connect_error"].contains(&sample.label("outcome"))
    });
    equal("attempts = hits of the upstream", sent, hits);
    let tokens = |direction: &str| {
        sum(exposition, "aurora_tokens_total", |sample| sample.label("direction") == direction)
    };
    equal("input tokens = declared", tokens("input"), ledger.tokens.0);
    equal("output tokens = declared", tokens("output"), ledger.tokens.1);
    equal("auth failures = refused keys", all("aurora_auth_failures_total"), ledger.unauthorized);
    equal("panics", all("aurora_panics_total"), 0);
    for gauge in ["aurora_requests_in_flight", "aurora_http_requests_in_flight"] {
        equal(gauge, all(gauge), 0);
    }
    for (name, labels, expected) in [
        ("aurora_http_requests_total", ["status_code", "outcome"].as_slice(), &ledger.http),
        ("aurora_client_disconnects_total", &["stage"], &ledger.disconnects),
    ] {
        let counted = sums(exposition, name, labels);
        if counted != *expected {
            faults.push(format!("{name}: {counted:#?} counted, {expected:#?} expected"));
        }
    }
    faults
}

/// Descriptors that are more than at the start, and memory that is more than after the warm-up.
fn kept(start: &Usage, before: &Usage, after: &Usage) -> Vec<String> {
    let mut faults = Vec::new();
    for usage in [before, after] {
        if usage.descriptors > start.descriptors {
            faults.push(format!("{} descriptors, {} at the start", usage.descriptors, start.descriptors));
        }
    }
    if after.resident > before.resident + MEMORY_MARGIN {
        faults.push(format!("{} bytes resident, {} before", after.resident, before.resident));
    }
    faults
}

/// Keys that the upstream received and that no configuration held.
fn unknown_keys(upstream: &Upstream, turns: u64) -> Vec<String> {
    let mut known: Vec<String> = (0..=turns).map(provider_key).collect();
    known.extend((0..=turns).map(|turn| format!("Bearer {}", provider_key(turn))));
    known.sort();
    let keys = upstream.keys().into_keys();
    keys.filter(|key| known.binary_search(key).is_err())
        .map(|key| format!("the upstream got {key}"))
        .collect()
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs bench/chaos")]
fn report(
    extent: Extent,
    exposition: &Exposition,
    ledger: &Ledger,
    upstream: &Upstream,
    [start, before, after]: [&Usage; 3],
    [scrapes, reloads]: [u64; 2],
) {
    let all = |name: &str| sum(exposition, name, |_| true);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let replays = all("aurora_upstream_attempts_total")
        .saturating_sub(all("aurora_requests_total") + all("aurora_retries_total"));
    let crossed = format!("{} and {}", upstream.crossed(), ledger.crossed_late);
    let rows = [
        ("seconds", extent.time.as_secs().to_string()),
        ("connections", extent.clients.to_string()),
        ("requests", ledger.sent().to_string()),
        ("model calls", ledger.calls.to_string()),
        ("dispatches", all("aurora_requests_total").to_string()),
        ("attempts", all("aurora_upstream_attempts_total").to_string()),
        ("hits of the upstream", upstream.hits().to_string()),
        ("requests that crossed a close, of these noticed late", crossed),
        ("retries", all("aurora_retries_total").to_string()),
        ("replays on a fresh connection", replays.to_string()),
        ("fallbacks", all("aurora_fallbacks_total").to_string()),
        ("client disconnects", ledger.disconnects.values().sum::<u64>().to_string()),
        ("tokens", (ledger.tokens.0 + ledger.tokens.1).to_string()),
        ("scrapes", scrapes.to_string()),
        ("reloads", reloads.to_string()),
        ("descriptors at the start and the end", format!("{} and {}", start.descriptors, after.descriptors)),
        (
            "resident after the warm-up and at the end",
            format!("{} and {}", mib(before.resident), mib(after.resident)),
        ),
        ("wrong responses", ledger.failures.len().to_string()),
    ];
    println!("\n| chaos | |\n| --- | --- |");
    for (name, value) in rows {
        println!("| {name} | {value} |");
    }
}
