//! `anteroom doctor`: tries out what others run, and says what to do.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use crate::{
    base::secret::{ExposeSecret, Secret, TokenHash},
    config::{Config, UserSource},
    web::outbound::{self, Unanswered},
};

/// Larger answers are not those of a verifier or of a gateway. Bytes.
const LARGEST: usize = 1 << 20;
/// What a page of an application may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two questions to the gateway how it went: it would hold the answer to a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// So many: about as long as a rehearsal lasts.
const QUESTIONS: u32 = 590;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Try out the application that verifies its users, with a connection that comes to nothing
    Verifier(Verifier),
}

/// What to try. The gateway must be running; the API key of the user source is read from ANTEROOM_API_KEY.
#[derive(Debug, Args)]
pub(super) struct Verifier {
    /// Who is to open the link
    #[arg(long, value_name = "USER_ID")]
    user: String,
    /// The verifier URL; that of the key's user source when nothing is said
    #[arg(long)]
    url: Option<Url>,
    /// The key of the user source, from the environment alone: arguments can be seen by others
    #[arg(skip = std::env::var("ANTEROOM_API_KEY").ok().map(Secret::from))]
    key: Option<Secret>,
}

pub(super) fn run(command: &Command, path: &Path) -> anyhow::Result<ExitCode> {
    let Command::Verifier(options) = command;
    let Some(config) = super::load(path)? else {
        return Ok(ExitCode::FAILURE);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(verifier(options, &config))?;
    Ok(ExitCode::SUCCESS)
}

async fn verifier(options: &Verifier, config: &Config) -> anyhow::Result<()> {
    let key = options.key.as_ref();
    let key = key.context("put the API key of the user source into ANTEROOM_API_KEY")?;
    let source = source(config, key)?;
    let url = options.url.clone().or_else(|| own_url(source));
    let url =
        url.context("say which page with --url: the key's user source is not of the type \"app\"")?;
    let http = outbound::client().build()?;
    reachable(&http, &url).await?;
    say(&format!("ok    {} answers", shown(&url)))?;

    let gateway = Gateway {
        http,
        base: &config.server.public_url,
        key,
    };
    let wish = json!({ "user_id": options.user, "verifier_url": url });
    let begun = gateway.begin(&wish).await?;
    let member = |name: &str| {
        let text = begun[name].as_str();
        text.with_context(|| format!("the gateway's answer has no `{name}`"))
    };
    say("ok    the gateway takes the key and has begun a rehearsal")?;
    say(&format!(
        "\nOpen this within ten minutes, in a browser that is signed in to the application as {:?}:\n\n    {}\n",
        options.user,
        member("next_uri")?
    ))?;
    match gateway.outcome(member("auth_id")?).await? {
        "completed" => say("ok    the application confirmed the user; nothing was connected"),
        "failed" => bail!(
            "the application confirmed another user than {:?}: it must send the id of its own signed-in user, spelled as where the connection is asked for",
            options.user
        ),
        _ => bail!(
            "nobody confirmed the user in time: does the page send POST /v1/auth/confirm_user with the `flow_id` of its address, from the server and with the API key?"
        ),
    }
}

fn source<'c>(config: &'c Config, key: &Secret) -> anyhow::Result<&'c UserSource> {
    let hash = TokenHash::of(key.expose_secret());
    let known = config.api_keys.values().find(|known| known.hash == hash);
    let known = known.and_then(|key| config.user_sources.get(&key.user_source));
    known.context("no API key of this configuration is the one in ANTEROOM_API_KEY")
}

fn own_url(source: &UserSource) -> Option<Url> {
    Some(source.app()?.verifier_url.clone())
}

/// Whether there is a page at all: as a browser nobody is signed in at would find it, with an id that no flow has.
async fn reachable(http: &Client, url: &Url) -> anyhow::Result<()> {
    let mut probe = url.clone();
    probe
        .query_pairs_mut()
        .append_pair("flow_id", "anteroom-doctor");
    let request = http.get(probe).timeout(PATIENCE);
    let (status, _) = answer(request)
        .await
        .map_err(|why| anyhow!("{} cannot be tried out: {why}", shown(url)))?;
    let what = match status {
        StatusCode::NOT_FOUND => "there is no such page",
        StatusCode::METHOD_NOT_ALLOWED => "the page does not take GET, which is what browsers send",
        status if status.is_server_error() => {
            "the page breaks when nobody is signed in and nothing waits for the `flow_id`"
        }
        _ => return Ok(()),
    };
    bail!("{} answers {status}: {what}", shown(url));
}

/// An address without its query.
fn shown(url: &Url) -> &str {
    &url[..url::Position::AfterPath]
}

async fn answer(request: RequestBuilder) -> Result<(StatusCode, Value), &'static str> {
    let words = |why| match why {
        Unanswered::Silent(error) => outbound::silence(&error),
        Unanswered::TooLarge => "its answer is too large",
    };
    let response = request.send().await.map_err(Unanswered::Silent);
    let mut response = response.map_err(words)?;
    let body = outbound::body(&mut response, LARGEST)
        .await
        .map_err(words)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok((response.status(), body))
}

/// The running gateway, through its REST face.
struct Gateway<'a> {
    http: Client,
    base: &'a Url,
    key: &'a Secret,
}

impl Gateway<'_> {
    async fn begin(&self, wish: &Value) -> anyhow::Result<Value> {
        let url = self.base.join("v1/auth/validate_custom_verifier")?;
        self.ask(self.http.post(url).json(wish)).await
    }

    /// How it went; still `pending` when nobody came.
    async fn outcome(&self, id: &str) -> anyhow::Result<&'static str> {
        let mut url = self.base.join("v1/auth/status")?;
        url.query_pairs_mut().append_pair("id", id);
        for _ in 0..QUESTIONS {
            let said = self.ask(self.http.get(url.clone())).await?;
            match said["status"].as_str() {
                Some("completed") => return Ok("completed"),
                Some("failed") => return Ok("failed"),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        Ok("pending")
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let key = self.key.expose_secret();
        let request = request
            .timeout(PATIENCE)
            .header(header::AUTHORIZATION, format!("Bearer {key}"));
        let base = self.base;
        let (status, body) = answer(request).await.map_err(|why| {
            anyhow!("the gateway at {base} cannot be asked: {why}; is `anteroom serve` running?")
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("no word of why");
        bail!("the gateway at {base} answers {status}: {message}");
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
