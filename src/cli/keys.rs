//! `anteroom keys`: API keys and root keys.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    base::{
        entropy::{Entropy, OsEntropy},
        id::Name,
        secret::TokenHash,
    },
    config::root_key,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an API key; it is shown this once, the configuration keeps its hash
    Issue {
        /// What the key is called in the configuration
        name: Name,
        /// The user source whose users the key may speak for
        #[arg(long, value_name = "SOURCE")]
        user_source: Name,
        #[command(flatten)]
        rights: Rights,
        /// Answer `{"key", "hash", "toml"}`
        #[arg(long)]
        json: bool,
    },
    /// Make a secret for an MCP client that can keep one; it is shown this once, the configuration keeps its hash
    Client {
        /// What the client is called in the configuration; its `client_id`
        name: Name,
        /// Where the client takes its answers
        #[arg(long, value_name = "URI", required = true)]
        redirect_uri: Vec<String>,
        /// Answer `{"secret", "hash", "toml"}`
        #[arg(long)]
        json: bool,
    },
    /// Make a root key, which seals the store; printed, or written to a file only its owner may read
    Root {
        /// Write it to this file, which must not exist yet
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// What a key may do beside speaking for users.
#[derive(Debug, Args)]
pub(super) struct Rights {
    /// The gateway whose tools programs get with it; when nothing is said, the default one of the user source, or its only one
    #[arg(long, value_name = "GATEWAY")]
    gateway: Option<Name>,
    /// See and change what is yours: secrets, connections of all its users, upstreams, providers
    #[arg(long)]
    admin: bool,
    /// See its users' tokens
    #[arg(long)]
    expose_tokens: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Issue {
            name,
            user_source,
            rights,
            json,
        } => issue(name, user_source, rights, *json)?,
        Command::Client {
            name,
            redirect_uri,
            json,
        } => client(name, redirect_uri, *json)?,
        Command::Root { out: None } => {
            writeln!(io::stdout(), "{}", root_key::generate(&OsEntropy).as_str())?
        }
        Command::Root { out: Some(path) } => {
            root_key::write_new(path, &OsEntropy)
                .with_context(|| format!("no root key was written to {}", path.display()))?;
            writeln!(
                io::stderr(),
                "wrote {}; keep a copy of it: without it nothing it sealed opens",
                path.display()
            )?;
        }
    }
    Ok(())
}

fn issue(name: &Name, user_source: &Name, rights: &Rights, json: bool) -> io::Result<()> {
    let key = format!("arc_{}", OsEntropy.token());
    let hash = String::from(TokenHash::of(&key));
    let mut toml =
        format!("[api_keys.{name}]\nhash = \"{hash}\"\nuser_source = \"{user_source}\"\n");
    if let Some(gateway) = &rights.gateway {
        toml.push_str(&format!("gateway = \"{gateway}\"\n"));
    }
    let may = [
        ("admin", rights.admin),
        ("expose_tokens", rights.expose_tokens),
    ];
    for (right, _) in may.into_iter().filter(|(_, may)| *may) {
        toml.push_str(&format!("{right} = true\n"));
    }
    let mut out = io::stdout();
    if json {
        return writeln!(out, "{}", json!({ "key": key, "hash": hash, "toml": toml }));
    }
    writeln!(
        out,
        "The key, shown this once:\n\n    {key}\n\nFor gateway.toml:\n\n{toml}"
    )
}

fn client(name: &Name, redirect_uris: &[String], json: bool) -> io::Result<()> {
    let secret = OsEntropy.token();
    let hash = String::from(TokenHash::of(&secret));
    // A list of strings is written in TOML as it is in JSON.
    let redirect_uris = json!(redirect_uris);
    let toml =
        format!("[clients.{name}]\nredirect_uris = {redirect_uris}\nsecret_hash = \"{hash}\"\n");
    let mut out = io::stdout();
    if json {
        return writeln!(
            out,
            "{}",
            json!({ "secret": secret, "hash": hash, "toml": toml })
        );
    }
    writeln!(
        out,
        "The client's secret, shown this once:\n\n    {secret}\n\nFor gateway.toml:\n\n{toml}"
    )
}
