//! The log, and, where the settings name a receiver, traces by OpenTelemetry's protocol.
//!
//! What must stay true: nothing is sent anywhere but to the receiver that the settings name; what is sent of a request
//! is its span, which holds no text and no key; a receiver that is slow or gone costs requests nothing.

mod otlp;
mod sender;
mod spans;

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::sender::Sender;
use self::spans::Spans;
use crate::settings::{LogFormat, Settings};

/// What is to be ended with the program. Its drop sends what is left.
pub struct Telemetry(Option<Sender>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.end();
        }
    }
}

/// Starts the log: a server's as its settings say, a command's only for what went wrong. A server's traces too.
///
/// # Errors
/// When a setting of the log or of the receiver cannot be used.
pub fn start(settings: &Settings, server: bool) -> anyhow::Result<Telemetry> {
    let level = if server { settings.log.level.as_str() } else { "error" };
    let filter = EnvFilter::try_new(level).map_err(|error| anyhow::anyhow!("`log.level`: {error}"))?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let sender = match settings.otel.endpoint.as_str() {
        endpoint if server && !endpoint.is_empty() => Some(Sender::start(endpoint)?),
        _ => None,
    };
    // One span a request, and none of what is logged in it: an error's words are for the operator's log.
    let spans = sender.as_ref().map(|sender| {
        let requests = filter_fn(|metadata| metadata.is_span() && metadata.name() == spans::REQUEST);
        Spans::new(sender.line()).with_filter(requests)
    });
    tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).init();
    Ok(Telemetry(sender))
}
