//! The endpoints of the stand-in.

use std::{collections::BTreeMap, time::Duration};

use ::base64::{Engine, engine::general_purpose::STANDARD};
use axum::{
    Form, Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{AtAuthorize, AtToken, CLIENT, Code, Document, Idp, amend, base64};

type Fields = BTreeMap<String, String>;

pub(super) async fn discovery(State(idp): State<Idp>) -> Response {
    let (kind, document) = {
        let mut inner = idp.inner();
        inner.asked.push(("discovery".into(), Fields::new()));
        let at = |path: &str| idp.base.join(&format!("realm/{path}")).unwrap();
        let mut document = json!({
            "issuer": inner.issuer(&idp),
            "authorization_endpoint": at("authorize?tenant=7"),
            "token_endpoint": at("token"),
            "jwks_uri": at("jwks"),
            "end_session_endpoint": at("end_session"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": inner.switches.iss.is_some(),
        });
        if inner.switches.userinfo.is_some() {
            document["userinfo_endpoint"] = at("userinfo").to_string().into();
        }
        let mut document = document.as_object().unwrap().clone();
        amend(&mut document, &inner.switches.metadata);
        (inner.switches.discovery, Value::Object(document))
    };
    publish(&idp, kind, document).await
}

pub(super) async fn jwks(State(idp): State<Idp>) -> Response {
    let (kind, keys) = {
        let mut inner = idp.inner();
        inner.asked.push(("jwks".into(), Fields::new()));
        let keys: Vec<_> = inner.keys.iter().map(|key| key.public()).collect();
        (inner.switches.jwks, json!({ "keys": keys }))
    };
    publish(&idp, kind, keys).await
}

async fn publish(idp: &Idp, kind: Document, right: Value) -> Response {
    match kind {
        Document::Right => {
            // So that those who ask at once do so at the same time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Json(right).into_response()
        }
        Document::Hang => hang().await,
        Document::Huge => {
            let part = || Ok::<_, std::io::Error>(vec![b' '; 65536]);
            let huge = futures_util::stream::repeat_with(part);
            let huge = futures_util::StreamExt::take(huge, 160);
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (kind, Body::from_stream(huge)).into_response()
        }
        Document::Html => Html("<h1>Welcome to the portal</h1>").into_response(),
        Document::Redirect => {
            Redirect::temporary(idp.base.join("elsewhere").unwrap().as_str()).into_response()
        }
        Document::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
    }
}

async fn hang() -> Response {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    StatusCode::OK.into_response()
}

/// Whoever signed in before is known, unless they are to be asked anew.
pub(super) async fn authorize(
    State(idp): State<Idp>,
    Query(request): Query<Fields>,
    headers: HeaderMap,
) -> Response {
    let id = {
        let mut inner = idp.inner();
        inner.asked.push(("authorize".into(), request.clone()));
        for name in ["state", "nonce"] {
            inner.secrets.extend(request.get(name).cloned());
        }
        let field = |name: &str| request.get(name).map(String::as_str);
        assert_eq!(
            field("tenant"),
            Some("7"),
            "the endpoint's own query is kept"
        );
        assert_eq!(field("response_type"), Some("code"));
        assert_eq!(field("client_id"), Some(CLIENT.0));
        assert_eq!(field("code_challenge_method"), Some("S256"));
        let scope = field("scope").unwrap();
        assert_eq!(
            scope.split(' ').filter(|scope| *scope == "openid").count(),
            1
        );
        let id = inner.draw("request");
        inner.requests.insert(id.clone(), request.clone());
        id
    };
    let cookies = headers
        .get(header::COOKIE)
        .map(|value| value.to_str().unwrap());
    let known = cookies.and_then(|cookies| {
        let mut cookies = cookies.split("; ");
        cookies.find_map(|cookie| cookie.strip_prefix("idp-session="))
    });
    let anew = request
        .get("prompt")
        .is_some_and(|prompt| prompt == "login");
    match known.filter(|_| !anew) {
        Some(user) => back(&idp, &id, user),
        None => Html(format!(
            r#"<body><h1>Acme</h1><form method="post" action="login"><input name="request" value="{id}">
            <button name="user" value="alice">Alice</button><button name="user" value="bob">Bob</button></form></body>"#
        ))
        .into_response(),
    }
}

pub(super) async fn login(State(idp): State<Idp>, Form(fields): Form<Fields>) -> Response {
    let user = &fields["user"];
    let cookie = format!("idp-session={user}; Path=/; HttpOnly");
    let response = back(&idp, &fields["request"], user);
    ([(header::SET_COOKIE, cookie)], response).into_response()
}

fn back(idp: &Idp, request: &str, user: &str) -> Response {
    let mut inner = idp.inner();
    let request = inner.requests.remove(request).unwrap();
    let mut url = Url::parse(&request["redirect_uri"]).unwrap();
    let mut pairs = vec![("state", request["state"].clone())];
    match inner.switches.authorize {
        AtAuthorize::Code => {
            let code = inner.draw("code");
            pairs.push(("code", code.clone()));
            let user = user.to_owned();
            inner.codes.insert(code, Code { user, request });
        }
        AtAuthorize::Error(error) => {
            pairs.push(("error", error.to_owned()));
            let description = "<b>pwned by the description</b>".to_owned();
            pairs.push(("error_description", description));
        }
        AtAuthorize::Nothing => {}
    }
    pairs.extend(inner.switches.iss.clone().map(|iss| ("iss", iss)));
    url.query_pairs_mut().extend_pairs(pairs);
    Redirect::to(url.as_str()).into_response()
}

pub(super) async fn token(
    State(idp): State<Idp>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let kind = {
        let mut inner = idp.inner();
        inner.asked.push(("token".into(), fields.clone()));
        inner.secrets.extend(fields.get("code_verifier").cloned());
        inner.switches.token
    };
    match kind {
        AtToken::Hang => return hang().await,
        AtToken::Say(status, body) => {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, body).into_response();
        }
        AtToken::Right | AtToken::NoIdToken => {}
    }
    let mut inner = idp.inner();
    if !knows(&headers, &fields, &inner.switches.secret) {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let field = |name: &str| fields.get(name).map(String::as_str);
    let code = field("code").and_then(|code| inner.codes.remove(code));
    let challenge = field("code_verifier").map(|verifier| base64(&Sha256::digest(verifier)));
    let good = code.filter(|code| {
        field("grant_type") == Some("authorization_code")
            && code.request.get("redirect_uri") == fields.get("redirect_uri")
            && code.request.get("code_challenge") == challenge.as_ref()
    });
    let Some(code) = good else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let access_token = inner.draw("access");
    let user = code.user.clone();
    inner.access_tokens.insert(access_token.clone(), user);
    let mut answer =
        json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 300 });
    if !matches!(kind, AtToken::NoIdToken) {
        answer["id_token"] = inner.id_token(&idp, &code).into();
    }
    Json(answer).into_response()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    let description = "<b>pwned by the description</b>";
    let answer = json!({ "error": error, "error_description": description });
    (status, Json(answer)).into_response()
}

/// RFC 6749 §2.3.1: either in the header, both parts form-encoded, or in the body; not both.
fn knows(headers: &HeaderMap, fields: &Fields, secret: &str) -> bool {
    let in_body = fields
        .get("client_secret")
        .is_some_and(|said| said == secret)
        && fields.get("client_id").is_some_and(|id| id == CLIENT.0);
    let in_header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().unwrap().strip_prefix("Basic "))
        .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok())
        .is_some_and(|joined| {
            let joined = joined.replacen(':', "=", 1);
            let mut parts = url::form_urlencoded::parse(joined.as_bytes()).into_owned();
            parts.next() == Some((CLIENT.0.to_owned(), secret.to_owned()))
        });
    in_body != in_header
}

pub(super) async fn userinfo(State(idp): State<Idp>, headers: HeaderMap) -> Response {
    let mut inner = idp.inner();
    inner.asked.push(("userinfo".into(), Fields::new()));
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().unwrap().strip_prefix("Bearer "));
    let user = bearer.and_then(|token| inner.access_tokens.get(token));
    let (Some(user), Some(more)) = (user, &inner.switches.userinfo) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let mut said = json!({ "sub": user }).as_object().unwrap().clone();
    amend(&mut said, more);
    Json(said).into_response()
}

/// Forgets the browser, and leads back.
pub(super) async fn end_session(State(idp): State<Idp>, Query(fields): Query<Fields>) -> Response {
    let back = fields["post_logout_redirect_uri"].clone();
    idp.inner().asked.push(("end_session".into(), fields));
    let cookie = "idp-session=; Path=/; Max-Age=0";
    ([(header::SET_COOKIE, cookie)], Redirect::to(&back)).into_response()
}
