//! Bounded queue of log lines and the one thread that writes them.
//!
//! Not tracing-appender: its guard prints to stdout if its queue is full at exit, which is the case of a blocked stderr;
//! its writer counts no line that stderr refused; and it panics if its thread cannot be started.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum number of queued lines: about 1 MB of ordinary ones.
const CAPACITY: usize = 4096;

/// Lines below WARN that may be queued. The rest is for warnings and errors: they are kept the longest.
const ORDINARY: usize = CAPACITY / 4 * 3;

/// Maximum bytes of one write, unless a single line is longer.
const BATCH: usize = 64 * 1024;

/// Timeout of the last writes when the process ends.
const FLUSH: Duration = Duration::from_secs(1);

/// A line; `None` ends the writing thread.
type Entry = Option<String>;

/// Sender of log lines. It never blocks.
#[derive(Debug, Clone)]
pub struct LogQueue {
    entries: SyncSender<Entry>,
    queued: Arc<AtomicUsize>,
    dropped: DroppedLines,
}

impl LogQueue {
    /// Queues a line, or counts it as dropped if the queue is full for its kind or the thread has ended.
    pub(crate) fn push(&self, line: String, is_urgent: bool) {
        let limit = if is_urgent { CAPACITY } else { ORDINARY };
        let is_queued =
            self.queued.fetch_add(1, Ordering::Relaxed) < limit && self.entries.try_send(Some(line)).is_ok();
        if !is_queued {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.dropped.add(1);
        }
    }
}

/// Counter of log lines dropped because the writer was blocked or closed.
#[derive(Debug, Clone, Default)]
pub struct DroppedLines(Arc<AtomicU64>);

impl DroppedLines {
    /// Dropped lines since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Owner of the log. Its drop waits up to a second until the queued lines are written.
#[derive(Debug)]
#[must_use = "the log ends when the guard is dropped"]
pub struct LogGuard {
    queue: LogQueue,
    ended: Receiver<()>,
}

impl LogGuard {
    /// The counter of dropped lines.
    #[must_use]
    pub fn dropped_lines(&self) -> DroppedLines {
        self.queue.dropped.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + FLUSH;
        while let Err(mpsc::TrySendError::Full(_)) = self.queue.entries.try_send(None) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // Both a disconnect and a timeout end the wait: the thread never sends.
        self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
    }
}

/// Starts the thread that writes to `writer`.
///
/// # Errors
/// The thread cannot be started.
pub fn queue(writer: impl Write + Send + 'static) -> io::Result<(LogQueue, LogGuard)> {
    let (entries, received) = mpsc::sync_channel(CAPACITY);
    let (end, ended) = mpsc::sync_channel(0);
    let queue = LogQueue { entries, queued: Arc::default(), dropped: DroppedLines::default() };
    let (queued, dropped) = (Arc::clone(&queue.queued), queue.dropped.clone());
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        write_lines(writer, &received, &queued, &dropped);
        drop::<SyncSender<()>>(end);
    })?;
    Ok((queue.clone(), LogGuard { queue, ended }))
}

fn write_lines(writer: impl Write, received: &Receiver<Entry>, queued: &AtomicUsize, dropped: &DroppedLines) {
    let mut output = Output { writer, torn: false };
    let mut batch = String::new();
    while let Ok(Some(first)) = received.recv() {
        batch.push_str(&first);
        let (mut lines, mut last) = (1, false);
        while batch.len() < BATCH && !last {
            match received.try_recv() {
                Ok(Some(line)) => {
                    batch.push_str(&line);
                    lines += 1;
                }
                Ok(None) => last = true,
                Err(_) => break,
            }
        }
        queued.fetch_sub(lines, Ordering::Relaxed);
        dropped.add(output.write(batch.as_bytes()));
        if last {
            return;
        }
        batch.clear();
    }
}

/// The writer; `torn` while it has the beginning of a line without its end.
struct Output<W> {
    writer: W,
    torn: bool,
}

impl<W: Write> Output<W> {
    /// Writes as many whole lines as the writer accepts and returns the number of the others. After a torn line it first
    /// ends that one: a file at its size limit accepts part of a line, and may be truncated later.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.torn && !matches!(self.writer.write(b"\n"), Ok(1)) {
            return line_ends(lines);
        }
        self.torn = false;
        let mut rest = lines;
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        let written = &lines[..lines.len() - rest.len()];
        self.torn = written.last().is_some_and(|last| *last != b'\n');
        line_ends(rest)
    }
}

fn line_ends(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn queued_lines_are_written_before_exit() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (lines, guard) = queue(writer).unwrap();
        let expected: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in expected.split_inclusive('\n') {
            lines.push(line.to_owned(), false);
        }
        drop(guard);
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn blocked_writer_drops_lines_and_blocks_no_sender() {
        let (reader, writer) = io::pipe().unwrap();
        let (lines, guard) = queue(writer).unwrap();
        let dropped = guard.dropped_lines();
        let start = Instant::now();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..3 * CAPACITY {
            lines.push(line.clone(), false);
        }
        assert!(dropped.count() > 0, "a pipe holds far less than {} KiB", 3 * CAPACITY);
        drop(guard);
        assert!(start.elapsed() < FLUSH + Duration::from_secs(2), "took {:?}", start.elapsed());
        drop(reader);
    }

    #[test]
    fn the_last_quarter_of_the_queue_is_for_warnings_and_errors() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (lines, guard) = queue(writer).unwrap();
        let dropped = guard.dropped_lines();
        // A pipe holds far less than a line of this size, so the thread blocks in the first write.
        lines.push(format!("{}\n", "x".repeat(1 << 20)), false);
        while lines.queued.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        for (is_urgent, fits, expected) in [(false, 3072, 100), (true, 1024, 100 + 100)] {
            for _ in 0..fits + 100 {
                lines.push(format!("{is_urgent}\n"), is_urgent);
            }
            assert_eq!(dropped.count(), expected, "{is_urgent}");
        }
        let read = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        drop((lines, guard));
        let text = read.join().unwrap();
        let count = |line: &str| text.lines().filter(|written| *written == line).count();
        assert_eq!((count("false"), count("true")), (3072, 1024));
    }

    /// Accepts `limit` bytes, then nothing until it is emptied.
    struct Full {
        taken: Vec<u8>,
        limit: usize,
    }

    impl Write for &mut Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.limit - self.taken.len());
            self.taken.extend_from_slice(&bytes[..fits]);
            if fits == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_whole_or_counted_and_never_joined() {
        let mut full = Full { taken: Vec::new(), limit: 10 };
        let mut output = Output { writer: &mut full, torn: false };
        assert_eq!(output.write(b"first\nsecond\nthird\n"), 2);
        assert_eq!(output.write(b"fourth\n"), 1);
        assert_eq!(output.writer.taken, b"first\nseco");
        output.writer.taken.clear();
        assert_eq!(output.write(b"fifth\n"), 0);
        assert_eq!(output.write(b"x\n"), 0);
        assert_eq!(output.writer.taken, b"\nfifth\nx\n");
    }

    #[test]
    fn lines_for_a_closed_writer_are_counted() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (lines, guard) = queue(writer).unwrap();
        let dropped = guard.dropped_lines();
        for number in 0..10 {
            lines.push(format!("line {number}\n"), false);
        }
        drop(guard);
        assert_eq!(dropped.count(), 10);
    }
}
