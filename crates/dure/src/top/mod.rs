//! `dure top`: a running server, second by second.

mod sample;
mod screen;
mod terminal;

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use self::sample::{Look, Sample};
use self::screen::{View, seconds};
use self::terminal::{Key, Terminal};
use crate::client::Client;
use crate::print;

const SECOND: Duration = Duration::from_secs(1);
/// Seconds that rates may be taken over.
const WINDOWS_S: [u64; 4] = [1, 10, 60, 300];
const LOOKS_MAX: usize = 301;

/// Shows the server of `client` until somebody says that it is enough; `once`, or where nobody could read a screen,
/// one sample.
pub async fn top(client: &Client, json: bool, once: bool) -> anyhow::Result<()> {
    let Some(address) = client.address() else { bail!("no server runs on this data folder; `dure up` starts one") };
    if json || once || !Terminal::is_there() {
        let before = look(client).await?;
        sleep(SECOND).await;
        let sample = look(client).await?.since(&before);
        if json {
            print::out(&serde_json::to_string(&sample)?)
        } else {
            lines(&sample)
        }
        return Ok(());
    }
    let terminal = Terminal::take().context("this terminal cannot be drawn on; `--once` prints one sample")?;
    show(&terminal, client, View::of(address)).await
}

async fn look(client: &Client) -> anyhow::Result<Look> {
    Ok(Look::new(client.ask(Method::GET, "/api/v1/metrics", None).await?))
}

async fn show(terminal: &Terminal, client: &Client, mut view: View) -> anyhow::Result<()> {
    let mut keys = terminal::keys();
    let mut resized = signal(SignalKind::window_change())?;
    let mut clock = interval(SECOND);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks: VecDeque<Look> = VecDeque::from([look(client).await?]);
    let mut window = 1;
    loop {
        let first = looks.len().saturating_sub(1 + WINDOWS_S[window] as usize);
        if let (Some(before), Some(now)) = (looks.get(first), looks.back()) {
            view.sample = now.since(before);
        }
        view.window_s = WINDOWS_S[window];
        let (columns, rows) = terminal.size();
        terminal.show(&screen::draw(&view, columns, rows))?;
        tokio::select! {
            _ = clock.tick() => match timeout(5 * SECOND, look(client)).await {
                Ok(Ok(now)) => {
                    if looks.back().is_some_and(|before| now.is_another_run(before)) {
                        looks.clear();
                    }
                    if let Some(before) = looks.back() {
                        view.add(&now.since(before));
                    }
                    if looks.len() == LOOKS_MAX {
                        looks.pop_front();
                    }
                    looks.push_back(now);
                    view.trouble = None;
                }
                Ok(Err(error)) => view.trouble = Some(error.to_string()),
                Err(_) => view.trouble = Some("the server does not answer".to_owned()),
            },
            // Another size is drawn at once.
            _ = resized.recv() => {}
            key = keys.recv() => match key {
                Some(Key::End) | None => return Ok(()),
                Some(Key::Left) => window = window.saturating_sub(1),
                Some(Key::Right) => window = (window + 1).min(WINDOWS_S.len() - 1),
                Some(Key::Up) => view.scrolled = view.scrolled.saturating_sub(1),
                Some(Key::Down) => {
                    view.scrolled = (view.scrolled + 1).min(view.sample.errors.len().saturating_sub(1));
                }
            },
        }
    }
}

/// One sample as lines.
fn lines(sample: &Sample) {
    let pair = |p50, p95| format!("{} (p95 {})", seconds(p50), seconds(p95));
    let state = if sample.ready { "ready".to_owned() } else { format!("not ready: {}", sample.reasons.join("; ")) };
    let mut rows = vec![
        ("server", state),
        ("requests/s", format!("{:.1}, errors {:.1}", sample.requests_per_s, sample.errors_per_s)),
        ("tokens/s", format!("{:.1} out, {:.1} in", sample.tokens_out_per_s, sample.tokens_in_per_s)),
        ("first token", pair(sample.first_token_p50_s, sample.first_token_p95_s)),
        ("search", pair(sample.search_p50_s, sample.search_p95_s)),
        ("vectors to make", format!("{} of {}", sample.vectors_outstanding, sample.passages)),
        ("memory", print::bytes(sample.memory_bytes as u64)),
        ("database", print::bytes(sample.database_bytes as u64)),
    ];
    for model in &sample.models {
        let slots = model.slots.map_or("-".to_owned(), |slots| slots.to_string());
        let down = if model.up { "" } else { ", does not start" };
        rows.push(("model", format!("{}: {}/{slots} slots, {} wait{down}", model.name, model.busy, model.waiting)));
    }
    if let Some(error) = sample.errors.first() {
        rows.push(("last error", format!("{} {} {} {}", error.status, error.code, error.method, error.route)));
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    print::table(&rows);
}
