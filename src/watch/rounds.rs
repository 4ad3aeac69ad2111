//! Scrapes of all endpoints, interval after interval, without waiting for one that does not respond.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use super::Options;
use super::reading::Reading;
use crate::probe::{self, Finding, Target};

/// Results of one interval.
pub(crate) struct Round {
    pub(crate) at: Instant,
    /// By endpoint; `None` while its response is awaited.
    pub(crate) results: Vec<Option<Result<Reading, Finding>>>,
}

/// A scrape that may outlast its interval.
type Pending = JoinHandle<Result<Reading, Finding>>;

/// Scrapes at once and then every interval, until `take` returns false. A round ends when every endpoint has responded,
/// at the latest with its interval; an endpoint that has not responded yet is not scraped again.
pub(crate) async fn run(targets: &[Target], options: &Options, mut take: impl FnMut(Round) -> bool) {
    let mut ticker = interval(options.interval);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut pending: Vec<Option<Pending>> = targets.iter().map(|_| None).collect();
    loop {
        let deadline = ticker.tick().await + options.interval;
        for (scrape, target) in pending.iter_mut().zip(targets) {
            if scrape.is_none() {
                *scrape = Some(tokio::spawn(read(target.clone(), options.timeout, options.max_size)));
            }
        }
        let mut results = Vec::with_capacity(targets.len());
        for scrape in &mut pending {
            let response = match scrape {
                Some(running) => timeout_at(deadline, running).await.ok(),
                None => None,
            };
            if response.is_some() {
                *scrape = None;
            }
            results.push(response.and_then(Result::ok));
        }
        if !take(Round { at: Instant::now(), results }) {
            return;
        }
    }
}

async fn read(target: Target, timeout: Duration, max_size: usize) -> Result<Reading, Finding> {
    let (at, page) = probe::exposition(&target, timeout, max_size).await;
    Ok(Reading::of(&page?, at))
}
