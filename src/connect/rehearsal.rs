//! Rehearsals: everything that happens between us and an application that verifies its users, and no provider in it.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Connect, later,
    ticket::{Ticket, VERIFYING, with_ticket},
};
use crate::{
    base::{
        clock::Timestamp,
        id::{FlowId, UserId},
        secret::{ExposeSecret, Secret},
    },
    store::{StoreError, table::Change},
};

/// One try of a verifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Who is to come.
    pub user: UserId,
    /// What the application said; `None` until it did.
    pub heard: Option<Heard>,
    /// From then on it is too late.
    pub expires: Timestamp,
}

/// Whom the application saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// The user who was to come.
    Them,
    /// Somebody else.
    AnotherPerson,
}

/// What to do to rehearse. Not to be printed: the ticket stands in the address.
pub struct Beginning {
    /// To ask how it went.
    pub id: FlowId,
    /// What the application is to confirm.
    pub ticket: Secret,
    /// To be opened in the user's browser: the verifier URL with the ticket.
    pub url: Url,
    /// When it is too late.
    pub expires: Timestamp,
}

impl Connect {
    /// Begins a rehearsal with an application at `verifier_url`, at which `user` is to come.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rehearse(
        &self,
        user: &UserId,
        verifier_url: &Url,
    ) -> Result<Beginning, StoreError> {
        let expires = later(self.clock.now(), VERIFYING);
        let id = FlowId::parse(&self.entropy.handle()).expect("a handle is what ids are made of");
        let rehearsal = Rehearsal {
            user: user.clone(),
            heard: None,
            expires,
        };
        self.rehearsals
            .create(id.as_str(), &rehearsal, Some(expires))
            .await?;
        let ticket = Ticket::Rehearsal(id.clone());
        let (ticket, _) = self.mint(&ticket, expires).await?;
        Ok(Beginning {
            url: with_ticket(verifier_url, &ticket),
            id,
            ticket,
            expires,
        })
    }

    /// How a rehearsal stands; `None` if there never was one, or it is over. Topic to wait on: `connected/{user key}`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rehearsal(&self, id: &FlowId) -> Result<Option<Rehearsal>, StoreError> {
        let entry = self.rehearsals.get(id.as_str()).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// The application says that `user` came. Only its first word counts; what it was.
    pub(super) async fn heard(
        &self,
        id: &FlowId,
        user: &UserId,
    ) -> Result<Option<Heard>, StoreError> {
        let heard = self.rehearsals.update(id.as_str(), |rehearsal| {
            let heard = if rehearsal.user == *user {
                Heard::Them
            } else {
                Heard::AnotherPerson
            };
            Ok::<_, StoreError>(match rehearsal.heard {
                Some(_) => Change::Leave(rehearsal),
                None => Change::Keep(Rehearsal {
                    heard: Some(heard),
                    ..rehearsal
                }),
            })
        });
        let Some(rehearsal) = heard.await? else {
            return Ok(None);
        };
        self.signals
            .raise(&format!("connected/{}", rehearsal.user.key()));
        Ok(match rehearsal.heard {
            Some(Heard::Them) if rehearsal.user != *user => Some(Heard::AnotherPerson),
            heard => heard,
        })
    }
}

impl Beginning {
    /// The ticket, for the one who asked for the rehearsal.
    pub fn flow_id(&self) -> &str {
        self.ticket.expose_secret()
    }
}
