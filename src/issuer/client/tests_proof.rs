//! How clients prove themselves at the token endpoint.

use axum::http::StatusCode;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

use crate::{
    base::clock::Clock,
    issuer::door::{CALLBACK, House},
    user_source::fixture::Visitor,
    web::fixture::{Page, Site},
};

const BASE: &str = "http://localhost:8080";

/// A client with a key.
struct Signer {
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    fn new(kid: &str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let point = pair.der_bytes();
        let (x, y) = (&point[1..33], &point[33..]);
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
            jwk: json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": part(x), "y": part(y) }),
        }
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// What the token endpoint says to somebody who brings nothing but a proof of who they are.
async fn enter(house: &House, form: &[(&str, &str)], headers: &[(&str, &str)]) -> String {
    let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
    all.extend(form);
    let (_, answer) = house.token(&all, headers).await;
    answer["error"].as_str().unwrap().to_owned()
}

const KNOWN: &str = "invalid_grant";
const UNKNOWN: &str = "invalid_client";
const LATER: &str = "temporarily_unavailable";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn by_assertion(jwt: &str) -> Vec<(&str, &str)> {
    vec![
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", jwt),
    ]
}

fn seconds(house: &House) -> i64 {
    house.door.clock.now().as_second()
}

#[tokio::test]
async fn a_client_with_a_key_proves_itself_with_it_once_per_word() {
    let site = Site::open().await;
    let private = "private_metadata_documents = true";
    let house = House::with(BASE, private, site.neighbour());
    let id = site.url("/client.json");
    let signer = Signer::new("a");
    let said = json!({
        "client_id": id,
        "client_name": "A Client",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": site.url("/keys.json"),
    });
    site.put("/client.json", Page::json(said.to_string()));
    site.put(
        "/keys.json",
        Page::json(json!({ "keys": [signer.jwk] }).to_string()),
    );

    let now = seconds(&house);
    let claims =
        |jti: &str| json!({ "iss": id, "sub": id, "aud": BASE, "exp": now + 300, "jti": jti });
    let good = signer.sign(Some("a"), &claims("1"));
    assert_eq!(enter(&house, &by_assertion(&good), &[]).await, KNOWN);
    assert_eq!(
        enter(&house, &by_assertion(&good), &[]).await,
        UNKNOWN,
        "replayed"
    );
    let at_token = format!("{BASE}/oauth2/token");
    let mut elsewhere = claims("2");
    elsewhere["aud"] = json!([at_token]);
    let jwt = signer.sign(None, &elsewhere);
    assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, KNOWN);

    // A key that is new: the set is fetched again.
    let newer = Signer::new("b");
    let both = json!({ "keys": [signer.jwk, newer.jwk] });
    site.put("/keys.json", Page::json(both.to_string()));
    let jwt = newer.sign(Some("b"), &claims("3"));
    assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, KNOWN);

    // Names that strangers invent do not make us forget the set, nor fetch it for ever.
    let visits = site.visits();
    for n in 0..10 {
        let jwt = signer.sign(Some(&format!("none-{n}")), &claims("x"));
        assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, UNKNOWN);
    }
    assert!(site.visits() <= visits + 2);
    let jwt = signer.sign(Some("a"), &claims("4"));
    assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, KNOWN);

    // And without a key it is nobody.
    assert_eq!(enter(&house, &[("client_id", &id)], &[]).await, UNKNOWN);
    let secret = [("client_id", &*id), ("client_secret", "x")];
    assert_eq!(enter(&house, &secret, &[]).await, UNKNOWN);
}

/// The server's metadata say ES384, too.
#[tokio::test]
async fn a_client_may_sign_with_the_larger_curve() {
    let house = House::new();
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = pair.der_bytes()[1..].split_at(48);
    let jwk = json!({ "kty": "EC", "crv": "P-384", "kid": "a", "x": part(x), "y": part(y) });
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [jwk] },
    });
    let (_, registered) = house.register(&metadata).await;
    let id = &registered["client_id"];
    let end = seconds(&house) + 300;
    let claims = json!({ "iss": id, "sub": id, "aud": BASE, "exp": end, "jti": "1" });
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let jwt = jsonwebtoken::encode(&Header::new(Algorithm::ES384), &claims, &key).unwrap();
    assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, KNOWN);
}

#[tokio::test]
async fn nobody_is_flooded_with_questions_for_keys_that_registrations_name() {
    let site = Site::open().await;
    let private = "private_metadata_documents = true";
    let house = House::with(BASE, private, site.neighbour());
    let signer = Signer::new("a");
    for n in 0..25 {
        let metadata = json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": site.url(&format!("/none/{n}")),
        });
        let (_, registered) = house.register(&metadata).await;
        let id = &registered["client_id"];
        let jwt = signer.sign(Some("a"), &json!({ "iss": id, "sub": id }));
        assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, LATER);
    }
    assert!(site.visits() <= 10, "{}", site.visits());
}

#[tokio::test]
async fn forged_assertions_are_refused() {
    let house = House::new();
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let (_, registered) = house
        .register(&json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [signer.jwk] },
        }))
        .await;
    let id = registered["client_id"].as_str().unwrap();
    let now = seconds(&house);
    let good = json!({ "iss": id, "sub": id, "aud": BASE, "exp": now + 300, "jti": "1" });
    let but = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.sign(Some("a"), &claims)
    };
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(good.to_string())
    );
    let symmetric = {
        let key = EncodingKey::from_secret(signer.jwk.to_string().as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &good, &key).unwrap()
    };
    for (what, jwt) in [
        ("signed by another key", stranger.sign(Some("a"), &good)),
        ("alg none", none),
        ("alg HS256", symmetric),
        ("another key's name", signer.sign(Some("z"), &good)),
        (
            "for another server",
            but("aud", json!("https://other.example")),
        ),
        ("for nobody", but("aud", Value::Null)),
        ("of another subject", but("sub", json!("cli"))),
        ("expired", but("exp", json!(now - 61))),
        ("good for a day", but("exp", json!(now + 86_400))),
        ("without an end", but("exp", Value::Null)),
        ("without a name", but("jti", Value::Null)),
        ("not good yet", but("nbf", json!(now + 3600))),
    ] {
        assert_eq!(
            enter(&house, &by_assertion(&jwt), &[]).await,
            UNKNOWN,
            "{what}"
        );
    }
    let jwt = signer.sign(Some("a"), &good);
    assert_eq!(enter(&house, &by_assertion(&jwt), &[]).await, KNOWN);
}

#[tokio::test]
async fn a_set_of_keys_with_a_private_one_is_refused() {
    let house = House::new();
    let mut private = Signer::new("a").jwk;
    private["d"] = json!("AAAA");
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    for key in [private, symmetric] {
        let metadata = json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [key] },
        });
        let (_, answer) = house.register(&metadata).await;
        assert_eq!(answer["error"], "invalid_client_metadata");
    }
}

#[tokio::test]
async fn a_client_with_a_secret_proves_itself_in_one_way_at_a_time() {
    let house = House::new();
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let (_, registered) = house.register(&metadata).await;
    let part = |name: &str| registered[name].as_str().unwrap().to_owned();
    let (id, secret) = (part("client_id"), part("client_secret"));
    let basic = |id: &str, secret: &str| {
        let encoded = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let both = format!("{}:{}", encoded(id), encoded(secret));
        format!("Basic {}", STANDARD.encode(both))
    };
    let good = basic(&id, &secret);
    let header = [("authorization", &*good)];
    assert_eq!(enter(&house, &[], &header).await, KNOWN);
    let posted = [("client_id", &*id), ("client_secret", &*secret)];
    assert_eq!(enter(&house, &posted, &[]).await, KNOWN);
    assert_eq!(enter(&house, &posted, &header).await, "invalid_request");
    let other = [("client_id", "cli")];
    assert_eq!(enter(&house, &other, &header).await, "invalid_request");
    for wrong in [
        basic(&id, "wrong"),
        basic(&id, ""),
        basic("dcr_none", &secret),
        "Basic !".into(),
        "Bearer x".into(),
    ] {
        let header = [("authorization", &*wrong)];
        assert_eq!(enter(&house, &[], &header).await, UNKNOWN, "{wrong}");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let visitor = &mut Visitor::new();
    let header = [("authorization", "Basic !")];
    let answer = house
        .door
        .post_with(visitor, "/oauth2/token", &form, &header)
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic")
    );
}
