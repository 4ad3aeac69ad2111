//! Resources that a process holds, as the kernel tells them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::aurora::Aurora;

/// Descriptors and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) descriptors: usize,
    /// Bytes.
    pub(crate) resident: u64,
}

impl Usage {
    fn of(aurora: &Aurora) -> Self {
        let folder = format!("/proc/{}", aurora.pid());
        let descriptors = fs::read_dir(format!("{folder}/fd")).expect("a process of ours").count();
        let status = fs::read_to_string(format!("{folder}/status")).expect("a process of ours");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of the kernel's");
        let kibibytes: u64 = line.trim_end_matches("kB").trim().parse().expect("a number");
        Self { descriptors, resident: kibibytes << 10 }
    }

    /// Once it holds as few descriptors as wanted, or as few as it comes to within this time.
    pub(crate) fn settled(aurora: &Aurora, wanted: usize, within: Duration) -> Self {
        let until = Instant::now() + within;
        loop {
            let usage = Self::of(aurora);
            if usage.descriptors <= wanted || Instant::now() > until {
                return usage;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
