//! `anteroom providers`: what is known of them, and what each needs.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    base::id::Name,
    config::{
        self, ClientAuth,
        provider::{Preset, catalog, unsupported},
    },
    web::urls::Urls,
};

/// What to show.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Answer a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is known of one
    Show {
        /// Its name, as `anteroom providers` lists it
        name: String,
        /// Answer a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Where redirect URLs begin, and what is configured already.
struct Here {
    urls: Option<Urls>,
    configured: BTreeSet<String>,
}

pub(super) fn run(options: &Options, path: &Path) -> anyhow::Result<ExitCode> {
    let here = Here::read(path);
    let presets = catalog();
    match &options.command {
        None if options.json => {
            let all: Vec<_> = presets
                .iter()
                .map(|preset| as_json(preset, &here))
                .collect();
            writeln!(io::stdout(), "{}", Value::from(all))?;
        }
        None => write!(io::stdout(), "{}", list(&presets, &here))?,
        Some(Command::Show { name, json }) => {
            let Some(preset) = presets.iter().find(|preset| preset.name == *name) else {
                writeln!(io::stderr(), "anteroom: {}", unknown(name))?;
                return Ok(ExitCode::FAILURE);
            };
            if *json || options.json {
                writeln!(io::stdout(), "{}", as_json(preset, &here))?;
            } else {
                write!(io::stdout(), "{}", whole(preset, &here))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Here {
    /// Without a good configuration the list is as good, but for the beginning of URLs.
    fn read(path: &Path) -> Self {
        let config = config::load(path).ok();
        Self {
            urls: config
                .as_ref()
                .map(|config| Urls::new(&config.server.public_url)),
            configured: config
                .iter()
                .flat_map(|config| config.providers.keys())
                .map(Name::to_string)
                .collect(),
        }
    }

    fn redirect_url(&self, name: &str) -> String {
        let url = self.urls.as_ref().zip(name.parse().ok());
        url.map_or_else(
            || format!("{{public_url}}/oauth2/intermediate_callback/{name}"),
            |(urls, name)| urls.callback(&name).into(),
        )
    }
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    let known = unsupported().into_iter().find(|one| one.name == name);
    known.map_or_else(
        || format!("there is no preset `{shown}`; `anteroom providers` lists them, and gateway.toml shows how to describe another"),
        |one| format!("`{shown}` cannot be a provider: {}", one.why),
    )
}

/// What the operator has to write.
fn needed(preset: &Preset) -> Vec<&'static str> {
    let mut needed = vec!["client_id"];
    if preset.provider.client_auth != ClientAuth::None {
        needed.push("client_secret");
    }
    let tenancy = preset.tenancy.as_ref();
    needed.extend(
        tenancy
            .filter(|tenancy| tenancy.default.is_none())
            .map(|tenancy| tenancy.key),
    );
    needed
}

fn can(preset: &Preset) -> [(&'static str, bool); 4] {
    let provider = &preset.provider;
    [
        ("refresh", provider.refresh.is_some()),
        ("revoke", provider.revocation.is_some()),
        ("user_info", provider.account.is_some()),
        ("pkce", provider.pkce),
    ]
}

fn list(presets: &[Preset], here: &Here) -> String {
    let mut text = String::new();
    for preset in presets {
        let mark = if here.configured.contains(&preset.name) {
            '*'
        } else {
            ' '
        };
        let can: Vec<_> = can(preset)
            .iter()
            .map(|(what, can)| {
                if *can {
                    what.replace('_', " ")
                } else {
                    String::new()
                }
            })
            .collect();
        let line = format!(
            "{mark} {:<19} {:<20} {:<34} {:<8} {:<7} {:<10} {}",
            preset.name,
            preset.provider.title,
            needed(preset).join(", "),
            can[0],
            can[1],
            can[2],
            can[3],
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!(
        "\nRegister Anteroom at each with the redirect URL {}\n`anteroom providers show NAME` tells the rest. * is configured.\n\nNot possible:\n",
        here.redirect_url("name").replace("_callback/name", "_callback/NAME")
    ));
    for one in unsupported() {
        text.push_str(&format!("  {:<19} {}\n", one.name, one.why.trim()));
    }
    text
}

fn whole(preset: &Preset, here: &Here) -> String {
    let provider = &preset.provider;
    let mut stanza = format!("[providers.{}]\n", preset.name);
    for key in needed(preset) {
        let variable = preset.name.to_uppercase().replace('-', "_");
        stanza.push_str(&match key {
            "client_secret" => format!("client_secret = \"${{env:{variable}_CLIENT_SECRET}}\"\n"),
            key => format!("{key} = \"…\"\n"),
        });
    }
    let tenancy = preset
        .tenancy
        .as_ref()
        .map(|tenancy| match &tenancy.default {
            Some(default) => format!(
                "\n{} ({default} if nothing is said): {}\n",
                tenancy.key, tenancy.hint
            ),
            None => format!("\n{}: {}\n", tenancy.key, tenancy.hint),
        });
    let can: Vec<_> = can(preset)
        .iter()
        .map(|(what, can)| {
            format!(
                "{} {}",
                what.replace('_', " "),
                if *can { "yes" } else { "no" }
            )
        })
        .collect();
    format!(
        "{title}\n\nRegister Anteroom there with the redirect URL\n  {url}\n\nFor gateway.toml:\n\n{stanza}{tenancy}\n{can}\nasks every user for: {scopes}\nauthorize: {authorize}\ntoken: {token}\n\nFrom: {source}\n",
        title = provider.title,
        url = here.redirect_url(&preset.name),
        tenancy = tenancy.unwrap_or_default(),
        can = can.join(", "),
        scopes = if provider.scopes.is_empty() {
            "nothing but what tools need".to_owned()
        } else {
            provider.scopes.to_string()
        },
        authorize = provider.authorize_url,
        token = provider.token_url,
        source = preset.source.trim(),
    )
}

fn as_json(preset: &Preset, here: &Here) -> Value {
    let provider = &preset.provider;
    let can: serde_json::Map<_, _> = can(preset)
        .iter()
        .map(|(what, can)| ((*what).to_owned(), (*can).into()))
        .collect();
    json!({
        "name": preset.name,
        "title": provider.title,
        "needed": needed(preset),
        "tenancy": preset.tenancy.as_ref().map(|tenancy| json!({
            "key": tenancy.key, "hint": tenancy.hint, "default": tenancy.default,
        })),
        "redirect_url": here.redirect_url(&preset.name),
        "configured": here.configured.contains(&preset.name),
        "capabilities": can,
        "scopes": provider.scopes,
        "authorize_url": provider.authorize_url,
        "token_url": provider.token_url,
        "source": preset.source.trim(),
    })
}
