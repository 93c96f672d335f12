//! Tickets: what goes through the browser to an application that says who is at it, and comes back to us from its server.
//!
//! A ticket says nothing and can do nothing by itself: it counts only together with an API key of the user source, and once.

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::{
    Connect, REMEMBERED,
    flow::{Flow, Held, Verification},
    later,
};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::FlowId,
        seal::{OpenError, Purpose, Sealer},
        secret::{ExposeSecret, Secret, TokenHash},
    },
    config::Config,
    protocol::oauth::scope::ScopeSet,
    provider::{Account, ApiKey, AuthorizationCode, CodeVerifier},
    store::StoreError,
};

/// So long an application may take to say who came. Codes of most providers live as long, of some a minute.
pub(super) const VERIFYING: Span = Span::from_mins(10);

/// What a ticket is for. Under its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "of", content = "id", rename_all = "snake_case")]
pub(super) enum Ticket {
    /// A connection is to be made.
    Flow(FlowId),
    /// Nothing comes of it: an application is tried out.
    Rehearsal(FlowId),
}

impl Connect {
    /// A ticket nobody has had, kept until `expires`; the ticket, and its hash.
    pub(super) async fn mint(
        &self,
        ticket: &Ticket,
        expires: Timestamp,
    ) -> Result<(Secret, TokenHash), StoreError> {
        let secret = Secret::from(self.entropy.token());
        let hash = TokenHash::of(secret.expose_secret());
        self.tickets
            .create(&hash.to_hex(), ticket, Some(expires))
            .await?;
        Ok((secret, hash))
    }

    /// A ticket of `flow`, as long as that is remembered.
    pub(super) async fn mint_for(&self, flow: &Flow) -> Result<(Secret, TokenHash), StoreError> {
        let forgotten = later(flow.expires, REMEMBERED);
        self.mint(&Ticket::Flow(flow.id.clone()), forgotten).await
    }
}

/// Where the browser goes with a ticket; `None` if the configuration has no such place any more.
pub(super) fn destination(config: &Config, flow: &Flow, ticket: &Secret) -> Option<Url> {
    let source = config.user_sources.get(flow.user.source())?;
    let app = source.app().filter(|_| source.active)?;
    match &flow.verification {
        Verification::AtBrowser => None,
        Verification::ByApp => Some(with_ticket(&app.verifier_url, ticket)),
        Verification::ByLink {
            user_verify_url,
            state,
        } => {
            let mut url = Some(user_verify_url.clone()).filter(|url| source.may_lead_to(url))?;
            let mut query = url.query_pairs_mut();
            query.append_pair("auth_request_id", ticket.expose_secret());
            if let Some(state) = state {
                query.append_pair("state", state);
            }
            drop(query);
            Some(url)
        }
    }
}

/// A verifier URL, which keeps what it has, with the ticket.
pub(super) fn with_ticket(verifier_url: &Url, ticket: &Secret) -> Url {
    let mut url = verifier_url.clone();
    url.query_pairs_mut()
        .append_pair("flow_id", ticket.expose_secret());
    url
}

#[derive(Serialize)]
struct Written<'a> {
    code: &'a str,
    verifier: Option<&'a str>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    code: std::borrow::Cow<'a, str>,
    verifier: Option<std::borrow::Cow<'a, str>>,
}

/// Seals a code for whoever shows the ticket.
pub(super) fn seal(
    sealer: &Sealer,
    flow: &Flow,
    ticket: TokenHash,
    (code, verifier): (&AuthorizationCode, Option<&CodeVerifier>),
    asked: &ScopeSet,
) -> Held {
    let written = Written {
        code: code.expose(),
        verifier: verifier.map(CodeVerifier::expose),
    };
    let plain = serde_json::to_vec(&written).expect("texts are JSON");
    let (ticket, user) = (ticket.to_hex(), flow.user.key());
    let owner = ["flows", flow.id.as_str(), &user, &ticket];
    Held::Code {
        sealed: sealer.seal(Purpose::HeldCode, &owner, &Zeroizing::new(plain)),
        asked: asked.clone(),
    }
}

/// Seals a key for whoever shows the ticket.
pub(super) fn seal_key(
    sealer: &Sealer,
    flow: &Flow,
    ticket: TokenHash,
    (key, account): (&ApiKey, &Option<Account>),
) -> Held {
    let (ticket, user) = (ticket.to_hex(), flow.user.key());
    let owner = ["flows", flow.id.as_str(), &user, &ticket];
    Held::Key {
        sealed: sealer.seal(Purpose::HeldKey, &owner, key.expose().as_bytes()),
        account: account.clone(),
    }
}

/// What was held, opened.
pub(super) enum Opened {
    Code(AuthorizationCode, Option<CodeVerifier>),
    Key(ApiKey),
}

/// What is held, opened for the ticket it was sealed for.
pub(super) fn open(
    sealer: &Sealer,
    flow: &Flow,
    ticket: TokenHash,
    held: &Held,
) -> Result<Opened, OpenError> {
    let (ticket, user) = (ticket.to_hex(), flow.user.key());
    let owner = ["flows", flow.id.as_str(), &user, &ticket];
    match held {
        Held::Code { sealed, .. } => {
            let plain = sealer.open(Purpose::HeldCode, &owner, sealed)?;
            let read: Read<'_> =
                serde_json::from_slice(&plain).map_err(|_| OpenError::Malformed)?;
            let verifier = read
                .verifier
                .map(|verifier| CodeVerifier::from(verifier.into_owned()));
            Ok(Opened::Code(read.code.into_owned().into(), verifier))
        }
        Held::Key { sealed, .. } => {
            let plain = sealer.open(Purpose::HeldKey, &owner, sealed)?;
            let key = std::str::from_utf8(&plain).ok();
            let key = key.and_then(|key| ApiKey::parse(key).ok());
            Ok(Opened::Key(key.ok_or(OpenError::Malformed)?))
        }
    }
}
