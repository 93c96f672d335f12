//! Access tokens that are not ours, and the keys that tell.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::fixture::*;

const DAY: i64 = 24 * 60 * 60;

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
