//! `anteroom import`: the providers and the workers of an Arcade engine's configuration, as TOML.
//!
//! The file is read and nothing else: no reference in it is followed, nothing is fetched and nothing is run. What could not be
//! carried is said on standard error, by its path.

mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use toml::Table;

use crate::config::{
    self, Surroundings,
    engine::{Node, provider, upstreams},
};

/// No engine.yaml is larger. Bytes.
const MAX_FILE: u64 = 1 << 20;

/// What to import.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// An engine.yaml; `-` for standard input
    file: PathBuf,
}

/// What came of a file.
#[derive(Debug, Default)]
struct Imported {
    toml: String,
    providers: usize,
    workers: usize,
    /// What could not be carried, or should be looked at, each with its path.
    notes: Vec<String>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let shown = options.file.display();
    let text = read(&options.file).with_context(|| format!("{shown} was not imported"))?;
    let imported = import(&text).with_context(|| format!("{shown} was not imported"))?;
    io::stdout().write_all(imported.toml.as_bytes())?;
    let mut out = io::stderr();
    for note in &imported.notes {
        writeln!(out, "{shown}: {note}")?;
    }
    writeln!(
        out,
        "{} providers, {} workers, {} notes. Register the redirect URLs that `anteroom providers` shows, and run `anteroom check`",
        imported.providers,
        imported.workers,
        imported.notes.len()
    )?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    source.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        bail!("it is larger than 1 MiB: this cannot be an engine.yaml");
    }
    String::from_utf8(bytes).ok().context("it is not UTF-8")
}

fn import(text: &str) -> anyhow::Result<Imported> {
    let document = yaml::parse(text)?;
    let mut notes = Vec::new();
    let root = Node::root(&document);
    if !root.is_table() {
        bail!("it is not a table of `auth`, `tools` and so on");
    }
    let others = root.entries().into_iter();
    for (_, other) in others.filter(|(key, _)| !matches!(*key, "auth" | "tools" | "$schema")) {
        other.note(
            "not carried, only `auth.providers` and `tools.directors` are",
            &mut notes,
        );
    }
    let auth = root.get("auth");
    auth.note_unknown(&["providers"], &mut notes);
    let mut providers = Table::new();
    let mut seen = BTreeSet::new();
    let mut renamed = BTreeMap::new();
    for node in auth.get("providers").members() {
        let Some((name, section)) = provider(&node, &mut notes) else {
            continue;
        };
        if seen.insert(name.clone()) {
            let id = node.get("id").text().filter(|id| *id != name);
            renamed.extend(id.map(|id| (id, name.clone())));
            providers.insert(name, section.into());
        } else {
            notes.push(format!(
                "{}: not carried, there is another provider `{name}`",
                node.path()
            ));
        }
    }
    let upstreams = upstreams(&root.get("tools"), &renamed, &mut notes);
    if providers.is_empty() && upstreams.is_empty() {
        bail!("it has neither `auth.providers` nor `tools.directors` that can be carried");
    }
    let counts = (providers.len(), upstreams.len());
    let mut file = Table::new();
    for (kind, sections) in [("providers", providers), ("upstreams", upstreams)] {
        if !sections.is_empty() {
            file.insert(kind.to_owned(), sections.into());
        }
    }
    let toml = toml::to_string(&file)?;
    notes.extend(problems(&toml));
    Ok(Imported {
        toml,
        providers: counts.0,
        workers: counts.1,
        notes,
    })
}

/// What is still wrong with the result. No reference is followed: every one is taken to be there.
fn problems(toml: &str) -> Vec<String> {
    let variable = |name: &str| {
        let address = ["URI", "URL"].iter().any(|end| name.ends_with(end));
        let value = if address { "http://127.0.0.1" } else { "x" };
        Some(OsString::from(value))
    };
    let surroundings = Surroundings {
        path: Path::new("the result"),
        variable: &variable,
    };
    let found = config::parse(&toml.replace("${file:", "${env:"), &surroundings);
    match found {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("in the result, {}: {}", problem.path, problem.message))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
