//! `gateway.toml`: what the operator writes, and what we rely on.
//!
//! The shipped `gateway.toml` documents every key. [`load`] reads a file section by section (`section`), notes every problem
//! at its TOML path, line and column (`problem`), and answers a [`Config`] only if there is none. A [`Config`] that exists is
//! right: names resolve, URLs parse, secrets are read. Requests hold an `Arc<Config>` and finish on the one they started with.
//!
//! No problem quotes a value that came from the environment or from a file, and none quotes a line.

pub mod app;
mod check;
pub mod engine;
mod gateway;
mod glob;
mod hooks;
pub mod live;
mod oauth;
mod oidc;
mod people;
mod policy;
mod problem;
pub mod provider;
mod reference;
pub mod root_key;
pub mod secrets;
mod section;
mod server;
mod upstream;
mod value;
mod worker;

#[cfg(test)]
mod shipped;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;
use zeroize::Zeroizing;

pub use self::{
    app::App,
    gateway::{Gateway, ToolNames},
    glob::Globs,
    hooks::{FailureMode, HookPoint, HookServer, Hooks},
    oauth::{OAuth, RegisteredClient},
    oidc::Oidc,
    policy::{Require, Rule},
    problem::{Position, Problem, Problems, Weight},
    provider::{ApiKeyProvider, ClientAuth, OAuthProvider, Provider},
    reference::Surroundings,
    root_key::{RootKeyError, RootKeys},
};
use crate::{
    base::{
        id::{ApiKeyName, GatewayName, ProviderName, UpstreamName, UserSourceName},
        secret::{Secret, TokenHash},
    },
    protocol::oauth::{claims::Claims, scope::ScopeSet},
};

/// No `gateway.toml` is larger. Bytes.
const MAX_FILE: u64 = 4 << 20;

/// The whole of `gateway.toml`, checked.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: StoreConfig,
    /// `[audit]`
    pub audit: Audit,
    /// `[elicitation]`
    pub elicitation: Elicitation,
    /// `[oauth]`
    pub oauth: OAuth,
    /// `[clients.*]`; the active ones, by `client_id`.
    pub clients: BTreeMap<String, RegisteredClient>,
    /// `[user_sources.*]`
    pub user_sources: BTreeMap<UserSourceName, UserSource>,
    /// `[api_keys.*]`
    pub api_keys: BTreeMap<ApiKeyName, ApiKey>,
    /// `[secrets]`: what workers' tools need of the operator, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// `[providers.*]`; the active ones, as with everything below.
    pub providers: BTreeMap<ProviderName, Provider>,
    /// `[upstreams.*]`
    pub upstreams: BTreeMap<UpstreamName, Upstream>,
    /// `[gateways.*]`
    pub gateways: BTreeMap<GatewayName, Gateway>,
    /// `[hooks.*]`
    pub hooks: Hooks,
    /// What the operator should know of a file that is taken all the same.
    pub warnings: Problems,
    /// The files that its references led to, beside the file itself.
    pub files: Vec<PathBuf>,
    /// Which one it is since the start, from 0: what is worked out from a configuration is kept under this.
    pub edition: u64,
}

/// Where we listen and who we say we are.
#[derive(Debug)]
pub struct Server {
    /// The address of the one listener.
    pub listen: SocketAddr,
    /// The address of metrics, health and reload, for operators; none when the file says nothing.
    pub admin_listen: Option<SocketAddr>,
    /// The only base of every URL we publish; an origin without path, query or fragment.
    pub public_url: Url,
    /// Larger request bodies are answered 413. Bytes.
    pub max_request_bytes: usize,
    /// Browser origins that may call `/mcp`, beside our own. Serialised origins such as `https://app.example.com`.
    pub allowed_origins: Vec<String>,
    /// How long requests in flight may finish after a stop was asked for.
    pub shutdown_grace: Duration,
}

/// Where records live and the ring that seals them.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The engine.
    pub engine: Engine,
    /// The ring; ask it with [`RootKeys::ring`].
    pub root_keys: RootKeys,
}

/// A store engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `sled:path`: embedded, one process. The path is relative to the file's folder.
    Sled(PathBuf),
}

/// How long what happened is remembered.
#[derive(Debug)]
pub struct Audit {
    /// After that, events of the audit log are gone.
    pub keep: Duration,
}

/// How users are asked for authorization.
#[derive(Debug)]
pub struct Elicitation {
    /// How long a 2026-07-28 retry is held for a connection to land.
    pub hold: Duration,
    /// How long a link stays good.
    pub flow_lifetime: Duration,
    /// Clients to be asked in another way than they declare; the operator's, then the known ones. See [`Self::ask`].
    pub overrides: Vec<ClientOverride>,
}

/// One row of the table of clients that misdeclare.
#[derive(Debug)]
pub struct ClientOverride {
    /// Matched against the client's self-reported name, case-insensitively; `*` matches any run.
    pub client: globset::GlobMatcher,
    /// Only while it speaks this era; `None` for both.
    pub era: Option<Era>,
    /// How to ask it.
    pub ask: AskBy,
}

/// The ways of asking for authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskBy {
    /// URL elicitation in the revision's own form.
    Url,
    /// In 2025-11-25, an `elicitation/create` request inside the call.
    UrlInBand,
    /// A tool result with the link in its text.
    Text,
}

/// Where users are known.
#[derive(Debug)]
pub struct UserSource {
    /// What pages call it; the name when the file says nothing.
    pub title: String,
    /// What pages say of it; nothing when the file says nothing.
    pub description: Option<String>,
    /// Inactive ones sign nobody in.
    pub active: bool,
    /// Where browsers may be sent on to for a program that speaks for its users, beside the application itself.
    pub allowed_origins: Vec<String>,
    /// How it knows people.
    pub kind: UserSourceKind,
}

/// The kinds of user source.
#[derive(Debug)]
pub enum UserSourceKind {
    /// An OpenID provider, which signs people in at their company.
    Oidc(Box<Oidc>),
    /// Accounts in the file itself, by name: for development and small teams.
    Accounts(BTreeMap<String, Account>),
    /// An application that vouches for its own users. Nobody signs in with us.
    App(Box<App>),
}

/// One account of an `accounts` user source. Prints nothing: an offline guess begins with the hash.
pub struct Account {
    /// An argon2id PHC string.
    pub password_hash: String,
    /// Shown on pages; the account's name when absent.
    pub display_name: Option<String>,
    /// Shown on pages.
    pub email: Option<String>,
    /// What policy may ask for; `email` is among them when there is one.
    pub claims: Claims,
}

/// A key by which a program speaks for the users of one user source.
#[derive(Debug)]
pub struct ApiKey {
    /// The hash of the key; the key itself was shown once.
    pub hash: TokenHash,
    /// Whose users it may speak for.
    pub user_source: UserSourceName,
    /// The gateway whose tools the REST face gives it. `None` where the file names none, and no gateway goes without saying.
    pub gateway: Option<GatewayName>,
    /// Whether it may read and change what is the operator's: secrets, workers, providers, all users' connections.
    pub admin: bool,
    /// Whether it gets its users' tokens to see.
    pub expose_tokens: bool,
}

/// The two kinds of upstream.
#[derive(Debug)]
pub enum UpstreamKind {
    /// `type = "mcp"`
    Mcp,
    /// `type = "arcade"`
    Arcade(Box<ArcadeWorker>),
}

/// A tool server that speaks the worker protocol.
#[derive(Debug)]
pub struct ArcadeWorker {
    /// What the file calls it.
    pub name: UpstreamName,
    /// What requests to it are signed with.
    pub secret: Secret,
    /// What its tools mean by the `id` or `provider_id` of a requirement, where that is neither a provider's name nor its preset.
    pub providers: BTreeMap<String, ProviderName>,
    /// At which providers its tools may use users' accounts, by name.
    pub accounts: Globs,
    /// Which secrets its tools may have, by name.
    pub secrets: Globs,
}

/// What executes tools.
#[derive(Debug)]
pub struct Upstream {
    /// What it speaks.
    pub kind: UpstreamKind,
    /// An MCP server's endpoint (streamable HTTP); a worker's address, below which is `/worker`.
    pub url: Url,
    /// What its tools need of the user.
    pub requirements: Vec<Requirement>,
    /// Headers sent on every request; the values may be secret.
    pub headers: Vec<(http::HeaderName, Secret)>,
    /// Which era it speaks, if the operator says so; probed otherwise.
    pub era: Option<Era>,
    /// How long to wait for a connection and for the head of an answer.
    pub connect_timeout: Duration,
    /// How long one call may take from start to end.
    pub call_timeout: Duration,
    /// Larger answers (one JSON body, or one event of a stream) are given up. Bytes.
    pub max_response_bytes: usize,
    /// How long a list of tools is good when the upstream does not say (`ttlMs`).
    pub list_ttl: Duration,
}

/// The two eras of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: stateless, per-request `_meta`.
    Modern,
    /// 2025-11-25 and older: `initialize`, sessions.
    Legacy,
}

/// Provider and scopes that tools of an upstream need, and where the token goes.
#[derive(Debug)]
pub struct Requirement {
    /// Whose token.
    pub provider: ProviderName,
    /// With which scopes at least.
    pub scopes: ScopeSet,
    /// For which of the upstream's tools (native names).
    pub tools: Globs,
    /// The header that carries the token; `authorization` by default.
    pub header: http::HeaderName,
    /// What precedes the token in that header, with its blank; by default `Bearer ` in `authorization`, nothing elsewhere.
    pub prefix: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

impl UserSource {
    /// Whether it may have a user with this subject. One that keeps a list knows; one elsewhere has to be asked.
    pub fn may_know(&self, subject: &str) -> bool {
        match &self.kind {
            UserSourceKind::Accounts(accounts) => accounts.contains_key(subject),
            UserSourceKind::Oidc(_) | UserSourceKind::App(_) => true,
        }
    }

    /// The application, if it is one that vouches for these users.
    pub fn app(&self) -> Option<&App> {
        match &self.kind {
            UserSourceKind::App(app) => Some(app),
            UserSourceKind::Oidc(_) | UserSourceKind::Accounts(_) => None,
        }
    }

    /// A user's id as it was sent, in the one spelling that counts.
    pub fn subject<'a>(&self, sent: &'a str) -> Cow<'a, str> {
        match self.app() {
            Some(app) if app.any_case => sent.chars().map(app::small).collect(),
            _ => sent.into(),
        }
    }

    /// Whether a browser may be sent on to this address, which came with a request.
    pub fn may_lead_to(&self, url: &Url) -> bool {
        let own = self.app().map(|app| app.verifier_url.origin());
        let own = own.map(|origin| origin.ascii_serialization());
        let allowed = self.allowed_origins.iter().chain(&own);
        app::may_lead_to(url, allowed.map(String::as_str))
    }
}

impl Elicitation {
    /// How to ask a client that misdeclares; `None` for the others, who are asked by what they declare.
    pub fn ask(&self, client: &str, era: Era) -> Option<AskBy> {
        let fits = |row: &&ClientOverride| {
            row.era.is_none_or(|only| only == era) && row.client.is_match(client)
        };
        self.overrides.iter().find(fits).map(|row| row.ask)
    }
}

/// Reads and checks a file, with the environment of this process.
///
/// Nothing is written: a root key that is still to be made is made by [`RootKeys::ring`].
///
/// # Errors
/// Every problem of the file at once.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let refused = |why: String| Problems::of_file(path.display().to_string(), why);
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(refused(
            "is larger than 4 MiB: this cannot be a gateway.toml".to_owned(),
        ));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        refused(format!("is not UTF-8 (line {line}); save it as UTF-8"))
    })?;
    let variable = |name: &str| std::env::var_os(name);
    let variable = &variable;
    parse(text, &Surroundings { path, variable })
}

/// Checks the text of a file.
///
/// # Errors
/// Every problem of the text at once.
pub fn parse(text: &str, surroundings: &Surroundings<'_>) -> Result<Config, Problems> {
    let (config, problems, _) = check::check(text, surroundings)?;
    match config {
        Some(config) if !problems.has_errors() => Ok(Config {
            warnings: problems,
            ..config
        }),
        _ => Err(problems),
    }
}
