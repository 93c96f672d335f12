//! The two endpoints of the stand-in.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use url::Url;

use super::{Asked, AtAuthorize, AtToken, CLIENT, Code, Iss, StandIn};

pub(super) async fn authorize(
    State(server): State<StandIn>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let mut inner = server.inner();
    inner.authorizations.push(asked.clone());
    let mut back = match asked.get("redirect_uri").map(|uri| Url::parse(uri)) {
        Some(Ok(uri)) if asked.get("client_id").map(String::as_str) == Some(CLIENT.0) => uri,
        _ => return (StatusCode::BAD_REQUEST, "unknown client").into_response(),
    };
    if let Some(state) = asked.get("state") {
        inner.secrets.push(state.clone());
        back.query_pairs_mut().append_pair("state", state);
    }
    match inner.switches.authorize {
        AtAuthorize::Agree => {
            let code = inner.draw("code");
            back.query_pairs_mut().append_pair("code", &code);
            let code_record = Code {
                redirect_uri: asked["redirect_uri"].clone(),
                challenge: asked.get("code_challenge").cloned(),
            };
            inner.codes.insert(code, code_record);
        }
        AtAuthorize::Error(error) => {
            back.query_pairs_mut()
                .append_pair("error", error)
                .append_pair("error_description", "<b>pwned by the description</b>");
        }
        AtAuthorize::Nothing => {}
    }
    match inner.switches.iss {
        Iss::Right => {
            back.query_pairs_mut().append_pair("iss", &server.issuer());
        }
        Iss::Other => {
            back.query_pairs_mut()
                .append_pair("iss", "https://honest.example");
        }
        Iss::Absent => {}
    }
    Redirect::to(back.as_str()).into_response()
}

pub(super) async fn token(
    State(server): State<StandIn>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let fields = read(query, &headers, &body);
    let answer = {
        let mut inner = server.inner();
        for name in ["code_verifier", "refresh_token", "code"] {
            inner.secrets.extend(fields.get(name).cloned());
        }
        let accept = headers
            .get(header::ACCEPT)
            .map(|value| value.to_str().unwrap().to_owned());
        inner.asked.push(Asked {
            fields: fields.clone(),
            accept,
            content_type: content_type(&headers),
        });
        inner.switches.token.clone()
    };
    if let AtToken::Slow(pause) = answer {
        tokio::time::sleep(pause).await;
    }
    match answer {
        AtToken::Json | AtToken::Slow(_) => answer_with(&server, &headers, &fields, |answer| {
            axum::Json(answer).into_response()
        }),
        AtToken::Form => answer_with(&server, &headers, &fields, |answer| as_form(&answer)),
        AtToken::Nested => answer_with(&server, &headers, &fields, |answer| {
            axum::Json(json!({"ok": true, "access_token": "the-bots", "authed_user": answer}))
                .into_response()
        }),
        AtToken::Say(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        AtToken::Busy(status, seconds) => (
            StatusCode::from_u16(status).unwrap(),
            [(header::RETRY_AFTER, seconds)],
        )
            .into_response(),
        AtToken::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
        AtToken::Huge => endless(),
        AtToken::Redirect => {
            Redirect::temporary(server.base.join("elsewhere").unwrap().as_str()).into_response()
        }
        AtToken::Truncated => answer_with(&server, &headers, &fields, |answer| {
            let text = answer.to_string();
            text[..text.len() / 2].to_owned().into_response()
        }),
        AtToken::CutShort => {
            let cut = futures_util::stream::iter([
                Ok(r#"{"access_token":"#.to_owned()),
                Err(std::io::Error::other("cut")),
            ]);
            axum::body::Body::from_stream(cut).into_response()
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    value.to_str().ok().map(str::to_owned)
}

/// The parameters of a request, wherever they stand.
pub(super) fn read(
    query: BTreeMap<String, String>,
    headers: &HeaderMap,
    body: &str,
) -> BTreeMap<String, String> {
    let mut fields = query;
    match content_type(headers).as_deref() {
        Some("application/json") => {
            let object: BTreeMap<String, String> = serde_json::from_str(body).unwrap();
            fields.extend(object);
        }
        Some(_) => fields.extend(url::form_urlencoded::parse(body.as_bytes()).into_owned()),
        None => assert!(body.is_empty(), "a body without a type"),
    }
    fields
}

fn answer_with(
    server: &StandIn,
    headers: &HeaderMap,
    fields: &BTreeMap<String, String>,
    shape: impl FnOnce(serde_json::Value) -> Response,
) -> Response {
    if !knows(headers, fields) {
        let error = axum::Json(json!({"error": "invalid_client"}));
        return (StatusCode::UNAUTHORIZED, error).into_response();
    }
    match server.inner().redeem(fields) {
        Ok(answer) => shape(answer),
        Err(error) => (
            StatusCode::BAD_REQUEST,
            axum::Json(
                json!({"error": error, "error_description": "<b>pwned by the description</b>"}),
            ),
        )
            .into_response(),
    }
}

/// RFC 6749 §2.3.1: either in the header, both parts form-encoded, or in the body; not both.
pub(super) fn knows(headers: &HeaderMap, fields: &BTreeMap<String, String>) -> bool {
    let in_body = fields
        .get("client_secret")
        .is_some_and(|secret| secret == CLIENT.1)
        && fields.get("client_id").is_some_and(|id| id == CLIENT.0);
    let in_header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().unwrap().strip_prefix("Basic "))
        .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok())
        .is_some_and(|joined| {
            let parts: Vec<_> =
                url::form_urlencoded::parse(joined.replacen(':', "=", 1).as_bytes())
                    .into_owned()
                    .collect();
            parts == [(CLIENT.0.to_owned(), CLIENT.1.to_owned())]
        });
    in_body != in_header
}

pub(super) fn endless() -> Response {
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'{'; 65536]));
    axum::body::Body::from_stream(endless).into_response()
}

fn as_form(answer: &serde_json::Value) -> Response {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer.as_object().unwrap() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    let kind = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
    (kind, form.finish()).into_response()
}
