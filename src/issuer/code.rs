//! Authorization codes: what the browser carries to the client, worth tokens once, for a minute.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    approved::Approved,
    grant::{GrantId, Grants},
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        secret::TokenHash,
    },
    protocol::oauth::{pkce::CodeVerifier, token::AuthorizationCode},
    store::{Store, StoreError, table::Table},
};

/// How long a code is good.
const LIFETIME: Span = Span::from_secs(60);
/// How long a spent one is remembered, to notice that somebody has a copy.
const REMEMBERED: Span = Span::from_mins(10);
/// A code that keeps changing between read and write; it changes twice in its life.
const ATTEMPTS: usize = 4;

/// What a code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// What the user approved.
    pub approved: Approved,
    /// The redirect URI of the request, byte by byte.
    pub redirect_uri: String,
    /// The S256 challenge of the request (RFC 7636 §4.2).
    pub code_challenge: String,
}

/// Who presents a code.
pub(super) struct Presenter<'a> {
    pub client_id: &'a str,
    pub redirect_uri: Option<&'a str>,
    pub verifier: &'a CodeVerifier,
}

/// Why a code buys nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodeProblem {
    #[error("the code is unknown or expired")]
    Unknown,
    #[error("the code was issued to another client")]
    OtherClient,
    #[error("redirect_uri is not the one of the authorization request")]
    OtherRedirect,
    #[error("code_verifier does not belong to the code_challenge of the authorization request")]
    OtherVerifier,
    #[error("the code was used already")]
    Spent,
    /// By whoever holds all that the rightful client holds; the grant is over.
    #[error("the code was used already; what it bought is revoked")]
    Replayed,
}

/// Authorization codes in a store. Cheap to clone.
#[derive(Clone)]
pub struct Codes {
    table: Table<Code>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Code {
    Unspent(Pending),
    Spent {
        grant: GrantId,
        client_id: String,
        code_challenge: String,
    },
    /// Spent, and presented again.
    Replayed,
}

impl Codes {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            table: Table::new(store, "codes"),
            clock,
            entropy,
        }
    }

    /// A code for what was approved.
    ///
    /// # Errors
    /// When the store cannot be written; then there is no code.
    pub async fn mint(&self, pending: Pending) -> Result<AuthorizationCode, StoreError> {
        let code = self.entropy.token();
        let key = TokenHash::of(&code).to_hex();
        let code_of = Code::Unspent(pending);
        let expires = Some(self.after(LIFETIME));
        self.table.create(&key, &code_of, expires).await?;
        Ok(code.into())
    }

    /// What a code stands for, if this is the client that it was made for. Changes nothing.
    pub(super) async fn read(
        &self,
        code: &str,
        by: &Presenter<'_>,
    ) -> Result<Result<Pending, CodeProblem>, StoreError> {
        let entry = self.table.get(&TokenHash::of(code).to_hex()).await?;
        Ok(match entry.map(|entry| entry.value) {
            None => Err(CodeProblem::Unknown),
            Some(Code::Unspent(pending)) => by.fits(pending),
            Some(spent) => Err(by.replays(&spent)),
        })
    }

    /// Spends a code: from now on it stands for `grant`, which is still to be made. Of two who do, one does.
    pub(super) async fn spend(
        &self,
        code: &str,
        by: &Presenter<'_>,
        grant: &GrantId,
    ) -> Result<Result<Pending, CodeProblem>, StoreError> {
        let key = TokenHash::of(code).to_hex();
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.table.get(&key).await? else {
                return Ok(Err(CodeProblem::Unknown));
            };
            let pending = match entry.value {
                Code::Unspent(pending) => match by.fits(pending) {
                    Ok(pending) => pending,
                    Err(problem) => return Ok(Err(problem)),
                },
                spent => return Ok(Err(by.replays(&spent))),
            };
            let spent = Code::Spent {
                grant: grant.clone(),
                client_id: pending.approved.client_id.clone(),
                code_challenge: pending.code_challenge.clone(),
            };
            let remembered = Some(self.after(REMEMBERED));
            let written = self.table.replace(&key, entry.version, &spent, remembered);
            if written.await?.is_some() {
                return Ok(Ok(pending));
            }
        }
        Err(StoreError::Contended(format!("codes/{key}")))
    }

    /// Ends what a code bought that was presented again: first a mark, for its grant may be still in the making.
    pub(super) async fn end_replayed(&self, code: &str, grants: &Grants) -> Result<(), StoreError> {
        let key = TokenHash::of(code).to_hex();
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.table.get(&key).await? else {
                return Ok(());
            };
            let Code::Spent { grant, .. } = &entry.value else {
                return Ok(());
            };
            let remembered = Some(self.after(REMEMBERED));
            let marked = self
                .table
                .replace(&key, entry.version, &Code::Replayed, remembered);
            if marked.await?.is_some() {
                return grants.revoke(grant).await.map(drop);
            }
        }
        Err(StoreError::Contended(format!("codes/{key}")))
    }

    /// Whether a spent code was presented again. To be asked when its grant was made.
    pub(super) async fn was_replayed(&self, code: &str) -> Result<bool, StoreError> {
        let entry = self.table.get(&TokenHash::of(code).to_hex()).await?;
        Ok(entry.is_some_and(|entry| matches!(entry.value, Code::Replayed)))
    }

    fn after(&self, span: Span) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(span).unwrap_or(Timestamp::MAX)
    }
}

impl Presenter<'_> {
    fn fits(&self, pending: Pending) -> Result<Pending, CodeProblem> {
        if pending.approved.client_id != self.client_id {
            return Err(CodeProblem::OtherClient);
        }
        // OAuth 2.1 §4.1.3 has no such parameter any more; RFC 6749 clients send it.
        if self
            .redirect_uri
            .is_some_and(|uri| uri != pending.redirect_uri)
        {
            return Err(CodeProblem::OtherRedirect);
        }
        if !self.holds_verifier(&pending.code_challenge) {
            return Err(CodeProblem::OtherVerifier);
        }
        Ok(pending)
    }

    /// A replay counts only from somebody who has all the secrets: else anybody who saw the code could end the grant.
    fn replays(&self, code: &Code) -> CodeProblem {
        match code {
            Code::Spent {
                client_id,
                code_challenge,
                ..
            } if client_id == self.client_id && self.holds_verifier(code_challenge) => {
                CodeProblem::Replayed
            }
            _ => CodeProblem::Spent,
        }
    }

    fn holds_verifier(&self, challenge: &str) -> bool {
        self.verifier.challenge().as_str() == challenge
    }
}
