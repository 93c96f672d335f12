//! Finding out which era an upstream speaks: modern first; whatever does not answer in modern words gets `initialize`.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout_at;

use super::{
    McpServers, Outcome, ServerFacts, body,
    error::UpstreamError,
    exchange::{Link, Target},
    handshake::Said,
};
use crate::{
    config::Era,
    protocol::jsonrpc::{self, Message, code},
};

enum Verdict {
    Modern(ServerFacts),
    Legacy,
}

impl McpServers {
    /// How to talk to the upstream for this caller: as is known, or else as is found out now.
    pub(super) async fn link(&self, target: &Target<'_>) -> Result<Link, UpstreamError> {
        let (peer, named) = (target.peer, target.upstream.era);
        match named.or_else(|| peer.era()) {
            Some(Era::Modern) => Ok(Link::Modern),
            Some(Era::Legacy) => match self.session(target).await {
                Ok(session) => {
                    if named.is_some() && peer.facts().is_none() {
                        peer.learn(session.facts.clone());
                    }
                    Ok(Link::Legacy(session))
                }
                // It was legacy and does not know `initialize` any more.
                Err(UpstreamError::Refused { .. } | UpstreamError::Protocol { .. })
                    if named.is_none() && peer.forget(self.clock.now()) =>
                {
                    self.probe(target).await
                }
                Err(error) => Err(error),
            },
            None => self.probe(target).await,
        }
    }

    /// Asks a modern upstream that was not probed, because the operator named its era, how it introduces itself.
    pub(super) async fn get_to_know(&self, target: &Target<'_>) {
        if target.peer.facts().is_none()
            && let Ok(Verdict::Modern(facts)) = self.discover(target).await
        {
            target.peer.learn(facts);
        }
    }

    /// Probes, or waits for who is probing. A failure that is everybody's is shared with those who waited for it.
    async fn probe(&self, target: &Target<'_>) -> Result<Link, UpstreamError> {
        let peer = target.peer;
        let seen = peer.failed_probes();
        let turn = timeout_at(target.until, peer.probing.lock())
            .await
            .map_err(|_| UpstreamError::unreachable("its era could not be found out in time"))?;
        match peer.era() {
            Some(Era::Modern) => return Ok(Link::Modern),
            Some(Era::Legacy) => {
                drop(turn);
                return self.session(target).await.map(Link::Legacy);
            }
            None => {}
        }
        if let Some(error) = peer.failed_since(seen) {
            return Err(error);
        }
        let found = self.find_out(target).await;
        if let Err(error @ (UpstreamError::Unavailable { .. } | UpstreamError::TimedOut)) = &found {
            peer.probe_failed(error);
        }
        found
    }

    async fn find_out(&self, target: &Target<'_>) -> Result<Link, UpstreamError> {
        match self.discover(target).await? {
            Verdict::Modern(facts) => {
                target.peer.learn(facts);
                Ok(Link::Modern)
            }
            Verdict::Legacy => {
                let session = self.session(target).await?;
                target.peer.learn(session.facts.clone());
                Ok(Link::Legacy(session))
            }
        }
    }

    async fn discover(&self, target: &Target<'_>) -> Result<Verdict, UpstreamError> {
        match self.ask_to_discover(target).await {
            Ok(told) => match told.said {
                Said::Outcome(Outcome::Result(result)) => Ok(of_result(&result)),
                Said::Outcome(Outcome::Error { code, data, .. }) => {
                    Ok(of_error(code, data.as_deref()))
                }
                Said::Nothing => Ok(Verdict::Legacy),
                Said::Refusal(refusal) if refusal.status == StatusCode::TOO_MANY_REQUESTS => {
                    Err(refusal.into_error())
                }
                Said::Refusal(refusal) => Ok(of_refusal(&refusal.body)),
            },
            // An answer, if a strange one: legacy servers give many.
            Err(UpstreamError::Protocol { .. }) => Ok(Verdict::Legacy),
            Err(error) => Err(error),
        }
    }
}

fn of_result(result: &RawValue) -> Verdict {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Discovered<'a> {
        #[serde(borrow)]
        supported_versions: Vec<Cow<'a, str>>,
        instructions: Option<String>,
        #[serde(borrow, default, rename = "_meta")]
        meta: Option<Meta<'a>>,
    }
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(borrow, default, rename = "io.modelcontextprotocol/serverInfo")]
        server: Option<&'a RawValue>,
    }
    match serde_json::from_str::<Discovered>(result.get()) {
        Ok(discovered)
            if discovered
                .supported_versions
                .iter()
                .any(|v| v == body::MODERN) =>
        {
            let server = discovered.meta.and_then(|meta| meta.server);
            Verdict::Modern(ServerFacts::new(
                Era::Modern,
                server,
                discovered.instructions,
            ))
        }
        _ => Verdict::Legacy,
    }
}

/// Its id does not matter: no request but ours can be meant.
fn of_refusal(body: &[u8]) -> Verdict {
    match Message::parse(body) {
        Ok(Message::Response {
            outcome: jsonrpc::Outcome::Error(error),
            ..
        }) => of_error(error.code, error.data),
        _ => Verdict::Legacy,
    }
}

/// Errors that only a modern server has words for. All others mean legacy, whatever their code.
fn of_error(code: i64, data: Option<&RawValue>) -> Verdict {
    #[derive(Deserialize)]
    struct Versions<'a> {
        #[serde(borrow)]
        supported: Vec<Cow<'a, str>>,
    }
    let supported = || {
        serde_json::from_str::<Versions>(data?.get())
            .ok()
            .map(|data| data.supported)
    };
    let modern = match code {
        code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY => true,
        code::UNSUPPORTED_PROTOCOL_VERSION => {
            supported().is_some_and(|versions| versions.iter().any(|v| v == body::MODERN))
        }
        _ => false,
    };
    if modern {
        Verdict::Modern(ServerFacts::new(Era::Modern, None, None))
    } else {
        Verdict::Legacy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn is_modern(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Modern(_))
    }

    #[test]
    fn a_modern_server_is_known_by_its_words_only() {
        let modern = raw(
            r#"{"supportedVersions":["2025-11-25","2026-07-28"],"instructions":"i",
            "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"1","icons":[]}}}"#,
        );
        let Verdict::Modern(facts) = of_result(&modern) else {
            panic!("modern");
        };
        assert_eq!(facts.name.as_deref(), Some("n"));
        assert_eq!(facts.instructions.as_deref(), Some("i"));
        for other in [
            "{}",
            r#"{"supportedVersions":["2025-11-25"]}"#,
            r#"{"supportedVersions":7}"#,
        ] {
            assert!(!is_modern(&of_result(&raw(other))), "{other}");
        }
    }

    #[test]
    fn errors_are_modern_only_with_modern_codes() {
        let supported = raw(r#"{"supported":["2026-07-28"],"requested":"x"}"#);
        let old = raw(r#"{"supported":["2025-11-25"]}"#);
        assert!(is_modern(&of_error(code::HEADER_MISMATCH, None)));
        assert!(is_modern(&of_error(
            code::UNSUPPORTED_PROTOCOL_VERSION,
            Some(&supported)
        )));
        for (code, data) in [
            (code::UNSUPPORTED_PROTOCOL_VERSION, Some(&old)),
            (code::UNSUPPORTED_PROTOCOL_VERSION, None),
            (code::METHOD_NOT_FOUND, None),
            (-32000, None),
        ] {
            assert!(
                !is_modern(&of_error(code, data.map(AsRef::as_ref))),
                "{code}"
            );
        }
        assert!(!is_modern(&of_refusal(b"<html>")));
        assert!(!is_modern(&of_refusal(b"")));
    }
}
