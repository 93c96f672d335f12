//! `/connections`: where users see what is connected in their name, and change it.
//!
//! | address | what |
//! |---|---|
//! | `GET /connections` | everything of whoever is signed in at the browser |
//! | `POST /connections/{source}/{provider}` | connect an account, or one more: on to a flow |
//! | `POST …/{connection}/reconnect` | the same for just this one |
//! | `GET`, `POST …/{connection}/disconnect` | what will stop working; the end |
//! | `POST …/{connection}/default`, `…/name` | which is used where nobody says which; what it is called |
//! | `POST /applications/{source}/{handle}/remove` | shuts a client out |
//!
//! Each change is posted with a token for just its address, by a user who is signed in at the source it names, and is looked up
//! among what is that user's: another's connection is as if it were not there. Owns no records.

mod act;
mod disconnect;
mod needs;
mod overview;
mod posted;
mod said;
mod when;

use std::{error::Error, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::HeaderMap,
    response::Response,
    routing::get,
};

use crate::{
    base::{
        clock::Clock,
        id::{ConnectionId, ProviderName, UserId, UserSourceName},
    },
    config::{UserSource, UserSourceKind, live::Live},
    connect::Connect,
    issuer::Issuer,
    user_source::{
        profile::Profiles,
        session::{Browser, BrowserSessions},
    },
    vault::{Connection, Vault, VaultError},
    web::{
        connection_failure::ConnectionFailure,
        failure::{Faults, PageFailure},
        stop::{Stop, see_other},
        urls::{LocalPath, Urls},
    },
};
use said::Said;

/// A form here holds a token and a name.
const LARGEST_FORM: usize = 16 * 1024;

/// What the pages are made of.
pub struct Parts {
    /// The configuration in force.
    pub live: Live,
    /// Our addresses.
    pub urls: Urls,
    /// Who is at a browser.
    pub sessions: BrowserSessions,
    /// What user sources say of users: which gateways are theirs.
    pub profiles: Profiles,
    /// What is connected.
    pub vault: Vault,
    /// Where connecting begins.
    pub connect: Connect,
    /// Who was let in.
    pub issuer: Issuer,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where faults go.
    pub faults: Faults,
}

/// The pages. Cheap to clone.
#[derive(Clone)]
pub struct ConnectionsPages(Arc<Parts>);

impl ConnectionsPages {
    /// Pages over these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// All addresses of these pages.
pub fn routes(pages: ConnectionsPages) -> Router {
    let of = |what: &str| format!("/connections/{{source}}/{{provider}}/{{connection}}/{what}");
    Router::new()
        .route("/connections", get(overview::show))
        .route(
            "/connections/{source}/{provider}",
            get(away).post(act::connect),
        )
        .route(&of("reconnect"), get(away).post(act::reconnect))
        .route(
            &of("disconnect"),
            get(disconnect::ask).post(disconnect::disconnect),
        )
        .route(&of("default"), get(away).post(act::make_default))
        .route(&of("name"), get(away).post(act::name))
        .route(
            "/applications/{source}/{handle}/remove",
            get(away).post(act::remove),
        )
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(pages)
}

/// The address of a change, looked at: whoever reloads a page that said no comes here.
async fn away(State(pages): State<ConnectionsPages>) -> Response {
    see_other(&pages.0.urls.local(&LocalPath::connections()))
}

/// A user at a browser: the proof that they are signed in.
struct Visitor {
    browser: Browser,
    user: UserId,
}

impl ConnectionsPages {
    /// Whoever is signed in through `source`. Others are sent to do so, and come back to `back`.
    async fn visitor(
        &self,
        headers: &HeaderMap,
        source: &UserSourceName,
        back: &LocalPath,
    ) -> Result<Visitor, Stop> {
        let parts = &self.0;
        let browser = self.browser(headers).await?;
        let here = browser.and_then(|browser| Some((browser.user(source)?.clone(), browser)));
        if let Some((user, browser)) = here {
            return Ok(Visitor { browser, user });
        }
        let config = parts.live.now();
        match config
            .user_sources
            .get(source)
            .filter(|known| signs_in(known))
        {
            Some(_) => Err(Stop::SeeOther(parts.urls.sign_in(source, back))),
            None => Err(PageFailure::NotFound.into()),
        }
    }

    /// The visitor's own connection of that id.
    async fn connection(
        &self,
        visitor: &Visitor,
        provider: &ProviderName,
        id: &ConnectionId,
    ) -> Result<Connection, Stop> {
        let connections = self.0.vault.of_user(&visitor.user).await;
        let connections = connections.map_err(|error| self.vault(&error))?;
        let mut theirs = connections.into_iter();
        let found = theirs.find(|known| known.id == *id && known.provider == *provider);
        found.ok_or_else(|| ConnectionFailure::Gone.into())
    }

    async fn browser(&self, headers: &HeaderMap) -> Result<Option<Browser>, Stop> {
        let browser = self.0.sessions.from_headers(headers).await;
        browser.map_err(|error| self.fault("reading a browser session", &error))
    }

    /// Back to the page, which says what was done.
    fn back(&self, visitor: &Visitor, said: &Said) -> Response {
        let page = self.0.urls.local(&LocalPath::connections());
        see_other(&said.on(page, &visitor.browser))
    }

    fn vault(&self, error: &VaultError) -> Stop {
        match error {
            VaultError::Unavailable { .. } => ConnectionFailure::Busy.into(),
            _ => self.fault("looking after a connection", error),
        }
    }

    fn fault(&self, doing: &str, error: &dyn Error) -> Stop {
        PageFailure::Fault(self.0.faults.note(doing, error)).into()
    }
}

/// Whether people sign in there with us.
fn signs_in(source: &UserSource) -> bool {
    let with_us = matches!(
        source.kind,
        UserSourceKind::Oidc(_) | UserSourceKind::Accounts(_)
    );
    source.active && with_us
}
