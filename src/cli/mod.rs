//! The command line: arguments, then one file per command.
//!
//! What a command answers goes to standard output; logs, problems and prompts go to standard error. Exit codes: 0 done,
//! 1 the file has problems or something failed, 2 wrong usage.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};

mod accounts;
mod audit;
mod check;
mod connections;
mod demo;
mod doctor;
mod import;
mod keys;
mod logging;
mod providers;
mod running;
mod said;
mod secrets;
mod serve;

/// An MCP gateway that knows its users.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 the file has problems or something failed, 2 wrong usage."
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
struct Common {
    /// The configuration; relative paths in it begin in its folder
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "ANTEROOM_CONFIG",
        default_value = "gateway.toml"
    )]
    config: PathBuf,
    #[command(flatten)]
    logging: logging::Logging,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve,
    /// Read the configuration and list every problem in it
    Check,
    /// Make keys: for programs that speak for users, and for sealing the store
    #[command(subcommand)]
    Keys(keys::Command),
    /// Try out what others run, and say what to do
    #[command(subcommand)]
    Doctor(doctor::Command),
    /// Work on accounts that are kept in the configuration
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// List the providers that are known by name, and what each needs
    Providers(providers::Options),
    /// Turn the providers of an Arcade engine's configuration into TOML, on standard output
    Import(import::Options),
    /// Show who did what with whose connection: asks the gateway that runs, or reads its store
    Audit(audit::Options),
    /// See what users have connected, take it away or renew it: through the gateway that runs, or in its store
    #[command(subcommand)]
    Connections(connections::Command),
    /// Set what tools need of you, or take it away: through the gateway that runs, or in its store
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Show the whole story in one process, offline: gateway, provider, upstream and two accounts
    Demo(demo::Options),
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let logs = match &command {
        Command::Demo(options) if options.check => logging::start(&common.logging, logging::STORY),
        Command::Serve | Command::Demo(_) => logging::start(&common.logging, logging::USUAL),
        Command::Check
        | Command::Keys(_)
        | Command::Accounts(_)
        | Command::Providers(_)
        | Command::Import(_)
        | Command::Audit(_)
        | Command::Connections(_)
        | Command::Secrets(_)
        | Command::Doctor(_) => Ok(()),
    };
    match logs.and_then(|()| run(&common, command)) {
        Ok(code) => code,
        // Whoever read it has seen enough: `| head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is there to read it if this fails too.
            let _ = writeln!(io::stderr(), "anteroom: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing but what we print goes to a pipe.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(common: &Common, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve => match load(&common.config)? {
            Some(config) => serve::run(config, &common.config).map(|()| ExitCode::SUCCESS),
            None => Ok(ExitCode::FAILURE),
        },
        Command::Check => check::run(&common.config),
        Command::Keys(command) => keys::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Accounts(command) => accounts::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Providers(options) => providers::run(&options, &common.config),
        Command::Import(options) => import::run(&options),
        Command::Audit(options) => match load(&common.config)? {
            Some(config) => audit::run(&options, &config, &common.config),
            None => Ok(ExitCode::FAILURE),
        },
        Command::Connections(command) => match load(&common.config)? {
            Some(config) => connections::run(&command, config, &common.config),
            None => Ok(ExitCode::FAILURE),
        },
        Command::Secrets(command) => match load(&common.config)? {
            Some(config) => secrets::run(&command, config, &common.config),
            None => Ok(ExitCode::FAILURE),
        },
        Command::Doctor(command) => doctor::run(&command, &common.config),
        Command::Demo(options) => demo::run(&options).map(|()| ExitCode::SUCCESS),
    }
}

/// Reads the configuration; `None` after its problems were told.
fn load(path: &Path) -> anyhow::Result<Option<Config>> {
    match config::load(path) {
        Ok(config) => {
            for warning in config.warnings.iter() {
                tracing::warn!(path = warning.path, "{}", warning.message);
            }
            Ok(Some(config))
        }
        Err(problems) => {
            check::tell(&problems)?;
            Ok(None)
        }
    }
}
