//! Requests byte for byte, from `testdata/raw_requests.txt`, and the statuses that are right.

use std::thread;
use std::time::{Duration, Instant};

use crate::requests::http_surface::start;
use crate::support::aurora::Aurora;
use crate::support::client::Client;
use crate::support::fixtures::MASTER_KEY;
use crate::support::upstream::Upstream;

const ROWS: &str = include_str!("../testdata/raw_requests.txt");
/// Time in which a connection that is to be closed is closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// Follows where the connection is kept, and ends it; health checks are counted nowhere.
const LAST: &str = "GET /health HTTP/1.1\r\nhost: aurora\r\nconnection: close\r\n\r\n";

/// One row of the file.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    group: &'static str,
    statuses: Vec<u16>,
    kept: bool,
    hits: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The rows of these groups, or of all.
pub(crate) fn rows(groups: &[&str]) -> Vec<Row> {
    let mut group = "";
    let mut rows = Vec::new();
    for line in ROWS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            group = name;
        } else if groups.is_empty() || groups.contains(&group) {
            rows.push(row(group, line));
        }
    }
    rows
}

fn row(group: &'static str, line: &'static str) -> Row {
    let columns: Vec<&str> = line.splitn(5, " | ").collect();
    let [name, statuses, end, hits, bytes] = columns[..] else { panic!("five columns: {line}") };
    assert!(["kept", "closed"].contains(&end), "kept or closed: {line}");
    Row {
        name,
        group,
        statuses: statuses
            .split(' ')
            .filter(|status| *status != "-")
            .map(|status| status.parse().expect("a status"))
            .collect(),
        kept: end == "kept",
        hits: hits.parse().expect("a number"),
        bytes: unescaped(&expanded(bytes)),
    }
}

/// Text with its shorthands written out.
fn expanded(text: &str) -> String {
    let key = format!("authorization: Bearer {MASTER_KEY}\\r\\n");
    let mut text = text
        .replace("{models}", "GET /v1/models HTTP/1.1\\r\\n{host}{key}\\r\\n")
        .replace("{post}", "POST /v1/chat/completions HTTP/1.1\\r\\n{host}{key}")
        .replace("{chunks}", "d\\r\\n{body}\\r\\n0\\r\\n\\r\\n")
        .replace("{body}", r#"{"model":"m"}"#)
        .replace("{host}", "host: aurora\\r\\n")
        .replace("{key}", &key);
    for (start, part) in [("{x*", "x"), ("{lines*", "a: b\\r\\n")] {
        while let Some(at) = text.find(start) {
            let end = at + text[at..].find('}').expect("a closing brace");
            let times = text[at + start.len()..end].parse().expect("a number");
            text.replace_range(at..=end, &part.repeat(times));
        }
    }
    text
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend(character.to_string().into_bytes());
            continue;
        }
        bytes.push(match characters.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            other => panic!("escape {other:?}"),
        });
    }
    bytes
}

/// Statuses of the responses that came, but for those that only say that another one follows.
pub(crate) fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        bytes = &bytes[end + 4..];
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        bytes = &bytes[length.unwrap_or(0).min(bytes.len())..];
        if status >= 200 {
            statuses.push(status);
        }
    }
    statuses
}

/// Everything that comes back for these bytes until the connection ends; `None` where it does not end.
pub(crate) fn conversation(mut client: Client, bytes: &[u8]) -> Option<Vec<u8>> {
    // What is refused early is closed before all of it is sent.
    client.try_send(bytes);
    client.closes_within(CLOSED_WITHIN).then(|| client.closed())
}

/// Requests that were counted.
pub(crate) fn counted(aurora: &Aurora) -> u64 {
    let counts = aurora.counts("aurora_http_requests_total");
    counts.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits for a count to become what it should be; gives what it is in the end.
pub(crate) fn settled<T: PartialEq>(expected: &T, mut count: impl FnMut() -> T) -> T {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let is = count();
        if is == *expected || Instant::now() > until {
            return is;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What is wrong with the response to a row, if anything.
fn fault(row: &Row, aurora: &Aurora, upstream: &Upstream) -> Option<String> {
    let (before, hits_before) = (counted(aurora), upstream.calls().len());
    let mut bytes = row.bytes.clone();
    let mut expected = row.statuses.clone();
    if row.kept {
        bytes.extend(LAST.as_bytes());
        expected.push(200);
    }
    let Some(received) = conversation(aurora.client(), &bytes) else {
        return Some("the connection stays open".to_owned());
    };
    let seen = statuses(&received);
    let answered = row.statuses.len().max(1) as u64;
    let counted = settled(&answered, || counted(aurora) - before);
    let hits = upstream.calls().len() - hits_before;
    let is_right = (&seen, counted, hits) == (&expected, answered, row.hits);
    let expected = format!("expected {expected:?}, {answered} counted, {} hits", row.hits);
    (!is_right).then(|| format!("{seen:?}, {counted} counted, {hits} hits; {expected}"))
}

#[test]
fn raw_requests_get_their_expected_status() {
    let (upstream, aurora) = start();
    let rows = rows(&[]);
    assert!(rows.len() >= 80, "{} rows", rows.len());
    let faults: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("[{}] {}: {}", row.group, row.name, fault(row, &aurora, &upstream)?)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(aurora.exposition().family("aurora_panics_total").expect("a family").samples[0].value, 0.0);
}

#[test]
fn raw_request_names_are_unique() {
    let mut names: Vec<&str> = rows(&[]).iter().map(|row| row.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
