//! The claim that names the user, and what else is learnt of them.

use std::sync::Arc;

use anteroom::{
    base::id::UserId, protocol::oauth::claims::Claims, store::sled::SledStore,
    user_source::profile::Profiles,
};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::office::Office;
use crate::support::{browser::Browser, log::Log};

/// That nobody is signed in, and what the page says.
async fn refused(office: &Office) -> String {
    let log = Log::listen();
    let browser = Browser::new();
    let page = office.sign_in(&browser, "alice").await;
    assert_ne!(page.status, StatusCode::OK);
    assert_eq!(log.lines("nobody was signed in").len(), 1);
    assert_eq!(
        browser.open(office.at("/")).await.title(),
        "You are not signed in"
    );
    page.words()
}

#[tokio::test]
async fn a_missing_claim_is_named() {
    for (more, claim) in [
        ("", "sub"),
        ("subject_claim = \"employee_id\"", "employee_id"),
    ] {
        let office = Office::with(more).await;
        office.idp.claim("sub", Value::Null);
        if !more.is_empty() {
            office.idp.claim("sub", "alice");
        }
        let words = refused(&office).await;
        assert!(words.contains(&format!("the claim “{claim}”")), "{words}");
        assert!(words.contains("“subject_claim”"), "{words}");
    }
    // Nor does userinfo know it.
    let office = Office::with("subject_claim = \"employee_id\"").await;
    office
        .idp
        .switch(|idp| idp.userinfo = Some(serde_json::Map::new()));
    let words = refused(&office).await;
    assert!(words.contains("the claim “employee_id”"), "{words}");
    assert_eq!(office.idp.asked("userinfo").len(), 1);
}

#[tokio::test]
async fn a_claim_that_cannot_name_a_user_is_named_with_the_reason() {
    for (value, why) in [
        (json!(4711), "it is not a text"),
        (json!(["alice"]), "it is not a text"),
        (json!({ "alice": true }), "it is not a text"),
        (json!(true), "it is not a text"),
        (json!(""), "it is empty"),
        (json!("a".repeat(256)), "longer than 255 bytes"),
        (json!("alice\nroot"), "invisible characters"),
        (json!("alice\u{0}"), "invisible characters"),
        (json!("alice\u{9b}"), "invisible characters"),
        (json!(" alice"), "invisible characters"),
        (json!("alice\u{202e}"), "invisible characters"),
        (json!("al\u{200b}ice"), "invisible characters"),
    ] {
        let office = Office::with("subject_claim = \"uid\"").await;
        office.idp.claim("uid", value.clone());
        let words = refused(&office).await;
        assert!(
            words.contains("the claim “uid”") && words.contains(why),
            "{value}: {words}"
        );
    }
    for good in [
        "a".repeat(255),
        "Алиса 🙂".into(),
        "<b>alice</b>".into(),
        "alice@corp/..".into(),
    ] {
        let office = Office::with("subject_claim = \"uid\"").await;
        office.idp.claim("uid", good.clone());
        let browser = office.signed_in("alice").await;
        let words = browser.open(office.at("/")).await.words();
        assert!(words.contains(&good), "{words}");
    }
}

/// Else anybody could name themselves after anybody.
#[tokio::test]
async fn an_unverified_address_names_nobody() {
    for unverified in [json!(false), json!("false")] {
        let office = Office::with("subject_claim = \"email\"").await;
        office.idp.claim("email", "alice@acme.example");
        office.idp.claim("email_verified", unverified);
        let words = refused(&office).await;
        assert!(
            words.contains("Your e-mail address is not verified"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn userinfo_about_somebody_else_is_refused() {
    let office = Office::with("scopes = [\"profile\"]").await;
    let said = json!({ "sub": "bob", "name": "Bob" });
    office
        .idp
        .switch(|idp| idp.userinfo = said.as_object().cloned());
    let words = refused(&office).await;
    assert!(words.contains("We could not verify who you are"), "{words}");
}

/// What the ID token says is signed, and userinfo only fills in.
#[tokio::test]
async fn userinfo_does_not_overrule_the_id_token() {
    let office = Office::with("subject_claim = \"uid\"\nscopes = [\"profile\"]").await;
    office.idp.claim("uid", "alice");
    let said = json!({ "uid": "bob", "name": "Filled In" });
    office
        .idp
        .switch(|idp| idp.userinfo = said.as_object().cloned());
    let browser = office.signed_in("alice").await;
    let words = browser.open(office.at("/")).await.words();
    assert!(
        words.contains("Filled In") && words.contains("alice") && !words.contains("bob"),
        "{words}"
    );
}

/// What policy may look at is what was said last: whoever left a group has left it, whether the provider says so or is silent.
#[tokio::test]
async fn a_group_no_longer_mentioned_is_left() {
    let mut office = Office::with("scopes = [\"groups\"]").await;
    office.idp.claim("groups", json!(["eng", "ops"]));
    office.signed_in("alice").await;
    let known = profile(&mut office).await;
    assert!(known.has_one("groups", &["eng".to_owned()].into()));
    assert_eq!(known.one("nonce"), None);
    office.idp.claim("groups", Value::Null);
    office.signed_in("alice").await;
    let known = profile(&mut office).await;
    assert!(!known.has_one("groups", &["eng".to_owned()].into()));
    assert_eq!(known.one("sub"), Some("alice"));
}

/// What is known of Alice, by what the store says while the app is away.
async fn profile(office: &mut Office) -> Claims {
    office.world.stop().await;
    let known = {
        let directory = office.world.directory.path().join("store");
        let store = SledStore::open(&directory, Arc::new(office.world.clock.clone())).unwrap();
        let user = UserId::new("corp".parse().unwrap(), "alice");
        let profiles = Profiles::new(Arc::new(store));
        profiles
            .of(&office.world.configuration(), &user)
            .await
            .unwrap()
    };
    office.world.restart().await;
    known
}
