//! What we know of the client that sent a request.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::{
    mcp::{meta, revision::Revision},
    members::Members,
};

use super::session::SessionKey;

/// Names longer than this are cut: they are shown on pages and self-reported.
const LONGEST_NAME: usize = 80;

/// The client, as far as it told: per request in 2026-07-28, in `initialize` before.
#[derive(Clone, Debug)]
pub struct Client {
    /// The revision in force.
    pub revision: Revision,
    /// Self-reported (`title`, else `name`): what pages call it, never for security.
    pub title: Option<String>,
    /// Self-reported `name`, for the table of clients that misdeclare.
    pub name: Option<String>,
    /// It declared `elicitation.url`.
    pub url_elicitation: bool,
    /// The legacy session it speaks in, if it has one.
    pub session: Option<SessionKey>,
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default)]
    elicitation: Option<ElicitationCapability>,
}

#[derive(Deserialize)]
struct ElicitationCapability {
    #[serde(default)]
    url: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Implementation<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    title: Option<std::borrow::Cow<'a, str>>,
}

impl Client {
    /// A legacy client of which nothing is known but the revision.
    pub fn unknown(revision: Revision) -> Self {
        Self {
            revision,
            title: None,
            name: None,
            url_elicitation: false,
            session: None,
        }
    }

    /// Reads what a client declares about itself. `None` when the capabilities are not an object of the right shape.
    pub fn declared(
        revision: Revision,
        capabilities: &RawValue,
        info: Option<&RawValue>,
    ) -> Option<Self> {
        // Serde would take an array for a struct, by position.
        if !capabilities.get().starts_with('{') {
            return None;
        }
        let capabilities: Capabilities = serde_json::from_str(capabilities.get()).ok()?;
        let info =
            info.and_then(|info| serde_json::from_str::<Implementation<'_>>(info.get()).ok());
        let shown = |name: &str| Some(tidy(name)).filter(|name| !name.is_empty());
        let name = info.as_ref().and_then(|info| shown(&info.name));
        let title = info
            .as_ref()
            .and_then(|info| info.title.as_deref())
            .and_then(shown);
        Some(Self {
            revision,
            title: title.or_else(|| name.clone()),
            name,
            url_elicitation: capabilities
                .elicitation
                .is_some_and(|elicitation| elicitation.url.is_some()),
            session: None,
        })
    }

    /// Reads the `_meta` of a 2026-07-28 request.
    pub fn from_meta(revision: Revision, meta: &Members<'_>) -> Option<Self> {
        Self::declared(
            revision,
            meta.get(meta::CLIENT_CAPABILITIES)?,
            meta.get(meta::CLIENT_INFO),
        )
    }
}

/// A self-reported name as it may stand on a page: one line, no control or direction characters, not too long.
fn tidy(name: &str) -> String {
    let harmless = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    name.trim()
        .chars()
        .filter(harmless)
        .take(LONGEST_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(capabilities: &str) -> Option<Client> {
        let raw = RawValue::from_string(capabilities.to_owned()).unwrap();
        let info =
            RawValue::from_string(r#"{"name":"x\u202ey\n","version":"1"}"#.to_owned()).unwrap();
        Client::declared(Revision::V2026_07_28, &raw, Some(&info))
    }

    #[test]
    fn only_a_declared_url_mode_counts() {
        for (capabilities, url) in [
            (r#"{"elicitation":{"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, true),
            (r#"{"elicitation":{}}"#, false),
            (r#"{"elicitation":{"form":{}}}"#, false),
            (r#"{"elicitation":null}"#, false),
            ("{}", false),
        ] {
            assert_eq!(
                declared(capabilities).unwrap().url_elicitation,
                url,
                "{capabilities}"
            );
        }
        assert!(declared("[]").is_none() && declared(r#"{"elicitation":1}"#).is_none());
    }

    #[test]
    fn names_are_made_harmless() {
        assert_eq!(declared("{}").unwrap().name.as_deref(), Some("xy"));
    }
}
