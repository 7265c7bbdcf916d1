//! A load generator for an OpenAI-compatible server: as fast as it goes, at a fixed rate, or many streams at once.
//!
//! Run: `gateway-load --to 127.0.0.1:7400 --key KEY --model NAME saturate|rate|streams`; prints JSON.
//!
//! At a fixed rate each request has a time at which it is due. A request that is due while its connection still waits
//! for an earlier answer counts from when it was due, not from when it could be sent: a server that stops for a second
//! shows in every request of that second (coordinated omission). One whose connection is free counts from when it is sent,
//! since that this machine's timers are some microseconds late is not the server's doing.

mod http;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use http::Reader;
use serde_json::{Value, json};

#[derive(Parser, Clone)]
struct Arguments {
    /// Host and port of the server.
    #[arg(long)]
    to: String,
    /// The path of its door.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// The key to show.
    #[arg(long, default_value = "none")]
    key: String,
    /// The model to ask for.
    #[arg(long)]
    model: String,
    /// Bytes of a request's body.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    #[command(subcommand)]
    how: How,
}

#[derive(Subcommand, Clone)]
enum How {
    /// As many requests as the server answers.
    Saturate {
        #[arg(long, default_value_t = 64)]
        connections: usize,
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    },
    /// So many requests a second, whatever the server does.
    Rate {
        #[arg(long)]
        per_second: f64,
        #[arg(long, default_value_t = 64)]
        connections: usize,
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    },
    /// Streams at once, whose tokens are the times at which the upstream wrote them.
    Streams {
        #[arg(long, default_value_t = 2000)]
        count: usize,
        /// How long it takes until all have begun, evenly.
        #[arg(long, default_value_t = 4.0)]
        over: f64,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let report = match arguments.how.clone() {
        How::Saturate { connections, seconds } => saturate(&arguments, connections, seconds)?,
        How::Rate { per_second, connections, seconds } => at_rate(&arguments, per_second, connections, seconds)?,
        How::Streams { count, over } => streams(&arguments, count, over)?,
    };
    println!("{report}");
    Ok(())
}

/// A request's bytes: a head and a body of the size that is wanted.
fn request(arguments: &Arguments, streamed: bool) -> Vec<u8> {
    let body = |padding: usize| {
        json!({
            "model": arguments.model,
            "messages": [
                { "role": "system", "content": "Answer in one word." },
                { "role": "user", "content": "lorem ipsum ".repeat(padding / 12 + 1)[..padding].to_owned() },
            ],
            "max_tokens": 64,
            "stream": streamed,
        })
        .to_string()
    };
    let body = body(arguments.bytes.saturating_sub(body(0).len()));
    let Arguments { to, path, key, .. } = arguments;
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn connect(arguments: &Arguments) -> Result<Reader> {
    let stream = TcpStream::connect(&arguments.to).with_context(|| format!("cannot reach {}", arguments.to))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(Reader::new(stream))
}

/// One request and its answer, which must be a good one.
fn ask(reader: &mut Reader, request: &[u8]) -> Result<()> {
    reader.stream.write_all(request)?;
    let head = reader.head()?.context("the server left")?;
    let body = reader.body(&head)?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{} {}", head, String::from_utf8_lossy(&body));
    ensure!(body.windows(13).any(|part| part == b"finish_reason"), "no answer: {}", String::from_utf8_lossy(&body));
    Ok(())
}

fn saturate(arguments: &Arguments, connections: usize, seconds: f64) -> Result<Value> {
    let request = request(arguments, false);
    let (stop, errors) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let mut times = thread::scope(|scope| -> Result<Vec<u64>> {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<u64>> {
                    let mut reader = connect(arguments)?;
                    let mut times = Vec::with_capacity(1 << 16);
                    while !stop.load(Ordering::Relaxed) {
                        let sent = Instant::now();
                        match ask(&mut reader, &request) {
                            Ok(()) => times.push(sent.elapsed().as_nanos() as u64),
                            Err(error) => failed(&errors, &error, &mut reader, arguments)?,
                        }
                    }
                    Ok(times)
                })
            })
            .collect();
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        gather(workers)
    })?;
    let took = begun.elapsed().as_secs_f64();
    let per_second = times.len() as f64 / took;
    Ok(json!({
        "mode": "saturate", "connections": connections, "seconds": took, "requests": times.len(),
        "errors": errors.into_inner(), "per_second": per_second, "milliseconds": spread(&mut times),
    }))
}

fn at_rate(arguments: &Arguments, per_second: f64, connections: usize, seconds: f64) -> Result<Value> {
    let request = request(arguments, false);
    let errors = AtomicU64::new(0);
    let step = Duration::from_secs_f64(connections as f64 / per_second);
    let warm = Duration::from_secs(1);
    let begun = Instant::now() + Duration::from_millis(200);
    let end = begun + warm + Duration::from_secs_f64(seconds);
    let mut times = thread::scope(|scope| -> Result<Vec<u64>> {
        let workers: Vec<_> = (0..connections)
            .map(|number| {
                let (request, errors) = (&request, &errors);
                scope.spawn(move || -> Result<Vec<u64>> {
                    let mut reader = connect(arguments)?;
                    let mut times = Vec::with_capacity(1 << 14);
                    let mut due = begun + step.mul_f64(number as f64 / connections as f64);
                    while due < end {
                        let now = Instant::now();
                        let counted = if now < due {
                            thread::sleep(due - now);
                            Instant::now()
                        } else {
                            due
                        };
                        match ask(&mut reader, request) {
                            // The first second warms caches and connections.
                            Ok(()) if due >= begun + warm => times.push(counted.elapsed().as_nanos() as u64),
                            Ok(()) => {}
                            Err(error) => failed(errors, &error, &mut reader, arguments)?,
                        }
                        due += step;
                    }
                    Ok(times)
                })
            })
            .collect();
        gather(workers)
    })?;
    let took = seconds + (Instant::now() - end).as_secs_f64();
    let answered = times.len() as f64 / took;
    Ok(json!({
        "mode": "rate", "connections": connections, "wanted_per_second": per_second, "per_second": answered,
        "requests": times.len(), "errors": errors.into_inner(), "milliseconds": spread(&mut times),
    }))
}

fn streams(arguments: &Arguments, count: usize, over: f64) -> Result<Value> {
    let request = request(arguments, true);
    let (errors, open, open_most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    let mut times = thread::scope(|scope| -> Result<Vec<u64>> {
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let (request, errors, open, open_most) = (&request, &errors, &open, &open_most);
            let due = begun + Duration::from_secs_f64(over * number as f64 / count as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let worker = thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, move || {
                open_most.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let read = read_stream(arguments, request);
                open.fetch_sub(1, Ordering::Relaxed);
                Ok(read.unwrap_or_else(|error| {
                    if errors.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("the first error: {error:#}");
                    }
                    Vec::new()
                }))
            })?;
            workers.push(worker);
        }
        gather(workers)
    })?;
    Ok(json!({
        "mode": "streams", "streams": count, "open_most": open_most.into_inner(), "errors": errors.into_inner(),
        "tokens": times.len(), "seconds": begun.elapsed().as_secs_f64(), "delay_milliseconds": spread(&mut times),
    }))
}

/// Reads a stream to its end; for each token how long ago the upstream wrote it.
fn read_stream(arguments: &Arguments, request: &[u8]) -> Result<Vec<u64>> {
    let mut reader = connect(arguments)?;
    reader.stream.write_all(request)?;
    let head = reader.head()?.context("the server left")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (mut delays, mut done) = (Vec::new(), false);
    while let Some(chunk) = reader.chunk()? {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let text = String::from_utf8_lossy(&chunk);
        for event in text.split("\n\n") {
            done |= event == "data: [DONE]";
            let written = event.split("\"content\":\"").nth(1).and_then(|rest| rest.split(' ').next());
            if let Some(written) = written.and_then(|text| text.parse::<u128>().ok()) {
                delays.push(now.saturating_sub(written) as u64);
            }
        }
    }
    ensure!(done, "a stream ended without its end");
    Ok(delays)
}

fn failed(errors: &AtomicU64, error: &anyhow::Error, reader: &mut Reader, arguments: &Arguments) -> Result<()> {
    if errors.fetch_add(1, Ordering::Relaxed) == 0 {
        eprintln!("the first error: {error:#}");
    }
    ensure!(errors.load(Ordering::Relaxed) < 1_000, "too many errors");
    *reader = connect(arguments)?;
    Ok(())
}

fn gather(workers: Vec<thread::ScopedJoinHandle<'_, Result<Vec<u64>>>>) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
    }
    Ok(all)
}

/// Percentiles, from nanoseconds to milliseconds.
fn spread(times: &mut [u64]) -> Value {
    times.sort_unstable();
    let at = |share: f64| {
        let place = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
        times.get(place).map(|time| (*time as f64 / 1_000.0).round() / 1_000.0)
    };
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) })
}
