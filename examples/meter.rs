//! Runs the metric hooks so often that the cost of one can be measured from outside, by instructions (`bench/instructions`)
//! or by memory (`bench/memory`): `meter clock|families|contract|render|gzip TIMES`, `meter memory TIMES`,
//! `meter label-sets MODELS`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "../benches/request/mod.rs"]
mod request;

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context as _;
use aurora::api::Endpoint;
use aurora::metrics::{Format, Listing, Pace, Time, gzip};
use request::{Ours, workers};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clock reads of a whole request.
const CLOCK_READS: u32 = 10;

const ENDPOINTS: [Endpoint; 4] =
    [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings, Endpoint::Responses];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, times] = arguments.as_slice() else { anyhow::bail!("usage: meter WHAT TIMES") };
    let times: u64 = times.parse().context("TIMES is a number")?;
    match what.as_str() {
        "memory" => memory(times),
        "label-sets" => label_sets(times),
        "render" | "gzip" => page(what, times),
        "clock" | "families" | "contract" => repeat(what, times),
        _ => anyhow::bail!("meter cannot {what}"),
    }
}

/// One thing again and again; `clock` reads it as often as `contract` does.
fn repeat(what: &str, times: u64) -> anyhow::Result<()> {
    let (metrics, workers) = workers(200);
    let (ours, started) = (&workers[0], Time::now());
    for _ in 0..times {
        match what {
            "families" => ours.three_families(started),
            "contract" => ours.every_family(Endpoint::ChatCompletions),
            _ => (0..CLOCK_READS).for_each(|_| {
                black_box(Time::now());
            }),
        }
    }
    black_box(metrics.render(Format::Text, &mut Pace::unbroken()));
    Ok(())
}

/// About 120,000 samples, rendered and compressed.
fn page(what: &str, times: u64) -> anyhow::Result<()> {
    let (metrics, _) = filled(1_345);
    let text = metrics.render(Format::OpenMetrics, &mut Pace::unbroken());
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    let started = Instant::now();
    for _ in 0..times {
        if what == "gzip" {
            black_box(gzip(&text, &mut Pace::unbroken())?);
        } else {
            black_box(metrics.render(Format::OpenMetrics, &mut Pace::unbroken()));
        }
    }
    println!("{samples} samples, {} bytes, {:?} for all", text.len(), started.elapsed());
    Ok(())
}

type Filled = (std::sync::Arc<aurora::metrics::Metrics>, Vec<Ours>);

/// Models that both workers have sent requests for at four endpoints.
fn filled(models: u64) -> Filled {
    let (metrics, mut all) = workers(usize::try_from(models).unwrap_or(usize::MAX));
    for number in 0..models {
        for index in 0..2 {
            let worker = all[index].worker.clone();
            let ours = Ours::new(worker, &format!("model-{number:04}-instruct"), Listing::Discovered);
            ENDPOINTS.iter().for_each(|endpoint| ours.every_family(*endpoint));
            all.push(ours);
        }
    }
    (metrics, all)
}

/// Resident memory without scrapes.
fn memory(times: u64) -> anyhow::Result<()> {
    let (_metrics, workers) = workers(200);
    for round in 0..=10 {
        println!("{} observations: {} KiB", round * times / 10, resident()?);
        for number in 0..times / 10 {
            let name = format!("model-{}", number % 100_000);
            let named = number % 1000 == 0;
            let fresh = named.then(|| Ours::new(workers[0].worker.clone(), &name, Listing::Discovered));
            fresh.as_ref().unwrap_or(&workers[0]).every_family(Endpoint::ChatCompletions);
        }
    }
    Ok(())
}

/// Resident memory that label sets take.
fn label_sets(models: u64) -> anyhow::Result<()> {
    drop(filled(1));
    let before = resident()?;
    let (metrics, ours) = filled(models);
    let after = resident()?;
    let text = metrics.render(Format::Text, &mut Pace::unbroken());
    let sets = text
        .lines()
        .filter(|line| line.contains("provider=\"openai\",model=\"model-"))
        .filter(|line| !line.contains("_bucket{") && !line.contains("_sum{"))
        .count();
    println!("{sets} label sets of {} handles: {} KiB", ours.len(), after - before);
    Ok(())
}

/// `VmRSS` of this process, in KiB.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is a number")
}
