//! Settings, wiring, the command line.
//!
//! Exit codes: 0 done, 1 failed, 2 not understood.

mod cli;
mod client;
mod commands;
mod engines;
mod house;
mod print;
mod settings;
mod up;
mod upstreams;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use settings::{Flags, LogFormat, Settings};

fn main() -> ExitCode {
    // The engine's child comes before everything else: it must be alone in its process.
    let mut arguments = std::env::args_os();
    let _program = arguments.next();
    if arguments.next().is_some_and(|first| first == llama::child::COMMAND) {
        return llama::child::main(arguments);
    }
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            print::failure(&error, cli.json);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let listen = if let Command::Up(up) = &cli.command { up.listen.clone() } else { None };
    let settings = Settings::read(&Flags { data: cli.data.clone(), settings: cli.settings.clone(), listen })?;
    start_log(&settings, matches!(cli.command, Command::Up(_)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match &cli.command {
            Command::Up(_) => up::up(&settings).await,
            _ => commands::run(cli, &settings).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}

/// A server logs as its settings say; a command only what went wrong.
fn start_log(settings: &Settings, server: bool) -> anyhow::Result<()> {
    let level = if server { settings.log.level.as_str() } else { "error" };
    let filter =
        tracing_subscriber::EnvFilter::try_new(level).map_err(|error| anyhow::anyhow!("`log.level`: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
