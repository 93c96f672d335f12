//! The token endpoint (RFC 6749 §4.1.3 and §6): code or refresh token in, tokens out, failures parted by who has to act.

use std::{sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::fmt::rfc2822;
use url::{Url, form_urlencoded};

use super::{
    AuthorizationCode, CodeVerifier, RefreshToken, TokenError, TokenSet,
    http::{Answer, Http, Silence},
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        secret::{ExposeSecret, Secret},
    },
    config::{ClientAuth, Provider},
    protocol::oauth::{
        error::ErrorCode,
        token_response::{self, NoTokens, TokenAnswer},
    },
};

/// A provider that asks for more patience than this is asked again after it all the same.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Our side of the talk with token endpoints. Cheap to clone.
#[derive(Clone)]
pub struct OAuthClient {
    http: Http,
    clock: Arc<dyn Clock>,
}

impl OAuthClient {
    /// A client that counts lives of tokens by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            http: Http::new(),
            clock,
        }
    }

    /// Waits no longer than this for a whole answer, instead of ten seconds.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        let http = self.http.patience(patience);
        Self { http, ..self }
    }

    /// Changes an authorization code for tokens. Sent once: a code is used up by the first attempt, whatever came of it.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub async fn exchange(
        &self,
        provider: &Provider,
        redirect_uri: &Url,
        code: &AuthorizationCode,
        verifier: Option<&CodeVerifier>,
    ) -> Result<TokenSet, TokenError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        if let Some(verifier) = verifier {
            fields.push(("code_verifier", verifier.expose()));
        }
        self.ask(provider, fields).await
    }

    /// Changes a refresh token for fresh tokens. Sent once: rotating providers take a second use for theft.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub async fn refresh(
        &self,
        provider: &Provider,
        refresh_token: &RefreshToken,
    ) -> Result<TokenSet, TokenError> {
        let fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        self.ask(provider, fields).await
    }

    async fn ask(
        &self,
        provider: &Provider,
        fields: Vec<(&str, &str)>,
    ) -> Result<TokenSet, TokenError> {
        let (fields, authorization) = request(provider, fields);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        // Lives count from before the request: a slow answer makes a token older, not younger.
        let asked = self.clock.now();
        let answer = self
            .http
            .post_form(&provider.token_url, authorization, body)
            .await
            .map_err(|silence| match silence {
                Silence::Gone(why) => TokenError::Unavailable {
                    retry_after: None,
                    why,
                },
                Silence::TooLarge => TokenError::Unreadable {
                    why: "it is too large",
                },
            })?;
        let retry_after = retry_after(&answer.headers, asked);
        judge(&answer, &provider.token_pointer, retry_after)
            .map(|answer| TokenSet::new(answer, asked))
    }
}

impl std::fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OAuthClient")
    }
}

impl TokenSet {
    fn new(answer: TokenAnswer, asked: Timestamp) -> Self {
        let life = |life| Span::try_from(life).unwrap_or(Span::MAX);
        Self {
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
            expires: answer
                .expires_in
                .map(|lasts| asked.checked_add(life(lasts)).unwrap_or(Timestamp::MAX)),
            scopes: answer.scopes,
            token_type: answer.token_type,
        }
    }
}

/// Adds what the provider's configuration says: the client's proof of who it is (RFC 6749 §2.3.1) and extra parameters.
fn request<'a>(
    provider: &'a Provider,
    mut fields: Vec<(&'a str, &'a str)>,
) -> (Vec<(&'a str, &'a str)>, Option<HeaderValue>) {
    let secret = provider.client_secret.as_ref();
    let authorization = match (provider.client_auth, secret) {
        (ClientAuth::Basic, Some(secret)) => Some(basic(&provider.client_id, secret)),
        (ClientAuth::Post, Some(secret)) => {
            fields.push(("client_id", &provider.client_id));
            fields.push(("client_secret", secret.expose_secret()));
            None
        }
        (ClientAuth::None, _) | (ClientAuth::Basic | ClientAuth::Post, None) => {
            fields.push(("client_id", &provider.client_id));
            None
        }
    };
    for (name, value) in &provider.token_parameters {
        if fields.iter().all(|(taken, _)| taken != name) {
            fields.push((name, value));
        }
    }
    (fields, authorization)
}

/// Both parts are form-encoded before they are joined, which many forget and colons and per cents need.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let joined = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(joined)))
        .expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// What an answer means. The body's word counts before the status: some say errors with 200, and some say them with 500.
fn judge(
    answer: &Answer,
    pointer: &str,
    retry_after: Option<Duration>,
) -> Result<TokenAnswer, TokenError> {
    let status = answer.status;
    let busy = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    let unavailable = |why| TokenError::Unavailable { retry_after, why };
    Err(match token_response::parse(&answer.body, pointer) {
        Ok(tokens) if status.is_success() => return Ok(tokens),
        Ok(_) => TokenError::Unreadable {
            why: "tokens came with the status of a failure",
        },
        Err(NoTokens::Error(ErrorCode::Other) | NoTokens::Unreadable(_)) if busy => {
            unavailable("it answers with an error status")
        }
        Err(NoTokens::Error(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)) => {
            unavailable("it says that it cannot answer now")
        }
        Err(NoTokens::Error(error)) if is_about_the_grant(error, status) => {
            TokenError::Refused { error }
        }
        Err(NoTokens::Error(error)) => TokenError::Misconfigured { error },
        // RFC 6749 §5.2: 401 is for client authentication.
        Err(NoTokens::Unreadable(_)) if status == StatusCode::UNAUTHORIZED => {
            let error = ErrorCode::InvalidClient;
            TokenError::Misconfigured { error }
        }
        Err(NoTokens::Unreadable(_)) if status.is_redirection() => TokenError::Unreadable {
            why: "it redirects, which is not followed",
        },
        Err(NoTokens::Unreadable(why)) => TokenError::Unreadable { why },
    })
}

/// Whether the user can mend it by connecting again; else the operator has to.
fn is_about_the_grant(error: ErrorCode, status: StatusCode) -> bool {
    match error {
        ErrorCode::AccessDenied
        | ErrorCode::InvalidGrant
        | ErrorCode::InvalidScope
        | ErrorCode::InteractionRequired => true,
        ErrorCode::InvalidClient
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidTarget
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::ServerError
        | ErrorCode::TemporarilyUnavailable => false,
        // A word nobody registered. 200 and 400 are where grants are refused; elsewhere it is our client or address.
        ErrorCode::Other => status.is_success() || status == StatusCode::BAD_REQUEST,
    }
}

/// RFC 9110 §10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_PATIENCE))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::provider::example;

    #[test]
    fn a_client_shows_who_it_is_in_one_way() {
        let mut provider = example("https://acme.example/token");
        let sent = |provider: &Provider| {
            let (fields, authorization) = request(provider, vec![("grant_type", "x")]);
            let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            let shown = authorization.map(|value| value.to_str().unwrap().to_owned());
            (names.join(" "), shown)
        };
        provider.client_id = "a:b c".into();
        provider.client_secret = Some("ä%+".into());
        provider.client_auth = ClientAuth::Basic;
        // RFC 6749 §2.3.1 and appendix B: `a%3Ab+c` and `%C3%A4%25%2B`.
        let encoded = STANDARD.encode("a%3Ab+c:%C3%A4%25%2B");
        assert_eq!(
            sent(&provider),
            ("grant_type".into(), Some(format!("Basic {encoded}")))
        );
        provider.client_auth = ClientAuth::Post;
        assert_eq!(
            sent(&provider),
            ("grant_type client_id client_secret".into(), None)
        );
        provider.client_auth = ClientAuth::None;
        assert_eq!(sent(&provider), ("grant_type client_id".into(), None));
        provider.token_parameters = [("audience", "x"), ("grant_type", "theirs")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        assert_eq!(
            sent(&provider),
            ("grant_type client_id audience".into(), None)
        );
    }

    fn verdict(status: u16, body: &str) -> Result<TokenAnswer, TokenError> {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        judge(&answer, "", Some(Duration::from_secs(7)))
    }

    #[test]
    fn failures_are_parted_by_who_has_to_act() {
        use ErrorCode::{InvalidClient, InvalidGrant, Other};
        let refused = |error| Some(TokenError::Refused { error });
        let misconfigured = |error| Some(TokenError::Misconfigured { error });
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, refused(InvalidGrant)),
            (
                200,
                r#"{"error":"bad_verification_code"}"#,
                refused(InvalidGrant),
            ),
            (500, r#"{"error":"invalid_grant"}"#, refused(InvalidGrant)),
            (400, r#"{"error":"weird"}"#, refused(Other)),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                misconfigured(InvalidClient),
            ),
            (401, "", misconfigured(InvalidClient)),
            (403, r#"{"error":"weird"}"#, misconfigured(Other)),
        ] {
            assert_eq!(verdict(status, body).err(), expected, "{status} {body}");
        }
    }

    #[test]
    fn silence_and_nonsense_keep_what_there_is() {
        for (status, body) in [
            (429, ""),
            (500, "<html>"),
            (503, r#"{"error":"weird"}"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (408, ""),
        ] {
            assert!(
                matches!(
                    verdict(status, body),
                    Err(TokenError::Unavailable { retry_after: Some(wait), .. }) if wait.as_secs() == 7
                ),
                "{status} {body}"
            );
        }
        for (status, body) in [
            (200, "<html>"),
            (302, ""),
            (404, "no"),
            (400, r#"{"access_token":"a"}"#),
        ] {
            assert!(
                matches!(verdict(status, body), Err(TokenError::Unreadable { .. })),
                "{status} {body}"
            );
        }
        assert!(verdict(201, r#"{"access_token":"a"}"#).is_ok());
    }

    #[test]
    fn patience_comes_in_seconds_or_as_a_date() {
        let now = "2026-11-06T08:49:00Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            ("Fri, 06 Nov 2026 08:49:37 GMT", Some(37)),
            ("Fri, 06 Nov 2026 08:48:00 GMT", Some(0)),
            ("999999999", Some(3600)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
