//! Attacks on the ID token, and keys that change.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::office::Office;
use crate::support::{
    browser::Browser,
    client::Client,
    idp::{CLIENT, Key, Sign},
    log::Log,
};

/// That nobody is signed in, with this title and this in the one line of the log.
async fn refused(office: &Office, title: &str, logged: &str) {
    let log = Log::listen();
    let browser = Browser::new();
    let page = office.sign_in(&browser, "alice").await;
    assert_eq!(
        (page.status, page.title().as_str()),
        (StatusCode::BAD_GATEWAY, title),
        "{logged}"
    );
    let lines = log.lines("nobody was signed in");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains(logged) && lines[0].contains("WARN"),
        "{lines:?}"
    );
    let reference = lines[0]
        .split("reference=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(page.words().contains(reference), "{}", page.words());
    assert_eq!(
        browser.open(office.at("/")).await.title(),
        "You are not signed in"
    );
}

const UNTRUSTED: &str = "We could not verify who you are";
const NOT_SET_UP: &str = "Acme is not set up right here";

#[tokio::test]
async fn tokens_that_the_provider_did_not_sign() {
    for (sign, logged) in [
        (Sign::Not, "is not signed"),
        (Sign::WithOurSecret, "an algorithm we do not take"),
        (Sign::WithThePublicKey, "an algorithm we do not take"),
        (Sign::WithAnUnknownKey, "no key of the provider made it"),
        (Sign::UnderAFalseName, "its signature is wrong"),
    ] {
        let office = Office::open().await;
        office.idp.switch(|idp| idp.sign = sign);
        refused(&office, UNTRUSTED, logged).await;
        // Even if the provider says that it signs so.
        office.advance(31);
        office.idp.switch(|idp| {
            let algorithms = json!(["none", "HS256"]);
            idp.metadata
                .insert("id_token_signing_alg_values_supported".into(), algorithms);
        });
        office.advance(2 * 60 * 60);
        refused(&office, UNTRUSTED, logged).await;
    }
}

#[tokio::test]
async fn tokens_for_others() {
    for (claim, value, logged) in [
        ("iss", json!("https://honest.example"), "(iss)"),
        ("aud", json!("another client"), "(aud)"),
        ("aud", json!([CLIENT.0, "another client"]), "(aud)"),
        ("aud", json!([]), "(aud)"),
        ("azp", json!("another client"), "(azp)"),
        ("nonce", json!("another sign-in's"), "(nonce)"),
        ("nonce", Value::Null, "(nonce)"),
        ("at_hash", json!("MTIzNDU2Nzg5MDEyMzQ1Ng"), "(at_hash)"),
    ] {
        let office = Office::open().await;
        office.idp.claim(claim, value);
        refused(&office, UNTRUSTED, logged).await;
    }
    let office = Office::open().await;
    office.idp.claim("azp", CLIENT.0);
    office.idp.claim("aud", json!([CLIENT.0]));
    office.signed_in("alice").await;
}

#[tokio::test]
async fn tokens_of_another_time() {
    let now = 1_800_000_000;
    for (claim, value) in [
        ("exp", json!(now - 61)),
        ("iat", json!(now + 61)),
        ("nbf", json!(now + 61)),
    ] {
        let office = Office::open().await;
        office.idp.claim(claim, value.clone());
        refused(&office, NOT_SET_UP, "its clock and ours disagree").await;
    }
    // The clocks may differ by a minute, or what the operator says.
    for (more, apart) in [("", 59), ("leeway = \"5m\"", 299)] {
        let office = Office::with(more).await;
        office.idp.claim("iat", now + apart);
        office.idp.claim("nbf", now + apart);
        office.idp.claim("exp", now - apart);
        office.signed_in("alice").await;
    }
}

#[tokio::test]
async fn tokens_that_make_no_sense() {
    for (claim, value) in [
        ("exp", Value::Null),
        ("iat", Value::Null),
        ("iss", Value::Null),
        ("exp", json!("soon")),
        ("sub", json!(7)),
    ] {
        let office = Office::open().await;
        office.idp.claim(claim, value);
        refused(&office, UNTRUSTED, "its token answer cannot be used").await;
    }
}

#[tokio::test]
async fn keys_of_every_kind_are_taken() {
    for key in [
        Key::rs256("a"),
        Key::ps256("b"),
        Key::ed25519("c"),
        Key::es256("d"),
    ] {
        let office = Office::open().await;
        office.idp.rotate(key);
        office.signed_in("alice").await;
    }
}

#[tokio::test]
async fn a_key_rotated_meanwhile_works_at_once() {
    let office = Office::open().await;
    office.signed_in("alice").await;
    assert_eq!(office.idp.asked("jwks").len(), 1);
    office.idp.rotate(Key::rs256("second"));
    office.signed_in("alice").await;
    assert_eq!(office.idp.asked("jwks").len(), 2);
    // Under the old name, too.
    office.advance(31);
    office.idp.rotate(Key::rs256("second"));
    office.signed_in("alice").await;
    assert_eq!(office.idp.asked("jwks").len(), 3);
    // Many who come with it look once.
    office.advance(31);
    office.idp.rotate(Key::es256("third"));
    futures_util::future::join_all((0..8).map(|_| office.signed_in("bob"))).await;
    assert_eq!(office.idp.asked("jwks").len(), 4);
}

/// Whoever can make us see tokens under unknown keys does not make us flood the provider.
#[tokio::test]
async fn tokens_under_unknown_keys_do_not_make_us_fetch_without_end() {
    let office = Office::open().await;
    office.idp.switch(|idp| idp.sign = Sign::WithAnUnknownKey);
    for _ in 0..5 {
        refused(&office, UNTRUSTED, "no key").await;
    }
    assert_eq!(office.idp.asked("jwks").len(), 2);
    office.advance(31);
    refused(&office, UNTRUSTED, "no key").await;
    assert_eq!(office.idp.asked("jwks").len(), 3);
}

/// A key that the provider withdrew is good no longer than a quarter of an hour.
#[tokio::test]
async fn a_key_withdrawn_is_forgotten() {
    let office = Office::open().await;
    office.signed_in("alice").await;
    let stolen = office.idp.key();
    office.idp.rotate(Key::es256("second"));
    office.advance(15 * 60);
    office.signed_in("alice").await;
    office.idp.switch(|idp| idp.sign = Sign::With(stolen));
    refused(&office, UNTRUSTED, "no key").await;
}

#[tokio::test]
async fn item_75_what_the_provider_signs_is_no_access_token() {
    let mut office = Office::open().await;
    let ways = (
        "access = [\"headers\"]\ntools = [\"notes",
        "access = [\"oauth\"]\ntools = [\"notes",
    );
    office.world.rewrite(ways.0, ways.1).await;
    let (theirs, ours) = (office.idp.issuer(), office.world.base.clone());
    let endpoint = office.at("/mcp/corp");
    for (iss, aud) in [
        (&theirs, "anteroom"),
        (&theirs, &*endpoint),
        (&ours, &*endpoint),
    ] {
        for typ in ["JWT", "at+jwt"] {
            let claims = json!({
                "iss": iss, "aud": aud, "sub": "alice", "client_id": "anteroom", "scope": "mcp:tools",
                "iat": 1_800_000_000, "exp": 1_800_000_600, "jti": "1", "gid": "g".repeat(27),
            });
            let token = office.idp.key().sign(claims.as_object().unwrap(), typ);
            let client = Client::new(&endpoint, &token, "").with_user(None);
            let answer = client.request("tools/list", json!({})).await;
            assert_eq!(answer.status, 401, "{iss} {aud} {typ}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
    }
}
