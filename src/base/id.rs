//! Names and ids as types, so that one kind is never passed for another.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::is_invisible;

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
/// The name of a hook.
pub type HookName = Name;
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

/// One connection of a user's: an account at a provider. 160 random bits, base64url. Stands in records, forms and commands;
/// knowing it gives nobody anything. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(Arc<str>);

/// What tells several accounts of a user at one provider apart, such as `work`: 1 to 40 visible characters. Two labels that
/// differ in upper and lower case only are the same. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label {
    text: Arc<str>,
    folded: Arc<str>,
}

/// Why a text cannot be a [`ConnectionId`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this is not the id of a connection")]
pub struct NotAConnection;

/// Why a text cannot be a [`Label`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a label has 1 to 40 visible characters")]
pub struct NotALabel;

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
        let mut hash = Sha256::new();
        hash.update((self.source.as_str().len() as u64).to_be_bytes());
        hash.update(self.source.as_str());
        hash.update(self.subject.as_bytes());
        base16ct::lower::encode_string(&hash.finalize())
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
        is_handle(text).then(|| Self(text.to_owned()))
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

/// Whether `text` could have come from [`crate::base::entropy::Entropy::handle`].
fn is_handle(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    text.len() == 27 && text.bytes().all(legal)
}

impl ConnectionId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ConnectionId {
    type Err = NotAConnection;

    /// Takes a handle made by [`crate::base::entropy::Entropy::handle`], or one that came from outside.
    fn from_str(text: &str) -> Result<Self, NotAConnection> {
        let id = is_handle(text).then(|| Self(text.into()));
        id.ok_or(NotAConnection)
    }
}

impl TryFrom<String> for ConnectionId {
    type Error = NotAConnection;

    fn try_from(text: String) -> Result<Self, NotAConnection> {
        text.parse()
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}…", &self.0[..6])
    }
}

impl Label {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > 40 || text.chars().any(is_invisible) {
            return Err(NotALabel);
        }
        Ok(Self {
            text: text.into(),
            folded: text.to_lowercase().into(),
        })
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Label {}

impl std::hash::Hash for Label {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl TryFrom<String> for Label {
    type Error = NotALabel;

    fn try_from(text: String) -> Result<Self, NotALabel> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.text.as_ref().to_owned()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ_in_more_than_case() {
        let label = |text: &str| text.parse::<Label>();
        assert_eq!(label(" Work ").unwrap(), label("wORK").unwrap());
        assert_eq!(label(" Work ").unwrap().as_str(), "Work");
        assert_ne!(label("work").unwrap(), label("private").unwrap());
        for bad in ["", "  ", "a\nb", "a\u{200b}b", &"ä".repeat(41)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
        assert!(label(&"ä".repeat(40)).is_ok());
    }

    #[test]
    fn a_connections_id_is_a_handle() {
        assert!("a".repeat(27).parse::<ConnectionId>().is_ok());
        for bad in [
            "",
            "a",
            &"a".repeat(28),
            &"ä".repeat(27),
            "../../../../../../../../../",
        ] {
            assert!(bad.parse::<ConnectionId>().is_err(), "{bad:?}");
        }
    }

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
