//! `anteroom audit`: who did what with whose connection.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::running::{self, Gateway, Reached};
use crate::{
    audit::{Archive, Query, query::BadQuery},
    base::{
        clock::{Clock, SystemClock},
        text::is_invisible,
    },
    config::Config,
    store::Store,
};

/// What to show.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// From when: 2026-11-21T10:00:00Z, 2026-11-21 (UTC), or how long ago, such as 2h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time)]
    since: String,
    /// Until when; now, if nothing is said
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Only this user's connections
    #[arg(long, value_name = "SOURCE/SUBJECT", value_parser = user)]
    user: Option<(String, String)>,
    /// Only connections at this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this, such as used, connected or disconnected
    #[arg(long, value_name = "EVENT", value_parser = event)]
    event: Option<String>,
    /// Only the latest so many
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    limit: Option<String>,
    /// Print JSON lines, as `GET /admin/audit` does
    #[arg(long)]
    json: bool,
}

/// Both parts of a user's name on the command line. No user source has a slash in its name, subjects may.
pub(super) fn user(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('/');
    let parts = parts.filter(|(source, subject)| !source.is_empty() && !subject.is_empty());
    let (source, subject) =
        parts.ok_or("write the user source and its word for the user: team/alice")?;
    Ok((source.to_owned(), subject.to_owned()))
}

fn time(text: &str) -> Result<String, BadQuery> {
    taken("since", text)
}

fn event(text: &str) -> Result<String, BadQuery> {
    taken("event", text)
}

fn limit(text: &str) -> Result<String, BadQuery> {
    taken("limit", text)
}

/// What cannot be asked is wrong usage.
fn taken(name: &str, text: &str) -> Result<String, BadQuery> {
    Query::read([(name, text)], SystemClock.now()).map(|_| text.to_owned())
}

pub(super) fn run(options: &Options, config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let query = options.query()?;
    Runtime::new()?.block_on(async {
        let mut printer = Printer {
            json: options.json,
            lines: 0,
        };
        match running::reach(config, file).await? {
            Reached::Gateway(gateway) => from_gateway(&gateway, &query, &mut printer).await?,
            Reached::Store(store) => from_store(store, query, &mut printer).await?,
            Reached::Nothing => {}
        }
        if printer.lines == 0 {
            writeln!(io::stderr(), "nothing since {}", options.since)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

impl Options {
    fn query(&self) -> anyhow::Result<Query> {
        let user = self.user.as_ref();
        let said = [
            ("since", Some(&self.since)),
            ("until", self.until.as_ref()),
            ("user_source", user.map(|(source, _)| source)),
            ("user", user.map(|(_, subject)| subject)),
            ("provider", self.provider.as_ref()),
            ("event", self.event.as_ref()),
            ("limit", self.limit.as_ref()),
        ];
        let said = said
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.as_str())));
        Ok(Query::read(said, SystemClock.now())?)
    }
}

async fn from_gateway(
    gateway: &Gateway,
    query: &Query,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let url = gateway.url("admin/audit", &query.to_string())?;
    let mut answer = gateway.send(reqwest::Method::GET, url).await?;
    let mut rest = Vec::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .context("the gateway broke off before the end")?
    {
        rest.extend_from_slice(&piece);
        let whole = rest.iter().rposition(|byte| *byte == b'\n');
        if let Some(end) = whole {
            let lines: Vec<u8> = rest.drain(..=end).collect();
            for line in std::str::from_utf8(&lines)?.lines() {
                printer.print(line)?;
            }
        }
    }
    Ok(())
}

async fn from_store(
    store: std::sync::Arc<dyn Store>,
    query: Query,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let mut export = Archive::new(store).export(query).await?;
    while let Some(line) = export.next().await? {
        printer.print(&line)?;
    }
    Ok(())
}

struct Printer {
    json: bool,
    lines: usize,
}

impl Printer {
    fn print(&mut self, line: &str) -> anyhow::Result<()> {
        self.lines += 1;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{line}")?;
        } else {
            let line = serde_json::from_str(line).context("a line is no JSON")?;
            writeln!(out, "{}", sentence(&line))?;
        }
        Ok(())
    }
}

/// What of a text is fit for a line. One with blanks is put between quotes, so that it ends where it ends.
fn fit(text: &str) -> String {
    let fit: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    if fit.contains(|c: char| c.is_whitespace() || c == '"') {
        format!("\"{}\"", fit.replace('"', "'"))
    } else {
        fit
    }
}

/// A line for people. What strangers called themselves cannot steer the terminal, nor pass for what we say.
fn sentence(line: &Value) -> String {
    let say = |member: &str| line[member].as_str().map(fit);
    let or_none = |member: &str| say(member).unwrap_or_default();
    let mut text = format!(
        "{}  {:<16}  {}/{}  {}",
        or_none("at"),
        or_none("event"),
        or_none("user_source"),
        or_none("user"),
        or_none("provider"),
    );
    let mut also = |before: &str, said: Option<String>, after: &str| {
        if let Some(said) = said {
            text.push_str(&format!("{before}{said}{after}"));
        }
    };
    // Of a use the log knows the connection only; `anteroom connections list` says whose account that is.
    let connection = say("connection").map(|id| format!("connection {id}"));
    also(" (", say("account").or(connection), ")");
    also("  ", say("upstream"), "");
    also(".", say("tool"), "");
    also("  at ", say("gateway"), "");
    let through = match line["through"].as_str() {
        Some("client") => say("client").map(|client| format!("client {client}")),
        Some("api_key") => say("api_key").map(|key| format!("API key {key}")),
        Some("page") => Some("the connections page".to_owned()),
        Some("operator") => Some("an operator".to_owned()),
        _ => None,
    };
    also("  through ", through, "");
    for member in ["why", "change", "cause", "verifier", "revoked", "reference"] {
        also(&format!("  {member}="), say(member), "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_read_and_cannot_steer_the_terminal() {
        let line = serde_json::json!({
            "at": "2026-11-21T17:00:00Z", "event": "used", "user_source": "team", "user": "alice", "provider": "acme",
            "account": "alice@acme", "upstream": "notes", "tool": "add", "gateway": "work", "through": "client",
            "client": "Claude\u{1b}[2J", "client_id": "c", "grant": "g",
        });
        assert_eq!(
            sentence(&line),
            "2026-11-21T17:00:00Z  used              team/alice  acme (alice@acme)  notes.add  at work  through client Claude[2J"
        );
        let line = serde_json::json!({
            "at": "2026-11-21T17:00:00Z", "event": "used", "user_source": "team", "user": "alice", "provider": "acme",
            "connection": "c-1", "upstream": "notes", "tool": "add",
        });
        assert!(
            sentence(&line).contains("acme (connection c-1)  notes.add"),
            "of several accounts, which"
        );
    }

    /// What calls itself as we call others, or as if more had been said.
    #[test]
    fn a_line_falsified_by_names() {
        let through = |through: &str, client: &str| {
            let line = serde_json::json!({
                "at": "2026-11-21T17:00:00Z", "event": "used", "user_source": "team", "user": "alice",
                "provider": "acme", "through": through, "client": client, "api_key": "ci", "why": "unauthorized",
            });
            sentence(&line)
                .split_once("  through ")
                .unwrap()
                .1
                .to_owned()
        };
        for kind in ["operator", "page", "api_key"] {
            let honest = through(kind, "");
            let (name, _) = honest.split_once("  ").unwrap();
            assert_ne!(through("client", name), honest);
        }
        assert_eq!(
            through("client", "Claude\"  why=none"),
            r#"client "Claude'  why=none"  why=unauthorized"#
        );
        let line =
            serde_json::json!({ "user_source": "team", "user": "bob  acme  through an operator" });
        assert!(sentence(&line).contains(r#"  team/"bob  acme  through an operator"  "#));
    }

    #[test]
    fn a_user_is_named_with_their_source() {
        let both = |text| user(text).ok();
        assert_eq!(both("team/a/b"), Some(("team".into(), "a/b".into())));
        for bad in ["alice", "/alice", "team/", ""] {
            assert_eq!(both(bad), None, "{bad}");
        }
    }
}
