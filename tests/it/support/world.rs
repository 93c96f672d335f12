//! The whole app in process on a port of its own, with stand-ins around it and time in our hands.

use std::{sync::Arc, time::Duration};

use anteroom::{
    admin::Operators,
    app::App,
    base::{
        clock::{Clock, ManualClock, Span, Timestamp},
        entropy::SeededEntropy,
        secret::TokenHash,
    },
    config::{self, Config, Era, Problems},
    reload::Reloader,
    store::{Store, sled::SledStore},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{
    browser::Browser,
    client::Client,
    oauth::{Program, Tokens},
    provider, upstream,
};

/// The API key of the user source `team`.
pub const KEY: &str = "arc_world-key-of-the-team";
/// A key of another user source.
pub const OTHER_KEY: &str = "arc_world-key-of-others";
/// What both accounts of `team` have for a password.
pub const PASSWORD: &str = "correct horse";
/// Its hash.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$/QXoxgj0aRhchWsI6u6KOw$87cWc3L9dEN+VMFSqTTZJEm/nZ6SGOvlyn96tvQrpZI";

/// Everything, running.
pub struct World {
    pub clock: ManualClock,
    pub base: String,
    pub upstream: upstream::StandIn,
    pub second: upstream::StandIn,
    pub provider: provider::StandIn,
    pub directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    reloader: Reloader,
    operators: Option<Operators>,
    toml: String,
}

impl World {
    /// Two upstreams of one era; tools of `notes` need the provider, those of `plain` need nothing.
    pub async fn start() -> Self {
        Self::with(Era::Modern, "").await
    }

    /// Upstreams of `era`, and `more` in `gateway.toml`.
    pub async fn with(era: Era, more: &str) -> Self {
        Self::made(era, |toml| toml + more).await
    }

    /// One whose gateway signs its users in, and `more` in `gateway.toml`.
    pub async fn signing_in(more: &str) -> Self {
        let change =
            |toml: String| toml.replace(r#"access = ["headers"]"#, r#"access = ["oauth"]"#) + more;
        Self::made(Era::Modern, change).await
    }

    async fn made(era: Era, change: impl FnOnce(String) -> String) -> Self {
        let (upstream, second) = (
            upstream::StandIn::start(&[era]).await,
            upstream::StandIn::start(&[era]).await,
        );
        let provider = provider::StandIn::start().await;
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let toml = change(toml(&base, &upstream, &second, &provider));
        let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
        let (server, stop, reloader, operators) = serve(&toml, &directory, listener, &clock).await;
        Self {
            clock,
            base,
            upstream,
            second,
            provider,
            directory,
            stop: Some(stop),
            server,
            reloader,
            operators: Some(operators),
            toml,
        }
    }

    /// Stops the app and starts it anew on the same store and port.
    pub async fn restart(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.base.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        let (server, stop, reloader, operators) =
            serve(&self.toml, &self.directory, listener, &self.clock).await;
        (self.server, self.stop, self.reloader) = (server, Some(stop), reloader);
        self.operators = Some(operators);
    }

    /// Replaces `old` by `new` in `gateway.toml`, and has the app look at it.
    pub async fn rewrite(&mut self, old: &str, new: &str) {
        assert!(self.toml.contains(old), "{old}");
        self.change(|toml| toml.replace(old, new)).await;
    }

    /// Changes `gateway.toml`, and has the app look at it.
    pub async fn change(&mut self, change: impl FnOnce(String) -> String) {
        self.toml = change(std::mem::take(&mut self.toml));
        let file = self.directory.path().join("gateway.toml");
        std::fs::write(file, &self.toml).unwrap();
        self.look().await;
    }

    /// Has the app look at its files, as it does every two seconds.
    pub async fn look(&self) {
        self.reloader.look().await;
    }

    /// Has the app read its file, as at SIGHUP.
    pub async fn reload(&self) -> Result<(), Problems> {
        self.reloader.reload().await
    }

    /// What its file says.
    pub fn configuration(&self) -> Config {
        let file = self.directory.path().join("gateway.toml");
        config::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Asks the app to stop and waits until it has.
    pub async fn stop(&mut self) {
        let Some(stop) = self.stop.take() else {
            return;
        };
        let _ = stop.send(());
        // It knows the store, which another app may be waiting for.
        self.operators = None;
        tokio::time::timeout(Duration::from_secs(10), &mut self.server)
            .await
            .unwrap()
            .unwrap();
    }

    /// Stops the app; how many records it leaves in `table`.
    pub async fn records(&mut self, table: &str) -> usize {
        self.stop().await;
        let path = self.directory.path().join("store");
        let store = SledStore::open(&path, Arc::new(self.clock.clone())).unwrap();
        store
            .list(&format!("{table}/"), None, 1000)
            .await
            .unwrap()
            .len()
    }

    /// What operators have of the app that runs.
    pub fn operators(&self) -> &Operators {
        self.operators.as_ref().unwrap()
    }

    /// Stops the app; everything it leaves in its store, as text.
    pub async fn all_records(&mut self) -> String {
        self.stop().await;
        let path = self.directory.path().join("store");
        let store = SledStore::open(&path, Arc::new(self.clock.clone())).unwrap();
        let records = store.list("", None, 10_000).await.unwrap();
        let text = |(key, record): (String, anteroom::store::Record)| {
            format!("{key} {}\n", String::from_utf8_lossy(&record.value))
        };
        records.into_iter().map(text).collect()
    }

    /// Goes on as after a crash at this moment: with what the store has on disk, and nothing of what was under way.
    pub async fn crash(&mut self) {
        let left = tempfile::tempdir().unwrap();
        copy(
            &self.directory.path().join("store"),
            &left.path().join("store"),
        );
        self.server.abort();
        let _ = (&mut self.server).await;
        self.directory = left;
        let listener = TcpListener::bind(self.base.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        let (server, stop, reloader, operators) =
            serve(&self.toml, &self.directory, listener, &self.clock).await;
        (self.server, self.stop, self.reloader) = (server, Some(stop), reloader);
        self.operators = Some(operators);
    }

    pub fn endpoint(&self) -> String {
        format!("{}/mcp/work", self.base)
    }

    /// A client that acts for `user`.
    pub fn client(&self, user: &str) -> Client {
        Client::new(&self.endpoint(), KEY, user)
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(Span::from_secs(seconds));
    }

    /// A browser at which `user` has signed in.
    pub async fn signed_in(&self, user: &str) -> Browser {
        let browser = Browser::new();
        let page = browser.open(format!("{}/sign-in/team", self.base)).await;
        let form = page
            .form("Sign in")
            .with("username", user)
            .with("password", PASSWORD);
        let page = browser.submit(&form).await;
        assert_eq!(page.status, 200, "{}", page.words());
        browser
    }

    /// Signs `user` in at the default gateway of `work`, through a program and a browser of their own; the tokens.
    pub async fn tokens(&self, user: &str) -> (Program, Tokens) {
        let program = Program::register(&self.base).await;
        let browser = Browser::new();
        let page = browser
            .open(program.request(&self.endpoint(), |_| {}))
            .await;
        let page = program.go_on(&browser, page, user, PASSWORD).await;
        let said = program.trade(&program.code(&page), |_| {}).await;
        let tokens = said.tokens();
        (program, tokens)
    }

    /// An MCP client with an access token and nothing else.
    pub fn bearer(&self, token: &str) -> Client {
        self.client("nobody").with_key(Some(token)).with_user(None)
    }

    /// Walks `user` through the link's pages to the end.
    pub async fn connect(&self, link: &str, user: &str) {
        let browser = self.signed_in(user).await;
        let page = browser.open(link).await;
        let form = page.form("Continue to Acme Notes");
        let page = browser.submit(&form).await;
        assert!(
            page.words().contains("onnected"),
            "{} {} {}",
            page.url,
            page.status,
            page.text
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn serve(
    toml: &str,
    directory: &TempDir,
    listener: TcpListener,
    clock: &ManualClock,
) -> (JoinHandle<()>, oneshot::Sender<()>, Reloader, Operators) {
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, toml).unwrap();
    std::fs::write(
        directory.path().join("root.key"),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    )
    .unwrap();
    let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    // Another seed at each start, or a restarted app would give out the same ids again.
    let seed = clock.now().as_millisecond().unsigned_abs()
        + u64::from(std::fs::read_dir(directory.path()).unwrap().count() as u32);
    let app = App::build(
        config,
        Arc::new(clock.clone()),
        Arc::new(SeededEntropy::new(seed)),
    )
    .await
    .unwrap();
    let (reloader, operators) = (app.reloader(&file), app.operators());
    reloader.look().await;
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        app.serve(listener, async { drop(stopped.await) }).await;
    });
    (server, stop, reloader, operators)
}

fn toml(
    base: &str,
    upstream: &upstream::StandIn,
    second: &upstream::StandIn,
    provider: &provider::StandIn,
) -> String {
    let (key, other_key) = (
        String::from(TokenHash::of(KEY)),
        String::from(TokenHash::of(OTHER_KEY)),
    );
    let (notes, plain, acme) = (&upstream.url, &second.url, &provider.base);
    let (client, secret) = provider::CLIENT;
    let listen = base.strip_prefix("http://").unwrap();
    format!(
        r#"
[server]
listen = "{listen}"
public_url = "{base}"
max_request_bytes = 65536
shutdown_grace = "5s"

[store]
url = "sled:store"
root_keys = [{{ id = "test", key = "${{file:root.key}}" }}]

[elicitation]
hold = "3s"

[user_sources.team]
type = "accounts"
accounts.alice = {{ password_hash = "{PASSWORD_HASH}", display_name = "Alice" }}
accounts.bob = {{ password_hash = "{PASSWORD_HASH}" }}

[user_sources.others]
type = "accounts"
accounts.alice = {{ password_hash = "{PASSWORD_HASH}" }}

[api_keys.team]
hash = "{key}"
user_source = "team"

[api_keys.others]
hash = "{other_key}"
user_source = "others"

[providers.acme]
title = "Acme Notes"
authorize_url = "{acme}authorize?tenant=7"
token_url = "{acme}token"
client_id = "{client}"
client_secret = "{secret}"

[upstreams.notes]
url = "{notes}"
auth = {{ provider = "acme", scopes = ["notes"] }}
connect_timeout = "500ms"
call_timeout = "5s"
max_response_bytes = 65536

[upstreams.plain]
url = "{plain}"
connect_timeout = "500ms"
call_timeout = "5s"
max_response_bytes = 65536

[gateways.work]
user_source = "team"
access = ["headers"]
tools = ["notes.*", "plain.*", "!plain.hidden*"]
instructions = "Be brief."
"#
    )
}
