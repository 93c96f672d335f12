//! Attacks on the authorization server, each by its name.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::fixture::*;

const DAY: i64 = 24 * 60 * 60;

#[tokio::test]
async fn item_86_a_code_replayed_by_its_client_ends_the_grant() {
    let house = House::new();
    let code = house.code().await;
    let tokens = house.post("/token", &exchange(&code)).await.body;
    assert!(house.is_let_in(&tokens).await);
    let replay = house.post("/token", &exchange(&code)).await;
    assert_eq!(
        (replay.status, replay.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(!house.is_let_in(&tokens).await);
    assert_eq!(house.refresh(&tokens).await.error(), "invalid_grant");
    assert_eq!(
        house.post("/token", &exchange(&code)).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn item_86_a_stolen_code_buys_nothing_and_ends_nothing() {
    let house = House::new();
    let wrong = "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong";
    let code = house.code().await;
    let attempts = [
        ("client_id", "other"),
        ("redirect_uri", "http://127.0.0.1:4711/other"),
        ("redirect_uri", "http://127.0.0.1:4712/callback"),
        ("code_verifier", wrong),
        ("code_verifier", "short"),
    ];
    let attempt = async |house: &House| {
        for (name, value) in attempts {
            let answer = house
                .post("/token", &but(exchange(&code), name, value))
                .await;
            assert_eq!(answer.error(), "invalid_grant", "{name} {value}");
        }
    };
    attempt(&house).await;
    let tokens = house.post("/token", &exchange(&code)).await.body;
    assert!(house.is_let_in(&tokens).await, "nothing was spent");
    // After the fact, whoever lacks a secret cannot end the grant either. (Another redirect URI lacks none.)
    for (name, value) in [attempts[0], attempts[3], attempts[4]] {
        let answer = house
            .post("/token", &but(exchange(&code), name, value))
            .await;
        assert_eq!(answer.error(), "invalid_grant", "{name} {value}");
    }
    assert!(house.is_let_in(&tokens).await);
}

/// Whoever comes first: the other one replays, also while the grant is still being made.
#[tokio::test(flavor = "multi_thread")]
async fn two_exchanges_of_one_code_at_once_leave_no_grant() {
    let house = Arc::new(House::new());
    for _ in 0..20 {
        let code = house.code().await;
        let exchanges = [(); 2].map(|()| {
            let (house, code) = (Arc::clone(&house), code.clone());
            tokio::spawn(async move { house.post("/token", &exchange(&code)).await })
        });
        let mut given = 0;
        for exchange in exchanges {
            let answer = exchange.await.unwrap();
            if answer.status == StatusCode::OK {
                given += 1;
                assert!(!house.is_let_in(&answer.body).await);
            } else {
                assert_eq!(answer.error(), "invalid_grant", "{}", answer.body);
            }
        }
        assert!(given <= 1);
    }
    let left = house.issuer.grants().of_user(&alice()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let house = House::new();
    let code = house.code().await;
    house.advance(60);
    assert_eq!(
        house.post("/token", &exchange(&code)).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn item_89_an_old_refresh_token_ends_the_grant() {
    let house = House::new();
    let first = house.tokens().await;
    let second = house.refresh(&first).await.body;
    house.advance(30);
    assert!(house.is_let_in(&second).await);
    let reuse = house.refresh(&first).await;
    assert_eq!(
        (reuse.status, reuse.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(!house.is_let_in(&second).await);
    assert_eq!(house.refresh(&second).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_of_another_client_buys_nothing_and_ends_nothing() {
    let house = House::new();
    let first = house.tokens().await;
    let second = house.refresh(&first).await.body;
    house.advance(60);
    for tokens in [&first, &second] {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = but(refreshing(token), "client_id", "other");
        assert_eq!(house.post("/token", &form).await.error(), "invalid_grant");
        let form = but(refreshing(token), "resource", PLAY);
        assert_eq!(house.post("/token", &form).await.error(), "invalid_target");
        let form = [("client_id", "other"), ("token", token)];
        assert_eq!(
            house.post("/oauth2/revoke", &form).await.error(),
            "invalid_grant"
        );
    }
    assert!(house.is_let_in(&second).await);
}

#[tokio::test]
async fn a_refresh_token_made_up_or_changed_is_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    for position in 0..bytes.len() {
        bytes[position] ^= 1;
        let changed = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(
            house.post("/token", &refreshing(&changed)).await.error(),
            "invalid_grant"
        );
        bytes[position] ^= 1;
    }
    let long = "A".repeat(5000);
    let access = tokens["access_token"].as_str().unwrap();
    for other in [
        access,
        "x",
        "ä",
        &long,
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(
            house.post("/token", &refreshing(other)).await.error(),
            "invalid_grant"
        );
    }
    assert_eq!(house.refresh(&tokens).await.status, StatusCode::OK);
}

#[tokio::test]
async fn item_76_a_token_for_another_gateway_is_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(house.enter_at(WORK, token).await.is_ok());
    // One gateway, two addresses.
    assert!(
        house
            .enter_at("https://gw.example.com/mcp", token)
            .await
            .is_ok()
    );
    for elsewhere in [
        PLAY,
        "https://gw.example.com/mcp/keys",
        "https://gw.example.com/mcp/none",
        "https://elsewhere.example.com/mcp/work",
    ] {
        assert!(
            house.enter_at(elsewhere, token).await.is_err(),
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn a_token_for_the_default_gateway_is_not_one_for_the_next_default_gateway() {
    let house = House::new();
    let code = house.code().await;
    let plain = "https://gw.example.com/mcp";
    let form = but(exchange(&code), "resource", plain);
    let tokens = house.post("/token", &form).await.body;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(house.enter_at(plain, token).await.is_ok());
    let moved = configuration("", "default = false").replacen("default = true", "", 1);
    house.reconfigure(&moved.replace("[gateways.play]", "[gateways.play]\ndefault = true"));
    assert!(house.enter_at(plain, token).await.is_err());
}

/// Tokens that only look like ours.
#[tokio::test]
async fn item_74_forged_tokens_are_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = header.kid.clone();
    let jwk = house.get("/oauth2/jwks").await.body["keys"][0].clone();
    let point = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let public = [vec![4], point("x"), point("y")].concat();
    // HS256 with what everybody can read as its key.
    let confused = [jwk.to_string().into_bytes(), public].map(|secret| {
        let header = Header {
            kid: kid.clone(),
            typ: header.typ.clone(),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap()
    });
    let stranger = aws_lc_rs::signature::EcdsaKeyPair::generate(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    );
    let stranger = stranger.unwrap().to_pkcs8v1().unwrap();
    let stranger = EncodingKey::from_ec_der(stranger.as_ref());
    let forge = |kid: Option<String>| {
        let header = Header {
            kid,
            ..header.clone()
        };
        jsonwebtoken::encode(&header, &claims, &stranger).unwrap()
    };
    let mut wider = claims.clone();
    wider["scope"] = json!("mcp");
    let none = part(&json!({"alg": "none", "typ": "at+jwt", "kid": kid}));
    let hs = part(&json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}));
    let forged = [
        ("alg none", format!("{none}.{body}.")),
        ("alg none, signed", format!("{none}.{body}.{signature}")),
        ("alg changed", format!("{hs}.{body}.{signature}")),
        ("tampered", format!("{head}.{}.{signature}", part(&wider))),
        ("no signature", format!("{head}.{body}.")),
        (
            "signature of nothing",
            format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        ),
        ("HS256 with the JWK", confused[0].clone()),
        ("HS256 with the point", confused[1].clone()),
        ("our kid, another key", forge(kid)),
        ("a kid of its own", forge(Some("mine".into()))),
        (
            "a kid that is a path",
            forge(Some("../../etc/passwd".into())),
        ),
        ("no kid", forge(None)),
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("long", format!("{head}.{body}.{}", "A".repeat(10_000))),
        (
            "a refresh token",
            tokens["refresh_token"].as_str().unwrap().into(),
        ),
    ];
    for (name, forged) in forged {
        assert!(house.enter_at(WORK, &forged).await.is_err(), "{name}");
    }
    assert!(house.is_let_in(&tokens).await);
}

/// Signed with our key, for something else: an ID token would be, if we issued any.
#[tokio::test]
async fn a_token_of_another_type_or_issuer_is_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    let key = house.issuer.0.keys.current().await.unwrap();
    let sign = |typ: Option<&str>, claims: &Value| {
        let header = Header {
            typ: typ.map(str::to_owned),
            ..header.clone()
        };
        jsonwebtoken::encode(&header, claims, key.private()).unwrap()
    };
    assert!(
        house
            .enter_at(WORK, &sign(Some("at+jwt"), &claims))
            .await
            .is_ok()
    );
    for typ in [None, Some("JWT"), Some("id+jwt")] {
        assert!(
            house.enter_at(WORK, &sign(typ, &claims)).await.is_err(),
            "{typ:?}"
        );
    }
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("iss", json!("https://gw.example.com/")),
        ("aud", json!([WORK, PLAY])),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("gid", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("gid", json!("../codes/x")),
    ] {
        let mut changed = claims.clone();
        changed[name] = value.clone();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        }
        let token = sign(Some("at+jwt"), &changed);
        assert!(
            house.enter_at(WORK, &token).await.is_err(),
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn a_new_key_signs_every_month_and_the_old_one_verifies_until_its_tokens_have_expired() {
    let house = House::with(&configuration("access_token_lifetime = \"24h\"", ""));
    let kid = |tokens: &Value| {
        let token = tokens["access_token"].as_str().unwrap();
        jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
    };
    let first = house.tokens().await;
    let mut last = first.clone();
    for _ in 0..40 {
        house.advance(DAY);
        let next = house.tokens().await;
        if kid(&next) != kid(&first) {
            break;
        }
        last = next;
    }
    assert!(
        house.get("/oauth2/jwks").await.body["keys"]
            .as_array()
            .unwrap()
            .len()
            == 2
    );
    let fresh = house.replica();
    house.advance(-2);
    let token = last["access_token"].as_str().unwrap();
    let config = house.live.now();
    assert!(
        fresh.verify(&config, token, WORK).await.is_ok(),
        "a replica that starts now knows it"
    );
    house.advance(2 * DAY);
    assert_eq!(
        house.get("/oauth2/jwks").await.body["keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn replicas_agree_on_the_key_whoever_makes_it_first() {
    let house = House::new();
    let replicas: Vec<_> = (0..8).map(|_| house.replica()).collect();
    let keys = futures_util::future::join_all(replicas.iter().map(|r| r.0.keys.public())).await;
    let kids: std::collections::BTreeSet<_> = keys
        .into_iter()
        .map(|keys| keys.unwrap().keys[0].common.key_id.clone())
        .collect();
    assert_eq!(kids.len(), 1);
    // A token of one is good at the other.
    let tokens = house.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(
        replicas[3]
            .verify(&house.live.now(), token, WORK)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_get_the_registered_words() {
    let house = House::new();
    let code = house.code().await;
    let twice: Vec<_> = exchange(&code).into_iter().chain([("code", "x")]).collect();
    for (form, error) in [
        (vec![], "invalid_request"),
        (
            vec![("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (
            but(exchange(&code), "grant_type", "password"),
            "unsupported_grant_type",
        ),
        (but(exchange(&code), "code", ""), "invalid_request"),
        (but(exchange(&code), "code_verifier", ""), "invalid_request"),
        (but(exchange(&code), "code", "unknown"), "invalid_grant"),
        (twice, "invalid_request"),
    ] {
        let answer = house.post("/oauth2/token", &form).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::BAD_REQUEST, error),
            "{form:?}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let answer = house
        .post("/token", &but(exchange(&code), "client_id", "nobody"))
        .await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    let json = axum::http::Request::post("/token")
        .header("content-type", "application/json")
        .body("{\"grant_type\":\"authorization_code\"}".into());
    assert_eq!(house.send(json.unwrap()).await.error(), "invalid_request");
    let huge = "x".repeat(100_000);
    let answer = house
        .post("/token", &but(exchange(&code), "code", &huge))
        .await;
    assert_eq!(answer.error(), "invalid_request");
    let get = house.get("/oauth2/token").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}
