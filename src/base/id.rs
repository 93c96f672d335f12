//! Names and ids as types, so that one kind is never passed for another.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text cannot be a name in `gateway.toml`.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "`{0}` is not a name: use 1 to 40 of a-z, 0-9, `-` and `_`, beginning with a letter or digit"
)]
pub struct NotAName(pub String);

/// A name an operator gave to something in `gateway.toml`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// The name of a gateway, as in `/mcp/{gateway}`.
pub type GatewayName = Name;
/// The name of a user source.
pub type UserSourceName = Name;
/// The name of a provider.
pub type ProviderName = Name;
/// The name of an upstream.
pub type UpstreamName = Name;
/// The name of an API key (never the key).
pub type ApiKeyName = Name;

/// Who a person is: the user source that knows them, and its word for them.
///
/// Two user sources never collide; the same person reaches the same credentials through every face.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserId {
    source: UserSourceName,
    subject: Arc<str>,
}

/// One flow: 160 random bits, base64url. Knowing it gives nobody anything but the page that asks who they are.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(String);

impl Name {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts_well && text.len() <= 40 && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(NotAName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl UserId {
    /// The user `subject` of `source`.
    pub fn new(source: UserSourceName, subject: impl Into<Arc<str>>) -> Self {
        Self {
            source,
            subject: subject.into(),
        }
    }

    /// The user source that knows this user.
    pub fn source(&self) -> &UserSourceName {
        &self.source
    }

    /// The user source's word for this user. Personal data: on pages for that user, never in logs.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// One unambiguous segment for keys of records: 64 hexadecimal digits that depend on both parts.
    pub fn key(&self) -> String {
        use fmt::Write;
        let mut hash = Sha256::new();
        hash.update((self.source.as_str().len() as u64).to_be_bytes());
        hash.update(self.source.as_str());
        hash.update(self.subject.as_bytes());
        hash.finalize()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// Logs say `okta:3f2a9c…`: enough to follow one user through a log, not enough to know whom.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, &self.key()[..12])
    }
}

impl FlowId {
    /// Takes a handle made by [`crate::base::entropy::Entropy::handle`], or one that came in a URL.
    /// `None` for a text that no flow can have.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (text.len() == 27 && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}…", &self.0[..6.min(self.0.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_and_plain() {
        for good in ["a", "github", "acme-notes_2", "0auth"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "Ä", "GitHub", "a/b", "a b", &"x".repeat(41)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn users_of_two_sources_never_collide() {
        let user = |source: &str, subject: &str| UserId::new(source.parse().unwrap(), subject);
        assert_ne!(user("a", "bc").key(), user("ab", "c").key());
        assert_eq!(user("a", "bc").key(), user("a", "bc").key());
    }

    #[test]
    fn a_user_in_a_log_is_a_hash() {
        let user = UserId::new("okta".parse().unwrap(), "alice@example.com");
        let shown = format!("{user:?}");
        assert!(
            shown.starts_with("okta:") && !shown.contains("alice"),
            "{shown}"
        );
    }
}
