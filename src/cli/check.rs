//! `anteroom check`: the verdict on a file.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::config::{self, Config, Problems, RootKeys};

pub(super) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    match config::load(path) {
        Ok(config) => {
            if config.warnings.iter().next().is_some() {
                writeln!(io::stderr(), "{}", config.warnings)?;
            }
            writeln!(io::stdout(), "{}", verdict(path, &config))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            tell(&problems)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Lists the problems on standard error, and how many they are.
pub(super) fn tell(problems: &Problems) -> io::Result<()> {
    let mut out = io::stderr();
    writeln!(out, "{problems}")?;
    writeln!(out, "{}", counted(problems.errors(), "problem"))
}

fn verdict(path: &Path, config: &Config) -> String {
    let counts = [
        counted(config.gateways.len(), "gateway"),
        counted(config.upstreams.len(), "upstream"),
        counted(config.providers.len(), "provider"),
        counted(config.user_sources.len(), "user source"),
        counted(config.api_keys.len(), "API key"),
    ];
    let mut text = format!("{} is fine: {}", path.display(), counts.join(", "));
    if let RootKeys::FirstStart(file) = &config.store.root_keys {
        let file = file.display();
        text.push_str(&format!(
            "\nthe first start will make the root key {file}; keep a copy of it"
        ));
    }
    text
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
