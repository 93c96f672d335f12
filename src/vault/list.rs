//! What connections there are: of one user for their own page, of all for operators.

use super::{
    Vault, VaultError,
    connection::{Connection, Filter, Page},
    wallet::Wallet,
};
use crate::base::{
    clock::Timestamp,
    id::{ConnectionId, ProviderName, UserId},
};

/// How many records are read at a time.
const STRIDE: usize = 100;

impl Vault {
    /// The connections of `user`, by provider, in the order in which they were made.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn of_user(&self, user: &UserId) -> Result<Vec<Connection>, VaultError> {
        let filter = Filter {
            user: Some(user),
            provider: None,
        };
        let page = self.page(None, usize::MAX, filter).await?;
        Ok(page.connections)
    }

    /// Connections of anybody, at most `limit`, beginning where [`Page::next`] of the page before said.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        filter: Filter<'_>,
    ) -> Result<Page, VaultError> {
        let prefix = filter.user.map(|user| format!("{}/", user.key()));
        let prefix = prefix.unwrap_or_default();
        let now = self.inner.clock.now();
        // The record before the one the last page ended in, and the last connection that was on it.
        let (mut before, mut seen) = after.and_then(|after| after.split_once('.')).unzip();
        before = before.filter(|before| !before.is_empty());
        let mut before = before.map(str::to_owned);
        let mut connections: Vec<Connection> = Vec::new();
        loop {
            let records = self.inner.table.list(&prefix, before.as_deref(), STRIDE);
            let records = records.await?;
            if records.is_empty() {
                let next = None;
                return Ok(Page { connections, next });
            }
            for (record, wallet) in records {
                for view in views(&record, &wallet, filter, seen.take(), now) {
                    if connections.len() == limit {
                        let last = connections.last().map(|last| last.id.to_string());
                        let next =
                            last.map(|last| format!("{}.{last}", before.unwrap_or_default()));
                        return Ok(Page { connections, next });
                    }
                    connections.push(view);
                }
                before = Some(record);
            }
        }
    }

    /// The connection with this id, whoever's it is: looks at all there are.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn by_id(&self, id: &ConnectionId) -> Result<Option<Connection>, VaultError> {
        let page = self.page(None, usize::MAX, Filter::default()).await?;
        Ok(page.connections.into_iter().find(|known| known.id == *id))
    }
}

/// What a record has for a page; nothing of what was `seen` on the page before.
fn views(
    record: &str,
    wallet: &Wallet,
    filter: Filter<'_>,
    seen: Option<&str>,
    now: Timestamp,
) -> Vec<Connection> {
    let provider = record.split_once('/').map(|(_, provider)| provider);
    let provider: Option<ProviderName> = provider.and_then(|provider| provider.parse().ok());
    let wanted = |provider: &ProviderName| filter.provider.is_none_or(|only| only == provider);
    let Some(provider) = provider.filter(wanted) else {
        return Vec::new();
    };
    let mut views: Vec<_> = wallet.views(&provider, now).collect();
    let seen = seen.and_then(|seen| views.iter().position(|view| view.id.as_str() == seen));
    if let Some(seen) = seen {
        views.drain(..=seen);
    }
    views
}
