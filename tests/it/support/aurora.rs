//! The built binary, started as a user would, on a free port in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything that should happen at once.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Time beyond a promised limit that a test grants: the machine may do much else.
pub(crate) const MARGIN: Duration = Duration::from_secs(4);

/// What an instance starts with: nothing of this process's environment.
pub(crate) struct Setup {
    folder: TempDir,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    shell: Option<String>,
    unshared: bool,
}

/// A running instance; killed when it is dropped.
pub(crate) struct Aurora {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    folder: TempDir,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
    ended: AtomicBool,
}

impl Setup {
    /// `aurora serve` on a free loopback port, JSON log lines.
    pub(crate) fn new() -> Self {
        let setup = Self::bare().variable("LOG_FORMAT", "json");
        setup.arguments(&["serve", "--host", "127.0.0.1", "--port", "0"])
    }

    /// Bare `aurora`, with nothing set.
    pub(crate) fn bare() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { folder, variables: Vec::new(), arguments: Vec::new(), shell: None, unshared: false }
    }

    /// Writes a file into the folder that the instance starts in.
    pub(crate) fn file(self, name: &str, contents: &str) -> Self {
        std::fs::write(self.folder.path().join(name), contents).expect("a file in the temporary folder");
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn yaml(self, contents: &str) -> Self {
        self.file("config.yaml", contents)
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Started from a shell, after these lines, as `./bin/aurora`.
    pub(crate) fn shell(mut self, lines: &str) -> Self {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder in the temporary folder");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aurora"), bin.join("aurora")).expect("a link");
        self.shell = Some(format!("{lines}\nexec ./bin/aurora \"$@\""));
        self
    }

    /// In a mount namespace of its own, so that its shell may put other files in the place of the system's.
    #[cfg(feature = "real-software")]
    pub(crate) fn unshared(mut self) -> Self {
        self.unshared = true;
        self
    }

    fn command(&self) -> Command {
        let mut command = match &self.shell {
            Some(lines) => {
                let mut shell = Command::new(if self.unshared { "unshare" } else { "/bin/sh" });
                if self.unshared {
                    shell.args(["-m", "/bin/sh"]);
                }
                shell.args(["-e", "-c", lines, "sh"]);
                shell
            }
            None => Command::new(env!("CARGO_BIN_EXE_aurora")),
        };
        command.args(&self.arguments).env_clear().envs(self.variables.clone());
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, which is near because it refuses to start; gives the exit code and stderr.
    pub(crate) fn refused(self) -> (Option<i32>, String) {
        let mut child = self.command().spawn().expect("the binary starts");
        let until = Instant::now() + WAIT_LIMIT;
        while child.try_wait().expect("a child").is_none() {
            if Instant::now() > until {
                drop(child.kill());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().expect("a child");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Aurora {
        let mut child = self.command().spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let log = Arc::new(Log::default());
        let writer = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writer.lines.lock().expect("not poisoned").push(line);
                writer.grown.notify_all();
            }
            writer.ended.store(true, Ordering::SeqCst);
            writer.grown.notify_all();
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut aurora = Aurora { address, child, log, reader: Some(reader), folder: self.folder };
        let listening = aurora.line("listening");
        let port = listening["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
        aurora.address.set_port(port.expect("a port in the log line"));
        aurora
    }
}

impl Aurora {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a file of that folder at once.
    pub(crate) fn replace(&self, name: &str, contents: &str) {
        let (file, beside) = (self.folder().join(name), self.folder().join(format!("{name}.new")));
        std::fs::write(&beside, contents).expect("a file in the temporary folder");
        std::fs::rename(beside, file).expect("a file in the temporary folder");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first log line with this message, waited for.
    pub(crate) fn line(&self, message: &str) -> Value {
        self.wait_for(|line| {
            serde_json::from_str::<Value>(line).ok().filter(|line| line["msg"].as_str() == Some(message))
        })
    }

    fn wait_for<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + WAIT_LIMIT;
        let mut lines = self.log.lines.lock().expect("not poisoned");
        loop {
            if let Some(found) = lines.iter().find_map(|line| wanted(line)) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            let over = left.is_zero() || self.log.ended.load(Ordering::SeqCst);
            assert!(!over, "not in the log: {lines:#?}");
            lines = self.log.grown.wait_timeout(lines, left).expect("not poisoned").0;
        }
    }

    /// Every log line with this message so far, once there are `count`, without their times.
    pub(crate) fn lines(&self, message: &str, count: usize) -> Vec<Value> {
        let wanted = |line: &String| {
            serde_json::from_str::<Value>(line).ok().filter(|line| line["msg"].as_str() == Some(message))
        };
        let until = Instant::now() + WAIT_LIMIT;
        let mut lines = self.log.lines.lock().expect("not poisoned");
        loop {
            let mut found: Vec<Value> = lines.iter().filter_map(wanted).collect();
            if found.len() >= count {
                found.iter_mut().filter_map(Value::as_object_mut).for_each(|line| drop(line.remove("time")));
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not in the log {count} times: {lines:#?}");
            lines = self.log.grown.wait_timeout(lines, left).expect("not poisoned").0;
        }
    }

    /// Every log line so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines.lock().expect("not poisoned").clone()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end; gives the exit status and every log line.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("a child");
        self.reader.take().map(JoinHandle::join);
        (status, self.log())
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        self.ended()
    }
}

impl Drop for Aurora {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
