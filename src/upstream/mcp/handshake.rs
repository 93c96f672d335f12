//! The two ways to begin with an upstream: `server/discover`, and `initialize` with what belongs to it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    McpServers, Outcome, Reply, ServerFacts,
    answer::{Content, Refusal},
    body,
    error::UpstreamError,
    exchange::Target,
    http::{self as wire, Patience},
};
use crate::{config::Era, protocol::mirrored};

/// The legacy revisions, oldest first.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The first that repeats the version in a header.
const WITH_HEADER: &str = "2025-06-18";

/// The answer to a handshake, read whole.
pub(super) struct Told {
    pub headers: HeaderMap,
    pub said: Said,
}

/// What it says.
pub(super) enum Said {
    Outcome(Outcome),
    Nothing,
    Refusal(Refusal),
}

/// What `initialize` agreed on.
pub(super) struct Negotiated {
    /// The revision, if it is to be repeated in a header.
    pub version: Option<HeaderValue>,
    pub id: Option<HeaderValue>,
    pub facts: ServerFacts,
    /// Whether `logging/setLevel` means anything to it.
    pub logging: bool,
}

impl McpServers {
    /// Asks a modern upstream to introduce itself; whatever it is, it may answer anything.
    pub(super) async fn ask_to_discover(&self, target: &Target<'_>) -> Result<Told, UpstreamError> {
        let mut headers = wire::headers(target.upstream, target.caller)?;
        headers.insert(mirrored::VERSION, HeaderValue::from_static(body::MODERN));
        headers.insert(
            mirrored::METHOD,
            HeaderValue::from_static("server/discover"),
        );
        let id = self.id();
        self.handshake(target, headers, id, body::discover(id))
            .await
    }

    /// Introduces us to a legacy upstream. The session begins with [`Self::say_initialized`].
    pub(super) async fn initialize(
        &self,
        target: &Target<'_>,
    ) -> Result<Negotiated, UpstreamError> {
        let headers = wire::headers(target.upstream, target.caller)?;
        let id = self.id();
        let told = self
            .handshake(target, headers, id, body::initialize(id))
            .await?;
        let id = told.headers.get(&mirrored::SESSION).cloned();
        match told.said {
            Said::Outcome(outcome) => Negotiated::read(outcome, id),
            Said::Nothing => Err(UpstreamError::protocol("`initialize` got no answer")),
            Said::Refusal(refusal) => Err(refusal.into_error()),
        }
    }

    /// Ends the legacy handshake. An upstream may refuse this notification, as some do that keep no sessions.
    pub(super) async fn say_initialized(
        &self,
        target: &Target<'_>,
        headers: HeaderMap,
    ) -> Result<(), UpstreamError> {
        let patience = Patience::control(target.upstream, target.until);
        let said = self.post(target, headers, body::initialized(), patience);
        match said.await {
            Ok(_) | Err(UpstreamError::Protocol { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn handshake(
        &self,
        target: &Target<'_>,
        headers: HeaderMap,
        id: u64,
        body: Bytes,
    ) -> Result<Told, UpstreamError> {
        let patience = Patience::control(target.upstream, target.until);
        let brief = Target {
            until: patience.head,
            ..*target
        };
        let answer = self.post(&brief, headers, body, patience).await?;
        let said = match answer.content {
            Content::Message(bytes) => Said::Outcome(Outcome::read(&bytes, id)?),
            Content::Stream(stream) => {
                let reply = Reply::new(id, patience.head, None, None);
                let reply = reply.stream(stream, target.upstream.max_response_bytes);
                Said::Outcome(reply.finish().await?)
            }
            Content::Nothing => Said::Nothing,
            Content::Refusal(refusal) => Said::Refusal(refusal),
        };
        Ok(Told {
            headers: answer.headers,
            said,
        })
    }
}

impl Negotiated {
    fn read(outcome: Outcome, id: Option<HeaderValue>) -> Result<Self, UpstreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Initialized<'a> {
            #[serde(borrow)]
            protocol_version: Cow<'a, str>,
            #[serde(default)]
            capabilities: Capabilities,
            #[serde(borrow, default)]
            server_info: Option<&'a RawValue>,
            instructions: Option<String>,
        }
        #[derive(Default, Deserialize)]
        struct Capabilities {
            logging: Option<serde::de::IgnoredAny>,
        }
        let result = match outcome {
            Outcome::Result(result) => result,
            Outcome::Error { code, message, .. } => {
                return Err(UpstreamError::protocol(format!(
                    "`initialize` failed: {code} {message:.200}"
                )));
            }
        };
        let said: Initialized = serde_json::from_str(result.get()).map_err(|_| {
            UpstreamError::protocol("`initialize` was answered with something else")
        })?;
        Ok(Self {
            version: header_of(&said.protocol_version)?,
            id: id.map(checked_id).transpose()?,
            facts: ServerFacts::new(Era::Legacy, said.server_info, said.instructions),
            logging: said.capabilities.logging.is_some(),
        })
    }
}

fn header_of(version: &str) -> Result<Option<HeaderValue>, UpstreamError> {
    let revision = REVISIONS
        .into_iter()
        .find(|revision| *revision == version)
        .ok_or_else(|| {
            UpstreamError::protocol(format!("it speaks revision {version:.40?} only"))
        })?;
    // They are dates: the order of the texts is the order of time.
    Ok((revision >= WITH_HEADER).then(|| HeaderValue::from_static(revision)))
}

/// MCP: "only 0x21–0x7E"; and no longer than it may sensibly be.
fn checked_id(id: HeaderValue) -> Result<HeaderValue, UpstreamError> {
    let bytes = id.as_bytes();
    if (1..=2048).contains(&bytes.len()) && bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
        Ok(id)
    } else {
        Err(UpstreamError::protocol("its session id is not one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(result: &str) -> Result<Negotiated, UpstreamError> {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        Negotiated::read(Outcome::Result(result), None)
    }

    #[test]
    fn the_version_is_repeated_since_june_2025() {
        for (version, header) in [
            ("2025-11-25", Some("2025-11-25")),
            ("2025-06-18", Some("2025-06-18")),
            ("2025-03-26", None),
            ("2024-11-05", None),
        ] {
            let negotiated = negotiated(&format!(r#"{{"protocolVersion":"{version}"}}"#)).unwrap();
            assert_eq!(
                negotiated.version.as_ref().map(|v| v.to_str().unwrap()),
                header
            );
        }
        for unknown in [
            r#"{"protocolVersion":"2026-07-28"}"#,
            r#"{"protocolVersion":"x"}"#,
            "{}",
        ] {
            assert!(negotiated(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn session_ids_are_printable_and_short() {
        let checked = |text: &[u8]| checked_id(HeaderValue::from_bytes(text).unwrap()).is_ok();
        assert!(checked(b"abc-123"));
        for bad in [&b""[..], b"a b", b"\xe4", &[b'x'; 2049]] {
            assert!(!checked(bad));
        }
    }
}
