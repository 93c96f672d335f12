//! `POST /oauth2/token`: a code, a refresh token or an assertion for an access token (RFC 6749 §3.2, OAuth 2.1 §3.2).
//!
//! Each kind of grant says what may be had; this file reads the request, and answers.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;

use super::{
    Issuer, LARGEST_FORM,
    approved::Approved,
    client::{Client, ClientAuthError, Presented},
    code::{CodeProblem, Presenter},
    form::Fields,
    grant::{Grant, GrantId, Life},
    id_jag,
    keys::Key,
    open_to_pages, refresh,
    refusal::Refusal,
    resource,
};
use crate::{
    config::Config,
    protocol::oauth::{error::ErrorCode, pkce::CodeVerifier, token::RefreshToken},
    web::peer,
};

/// RFC 7636 §4.1.
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// A successful answer (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
}

/// The token endpoint, also where clients of 2025-03-26 look for it.
pub(super) fn routes(issuer: Issuer) -> Router {
    Router::new()
        .route("/oauth2/token", post(token))
        .route("/token", post(token))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(open_to_pages())
        .with_state(issuer)
}

async fn token(
    State(issuer): State<Issuer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let fields = Fields::read(&headers, body);
    let client = fields
        .as_ref()
        .ok()
        .and_then(|fields| fields.get("client_id"));
    let tokens = match &fields {
        Ok(fields) => issuer.tokens(&headers, fields, peer).await,
        Err(unreadable) => Err(Refusal::request(unreadable.0)),
    };
    let outcome = tokens.as_ref().map_or_else(Refusal::word, |_| "given");
    metrics::counter!("anteroom_token_requests_total", "outcome" => outcome).increment(1);
    no_store(match tokens {
        Ok(tokens) => Json(tokens).into_response(),
        Err(refusal) => refusal.answer(&issuer.0.parts.faults, "a request for a token", client),
    })
}

/// RFC 6749 §5.1.
pub(super) fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Issuer {
    async fn tokens(
        &self,
        headers: &HeaderMap,
        fields: &Fields,
        peer: SocketAddr,
    ) -> Result<Tokens, Refusal> {
        let config = self.0.parts.live.now();
        let grant_type = fields.required("grant_type")?;
        let client = self.client(&config, headers, fields, peer).await?;
        match grant_type {
            "authorization_code" => self.by_code(&config, &client, fields).await,
            "refresh_token" => self.by_refresh_token(&config, &client, fields).await,
            id_jag::GRANT_TYPE if id_jag::is_offered(&config) => {
                self.by_assertion(&config, &client, fields).await
            }
            _ => Err(Refusal::Request(
                ErrorCode::UnsupportedGrantType,
                "this server takes authorization_code and refresh_token".into(),
            )),
        }
    }

    async fn by_code(
        &self,
        config: &Config,
        client: &Client,
        fields: &Fields,
    ) -> Result<Tokens, Refusal> {
        let code = fields.required("code")?;
        let verifier = fields.required("code_verifier")?;
        let by = Presenter {
            client_id: &client.id,
            redirect_uri: fields.get("redirect_uri"),
            verifier: &CodeVerifier::from(verifier),
        };
        if !VERIFIER.contains(&verifier.len()) {
            return Err(CodeProblem::OtherVerifier.into());
        }
        let pending = self.0.codes.read(code, &by).await?;
        let pending = self.unless_replayed(code, pending).await?;
        self.same_target(config, &pending.approved, fields)?;
        pending.approved.standing(config)?;
        // Whatever may fail has failed by now, but for the store: a code is spent for nothing else.
        let key = self.0.keys.current().await?;
        let id = self.0.grants.fresh_id();
        let spent = self.0.codes.spend(code, &by, &id).await?;
        let mut approved = self.unless_replayed(code, spent).await?.approved;
        approved.resource = self.same_target(config, &approved, fields)?;
        let life = Life::of(&config.oauth);
        let grant = self.0.grants.create(&id, approved, life).await?;
        if self.0.codes.was_replayed(code).await? {
            self.0.grants.revoke(&id).await?;
            return Err(CodeProblem::Replayed.into());
        }
        tracing::info!(user = ?grant.approved.user, gateway = %grant.approved.gateway, grant = ?id, "a client was let in");
        self.tokens_of(config, &key, &id, &grant, life)
    }

    /// Ends what a code bought that is presented again by its rightful client.
    async fn unless_replayed<T>(
        &self,
        code: &str,
        answer: Result<T, CodeProblem>,
    ) -> Result<T, Refusal> {
        if let Err(CodeProblem::Replayed) = answer {
            self.0.codes.end_replayed(code, &self.0.grants).await?;
            tracing::warn!("an authorization code was used twice; its grant is revoked");
        }
        answer.map_err(Refusal::from)
    }

    /// The address that the request names, if any; it has to be one of what was approved (RFC 8707 §2.2).
    pub(super) fn same_target(
        &self,
        config: &Config,
        approved: &Approved,
        fields: &Fields,
    ) -> Result<String, Refusal> {
        let mut target = approved.resource.clone();
        for asked in fields.resources() {
            let asked = resource::find(config, &self.0.parts.urls, Some(asked))?;
            if asked.gateway != approved.gateway {
                return Err(Refusal::Request(
                    ErrorCode::InvalidTarget,
                    "resource is not the endpoint that was approved".into(),
                ));
            }
            target = asked.uri;
        }
        Ok(target)
    }

    /// An access token and the refresh token of the grant's generation.
    pub(super) fn tokens_of(
        &self,
        config: &Config,
        key: &Key,
        id: &GrantId,
        grant: &Grant,
        life: Life,
    ) -> Result<Tokens, Refusal> {
        let end = life.end(grant.created, grant.used);
        let lifetime = config.oauth.access_token_lifetime;
        let (access, expires_in) = self.issue(key, lifetime, (id, end), &grant.approved)?;
        let refresh = matches!(life, Life::Refreshed { .. })
            .then(|| refresh::seal(&self.0.parts.sealer, id, grant.generation(), end));
        Ok(Tokens {
            access_token: access.expose().to_owned(),
            token_type: "Bearer",
            expires_in,
            refresh_token: refresh
                .as_ref()
                .map(RefreshToken::expose)
                .map(str::to_owned),
            scope: grant.approved.scopes.to_string(),
        })
    }

    /// The client that sent a request, proven.
    pub(super) async fn client(
        &self,
        config: &Config,
        headers: &HeaderMap,
        fields: &Fields,
        peer: SocketAddr,
    ) -> Result<Client, Refusal> {
        let from = peer::address(headers, &self.0.parts.urls, peer.ip());
        let presented = Presented {
            client_id: fields.get("client_id"),
            client_secret: fields.get("client_secret"),
            client_assertion: fields.get("client_assertion"),
            client_assertion_type: fields.get("client_assertion_type"),
        };
        let known = self
            .0
            .clients
            .authenticate(config, headers, &presented, from);
        known.await.map_err(|error| match error {
            ClientAuthError::Invalid { why, basic } => Refusal::Client {
                why: why.into(),
                basic,
            },
            ClientAuthError::Request(why) => Refusal::request(why),
            ClientAuthError::Unavailable(why) => Refusal::Unavailable(why),
            ClientAuthError::Store(error) => error.into(),
        })
    }
}
