//! `dure up`: the server.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gateway::Tls;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::house::House;
use crate::settings::Settings;

/// Files that this process has use for.
const FILES_MAX: u64 = 65_536;
/// How often the files of TLS are looked at.
const FILES_LOOKED_AT_EVERY: Duration = Duration::from_secs(3);

pub async fn up(settings: &Settings) -> anyhow::Result<ExitCode> {
    let tls = settings.tls_files().map(Tls::open).transpose().context("TLS cannot be spoken, so nothing is served")?;
    let tls = tls.map(Arc::new);
    let house = House::open(settings).await?;
    if !house.app.tenancy.has_keys() {
        house.close().await?;
        bail!("no key exists, so nobody could ask; make one first: dure key create NAME");
    }
    raise_files_max();
    let listener = TcpListener::bind(settings.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
    let address = listener.local_addr()?;
    let apart = match settings.metrics.listen {
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            Some(listener.with_context(|| format!("cannot listen on {address} for metrics"))?)
        }
        None => None,
    };
    let witnessing = crate::witnesses::start(settings, &house.app.receipts)?;
    let stage = house.app.stage.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        stage.send_replace(gateway::Stage::Stopping);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
    // A file that may not become longer is an error of that write, not the end of the server.
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    house.announce(address)?;
    if let Some(tls) = &tls {
        tokio::spawn(follow_files(Arc::clone(tls), signal(SignalKind::hangup())?));
    } else if !address.ip().is_loopback() {
        tracing::warn!(%address, "the API is reachable from other machines without TLS: see `[tls]` in the settings");
    }
    tracing::info!(%address, data = %settings.data.display(), "serving");
    if let Some(listener) = apart {
        let address = listener.local_addr()?;
        tracing::info!(%address, "metrics are answered without a key");
        tokio::spawn(gateway::serve_apart(listener, Arc::clone(&house.app)));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("Dure serves {scheme}://{address}/v1  (data: {})", settings.data.display());
    gateway::serve(listener, Arc::clone(&house.app), tls, Duration::from_secs(settings.server.drain_s)).await?;
    if let Some(witnessing) = witnessing {
        witnessing.abort();
    }
    house.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Takes as many open files as this process is allowed: each connection is one, and the usual first bound is 1,024.
fn raise_files_max() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::warn!(%error, "no more files can be open at once than before");
    }
}

/// Looks at the files of TLS now and then, and at once on SIGHUP.
async fn follow_files(tls: Arc<Tls>, mut hangup: Signal) {
    let mut told = String::new();
    loop {
        tokio::select! {
            _ = hangup.recv() => told.clear(),
            () = tokio::time::sleep(FILES_LOOKED_AT_EVERY) => {}
        }
        match tls.reload() {
            Ok(true) => tracing::info!("the files of TLS were renewed"),
            Ok(false) => told.clear(),
            // Said once for each trouble, not at each look.
            Err(error) if error.to_string() != told => {
                told = error.to_string();
                tracing::error!(%error, "the new files of TLS cannot be used; the old ones stay");
            }
            Err(_) => {}
        }
    }
}
