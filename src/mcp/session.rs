//! MCP sessions of the legacy revisions: sealed, self-contained, bound to one user at one gateway.
//!
//! The id carries what `initialize` negotiated, so any replica can go on with it and none keeps a table of sessions.
//! It authenticates nobody: each request proves its user anew, and an id in another user's hands does not open.
//! A session that was ended leaves a record, `ended_sessions/{key}`, until its id would have expired.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        seal::{Purpose, Sealer},
        secret::TokenHash,
    },
    gateway::access::Principal,
    protocol::mcp::revision::Revision,
    store::{Store, StoreError, table::Table},
};

use super::client::Client;

/// How long a session id is good. Clients that still use it then get 404 and initialise anew.
const LIFETIME: Span = Span::from_hours(30 * 24);

/// Opens, resumes and ends MCP sessions.
#[derive(Clone)]
pub struct McpSessions {
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ended: Table<Ended>,
    known_ended: Arc<Mutex<KnownEnded>>,
}

/// What this process knows to be ended, until that may be forgotten.
#[derive(Default)]
struct KnownEnded {
    keys: HashSet<SessionKey>,
    /// In the order in which they may be forgotten: a session's end is remembered equally long whenever it comes.
    order: VecDeque<(Timestamp, SessionKey)>,
}

impl KnownEnded {
    /// Costs no more than what there is to forget, and that was paid for when it was remembered.
    fn remember(&mut self, key: SessionKey, now: Timestamp) {
        while let Some((_, old)) = self.order.pop_front_if(|(forget, _)| *forget <= now) {
            self.keys.remove(&old);
        }
        if self.keys.insert(key.clone()) {
            self.order.push_back((now + LIFETIME, key));
        }
    }
}

/// By what a session is known in topics and records: a digest of its id. Not secret, and useless as an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(Arc<str>);

/// The id does not open for this user: malformed, expired, ended, or somebody else's. All are answered 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown session")]
pub struct UnknownSession;

#[derive(Serialize, Deserialize)]
struct Contents {
    #[serde(rename = "r")]
    revision: String,
    #[serde(rename = "u", default)]
    url_elicitation: bool,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(rename = "x")]
    nonce: String,
}

#[derive(Serialize, Deserialize)]
struct Ended {}

impl SessionKey {
    fn of(id: &str) -> Self {
        Self(TokenHash::of(id).to_hex()[..32].into())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl McpSessions {
    /// Sessions whose ends are remembered in `store`.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            sealer,
            clock,
            entropy,
            ended: Table::new(store, "ended_sessions"),
            known_ended: Arc::default(),
        }
    }

    /// Reads which sessions were ended before this process began.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.ended.list("", after.as_deref(), 500).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let mut known = self
                .known_ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            for (key, _) in page {
                known.remember(SessionKey(key.into()), now);
            }
        }
    }

    /// Opens a session for what `client` negotiated; gives its id.
    pub fn open(&self, principal: &Principal, client: &Client) -> String {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let contents = Contents {
            revision: client.revision.as_str().to_owned(),
            url_elicitation: client.url_elicitation,
            name: client.name.clone(),
            title: client.title.clone(),
            nonce: u128::from_be_bytes(nonce).to_string(),
        };
        let contents = serde_json::to_vec(&contents).expect("our own record serialises");
        let expires = self.clock.now() + LIFETIME;
        self.sealer
            .seal_text(Purpose::McpSession, &owner(principal), expires, &contents)
    }

    /// What `initialize` negotiated for the session `id`, if it is this principal's and still open.
    ///
    /// # Errors
    /// [`UnknownSession`] for every other id.
    pub fn resume(&self, principal: &Principal, id: &str) -> Result<Client, UnknownSession> {
        let contents = self
            .sealer
            .open_text(Purpose::McpSession, &owner(principal), self.clock.now(), id)
            .map_err(|_| UnknownSession)?;
        let contents: Contents = serde_json::from_slice(&contents).map_err(|_| UnknownSession)?;
        let key = SessionKey::of(id);
        if self.is_ended(&key) {
            return Err(UnknownSession);
        }
        Ok(Client {
            revision: Revision::parse(&contents.revision).ok_or(UnknownSession)?,
            name: contents.name,
            title: contents.title,
            url_elicitation: contents.url_elicitation,
            session: Some(key),
        })
    }

    /// Ends a session that [`Self::resume`] knew: its id is unknown from now on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end(&self, key: &SessionKey) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.ended
            .create(key.as_str(), &Ended {}, Some(now + LIFETIME))
            .await?;
        let mut known = self
            .known_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.remember(key.clone(), now);
        Ok(())
    }

    fn is_ended(&self, key: &SessionKey) -> bool {
        let known = self
            .known_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.keys.contains(key)
    }
}

fn owner(principal: &Principal) -> [&str; 2] {
    [principal.gateway().as_str(), principal.user_key()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_remembered_once_each_and_as_long_as_the_id_would_live() {
        let key = |name: &str| SessionKey(name.into());
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let mut known = KnownEnded::default();
        for name in ["a", "b", "a"] {
            known.remember(key(name), start);
        }
        assert_eq!((known.keys.len(), known.order.len()), (2, 2));
        known.remember(key("c"), start + LIFETIME - Span::from_secs(1));
        assert!(known.keys.contains(&key("a")));
        known.remember(key("d"), start + LIFETIME);
        let left: Vec<_> = known.order.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!((left, known.keys.len()), (vec!["c", "d"], 2));
    }
}
