//! One account's tokens, as they are kept: sealed, with what is needed to decide without opening them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{HeldToken, connection::Grant};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::{ConnectionId, ProviderName, UserId},
        seal::{OpenError, Purpose, Sealed, Sealer},
        secret::ExposeSecret,
    },
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
    provider::{AccessToken, Account, RefreshToken, TokenSet},
};

/// A provider that gives a token a shorter life than this does not mean it; refreshing for each call would be a storm.
const SHORTEST_LIFE: Span = Span::from_secs(5);
/// The longest pause between attempts at a provider that fails.
const LONGEST_REST: Span = Span::from_secs(60);
/// How long an operator's mistake is remembered: short, since a corrected configuration should help at once.
const OPERATOR_REST: Span = Span::from_secs(10);

/// Whose connections, and where: names the record `credentials/{user key}/{provider}`.
#[derive(Clone)]
pub(super) struct WalletKey {
    pub(super) user: UserId,
    pub(super) provider: ProviderName,
    user_key: String,
    record: String,
}

/// Which of them: the owner that its tokens are sealed for.
#[derive(Clone)]
pub(super) struct CredentialKey {
    pub(super) wallet: WalletKey,
    pub(super) id: ConnectionId,
}

/// One account's tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Credential {
    pub(super) id: ConnectionId,
    pub(super) kind: Kind,
    /// Whose account it is, if the provider told.
    pub(super) account: Option<Account>,
    access_token: Sealed,
    pub(super) refresh_token: Option<Sealed>,
    /// What the provider granted.
    pub(super) scopes: ScopeSet,
    /// What was asked for when the user connected and not granted.
    pub(super) withheld: ScopeSet,
    /// When the user connected.
    pub(super) connected: Timestamp,
    /// When the access token was obtained.
    pub(super) obtained: Timestamp,
    pub(super) expires: Option<Timestamp>,
    /// When a call last used it, roughly.
    pub(super) used: Option<Timestamp>,
    /// Grows with each new access token, and beyond a disconnect.
    pub(super) revision: u64,
    /// The revision with which the user connected: refreshes leave it.
    pub(super) connection: u64,
    pub(super) condition: Condition,
}

/// What the access token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// An authorization server's.
    Token,
    /// A key that the user typed. What it is good for nobody says.
    Key,
}

/// What may be done with the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Condition {
    /// Use them.
    Good {
        /// This token came in place of one that an upstream refused.
        after_refusal: bool,
    },
    /// Use the access token while it lives; no refresh before `until`.
    Resting {
        until: Timestamp,
        failures: u32,
        /// `None`: the provider was not available. Else its word for what the operator has to mend.
        operator: Option<String>,
    },
    /// They are of no use; the user has to connect again.
    NeedsUser { why: NeedsUser },
}

/// Why only the user can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NeedsUser {
    /// The provider refused the refresh token.
    RefreshRefused,
    /// An upstream refused the access token and it cannot be refreshed, or that did not help.
    TokenRefused,
}

/// Why refreshing did not help for now.
pub(super) enum Setback {
    /// The provider is not available; not before this has passed, if it said so.
    Unavailable(Option<std::time::Duration>),
    /// The operator has to act.
    Operator(ErrorCode),
}

impl WalletKey {
    pub(super) fn new(user: &UserId, provider: &ProviderName) -> Self {
        let user_key = user.key();
        Self {
            record: format!("{user_key}/{provider}"),
            user: user.clone(),
            provider: provider.clone(),
            user_key,
        }
    }

    /// The key within the table.
    pub(super) fn record(&self) -> &str {
        &self.record
    }

    pub(super) fn of(&self, id: &ConnectionId) -> CredentialKey {
        CredentialKey {
            wallet: self.clone(),
            id: id.clone(),
        }
    }
}

impl CredentialKey {
    /// Names the lease, the signal and the flight of a refresh.
    pub(super) fn name(&self) -> String {
        format!("credential/{}/{}", self.wallet.record, self.id)
    }

    /// Which token is a part too: an access token in the refresh token's place would be sent where it does not belong.
    fn owner<'a>(&'a self, which: &'a str) -> [&'a str; 5] {
        let WalletKey {
            user_key, provider, ..
        } = &self.wallet;
        let (provider, id) = (provider.as_str(), self.id.as_str());
        ["credentials", user_key, provider, id, which]
    }

    fn seal(&self, sealer: &Sealer, which: &str, token: &str) -> Sealed {
        sealer.seal(Purpose::Credential, &self.owner(which), token.as_bytes())
    }

    fn open<T: for<'a> From<&'a str>>(
        &self,
        sealer: &Sealer,
        which: &str,
        sealed: &Sealed,
    ) -> Result<T, OpenError> {
        let bytes = sealer.open(Purpose::Credential, &self.owner(which), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| OpenError::Malformed)?;
        Ok(T::from(text))
    }
}

/// As in a log: whom it belongs to, hashed, and where.
impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.user, self.provider)
    }
}

impl fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}", self.wallet, self.id)
    }
}

impl Credential {
    /// What the user obtained. `before` is what it replaces: nothing of that is kept but when it was used, and the count, which
    /// goes on from `counted`.
    pub(super) fn granted(
        key: &CredentialKey,
        sealer: &Sealer,
        grant: &Grant,
        now: Timestamp,
        counted: u64,
        before: Option<&Self>,
    ) -> Self {
        let revision = revision(now, counted);
        let (kind, account) = match grant {
            Grant::Tokens { account, .. } => (Kind::Token, account),
            Grant::Key { account, .. } => (Kind::Key, account),
        };
        let (access_token, refresh_token) = match grant {
            Grant::Tokens { tokens, .. } => {
                (tokens.access_token.expose(), tokens.refresh_token.as_ref())
            }
            Grant::Key { key, .. } => (key.expose_secret(), None),
        };
        let (scopes, withheld, expires) = match grant {
            Grant::Tokens { tokens, asked, .. } => {
                let scopes = tokens.scopes.clone().unwrap_or_else(|| asked.clone());
                let withheld = asked.missing_from(&scopes);
                (scopes, withheld, end(tokens, now))
            }
            Grant::Key { .. } => Default::default(),
        };
        Self {
            id: key.id.clone(),
            kind,
            account: account.clone(),
            access_token: key.seal(sealer, ACCESS, access_token),
            refresh_token: refresh_token.map(|token| key.seal(sealer, REFRESH, token.expose())),
            scopes,
            withheld,
            connected: now,
            obtained: now,
            expires,
            used: before.and_then(|before| before.used),
            revision,
            connection: revision,
            condition: Condition::Good {
                after_refusal: false,
            },
        }
    }

    /// What a refresh brought; what the provider did not repeat stays (RFC 6749 §6).
    pub(super) fn refreshed(
        self,
        key: &CredentialKey,
        sealer: &Sealer,
        tokens: &TokenSet,
        now: Timestamp,
        after_refusal: bool,
    ) -> Self {
        let refresh_token = tokens.refresh_token.as_ref();
        let refresh_token = refresh_token.map(|token| key.seal(sealer, REFRESH, token.expose()));
        Self {
            access_token: key.seal(sealer, ACCESS, tokens.access_token.expose()),
            refresh_token: refresh_token.or(self.refresh_token),
            scopes: tokens.scopes.clone().unwrap_or(self.scopes),
            obtained: now,
            expires: end(tokens, now),
            revision: revision(now, self.revision),
            condition: Condition::Good { after_refusal },
            ..self
        }
    }

    /// Remembers that refreshing failed, so that nobody tries again at once.
    pub(super) fn rested(self, setback: &Setback, now: Timestamp) -> Self {
        let failures = match self.condition {
            Condition::Resting { failures, .. } => failures.saturating_add(1),
            Condition::Good { .. } | Condition::NeedsUser { .. } => 1,
        };
        let (rest, operator) = match setback {
            Setback::Operator(error) => (OPERATOR_REST, Some(error.as_str().to_owned())),
            Setback::Unavailable(asked) => {
                let asked = asked.and_then(|asked| Span::try_from(asked).ok());
                let own = Span::from_secs(1 << (failures - 1).min(6)).min(LONGEST_REST);
                (asked.unwrap_or(own).max(own), None)
            }
        };
        Self {
            condition: Condition::Resting {
                until: now.checked_add(rest).unwrap_or(Timestamp::MAX),
                failures,
                operator,
            },
            ..self
        }
    }

    /// Remembers that only the user can help.
    pub(super) fn given_up(self, why: NeedsUser) -> Self {
        Self {
            condition: Condition::NeedsUser { why },
            ..self
        }
    }

    /// The access token, opened.
    pub(super) fn hold(
        &self,
        key: &CredentialKey,
        sealer: &Sealer,
    ) -> Result<HeldToken, OpenError> {
        let token: AccessToken = key.open(sealer, ACCESS, &self.access_token)?;
        Ok(HeldToken {
            token: Arc::new(token),
            scopes: Arc::new(self.scopes.clone()),
            revision: self.revision,
            connection: self.connection,
            account: self.id.clone(),
            info: self.account.clone().map(Arc::new),
        })
    }

    /// Both tokens, opened.
    pub(super) fn tokens(
        &self,
        key: &CredentialKey,
        sealer: &Sealer,
    ) -> Result<(AccessToken, Option<RefreshToken>), OpenError> {
        let access = key.open(sealer, ACCESS, &self.access_token)?;
        Ok((access, self.refresh_token(key, sealer)?))
    }

    /// The refresh token, opened; `None` if there is none.
    pub(super) fn refresh_token(
        &self,
        key: &CredentialKey,
        sealer: &Sealer,
    ) -> Result<Option<RefreshToken>, OpenError> {
        let sealed = self.refresh_token.as_ref();
        sealed
            .map(|sealed| key.open(sealer, REFRESH, sealed))
            .transpose()
    }
}

const ACCESS: &str = "access_token";
const REFRESH: &str = "refresh_token";

fn end(tokens: &TokenSet, now: Timestamp) -> Option<Timestamp> {
    let shortest = now.checked_add(SHORTEST_LIFE).unwrap_or(Timestamp::MAX);
    tokens.expires.map(|expires| expires.max(shortest))
}

/// Counts up, and from the time of day at first: so one from before a disconnect is not met again after it.
fn revision(now: Timestamp, after: u64) -> u64 {
    u64::try_from(now.as_microsecond())
        .unwrap_or_default()
        .max(after + 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::{entropy::SeededEntropy, seal::RootKey};

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    pub(crate) fn sealer() -> Sealer {
        let root = RootKey {
            id: "k".into(),
            key: zeroize::Zeroizing::new([7; 32]),
        };
        Sealer::new(&[root], Arc::new(SeededEntropy::new(1)))
    }

    pub(crate) fn key() -> CredentialKey {
        let user = UserId::new("team".parse().unwrap(), "alice");
        let id = "c".repeat(27).parse().unwrap();
        WalletKey::new(&user, &"acme".parse().unwrap()).of(&id)
    }

    pub(crate) fn grant(life: Option<i64>, refreshable: bool) -> Grant {
        Grant::Tokens {
            tokens: TokenSet {
                access_token: "at-1".into(),
                refresh_token: refreshable.then(|| "rt-1".into()),
                expires: life.map(at),
                scopes: None,
                token_type: "Bearer".into(),
                account: None,
            },
            asked: ScopeSet::parse("read"),
            account: None,
        }
    }

    pub(crate) fn credential(life: Option<i64>, refreshable: bool) -> Credential {
        let grant = grant(life, refreshable);
        Credential::granted(&key(), &sealer(), &grant, at(0), 0, None)
    }

    #[test]
    fn no_token_opens_in_anothers_place() {
        let mut swapped = credential(None, true);
        let refresh = swapped.refresh_token.take().unwrap();
        swapped.refresh_token = Some(std::mem::replace(&mut swapped.access_token, refresh));
        let refused = Some(OpenError::Refused);
        assert_eq!(swapped.hold(&key(), &sealer()).err(), refused);
        assert_eq!(swapped.refresh_token(&key(), &sealer()).err(), refused);
    }
}
