//! Servers as child processes: their ports, their start, their end; and waiting for what they do.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::aurora::WAIT_LIMIT;

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port that nothing listens on, for programs that cannot pick one themselves. Each is given once, and from below the
/// ports that the kernel gives to connections (32768 and up), so that none takes it before the program does.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs of the tests at the same time start at different places.
    let start = u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    let mut ports = std::iter::repeat_with(|| 20_000 + (start + NEXT.fetch_add(1, Relaxed)) % 12_000);
    ports.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).expect("a free port")
}

/// A server of somebody else, with a folder of its own; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts it and waits until its log shows that it listens.
    pub(crate) fn start<T>(
        mut command: Command,
        folder: TempDir,
        ready: impl Fn(&str) -> Option<T>,
    ) -> (Self, T) {
        let log = folder.path().join("stderr");
        let stderr = File::create(&log).expect("a file in the temporary folder");
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().expect("it was found");
        let mut server = Self { child, _folder: folder };
        let ready = wait_for(&format!("{command:?}"), || {
            let output_text = read(&log);
            let over = server.child.try_wait().expect("a child");
            assert_eq!(over, None, "it ended: {output_text}");
            ready(&output_text)
        });
        (server, ready)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the file was created")
}
