//! Identity assertions: what they buy, and what they do not. Item 99 but for what the user source checks of them.

use async_trait::async_trait;
use axum::http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use super::{
    fixture::*,
    id_jag::{AssertionProblem, Assertions, GRANT_TYPE, Vouched},
};
use crate::{
    base::id::{UserId, UserSourceName},
    config::Oidc,
    protocol::oauth::claims::Claims,
};

const SECRET: &[u8] = b"okta's";

/// Stands for the user source's part: knows whether okta made it, and for whom.
pub struct Okta;

#[async_trait]
impl Assertions for Okta {
    async fn vouched(
        &self,
        source: &UserSourceName,
        oidc: &Oidc,
        jwt: &str,
        audience: &str,
    ) -> Result<Vouched, AssertionProblem> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&oidc.issuer]);
        let key = DecodingKey::from_secret(SECRET);
        let claims = jsonwebtoken::decode::<Map<String, Value>>(jwt, &key, &validation);
        let claims = claims
            .map_err(|_| AssertionProblem::Refused("okta did not make it"))?
            .claims;
        if claims["sub"] == "down" {
            return Err(AssertionProblem::Unavailable("okta is down".into()));
        }
        Ok(Vouched {
            user: UserId::new(source.clone(), claims["sub"].as_str().unwrap()),
            proof: proof(),
            said: Claims::of(&claims),
            claims,
        })
    }
}

fn assertion(jti: &str) -> Value {
    json!({
        "iss": "https://idp.example.com", "aud": BASE, "sub": "00u-alice", "client_id": "cli",
        "resource": WORK, "scope": "mcp:tools", "jti": jti, "exp": 1_794_000_000,
        "groups": ["eng"],
    })
}

async fn send(house: &House, claims: &Value, more: &[(&str, &str)]) -> Answer {
    let header = Header::new(Algorithm::HS256);
    let jwt = jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(SECRET)).unwrap();
    let mut form = vec![
        ("grant_type", GRANT_TYPE),
        ("client_id", "cli"),
        ("assertion", &jwt),
    ];
    for (name, value) in more {
        form = but(form, name, value);
    }
    house.post("/oauth2/token", &form).await
}

#[tokio::test]
async fn an_assertion_buys_a_token_without_a_browser_and_no_refresh_token() {
    let house = House::with(&configuration("", "require = { groups = [\"eng\"] }"));
    let answer = send(&house, &assertion("1"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["scope"], "mcp:tools");
    assert!(answer.body.get("refresh_token").is_none());
    let access = house.enter(&answer.body).await.unwrap();
    assert_eq!(access.approved.user, alice());
    let id = house.grant_of(&answer.body).await;
    house.advance(600);
    assert!(!house.is_let_in(&answer.body).await);
    assert!(
        house.issuer.grants().get(&id).await.unwrap().is_none(),
        "it ends with its token"
    );
}

#[tokio::test]
async fn item_99_an_assertion_for_something_else_is_refused() {
    let house = House::new();
    for (name, value) in [
        ("aud", json!("https://elsewhere.example.com")),
        ("iss", json!("https://idp.evil.example")),
        ("resource", json!("https://elsewhere.example.com/mcp/work")),
        ("resource", json!("https://gw.example.com/mcp/keys")),
        ("resource", json!([WORK, PLAY])),
        ("resource", Value::Null),
        ("client_id", json!("other")),
        ("client_id", Value::Null),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("exp", Value::Null),
    ] {
        let mut claims = assertion("1");
        claims[name] = value.clone();
        let answer = send(&house, &claims, &[]).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::BAD_REQUEST, "invalid_grant"),
            "{name} {value}"
        );
    }
    let none = "eyJhbGciOiJub25lIn0.e30.";
    let forged = send(&house, &assertion("1"), &[("assertion", none)]).await;
    assert_eq!(forged.error(), "invalid_grant");
    let elsewhere = send(&house, &assertion("1"), &[("resource", PLAY)]).await;
    assert_eq!(elsewhere.error(), "invalid_target");
    let other = send(&house, &assertion("1"), &[("client_id", "other")]).await;
    assert_eq!(other.error(), "invalid_grant");
    assert_eq!(
        send(&house, &assertion("1"), &[]).await.status,
        StatusCode::OK,
        "nothing was spent"
    );
}

#[tokio::test]
async fn item_99_an_assertion_replayed_is_refused() {
    let house = House::new();
    let (one, two) = (assertion("1"), assertion("2"));
    let both = tokio::join!(send(&house, &one, &[]), send(&house, &one, &[]));
    let mut errors = [both.0.error().to_owned(), both.1.error().to_owned()];
    errors.sort();
    assert_eq!(errors, ["", "invalid_grant"]);
    assert_eq!(send(&house, &one, &[]).await.error(), "invalid_grant");
    assert_eq!(send(&house, &two, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_assertion_gives_the_scopes_that_both_want() {
    let house = House::new();
    for (number, (vouched, asked, given)) in [
        (json!("mcp"), "mcp:tools", "mcp:tools"),
        (json!("mcp:tools other"), "mcp offline_access", "mcp:tools"),
        (json!("mcp:tools other"), "", "mcp:tools"),
        (Value::Null, "mcp", "mcp:tools"),
        (Value::Null, "", "mcp:tools"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = assertion(&number.to_string());
        claims["scope"] = vouched.clone();
        let answer = send(&house, &claims, &[("scope", asked)]).await;
        assert_eq!(
            answer.body["scope"], given,
            "{vouched} {asked}: {}",
            answer.body
        );
    }
    let mut claims = assertion("none");
    claims["scope"] = json!("email");
    assert_eq!(send(&house, &claims, &[]).await.error(), "invalid_scope");
}

#[tokio::test]
async fn an_assertion_does_not_get_a_user_past_policy() {
    let house = House::with(&configuration("", "require = { groups = [\"admins\"] }"));
    let answer = send(&house, &assertion("1"), &[]).await;
    assert_eq!(answer.error(), "invalid_grant");
    let why = answer.body["error_description"].as_str().unwrap();
    assert!(why.contains("may not use this gateway"), "{why}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_a_refusal() {
    let house = House::new();
    let mut claims = assertion("1");
    claims["sub"] = json!("down");
    let answer = send(&house, &claims, &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.error(), "temporarily_unavailable");
}

#[tokio::test]
async fn assertions_are_taken_and_offered_only_where_the_operator_says_so() {
    let house = House::new();
    let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    let path = "/.well-known/oauth-authorization-server";
    let metadata = house.get(path).await.body;
    assert_eq!(metadata["authorization_grant_profiles_supported"], profiles);
    assert!(
        metadata["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(GRANT_TYPE))
    );

    house.reconfigure(&configuration("", "").replace("id_jag = true", ""));
    let metadata = house.get(path).await.body;
    assert!(
        metadata
            .get("authorization_grant_profiles_supported")
            .is_none()
    );
    assert!(
        !metadata["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(GRANT_TYPE))
    );
    let answer = send(&house, &assertion("1"), &[]).await;
    assert_eq!(answer.error(), "unsupported_grant_type");
}
