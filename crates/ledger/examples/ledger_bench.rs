//! Durable receipts a second, and how long a caller waits for one. `bench/ledger/run.py` keeps what it prints.
//!
//! ```text
//! ledger_bench --dir DIR [--seconds 10] [--bytes 300] [--callers 1,64,256]
//! ```
//!
//! Beside each figure stands the disk's own time for one `fdatasync` of an append of the same size, measured before and
//! after, because no ledger that waits for the disk is faster than that.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use ledger::{Ed25519Signer, FileMemory, Ledger, Options, verify};
use serde_json::{Value, json};

const SYNCS: usize = 300;

#[derive(Parser)]
struct Arguments {
    /// A folder on the disk that is measured. It must be empty.
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Bytes of an entry.
    #[arg(long, default_value_t = 300)]
    bytes: usize,
    #[arg(long, value_delimiter = ',', default_value = "1,64,256")]
    callers: Vec<usize>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let mut rounds = Vec::new();
    for callers in &arguments.callers {
        rounds.push(round(&runtime, &arguments, *callers)?);
    }
    println!("{}", json!({ "entry_bytes": arguments.bytes, "seconds": arguments.seconds, "rounds": rounds }));
    Ok(())
}

fn round(runtime: &tokio::runtime::Runtime, arguments: &Arguments, callers: usize) -> Result<Value> {
    let dir = arguments.dir.join(format!("log-{callers}"));
    let memory = FileMemory::open(&arguments.dir.join(format!("highest-{callers}")))?;
    let signer = Box::new(Ed25519Signer::from_secret(&[7; 32]));
    let before = disk(&arguments.dir, arguments.bytes)?;
    let ledger = Ledger::open(&dir, "ledger.example/bench", signer, Box::new(memory), Options::default())?;
    let ledger = Arc::new(ledger);
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let begin = Instant::now();
    let tasks: Vec<_> =
        (0..callers).map(|_| runtime.spawn(call(Arc::clone(&ledger), arguments.bytes, until))).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(runtime.block_on(task)??);
    }
    let elapsed = begin.elapsed();
    let published = ledger.log().checkpoint().size();
    let lag = ledger.size() - published;
    let closed = ledger.close()?;
    let after = disk(&arguments.dir, arguments.bytes)?;
    let verified = verify(&dir, ledger.key(), None)?;
    anyhow::ensure!(verified.size() == waits.len() as u64 && closed == verified, "entries are missing");
    Ok(json!({
        "callers": callers,
        "receipts": waits.len(),
        "receipts_per_s": (waits.len() as f64 / elapsed.as_secs_f64()).round(),
        "wait_ms": spread(&mut waits),
        "unpublished_at_the_end": lag,
        "disk_fdatasync_ms_before": before,
        "disk_fdatasync_ms_after": after,
    }))
}

/// Appends one entry after the other, each once the one before it is durable.
async fn call(ledger: Arc<Ledger>, bytes: usize, until: Instant) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        ledger.append_when_room(vec![b'x'; bytes]).await?.await?;
        waits.push(begin.elapsed());
    }
    Ok(waits)
}

/// The disk's own time for an append and its sync, with nothing of ours between.
fn disk(dir: &Path, bytes: usize) -> Result<Value> {
    let path = dir.join("plain");
    let mut file: File = OpenOptions::new().create(true).append(true).open(&path).context("the folder is not there")?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&vec![b'x'; bytes])?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    Ok(spread(&mut times))
}

/// Median and the ninety-ninth of a hundred, in milliseconds.
fn spread(times: &mut [Duration]) -> Value {
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
    json!({ "p50": milliseconds(at(0.5)), "p99": milliseconds(at(0.99)) })
}
