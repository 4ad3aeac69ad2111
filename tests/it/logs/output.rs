//! Where the log goes: a file at its size limit, a reader that does not read or is gone.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::{Client, key, request};
use crate::support::fixtures::MASTER_KEY;
use crate::support::servers::wait_for;

const CONFIG: &str = "metrics: {enabled: true}\nlog: {requests: all, sample_above: 1000000}\n\
                      providers: {up: {type: openai_compatible, base_url: \"http://127.0.0.1:1/v1\", models: [m]}}\n";

/// `aurora serve` with a stderr of the test's own.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Started by a shell whose lines come first and whose command `exec "$@"` is to be its last.
fn start(lines: &str) -> Process {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    let child = Command::new("/bin/sh")
        .args(["-e", "-c", lines, "sh", env!("CARGO_BIN_EXE_aurora"), "serve"])
        .args(["--host", "127.0.0.1", "--port", "0"])
        .env_clear()
        .envs([("LOG_FORMAT", "json"), ("AURORA_MASTER_KEY", MASTER_KEY)])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Process { child, folder }
}

fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["msg"] == "listening").then(|| line["address"].as_str().unwrap().parse().unwrap())
}

/// So many requests that get a line each, on one connection, and all are answered.
fn models(client: &mut Client, times: usize) {
    for _ in 0..times {
        client.send(request("GET", "/v1/models", &key(), ""));
        assert_eq!(client.response().status, 200);
    }
}

fn dropped(address: SocketAddr) -> usize {
    let mut client = Client::connect(address);
    client.send(request("GET", "/metrics", &key(), ""));
    let response = client.response();
    let sample =
        response.text().lines().find_map(|line| line.strip_prefix("aurora_log_lines_dropped_total "));
    sample.unwrap().parse().unwrap()
}

#[test]
fn a_log_file_at_its_size_limit_loses_lines_only() {
    // 4 KiB: what a shell counts in is half a kilobyte, or a whole one.
    let mut process = start("ulimit -f 8; exec \"$@\" 2>>aurora.log");
    let log: PathBuf = process.folder.path().join("aurora.log");
    let written = || fs::read_to_string(&log).unwrap_or_default();
    let address = wait_for("the listening line", || written().lines().find_map(address));
    let begun = written().lines().count();
    models(&mut Client::connect(address), 200);
    assert!(process.child.try_wait().unwrap().is_none(), "the process goes on");
    // Each line is in the file as a whole, or counted.
    let whole = wait_for("every line", || {
        let whole = written().matches('\n').count();
        (whole + dropped(address) == begun + 200).then_some(whole)
    });
    assert!(whole < 100, "{whole} lines in {} bytes", written().len());
    // Whoever rotates the log by truncating it gets further lines, none of them glued to the rest of another.
    OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    models(&mut Client::connect(address), 1);
    let line =
        wait_for("a line after the truncation", || Some(written()).filter(|text| text.ends_with("}\n")));
    assert_eq!(serde_json::from_str::<Value>(line.trim()).unwrap()["msg"], "request");
    assert_eq!(whole + dropped(address), begun + 200);
}

#[test]
fn an_unread_stderr_blocks_neither_requests_nor_exit() {
    let mut process = start("exec \"$@\"");
    let mut stderr = BufReader::new(process.child.stderr.take().unwrap()).lines();
    let address = stderr.find_map(|line| address(&line.unwrap())).unwrap();
    // A pipe takes 64 KiB and the queue 4096 lines.
    models(&mut Client::connect(address), 6000);
    assert!(dropped(address) > 0);
    drop(Command::new("kill").arg(process.child.id().to_string()).status());
    let until = Instant::now() + Duration::from_secs(5);
    let status = wait_for("its end", || process.child.try_wait().unwrap());
    assert!(status.success() && Instant::now() < until, "{status}");
}

#[test]
fn lines_for_a_closed_stderr_are_counted_as_lost() {
    let mut process = start("exec \"$@\"");
    let mut stderr = BufReader::new(process.child.stderr.take().unwrap()).lines();
    let address = stderr.find_map(|line| address(&line.unwrap())).unwrap();
    drop(stderr);
    models(&mut Client::connect(address), 50);
    wait_for("the count of lines", || (dropped(address) == 50).then_some(()));
}
