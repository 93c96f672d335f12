//! Which clients a user has let in, as the user sees it: however many grants a client holds at a gateway, it was let in once.

use super::{
    Issuer,
    consents::Consents,
    grant::{Grant, GrantId},
};
use crate::{
    base::{
        clock::Timestamp,
        id::{GatewayName, UserId},
        secret::TokenHash,
    },
    store::StoreError,
};

/// A client that a user let into a gateway.
#[derive(Clone, Debug)]
pub struct LetIn {
    /// The client, by its `client_id`.
    pub client_id: String,
    /// What it called itself last. Untrusted unless the operator registered it.
    pub name: String,
    /// The gateway.
    pub gateway: GatewayName,
    /// When it was first let in, of the times that still count.
    pub since: Timestamp,
    /// When it last bought an access token.
    pub used: Timestamp,
}

impl LetIn {
    /// Names it among those of one user: a hash of client and gateway.
    pub fn handle(&self) -> String {
        handle(&self.client_id, &self.gateway)
    }

    fn of(grant: &Grant) -> Self {
        Self {
            client_id: grant.approved.client_id.clone(),
            name: grant.approved.client_name.clone(),
            gateway: grant.approved.gateway.clone(),
            since: grant.created,
            used: grant.used,
        }
    }

    fn and(&mut self, grant: &Grant) {
        self.since = self.since.min(grant.created);
        if grant.used > self.used {
            self.used = grant.used;
            self.name.clone_from(&grant.approved.client_name);
        }
    }
}

impl Issuer {
    /// The clients that `user` let in; those that showed themselves last come first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn let_in(&self, user: &UserId) -> Result<Vec<LetIn>, StoreError> {
        let mut all: Vec<LetIn> = Vec::new();
        for (_, grant) in self.0.grants.of_user(user).await? {
            let handle = handle(&grant.approved.client_id, &grant.approved.gateway);
            match all.iter_mut().find(|known| known.handle() == handle) {
                Some(known) => known.and(&grant),
                None => all.push(LetIn::of(&grant)),
            }
        }
        all.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.name.cmp(&b.name)));
        Ok(all)
    }

    /// Ends what `user` allowed the client with this [`LetIn::handle`]: its tokens count no longer, and the next time it asks
    /// the user is asked. `None` if there is no such client (any more).
    ///
    /// # Errors
    /// When the store cannot be written; then some of its grants may be left.
    pub async fn shut_out(&self, user: &UserId, handle: &str) -> Result<Option<LetIn>, StoreError> {
        let grants = self.0.grants.of_user(user).await?;
        let mut theirs = grants.into_iter().filter(|(_, grant)| is(grant, handle));
        let Some((first, grant)) = theirs.next() else {
            return Ok(None);
        };
        let mut ended = LetIn::of(&grant);
        // First what would let it in again unasked.
        let parts = &self.0.parts;
        let consents = Consents::new(parts.store.clone(), parts.clock.clone());
        let (client, gateway) = (&ended.client_id, &ended.gateway);
        consents.forget(user, client, gateway).await?;
        let mut ids: Vec<GrantId> = vec![first];
        for (id, grant) in theirs {
            ended.and(&grant);
            ids.push(id);
        }
        for id in ids {
            self.0.grants.revoke(&id).await?;
        }
        tracing::info!(?user, client = ?ended.client_id, gateway = %ended.gateway, "a user took back what a client was allowed");
        Ok(Some(ended))
    }
}

fn is(grant: &Grant, wanted: &str) -> bool {
    handle(&grant.approved.client_id, &grant.approved.gateway) == wanted
}

fn handle(client_id: &str, gateway: &GatewayName) -> String {
    // No name of a gateway has a newline, so the two parts cannot be confused.
    TokenHash::of(&format!("{gateway}\n{client_id}")).to_hex()
}
