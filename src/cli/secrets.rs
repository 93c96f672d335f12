//! `anteroom secrets`: what tools need of the operator. Values are read and never shown.

use std::{
    io::{self, IsTerminal, Read, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::{
    running::{self, Gateway, Reached},
    said::{print, say},
};
use crate::{
    admin::{Operators, secrets::Given},
    base::{clock::SystemClock, entropy::OsEntropy, text::is_invisible},
    config::Config,
    secrets::LONGEST_VALUE,
    store,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List secrets: what they are called and where they are, not what they say
    List {
        /// Print a JSON object on each line
        #[arg(long)]
        json: bool,
    },
    /// Set a secret: the value is asked for, or read from standard input, without the newline at its end
    Set {
        /// What tools ask for
        name: String,
        /// What it is, for whoever lists secrets
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Forget a secret
    Delete {
        /// As `list` shows it
        name: String,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: Config, file: &Path) -> anyhow::Result<ExitCode> {
    // Asked for first: nobody should hold the store while somebody types.
    let value = match command {
        Command::Set { name, .. } => Some(value_of(name)?),
        Command::List { .. } | Command::Delete { .. } => None,
    };
    Runtime::new()?.block_on(async {
        let way = match running::reach(&config, file).await? {
            Reached::Gateway(gateway) => Way::Gateway(gateway),
            Reached::Store(store) => Way::store(config, &store)?,
            // The first secret may be there before the gateway runs.
            Reached::Nothing => {
                let store = store::open(&config.store.engine, Arc::new(SystemClock))?;
                Way::store(config, &store)?
            }
        };
        act(&way, command, value).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// How secrets are reached.
enum Way {
    Gateway(Gateway),
    Store(Box<Operators>),
}

async fn act(way: &Way, command: &Command, value: Option<Zeroizing<String>>) -> anyhow::Result<()> {
    match command {
        Command::List { json } => {
            let all = way.list().await?;
            let all = all["secrets"].as_array();
            for secret in all.into_iter().flatten() {
                print(secret, *json, line)?;
            }
            if all.is_none_or(Vec::is_empty) {
                writeln!(io::stderr(), "there are no secrets")?;
            }
        }
        Command::Set {
            name,
            description,
            json,
        } => {
            let value = value.context("no value was read")?;
            let set = way.set(name, &value, description.as_deref()).await?;
            print(&set, *json, |it| format!("set {}", say(&it["name"])))?;
        }
        Command::Delete { name, json } => {
            let gone = way.delete(name).await?;
            print(&gone, *json, |it| format!("deleted {}", say(&it["name"])))?;
        }
    }
    Ok(())
}

impl Way {
    fn store(config: Config, store: &Arc<dyn store::Store>) -> anyhow::Result<Self> {
        let entropy = Arc::new(OsEntropy);
        // Nothing that is done here is written to the audit log, which is about connections.
        let (operators, _) = Operators::of_store(config, store, Arc::new(SystemClock), entropy)
            .context("secrets cannot be opened")?;
        Ok(Self::Store(Box::new(operators)))
    }

    async fn list(&self) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let url = gateway.url("admin/secrets", "")?;
                gateway.ask(Method::GET, url, None).await
            }
            Self::Store(operators) => Ok(operators.list_secrets().await?),
        }
    }

    async fn set(
        &self,
        name: &str,
        value: &str,
        description: Option<&str>,
    ) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let body = json!({ "value": value, "description": description });
                let url = one(gateway, name)?;
                gateway.ask(Method::PUT, url, Some(&body)).await
            }
            Self::Store(operators) => {
                let given = Given::new(value.to_owned(), description.map(str::to_owned));
                Ok(operators.set_secret(name, given).await?)
            }
        }
    }

    async fn delete(&self, name: &str) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let url = one(gateway, name)?;
                gateway.ask(Method::DELETE, url, None).await
            }
            Self::Store(operators) => Ok(operators.remove_secret(name).await?),
        }
    }
}

fn one(gateway: &Gateway, name: &str) -> anyhow::Result<url::Url> {
    let mut url = gateway.url("admin/secrets", "")?;
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("an address without a path"))?
        .push(name);
    Ok(url)
}

/// Asks for it, or reads it. Never of the command line, which others can see.
fn value_of(name: &str) -> anyhow::Result<Zeroizing<String>> {
    let shown: String = name
        .chars()
        .take(100)
        .filter(|c| !is_invisible(*c))
        .collect();
    let value = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Value of {shown}: ")).map(Zeroizing::new)?
    } else {
        let mut text = Zeroizing::new(String::new());
        // In UTF-8 a character has at most four bytes.
        let most = u64::try_from(LONGEST_VALUE * 4 + 2).unwrap_or(u64::MAX);
        let read = io::stdin().lock().take(most).read_to_string(&mut text);
        read.context("no value was read: is it UTF-8?")?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        Zeroizing::new(value.strip_suffix('\r').unwrap_or(value).to_owned())
    };
    if value.is_empty() {
        bail!("an empty value is none; pipe it in, or type it where it is asked for");
    }
    Ok(value)
}

fn line(secret: &Value) -> String {
    let mut text = format!("{}  in {}", say(&secret["name"]), say(&secret["place"]));
    if let Some(updated) = secret["updated"].as_str() {
        text.push_str(&format!("  set {updated}"));
    }
    let description = say(&secret["description"]);
    if !description.is_empty() {
        text.push_str(&format!("  {description}"));
    }
    text
}
