//! `dure up`: the server.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::house::House;
use crate::settings::Settings;

pub async fn up(settings: &Settings) -> anyhow::Result<ExitCode> {
    let house = House::open(settings).await?;
    if !house.app.tenancy.has_keys() {
        house.close().await?;
        bail!("no key exists, so nobody could ask; make one first: dure key create NAME");
    }
    let listener = TcpListener::bind(settings.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        let _ = stop.send(true);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
    house.announce(address)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "the API is reachable from other machines without TLS; put a TLS proxy before it");
    }
    tracing::info!(%address, data = %settings.data.display(), "serving");
    println!("Dure serves http://{address}/v1  (data: {})", settings.data.display());
    gateway::serve(listener, house.router(), stopped, Duration::from_secs(settings.server.drain_s)).await?;
    house.close().await?;
    Ok(ExitCode::SUCCESS)
}
