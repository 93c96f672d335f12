//! The authorization server as clients meet it, from discovery to the end of a grant.

use axum::http::{StatusCode, header};
use serde_json::json;

use super::fixture::*;

#[tokio::test]
async fn item_87_a_code_buys_a_token_for_the_endpoint_and_no_cache_keeps_it() {
    let house = House::new();
    let code = house.code().await;
    let form = but(
        exchange(&code),
        "resource",
        "HTTPS://GW.example.com/mcp/work/",
    );
    let answer = house.post("/oauth2/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let body = &answer.body;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["scope"], "mcp:tools offline_access");
    let token = body["access_token"].as_str().unwrap();
    let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    assert_eq!(claims["aud"], WORK);
    assert_eq!(claims["iss"], BASE);
    assert_eq!(claims["client_id"], "cli");
    assert!(!token.contains("alice") && claims["sub"] == alice().key());

    let access = house.enter(body).await.unwrap();
    assert_eq!(access.approved.user, alice());
    assert_eq!(&*access.user_key, alice().key());
}

#[tokio::test]
async fn item_78_each_endpoint_has_its_own_metadata() {
    let house = House::new();
    let well_known = "/.well-known/oauth-protected-resource";
    for (path, resource) in [
        ("/mcp/work", WORK),
        ("/mcp/play", PLAY),
        ("/mcp", "https://gw.example.com/mcp"),
        ("", "https://gw.example.com/mcp"),
    ] {
        let answer = house.get(&format!("{well_known}{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.body["resource"], resource);
        assert_eq!(answer.body["authorization_servers"], json!([BASE]));
        assert_eq!(answer.body["scopes_supported"], json!(["mcp:tools"]));
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
    for path in ["/mcp/keys", "/mcp/none", "/mcp/NONE", "/mcp/work/more"] {
        let answer = house.get(&format!("{well_known}{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn item_81_the_server_describes_itself() {
    let house = House::new();
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let answer = house.get(&format!("/.well-known/{path}")).await;
        let body = &answer.body;
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(body["issuer"], BASE);
        assert_eq!(
            body["token_endpoint"],
            "https://gw.example.com/oauth2/token"
        );
        assert_eq!(
            body["registration_endpoint"],
            "https://gw.example.com/oauth2/register"
        );
        assert_eq!(body["response_types_supported"], json!(["code"]));
        assert_eq!(body["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(body["authorization_response_iss_parameter_supported"], true);
        assert_eq!(body["client_id_metadata_document_supported"], true);
    }
    let closed = "dynamic_registration = false\nmetadata_documents = false";
    house.reconfigure(&configuration(closed, ""));
    let answer = house.get("/.well-known/oauth-authorization-server").await;
    assert!(answer.body.get("registration_endpoint").is_none());
    assert!(
        answer
            .body
            .get("client_id_metadata_document_supported")
            .is_none()
    );

    let keys_only = configuration("", "").replace("\"oauth\"", "\"headers\"");
    house.reconfigure(&keys_only);
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let answer = house.get(&format!("/.well-known/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask_for_a_token() {
    let house = House::new();
    let request = axum::http::Request::options("/oauth2/token")
        .header("origin", "https://inspector.example.com")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,mcp-protocol-version",
        )
        .body(axum::body::Body::empty());
    let answer = house.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let allowed = answer.headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str();
    assert_eq!(allowed.unwrap(), "authorization,mcp-protocol-version");
}

#[tokio::test]
async fn published_keys_verify_our_tokens_and_say_nothing_private() {
    let house = House::new();
    let tokens = house.tokens().await;
    let answer = house.get("/oauth2/jwks").await;
    let key = &answer.body["keys"][0];
    assert_eq!(
        (&key["alg"], &key["use"], &key["crv"]),
        (&json!("ES256"), &json!("sig"), &json!("P-256"))
    );
    assert!(key.get("d").is_none(), "{key}");
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(answer.body.clone()).unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[WORK]);
    validation.validate_exp = false;
    let verified = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation);
    assert_eq!(verified.unwrap().header.typ.as_deref(), Some("at+jwt"));
}

#[tokio::test]
async fn an_access_token_expires_at_its_second() {
    let house = House::new();
    let tokens = house.tokens().await;
    house.advance(599);
    assert!(house.is_let_in(&tokens).await);
    house.advance(1);
    let problem = house.enter(&tokens).await.unwrap_err();
    assert_eq!(problem.to_string(), "the token has expired");
}

#[tokio::test]
async fn item_88_the_resource_of_a_token_request_is_the_one_approved() {
    let house = House::new();
    for (resource, error) in [
        (PLAY, "invalid_target"),
        ("https://gw.example.com/mcp/keys", "invalid_target"),
        ("https://elsewhere.example.com/mcp/work", "invalid_target"),
        ("work", "invalid_target"),
        ("https://gw.example.com/mcp", ""),
    ] {
        let code = house.code().await;
        let form = but(exchange(&code), "resource", resource);
        let answer = house.post("/token", &form).await;
        assert_eq!(answer.error(), error, "{resource}");
        // A refusal spends nothing.
        let again = house.post("/token", &exchange(&code)).await;
        assert_eq!(
            again.status == StatusCode::OK,
            !error.is_empty(),
            "{resource}"
        );
    }
}

#[test]
fn an_endpoint_is_found_however_it_is_spelt_and_nothing_else_is() {
    let config = parse(&configuration("", ""));
    let urls = crate::web::urls::Urls::new(&BASE.parse().unwrap());
    let find = |resource: Option<&str>| {
        let found = super::resource::find(&config, &urls, resource).ok()?;
        Some((found.gateway.to_string(), found.uri))
    };
    let work = |uri: &str| Some(("work".to_owned(), uri.to_owned()));
    for same in [
        WORK,
        "https://gw.example.com/mcp/work/",
        "HTTPS://GW.EXAMPLE.COM:443/mcp/work",
    ] {
        assert_eq!(find(Some(same)), work(WORK), "{same}");
    }
    assert_eq!(find(None), work("https://gw.example.com/mcp"));
    assert_eq!(find(Some("https://gw.example.com/mcp/")), find(None));
    for other in [
        "",
        BASE,
        "mcp/work",
        "http://gw.example.com/mcp/work",
        "https://gw.example.com.evil.example/mcp/work",
        "https://gw.example.com:8443/mcp/work",
        "https://x@gw.example.com/mcp/work",
        "https://gw.example.com/mcp/work#x",
        "https://gw.example.com/mcp/work?x",
        "https://gw.example.com/mcp/Work",
        "https://gw.example.com/mcp/work/x",
        "https://gw.example.com/mcpwork",
        "https://gw.example.com/mcp//work",
        "https://gw.example.com/mcp/keys",
    ] {
        assert_eq!(find(Some(other)), None, "{other}");
    }
}

#[tokio::test]
async fn revocation_takes_effect_on_the_next_request_and_is_told() {
    let house = House::new();
    for name in ["access_token", "refresh_token"] {
        let tokens = house.tokens().await;
        let id = house.grant_of(&tokens).await;
        let mut waiter = house.signals.subscribe(&id.revoked_topic());
        assert!(house.is_let_in(&tokens).await);
        let form = [
            ("client_id", "cli"),
            ("token", tokens[name].as_str().unwrap()),
        ];
        let answer = house.post("/oauth2/revoke", &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(
            house.enter(&tokens).await.unwrap_err().to_string(),
            "the token was revoked"
        );
        assert_eq!(house.refresh(&tokens).await.error(), "invalid_grant");
        waiter.wait().await;
        let again = house.post("/oauth2/revoke", &form).await;
        assert_eq!(again.status, StatusCode::OK);
    }
    let unknown = [("client_id", "cli"), ("token", "whatever")];
    assert_eq!(
        house.post("/oauth2/revoke", &unknown).await.status,
        StatusCode::OK
    );
    let nothing = [("client_id", "cli")];
    assert_eq!(
        house.post("/oauth2/revoke", &nothing).await.error(),
        "invalid_request"
    );
}

#[tokio::test]
async fn all_grants_of_a_user_are_found_and_ended() {
    let house = House::new();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(house.tokens().await);
    }
    let mut bobs = house.approved();
    bobs.user = crate::base::id::UserId::new("okta".parse().unwrap(), "00u-bob");
    let code = house.code_for(bobs).await;
    let bobs = house.post("/token", &exchange(&code)).await.body;
    let grants = house.issuer.grants();
    assert_eq!(grants.of_user(&alice()).await.unwrap().len(), 3);
    assert_eq!(grants.revoke_user(&alice()).await.unwrap(), 3);
    assert_eq!(grants.of_user(&alice()).await.unwrap().len(), 0);
    for tokens in &all {
        assert!(!house.is_let_in(tokens).await);
    }
    assert!(house.is_let_in(&bobs).await);
}

/// Not a test of anything: `cargo nextest run --run-ignored only -E 'test(what_a_request_costs)' --no-capture` shows the cost.
#[tokio::test]
#[ignore = "measures"]
async fn what_a_request_costs() {
    const TIMES: u32 = 2000;
    let house = House::new();
    let tokens = house.tokens().await;
    let measured = async |name: &str, cold: bool| {
        let mut spent = std::time::Duration::ZERO;
        for _ in 0..TIMES {
            if cold {
                house.issuer.0.verified.invalidate_all();
            }
            let start = std::time::Instant::now();
            assert!(house.is_let_in(&tokens).await);
            spent += start.elapsed();
        }
        println!("{name}: {:?} a request", spent / TIMES);
    };
    measured("a token seen before", false).await;
    measured("a token never seen", true).await;
    let start = std::time::Instant::now();
    for _ in 0..TIMES / 10 {
        house.tokens().await;
    }
    println!("code to tokens: {:?}", start.elapsed() / (TIMES / 10));
}
