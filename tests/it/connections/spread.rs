//! Connections are spread over the workers by their number.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::support::aurora::{Aurora, WAIT_LIMIT};
use crate::support::client::{Client, chat_of};
use crate::support::exposition::gateway;
use crate::support::fixtures::{HELLO, OK};
use crate::support::upstream::{Step, Upstream, json, opening};

const WORKERS: usize = 16;

/// The inodes of the sockets of its clients.
fn client_sockets(aurora: &Aurora) -> BTreeSet<String> {
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", aurora.pid())).expect("Linux");
    let local = format!(":{:04X}", aurora.address.port());
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let established = rows.filter(|row| row[1].ends_with(&local) && row[3] == "01");
    established.map(|row| row[9].to_owned()).collect()
}

/// Connections that each worker serves, fewest first: those that its event loop watches.
fn connections(aurora: &Aurora) -> Vec<usize> {
    let clients = client_sockets(aurora);
    let (mut inodes, mut event_loops) = (HashMap::new(), Vec::new());
    for file in fs::read_dir(format!("/proc/{}/fd", aurora.pid())).expect("Linux").flatten() {
        let number = file.file_name().into_string().expect("a number");
        let Ok(target) = fs::read_link(file.path()) else { continue };
        let target = target.to_string_lossy();
        if let Some(inode) = target.strip_prefix("socket:[") {
            inodes.insert(number, inode.trim_end_matches(']').to_owned());
        } else if target == "anon_inode:[eventpoll]" {
            event_loops.push(number);
        }
    }
    // An event loop has several descriptors, which watch the same sockets.
    let mut watched = BTreeSet::new();
    for event_loop in event_loops {
        let watches = fs::read_to_string(format!("/proc/{}/fdinfo/{event_loop}", aurora.pid()));
        let watches = watches.expect("an open descriptor");
        let numbers = watches.lines().filter_map(|line| line.strip_prefix("tfd:")?.split_whitespace().next());
        let sockets =
            numbers.filter_map(|number| inodes.get(number)).filter(|inode| clients.contains(*inode));
        watched.insert(sockets.cloned().collect::<Vec<_>>());
    }
    let mut counts: Vec<usize> = watched.iter().map(Vec::len).filter(|count| *count > 0).collect();
    counts.resize(WORKERS, 0);
    counts.sort_unstable();
    counts
}

/// Waits until so many connections are served, and checks that each worker has its share.
fn even(aurora: &Aurora, open: usize) {
    let until = Instant::now() + WAIT_LIMIT;
    let mut counts = connections(aurora);
    while counts.iter().sum::<usize>() != open && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
        counts = connections(aurora);
    }
    let fuller = open % WORKERS;
    let expected = [vec![open / WORKERS; WORKERS - fuller], vec![open / WORKERS + 1; fuller]].concat();
    assert_eq!(counts, expected);
}

/// A kept connection that has served a chat, or serves a stream.
fn client(aurora: &Aurora, stream: bool) -> Client {
    let mut client = aurora.client();
    client.send(chat_of(if stream { "stream" } else { "m" }, stream));
    if stream {
        assert_eq!(client.head().status, 200);
        assert_eq!(client.read_until("\n\n"), HELLO);
    } else {
        assert_eq!(client.response().status_and_text(), (200, OK));
    }
    client
}

fn upstream() -> Upstream {
    let mut streaming = opening(&[HELLO]);
    streaming.push(Step::Stall);
    Upstream::start().on("m", json(OK)).on("stream", streaming)
}

#[test]
fn every_worker_serves_as_many_connections_as_the_others() {
    let upstream = upstream();
    let aurora = gateway(&upstream, &format!("workers: {WORKERS}"), "");
    let mut clients: Vec<Client> = (0..32).map(|number| client(&aurora, number % 3 == 0)).collect();
    even(&aurora, 32);
    clients.extend((32..64).map(|number| client(&aurora, number % 3 == 0)));
    even(&aurora, 64);
    clients.extend((64..73).map(|_| client(&aurora, false)));
    even(&aurora, 73);
}

#[test]
fn new_connections_go_where_others_were_closed() {
    let upstream = upstream();
    let aurora = gateway(&upstream, &format!("workers: {WORKERS}"), "");
    for count in [32, 64] {
        let mut clients: Vec<Client> = (0..count).map(|number| client(&aurora, number % 2 == 0)).collect();
        even(&aurora, count);
        // Of the first half, streams and idle connections: some workers lose more than others.
        clients.drain(..count / 2);
        let until = Instant::now() + WAIT_LIMIT;
        while connections(&aurora).iter().sum::<usize>() != count / 2 {
            assert!(Instant::now() < until, "closed connections are still served");
            thread::sleep(Duration::from_millis(5));
        }
        clients.extend((0..count / 2).map(|number| client(&aurora, number % 2 == 1)));
        even(&aurora, count);
        drop(clients);
        even(&aurora, 0);
    }
}

#[test]
fn connections_that_are_opened_at_the_same_time_are_spread_too() {
    let upstream = upstream();
    let aurora = gateway(&upstream, &format!("workers: {WORKERS}"), "");
    let clients: Vec<Client> = thread::scope(|scope| {
        let opened: Vec<_> = (0..64)
            .map(|number| {
                scope.spawn({
                    let aurora = &aurora;
                    move || client(aurora, number % 2 == 0)
                })
            })
            .collect();
        opened.into_iter().map(|client| client.join().expect("served")).collect()
    });
    even(&aurora, 64);
    drop(clients);
}

/// Sends chats, each on a connection of its own, until connections are refused; returns how many.
fn chats(address: SocketAddr) -> usize {
    let mut served = 0;
    while let Some(mut client) = Client::try_connect(address) {
        client.send(chat_of("m", false));
        assert_eq!(client.response().status_and_text(), (200, OK));
        served += 1;
    }
    served
}

#[test]
fn a_stop_loses_no_connection_on_its_way_to_a_worker() {
    let upstream = upstream();
    let aurora = gateway(&upstream, &format!("workers: {WORKERS}"), "");
    let served: usize = thread::scope(|scope| {
        let loads: Vec<_> = (0..16).map(|_| scope.spawn(|| chats(aurora.address))).collect();
        upstream.received("m", 500);
        aurora.signal("TERM");
        loads.into_iter().map(|load| load.join().expect("served to the end")).sum()
    });
    assert_eq!(upstream.calls().len(), served);
    assert_eq!(aurora.ended().0.code(), Some(0));
}
