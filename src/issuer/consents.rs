//! What users allowed: each consent is for one client at one address, for one gateway and certain scopes.
//!
//! | record | key | lives |
//! |---|---|---|
//! | consent | `consents/{user key}/{hash of client, redirect URI, gateway and scopes}` | a year after it was last given |

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        id::{GatewayName, UserId},
        secret::TokenHash,
    },
    protocol::oauth::scope::ScopeSet,
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
};

/// After so long one is asked again.
const LIFETIME: Span = Span::from_hours(365 * 24);
/// How many are read at once.
const PAGE: usize = 100;

#[derive(Clone)]
pub(super) struct Consents {
    table: Table<Consent>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Consent {
    client_id: String,
    client_name: String,
    redirect_uri: String,
    gateway: GatewayName,
    scopes: ScopeSet,
    at: Timestamp,
}

impl Consents {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            table: Table::new(store, "consents"),
            clock,
        }
    }

    /// Whether `user` allowed just this before.
    pub(super) async fn has(&self, user: &UserId, request: &Request) -> Result<bool, StoreError> {
        let consent = self.consent(request);
        Ok(self.table.get(&consent.key(user)).await?.is_some())
    }

    /// Remembers that `user` allowed this.
    pub(super) async fn remember(
        &self,
        user: &UserId,
        request: &Request,
    ) -> Result<(), StoreError> {
        let consent = self.consent(request);
        let key = consent.key(user);
        let expires = consent
            .at
            .saturating_add(LIFETIME)
            .unwrap_or(Timestamp::MAX);
        loop {
            if self.table.create(&key, &consent, Some(expires)).await? {
                return Ok(());
            }
            let again = self.table.update(&key, |mut known| {
                known.at = consent.at;
                Ok::<_, StoreError>(Change::Expire(known, Some(expires)))
            });
            if again.await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Forgets all that `user` allowed `client_id` at `gateway`, at whatever address and with whatever scopes.
    pub(super) async fn forget(
        &self,
        user: &UserId,
        client_id: &str,
        gateway: &GatewayName,
    ) -> Result<(), StoreError> {
        let prefix = format!("{}/", user.key());
        let mut after: Option<String> = None;
        loop {
            let page = self.table.list(&prefix, after.as_deref(), PAGE).await?;
            for (key, consent) in &page {
                if consent.client_id == client_id && consent.gateway == *gateway {
                    self.table.take(key).await?;
                }
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    fn consent(&self, request: &Request) -> Consent {
        let recipient = &request.recipient;
        Consent {
            client_id: recipient.client.id.clone(),
            client_name: recipient.client.name.clone(),
            redirect_uri: recipient.redirect.any_port(),
            gateway: request.gateway.clone(),
            scopes: request.scopes.clone(),
            at: self.clock.now(),
        }
    }
}

impl Consent {
    fn key(&self, user: &UserId) -> String {
        // None of the parts has a newline, so they cannot be confused.
        let what = format!(
            "{}\n{}\n{}\n{}",
            self.client_id, self.redirect_uri, self.gateway, self.scopes
        );
        format!("{}/{}", user.key(), TokenHash::of(&what).to_hex())
    }
}
