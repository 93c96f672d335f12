//! Browser sessions: who is at this browser, one user per user source.
//!
//! The cookie holds a random key, the store only its hash. The key changes at every sign-in, so a key that someone planted
//! beforehand is worth nothing afterwards.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::Proof;
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        id::{UserId, UserSourceName},
        seal::Sealed,
        secret::TokenHash,
    },
    config::{Config, live::Live},
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
    web::{
        cookie::BrowserKey,
        csrf::{self, Form},
        page::{Person, SwitchForm},
        urls::{LocalPath, Urls},
    },
};

/// A session not used for so long is over.
const IDLE: Span = Span::from_hours(12);
/// So long after signing in one has to sign in again, used or not.
const ABSOLUTE: Span = Span::from_hours(7 * 24);
/// Uses within so long of the last noted one are not noted: reading a page seldom writes.
const NOTED_EVERY: Span = Span::from_mins(30);

/// The browser sessions of this store. Cheap to clone.
#[derive(Clone)]
pub struct BrowserSessions {
    table: Table<Session>,
    live: Live,
    urls: Urls,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// A browser at which at least one user is signed in: the proof that this was looked up and still holds.
#[derive(Clone, Debug)]
pub struct Browser {
    key: BrowserKey,
    users: BTreeMap<UserSourceName, (UserId, Option<Person>)>,
}

/// A user who has just proved who they are.
#[derive(Debug)]
pub struct Arrival {
    /// Who.
    pub user: UserId,
    /// How.
    pub proof: Proof,
    /// What the user source calls them; `None` if the file says it.
    pub person: Option<Person>,
    /// The ID token that said it ([`crate::base::seal::Purpose::IdToken`]), to sign out with.
    pub id_token: Option<Sealed>,
}

/// Who signed out.
#[derive(Debug, Default)]
pub struct Departure {
    /// The `Set-Cookie` header to send when nobody is left.
    pub cookie: Option<HeaderValue>,
    /// Who left, with the ID token that they came with.
    pub users: Vec<(UserId, Option<Sealed>)>,
}

/// The stored half.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    users: BTreeMap<UserSourceName, SignIn>,
    seen: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignIn {
    user: UserId,
    at: Timestamp,
    proof: Proof,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<Sealed>,
}

impl BrowserSessions {
    /// Sessions in `store`, as far as the configuration in force still knows their users.
    pub fn new(
        store: Arc<dyn Store>,
        live: Live,
        urls: Urls,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            table: Table::new(store, "browser_sessions"),
            live,
            urls,
            clock,
            entropy,
        }
    }

    /// The browser that sent these headers, if anyone is signed in there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn from_headers(&self, headers: &HeaderMap) -> Result<Option<Browser>, StoreError> {
        let Some(key) = BrowserKey::of(headers, &self.urls) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let id = key.hash().to_hex();
        let Some(entry) = self.table.get(&id).await? else {
            return Ok(None);
        };
        let mut session = entry.value;
        if now.duration_since(session.seen) >= NOTED_EVERY {
            // Gone meanwhile is signed out meanwhile.
            match self.note_use(&id, now).await? {
                Some(noted) => session = noted,
                None => return Ok(None),
            }
        }
        let users = session.standing(&self.live.now(), now);
        Ok((!users.is_empty()).then_some(Browser { key, users }))
    }

    /// Remembers that somebody signed in, with what was remembered of `old` at other user sources, under a new key.
    /// Gives the `Set-Cookie` header for it.
    ///
    /// # Errors
    /// When the store fails; then nobody is signed in who was not before.
    pub async fn sign_in(
        &self,
        old: Option<&Browser>,
        arrival: Arrival,
    ) -> Result<(Browser, HeaderValue), StoreError> {
        let now = self.clock.now();
        let mut session = match old {
            Some(old) => self.table.take(&old.id().to_hex()).await?,
            None => None,
        }
        .unwrap_or_else(|| Session {
            users: BTreeMap::new(),
            seen: now,
        });
        session.seen = now;
        session.users.insert(
            arrival.user.source().clone(),
            SignIn {
                user: arrival.user,
                at: now,
                proof: arrival.proof,
                person: arrival.person,
                id_token: arrival.id_token,
            },
        );
        let key = BrowserKey::fresh(&*self.entropy);
        self.table
            .create(&key.hash().to_hex(), &session, Some(session.expires()))
            .await?;
        let cookie = key.set(&self.urls);
        let users = session.standing(&self.live.now(), now);
        Ok((Browser { key, users }, cookie))
    }

    /// Forgets the user of `source`, or everyone.
    ///
    /// # Errors
    /// When the store fails; then everyone is still signed in.
    pub async fn sign_out(
        &self,
        browser: &Browser,
        source: Option<&UserSourceName>,
    ) -> Result<Departure, StoreError> {
        let mut departure = Departure::default();
        let id = browser.id().to_hex();
        let stays = |user: &UserSourceName| source.is_some_and(|source| source != user);
        if browser.users.keys().any(stays) {
            self.table
                .update(&id, |mut session| {
                    let leaving = session.users.extract_if(.., |user, _| !stays(user));
                    departure.users = leaving
                        .map(|(_, left)| (left.user, left.id_token))
                        .collect();
                    let expires = session.expires();
                    Ok::<_, StoreError>(Change::Expire(session, Some(expires)))
                })
                .await?;
            return Ok(departure);
        }
        if let Some(session) = self.table.take(&id).await? {
            let leaving = session.users.into_values();
            departure.users = leaving.map(|left| (left.user, left.id_token)).collect();
        }
        departure.cookie = Some(BrowserKey::clear(&self.urls));
        Ok(departure)
    }

    /// What the sign-in of the user of `source` rested on, while they are signed in at this browser.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn proof(
        &self,
        browser: &Browser,
        source: &UserSourceName,
    ) -> Result<Option<Proof>, StoreError> {
        let entry = self.table.get(&browser.id().to_hex()).await?;
        let sign_in = entry.and_then(|mut entry| entry.value.users.remove(source));
        let same = sign_in.filter(|sign_in| browser.user(source) == Some(&sign_in.user));
        Ok(same.map(|sign_in| sign_in.proof))
    }

    async fn note_use(&self, id: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        self.table
            .update(id, |mut session| {
                session.seen = session.seen.max(now);
                let expires = session.expires();
                Ok(Change::Expire(session, Some(expires)))
            })
            .await
    }
}

impl Browser {
    /// What the store keeps of this browser's key: for binding other records to this browser.
    pub fn id(&self) -> TokenHash {
        self.key.hash()
    }

    /// Who is signed in through `source`.
    pub fn user(&self, source: &UserSourceName) -> Option<&UserId> {
        self.users.get(source).map(|(user, _)| user)
    }

    /// `user` as pages show them: as their user source called them when they signed in here, else as the file does.
    pub fn person(&self, config: &Config, user: &UserId) -> Person {
        let here = self
            .users
            .get(user.source())
            .filter(|(here, _)| here == user);
        let known = here.and_then(|(_, person)| person.clone());
        known.unwrap_or_else(|| super::person(config, user))
    }

    /// Everyone signed in, in order of user source.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.values().map(|(user, _)| user)
    }

    /// The token for a form shown to this browser.
    pub fn form_token(&self, form: Form<'_>) -> String {
        csrf::token(&self.key, form)
    }

    /// The fields of "sign in as someone else" at `source`, going on to `return_to`.
    pub fn switch_form(&self, source: &UserSourceName, return_to: &LocalPath) -> SwitchForm {
        SwitchForm {
            csrf: self.form_token(Form::SignOut),
            source: source.to_string(),
            return_to: return_to.to_string(),
        }
    }
}

impl Session {
    /// The users whose sign-in is not too old and whose user source would still let them in.
    fn standing(
        &self,
        config: &Config,
        now: Timestamp,
    ) -> BTreeMap<UserSourceName, (UserId, Option<Person>)> {
        self.users
            .iter()
            .filter(|(_, sign_in)| now < later(sign_in.at, ABSOLUTE))
            .filter(|(_, sign_in)| sign_in.proof.holds(&sign_in.user, config))
            .map(|(source, sign_in)| {
                let user = (sign_in.user.clone(), sign_in.person.clone());
                (source.clone(), user)
            })
            .collect()
    }

    fn expires(&self) -> Timestamp {
        let latest = self.users.values().map(|sign_in| sign_in.at).max();
        later(self.seen, IDLE).min(later(latest.unwrap_or(self.seen), ABSOLUTE))
    }
}

fn later(time: Timestamp, by: Span) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
