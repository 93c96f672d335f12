//! The endpoints of the stand-in that tokens are shown to: whose account it is, revocation, introspection; and keys.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use serde_json_path::JsonPath;

use anteroom::config::{
    ApiKeyProvider,
    provider::{AccountSource, Body, Method, Probe, RequestAuth},
};

use super::{
    About, KEY, StandIn, Told,
    answers::{endless, knows, read},
};

type Fields = BTreeMap<String, String>;

impl StandIn {
    /// How a gateway is configured for its keys, which are tried.
    pub fn gives_keys(&self) -> ApiKeyProvider {
        let path = |text| JsonPath::parse(text).unwrap();
        ApiKeyProvider {
            title: "Acme Weather".into(),
            label: "API token".into(),
            hint: Some("Profile > API tokens".into()),
            key_url: Some("https://weather.example/tokens".parse().unwrap()),
            probe: Some(Probe {
                request: anteroom::config::provider::Request {
                    url: self.base.join("key").unwrap().as_str().into(),
                    method: Method::Get,
                    body: Body::Form,
                    auth: RequestAuth::Bearer,
                    headers: Vec::new(),
                    parameters: BTreeMap::new(),
                },
                account: Some(AccountSource {
                    request: None,
                    id: vec![path("$.account.id")],
                    name: vec![path("$.account.name")],
                    email: None,
                }),
                wrong: vec![401, 403],
            }),
        }
    }
}

pub(super) async fn me(State(server): State<StandIn>, headers: HeaderMap, _: Noted) -> Response {
    let shown = headers.get(header::AUTHORIZATION);
    let token = shown.and_then(|value| value.to_str().unwrap().strip_prefix("Bearer "));
    let Some(token) = token.filter(|token| server.works(token)) else {
        let error = axum::Json(json!({"error": {"message": "<b>pwned</b>", "code": 190}}));
        return (StatusCode::UNAUTHORIZED, error).into_response();
    };
    let (id, name) = server.inner().owners[token];
    axum::Json(json!({
        "team": {"id": "T7", "name": "Wonderland"},
        "user": {"id": id, "name": name, "mail": null, "email": "alice@acme.example"},
    }))
    .into_response()
}

/// Whose key it is, shown in whichever way.
pub(super) async fn key(headers: HeaderMap, Noted(fields): Noted) -> Response {
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap());
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let field = fields.get("key").map(String::as_str);
    if bearer.or(header("x-api-key")).or(field) != Some(KEY) {
        return (StatusCode::UNAUTHORIZED, "<b>pwned</b>").into_response();
    }
    axum::Json(json!({"account": {"id": 4711, "name": "Alice\u{202e} Liddell"}, "error": null}))
        .into_response()
}

/// RFC 7009 §2: a token it does not know is as good as revoked.
pub(super) async fn revoke(
    State(server): State<StandIn>,
    headers: HeaderMap,
    Noted(fields): Noted,
) -> Response {
    if !knows(&headers, &fields) {
        let error = axum::Json(json!({"error": "invalid_client"}));
        return (StatusCode::UNAUTHORIZED, error).into_response();
    }
    let mut inner = server.inner();
    let token = &fields["token"];
    if inner.refresh_tokens.contains(token) || inner.access_tokens.contains(token) {
        inner.end(token);
    }
    StatusCode::OK.into_response()
}

/// RFC 7662 §2.2.
pub(super) async fn introspect(State(server): State<StandIn>, Noted(fields): Noted) -> Response {
    let active = server.works(&fields["token"]);
    axum::Json(json!({"active": active, "scope": "notes profile", "exp": 1_800_000_000_i64}))
        .into_response()
}

/// The fields of a request that was written down; there are none if it is answered whatever it is.
pub(super) struct Noted(Fields);

impl FromRequest<StandIn> for Noted {
    type Rejection = Response;

    async fn from_request(request: Request, server: &StandIn) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let query = Query::<Fields>::from_request_parts(&mut parts, server).await;
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let fields = read(query.unwrap().0, &parts.headers, body);
        let about = {
            let mut inner = server.inner();
            let shown = parts.headers.get(header::AUTHORIZATION);
            inner.told.push(Told {
                path: parts.uri.path().to_owned(),
                authorization: shown.map(|value| value.to_str().unwrap().to_owned()),
                fields: fields.clone(),
            });
            inner.switches.about.clone()
        };
        answer_anyway(about).await.map_or(Ok(Self(fields)), Err)
    }
}

/// What is answered to every request, if it is not to be answered right.
async fn answer_anyway(about: About) -> Option<Response> {
    match about {
        About::Right => None,
        About::Slow => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            None
        }
        About::Say(status, body) => {
            Some((StatusCode::from_u16(status).unwrap(), body).into_response())
        }
        About::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Some(StatusCode::OK.into_response())
        }
        About::Huge => Some(endless()),
    }
}
