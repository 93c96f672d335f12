//! The endpoints of the stand-in that tokens are shown to: whose account it is, revocation, introspection.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    About, StandIn, Told,
    answers::{endless, knows, read},
};

type Fields = BTreeMap<String, String>;

pub(super) async fn me(
    server: State<StandIn>,
    uri: Uri,
    query: Query<Fields>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let server = server.0;
    let _ = match note(&server, &uri, query.0, &headers, &body).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let shown = headers.get(header::AUTHORIZATION);
    let token = shown.and_then(|value| value.to_str().unwrap().strip_prefix("Bearer "));
    if !token.is_some_and(|token| server.works(token)) {
        let error = axum::Json(json!({"error": {"message": "<b>pwned</b>", "code": 190}}));
        return (StatusCode::UNAUTHORIZED, error).into_response();
    }
    axum::Json(json!({
        "team": {"id": "T7", "name": "Wonderland"},
        "user": {"id": 4711, "name": "Alice\u{202e} Liddell\u{7}", "mail": null, "email": "alice@acme.example"},
    }))
    .into_response()
}

/// RFC 7009 §2: a token it does not know is as good as revoked.
pub(super) async fn revoke(
    server: State<StandIn>,
    uri: Uri,
    query: Query<Fields>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let server = server.0;
    let fields = match note(&server, &uri, query.0, &headers, &body).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    if !knows(&headers, &fields) {
        let error = axum::Json(json!({"error": "invalid_client"}));
        return (StatusCode::UNAUTHORIZED, error).into_response();
    }
    let mut inner = server.inner();
    let token = &fields["token"];
    if inner.refresh_tokens.contains(token) || inner.access_tokens.contains(token) {
        inner.end_everything();
    }
    StatusCode::OK.into_response()
}

/// RFC 7662 §2.2.
pub(super) async fn introspect(
    server: State<StandIn>,
    uri: Uri,
    query: Query<Fields>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let server = server.0;
    let fields = match note(&server, &uri, query.0, &headers, &body).await {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let active = server.works(&fields["token"]);
    axum::Json(json!({"active": active, "scope": "notes profile", "exp": 1_800_000_000_i64}))
        .into_response()
}

/// Writes a request down, and answers it if it is to be answered whatever it is.
async fn note(
    server: &StandIn,
    uri: &Uri,
    query: Fields,
    headers: &HeaderMap,
    body: &str,
) -> Result<Fields, Response> {
    let fields = read(query, headers, body);
    let about = {
        let mut inner = server.inner();
        let shown = headers.get(header::AUTHORIZATION);
        inner.told.push(Told {
            path: uri.path().to_owned(),
            authorization: shown.map(|value| value.to_str().unwrap().to_owned()),
            fields: fields.clone(),
        });
        inner.switches.about.clone()
    };
    match about {
        About::Right => Ok(fields),
        About::Say(status, body) => {
            Err((StatusCode::from_u16(status).unwrap(), body).into_response())
        }
        About::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Err(StatusCode::OK.into_response())
        }
        About::Huge => Err(endless()),
    }
}
