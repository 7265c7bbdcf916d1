//! Settings, wiring, the command line.
//!
//! Exit codes: 0 done, 1 failed, 2 not understood.

#[cfg(test)]
mod book;
mod cli;
mod client;
mod commands;
mod encryption;
mod engines;
mod examples;
mod help;
mod house;
mod keeper;
mod outward;
mod pinned;
mod print;
mod settings;
mod shown;
mod telemetry;
mod top;
mod up;
mod upstreams;
mod watch;
mod witnesses;

use std::process::ExitCode;

use cli::{Cli, Command};
use settings::{Flags, Settings};

fn main() -> ExitCode {
    // The engine's child comes before everything else: it must be alone in its process.
    let mut arguments = std::env::args_os();
    let _program = arguments.next();
    if arguments.next().is_some_and(|first| first == llama::child::COMMAND) {
        return llama::child::main(arguments);
    }
    let cli = help::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            print::failure(&error, cli.json);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if matches!(cli.command, Command::Openapi) {
        print::out(&serde_json::to_string_pretty(&gateway::openapi())?);
        return Ok(ExitCode::SUCCESS);
    }
    if help::answers(&cli.command)? {
        return Ok(ExitCode::SUCCESS);
    }
    let listen = if let Command::Up(up) = &cli.command { up.listen.clone() } else { None };
    let settings = Settings::read(&Flags { data: cli.data.clone(), settings: cli.settings.clone(), listen })?;
    match &cli.command {
        Command::Policy(command) => return commands::policy::run(command, &settings, cli.json),
        Command::Mask(mask) => return commands::mask::run(mask, &settings, cli.json).map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    if let Command::Ledger(command) = &cli.command
        && let Some(done) = commands::log::run(command, &settings, cli.json)
    {
        return done;
    }
    // Ends last, with what is left to be sent.
    let _telemetry = telemetry::start(&settings, matches!(cli.command, Command::Up(_)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match &cli.command {
            Command::Up(_) => up::up(&settings).await,
            Command::Encryption(command) => {
                commands::encryption::run(command, &settings, cli.json).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Restore { file } => commands::keeping::restore(&settings, file, cli.json).await,
            _ => commands::run(cli, &settings).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}
