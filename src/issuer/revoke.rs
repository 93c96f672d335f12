//! `POST /oauth2/revoke` (RFC 7009): either token of a grant ends the grant.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};

use super::{
    Issuer, LARGEST_FORM, form::Fields, open_to_pages, refresh, refusal::Refusal, token::no_store,
};

/// The revocation endpoint.
pub(super) fn routes(issuer: Issuer) -> Router {
    Router::new()
        .route("/oauth2/revoke", post(revoke))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(open_to_pages())
        .with_state(issuer)
}

async fn revoke(
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
    let revoked = match &fields {
        Ok(fields) => issuer.revoke(&headers, fields, peer).await,
        Err(unreadable) => Err(Refusal::request(unreadable.0)),
    };
    no_store(match revoked {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.answer(&issuer.0.parts.faults, "to revoke a token", client),
    })
}

impl Issuer {
    /// A token that is nothing to us is revoked already (RFC 7009 §2.2), whatever `token_type_hint` says.
    async fn revoke(
        &self,
        headers: &HeaderMap,
        fields: &Fields,
        peer: SocketAddr,
    ) -> Result<(), Refusal> {
        let parts = &self.0.parts;
        let config = parts.live.now();
        let client = self.client(&config, headers, fields, peer).await?;
        let token = fields.required("token")?;
        let id = match refresh::open(&parts.sealer, parts.clock.now(), token) {
            Some((id, _)) => Some(id),
            None => self.grant_of(token).await?,
        };
        let Some(id) = id else { return Ok(()) };
        let Some(grant) = self.0.grants.get(&id).await? else {
            return Ok(());
        };
        if grant.approved.client_id != client.id {
            return Err(Refusal::grant("the token was issued to another client"));
        }
        self.0.grants.revoke(&id).await?;
        tracing::info!(user = ?grant.approved.user, grant = ?id, "a client gave its grant back");
        Ok(())
    }
}
