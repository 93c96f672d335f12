//! `anteroom connections`: what users have connected, and taking it away or renewing it.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{
    audit::user,
    running::{self, Gateway, Reached},
    said::{print, say},
};
use crate::{
    admin::{Operators, connections::Asked},
    audit::trail::Writer,
    base::{
        clock::SystemClock,
        entropy::OsEntropy,
        id::{Name, ProviderName},
    },
    config::Config,
    store::Store,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List connections: whose, where, which account, how it stands
    List {
        /// Only this user's
        #[arg(long, value_name = "SOURCE/SUBJECT", value_parser = user)]
        user: Option<(String, String)>,
        /// Only those at this provider
        #[arg(long, value_name = "NAME")]
        provider: Option<ProviderName>,
        /// Print a JSON object on each line
        #[arg(long)]
        json: bool,
    },
    /// Disconnect: have the provider end the grant where it can, and forget the tokens
    Revoke {
        /// The connection, as `list` shows it
        id: String,
        /// Print a JSON object: `{connection, revoked, why}`
        #[arg(long)]
        json: bool,
    },
    /// Renew a connection's token now, whatever went before
    Refresh {
        /// The connection, as `list` shows it
        id: String,
        /// Print a JSON object: `{connection, renewed}`
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: Config, file: &Path) -> anyhow::Result<ExitCode> {
    Runtime::new()?.block_on(async {
        let way = match running::reach(&config, file).await? {
            Reached::Gateway(gateway) => Way::Gateway(gateway),
            Reached::Store(store) => Way::store(config, store)?,
            Reached::Nothing => Way::Nothing,
        };
        let done = act(&way, command).await;
        way.end().await?;
        done
    })
}

/// How the vault is reached.
enum Way {
    Gateway(Gateway),
    /// It is ours, and what we do to it is written to the audit log by a task of ours.
    Store(Box<Operators>, JoinHandle<()>),
    Nothing,
}

async fn act(way: &Way, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List {
            user,
            provider,
            json,
        } => list(way, user.as_ref(), provider.as_ref(), *json).await,
        Command::Revoke { id, json } => {
            let done = way.revoke(id).await?;
            print(&done, *json, ended)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Refresh { id, json } => {
            let done = way.refresh(id).await?;
            print(&done, *json, renewed)?;
            let renewed = done["renewed"] == true;
            Ok(if renewed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

async fn list(
    way: &Way,
    user: Option<&(String, String)>,
    provider: Option<&ProviderName>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let source = user.map(|(source, _)| source.parse::<Name>()).transpose()?;
    let mut asked = Asked {
        user_source: source,
        user: user.map(|(_, subject)| subject.clone()),
        provider: provider.cloned(),
        after: None,
        limit: Some(1000),
    };
    let mut none = true;
    loop {
        let page = way.list(&asked).await?;
        for connection in page["connections"].as_array().into_iter().flatten() {
            none = false;
            print(connection, json, line)?;
        }
        match page["next"].as_str() {
            Some(next) => asked.after = Some(next.to_owned()),
            None => break,
        }
    }
    if none {
        writeln!(io::stderr(), "nothing is connected")?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Way {
    fn store(config: Config, store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let entropy = Arc::new(OsEntropy);
        let made = Operators::of_store(config, &store, Arc::new(SystemClock), entropy.clone());
        let (operators, queue) = made.context("the vault cannot be opened")?;
        let writer = Writer {
            store,
            live: operators.live.clone(),
            entropy,
        };
        Ok(Self::Store(
            Box::new(operators),
            tokio::spawn(queue.write(writer)),
        ))
    }

    async fn list(&self, asked: &Asked) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                let said = [
                    ("user_source", asked.user_source.as_ref().map(Name::as_str)),
                    ("user", asked.user.as_deref()),
                    ("provider", asked.provider.as_ref().map(Name::as_str)),
                    ("after", asked.after.as_deref()),
                ];
                for (name, value) in said {
                    if let Some(value) = value {
                        query.append_pair(name, value);
                    }
                }
                let url = gateway.url("admin/connections", &query.finish())?;
                gateway.ask(Method::GET, url, None).await
            }
            Self::Store(operators, _) => Ok(operators.list(asked).await?),
            Self::Nothing => Ok(Value::Null),
        }
    }

    async fn revoke(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let url = one(gateway, id, &[])?;
                gateway.ask(Method::DELETE, url, None).await
            }
            Self::Store(operators, _) => Ok(operators.revoke(id).await?),
            Self::Nothing => nothing(),
        }
    }

    async fn refresh(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let url = one(gateway, id, &["refresh"])?;
                gateway.ask(Method::POST, url, None).await
            }
            Self::Store(operators, _) => Ok(operators.refresh(id).await?),
            Self::Nothing => nothing(),
        }
    }

    /// Nothing that was begun is cut short, and the audit log is written to its end.
    async fn end(self) -> anyhow::Result<()> {
        if let Self::Store(operators, writing) = self {
            operators.vault.drain().await;
            operators.trail.close();
            writing.await.context("the audit log was not written")?;
        }
        Ok(())
    }
}

fn nothing() -> anyhow::Result<Value> {
    anyhow::bail!("there is no store yet, so nothing is connected")
}

fn one(gateway: &Gateway, id: &str, rest: &[&str]) -> anyhow::Result<url::Url> {
    let mut url = gateway.url("admin/connections", "")?;
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("an address without a path"))?
        .push(id)
        .extend(rest);
    Ok(url)
}

/// Whose it is, where, and which account.
fn whose(connection: &Value) -> String {
    let account = &connection["account"];
    let names = ["name", "email", "id"].map(|member| say(&account[member]));
    let account = names.into_iter().find(|name| !name.is_empty());
    format!(
        "{}/{} at {}{}",
        say(&connection["user_source"]),
        say(&connection["user"]),
        say(&connection["provider"]),
        account.map_or_else(String::new, |account| format!(" ({account})")),
    )
}

fn line(connection: &Value) -> String {
    let mut text = format!("{}  {}", say(&connection["id"]), whose(connection));
    let mut also = |words: String| {
        text.push_str("  ");
        text.push_str(&words);
    };
    also(standing(connection));
    if connection["default"] == true {
        also("default".to_owned());
    }
    for label in connection["labels"].as_array().into_iter().flatten() {
        also(format!("“{}”", say(label)));
    }
    match connection["used"].as_str() {
        Some(used) => also(format!("last used {used}")),
        None => also("never used".to_owned()),
    }
    text
}

fn standing(connection: &Value) -> String {
    match connection["state"].as_str() {
        Some("active") => "active".to_owned(),
        Some("needs_user") => "needs its user to connect again".to_owned(),
        Some("resting") => format!(
            "not renewed: {} (tried again after {})",
            say(&connection["why"]),
            say(&connection["until"])
        ),
        _ => "unknown".to_owned(),
    }
}

fn ended(done: &Value) -> String {
    let provider = match done["revoked"].as_str() {
        Some("done") => "the provider ended the grant".to_owned(),
        Some("already_gone") => "the provider had ended the grant already".to_owned(),
        Some("not_offered") if done["why"].is_string() => format!(
            "nobody told the provider, for {}: the user can end the grant in the account's own settings",
            say(&done["why"])
        ),
        Some("not_offered") => {
            "the provider offers no way to end the grant: the user can in the account's own settings"
                .to_owned()
        }
        _ => format!(
            "the provider did not end the grant ({}): the user can in the account's own settings",
            say(&done["why"])
        ),
    };
    format!("disconnected {}; {provider}", whose(&done["connection"]))
}

fn renewed(done: &Value) -> String {
    let connection = &done["connection"];
    if done["renewed"] == false && connection["state"] == "active" {
        return format!(
            "{}: not renewed, for there is nothing to renew it with: it is a key, or the provider gave no refresh token; it stays as it is",
            whose(connection)
        );
    }
    let until = match connection["expires"].as_str() {
        Some(expires) => format!(", good until {expires}"),
        None => String::new(),
    };
    format!(
        "{}: {}, token of {}{until}",
        whose(connection),
        standing(connection),
        say(&connection["renewed"])
    )
}
