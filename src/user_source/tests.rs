//! Signing in and out, as people do it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{StatusCode, header};
use bytes::Bytes;

use super::fixture::{Door, PASSWORD, Visitor, configuration, hash};
use crate::{
    base::clock::{ManualClock, Span, Timestamp},
    store::{Record, Store, StoreError, Version},
};

const BASE: &str = "http://localhost:8080";

#[tokio::test]
async fn signing_in_leads_back_to_where_one_was() {
    let door = Door::new();
    let mut alice = Visitor::new();
    let path = "/sign-in/team?return_to=/connect/abc?x=y%26z";
    let answer = door.try_at(&mut alice, path, " alice ", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location(), "http://localhost:8080/connect/abc?x=y&z");
    let home = door.get(&mut alice, "/").await.text;
    assert!(home.contains("Alice Example") && home.contains("alice@example.com"));
    // Who is signed in already is not asked again.
    let again = door
        .get(&mut alice, "/sign-in/team?return_to=/connect/abc")
        .await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(again.location(), "http://localhost:8080/connect/abc");
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_are_the_same_page() {
    let door = Door::new();
    let mut visitor = Visitor::new();
    let wrong = door.try_as(&mut visitor, "alice", "wrong").await;
    let unknown = door.try_as(&mut visitor, "mallory", "wrong").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(unknown.status, StatusCode::FORBIDDEN);
    assert_eq!(wrong.text.replace("alice", "mallory"), unknown.text);
    assert!(
        !wrong.text.contains("\"wrong\""),
        "the password does not come back"
    );
    assert_eq!(door.who(&visitor).await, None);
}

#[tokio::test]
async fn what_the_operator_says_of_a_user_source_is_shown_where_one_chooses_and_signs_in() {
    let door = Door::new();
    for (path, times) in [("/", 1), ("/sign-in/partners", 1), ("/sign-in/team", 0)] {
        let page = door.get(&mut Visitor::new(), path).await.text;
        assert_eq!(
            page.matches("For those we work with.").count(),
            times,
            "{path}"
        );
    }
}

#[tokio::test]
async fn signing_out_forgets_for_good() {
    let door = Door::new();
    let mut alice = door.signed_in("alice").await;
    let kept = alice.clone();
    let csrf = door.get(&mut alice, "/").await.field("csrf");
    let answer = door.post(&mut alice, "/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!(answer.location(), "http://localhost:8080/signed-out");
    assert!(alice.cookies.is_empty());
    assert_eq!(
        door.who(&kept).await,
        None,
        "the old cookie is worth nothing"
    );
    let page = door.get(&mut alice, "/signed-out").await;
    assert!(page.text.contains("You are signed out"));
}

#[tokio::test]
async fn one_browser_one_user_per_user_source() {
    let door = Door::new();
    let mut visitor = door.signed_in("alice").await;
    let partner = "/sign-in/partners";
    let answer = door.try_at(&mut visitor, partner, "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(door.who(&visitor).await.as_deref(), Some("alice"));
    assert!(door.get(&mut visitor, "/").await.text.contains("partners"));

    // Leaving one of them, in order to be someone else there, leaves the other.
    let csrf = door.get(&mut visitor, "/").await.field("csrf");
    let fields = [
        ("csrf", csrf.as_str()),
        ("source", "team"),
        ("return_to", "/sign-in/team"),
    ];
    let answer = door.post(&mut visitor, "/sign-out", &fields).await;
    assert_eq!(answer.location(), "http://localhost:8080/sign-in/team");
    assert_eq!(door.who(&visitor).await, None);
    let answer = door.try_as(&mut visitor, "bob", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(door.who(&visitor).await.as_deref(), Some("bob"));
    assert_eq!(
        door.get(&mut visitor, "/sign-in/partners").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn sessions_end_when_idle_and_at_last_anyway() {
    let door = Door::new();
    let alice = door.signed_in("alice").await;
    for _ in 0..13 {
        door.clock.advance(Span::from_hours(11));
        assert!(door.who(&alice).await.is_some());
    }
    // 143 hours of steady use; 168 are the end of it.
    door.clock.advance(Span::from_hours(11));
    assert!(door.who(&alice).await.is_some());
    door.clock.advance(Span::from_hours(11));
    assert!(door.who(&alice).await.is_some());
    door.clock.advance(Span::from_hours(4));
    assert_eq!(door.who(&alice).await, None);

    let bob = door.signed_in("bob").await;
    door.clock.advance(Span::from_hours(12));
    assert_eq!(door.who(&bob).await, None);
}

#[tokio::test]
async fn a_session_ends_with_what_it_rested_on() {
    let door = Door::new();
    let alice = door.signed_in("alice").await;
    let put = |config| door.live.replace(config);

    put(configuration(BASE, &hash("a new password")));
    assert_eq!(door.who(&alice).await, None, "another password");

    put(configuration(BASE, &hash(PASSWORD)));
    assert!(door.who(&alice).await.is_some());
    let without = configuration(BASE, &hash(PASSWORD));
    put(crate::config::Config {
        user_sources: without
            .user_sources
            .into_iter()
            .filter(|(name, _)| name.as_str() != "team")
            .collect(),
        ..configuration(BASE, &hash(PASSWORD))
    });
    assert_eq!(door.who(&alice).await, None, "no such user source");

    let mut closed = configuration(BASE, &hash(PASSWORD));
    closed.user_sources.get_mut("team").unwrap().active = false;
    put(closed);
    assert_eq!(door.who(&alice).await, None, "the user source is closed");
}

#[tokio::test]
async fn a_password_lets_in_at_its_own_user_source_only() {
    let door = Door::new();
    let mut visitor = Visitor::new();
    let answer = door.get(&mut visitor, "/sign-in/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = door.get(&mut visitor, "/sign-in/old").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("Sign-in is closed"));
    let answer = door
        .try_at(&mut visitor, "/sign-in/partners", "bob", PASSWORD)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn bad_forms_change_nothing() {
    let door = Door::new();
    let mut visitor = Visitor::new();
    let page = door.get(&mut visitor, "/sign-in/team").await;
    let csrf = page.field("csrf");
    let whole = [
        ("csrf", csrf.as_str()),
        ("return_to", "/"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    for missing in 0..whole.len() {
        let mut fields = whole.to_vec();
        fields.remove(missing);
        let answer = door.post(&mut visitor, "/sign-in/team", &fields).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "without {}",
            whole[missing].0
        );
        fields.extend([whole[(missing + 1) % 4]; 2]);
        let answer = door.post(&mut visitor, "/sign-in/team", &fields).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "twice {}",
            whole[(missing + 1) % 4].0
        );
    }
    let huge = "x".repeat(20_000);
    let fields = [whole[0], whole[1], whole[2], ("password", &huge)];
    let answer = door.post(&mut visitor, "/sign-in/team", &fields).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(door.who(&visitor).await, None);
}

#[tokio::test]
async fn the_store_learns_no_key_and_no_password() {
    let door = Door::new();
    let alice = door.signed_in("alice").await;
    let key = alice.cookies[0].split_once('=').unwrap().1;
    let records = door.store.list("", None, 1000).await.unwrap();
    assert!(
        records
            .iter()
            .any(|(key, _)| key.starts_with("browser_sessions/"))
    );
    for (name, record) in records {
        let value = String::from_utf8_lossy(&record.value);
        for secret in [key, PASSWORD, "$argon2"] {
            assert!(!name.contains(secret) && !value.contains(secret), "{name}");
        }
    }
}

/// A store whose engine has gone.
struct Gone;

#[async_trait]
impl Store for Gone {
    async fn get(&self, _: &str) -> Result<Option<Record>, StoreError> {
        gone()
    }
    async fn create(
        &self,
        _: &str,
        _: Bytes,
        _: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        gone()
    }
    async fn replace(
        &self,
        _: &str,
        _: Version,
        _: Bytes,
        _: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        gone()
    }
    async fn take(&self, _: &str) -> Result<Option<Record>, StoreError> {
        gone()
    }
    async fn list(
        &self,
        _: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        gone()
    }
    async fn purge(&self) -> Result<u64, StoreError> {
        gone()
    }
}

fn gone<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("the disk at /secret/place".into()))
}

#[tokio::test]
async fn without_a_store_nobody_gets_in_and_the_page_tells_nothing() {
    let clock = ManualClock::new("2026-11-06T08:00:00Z".parse().unwrap());
    let door = Door::over(BASE, Arc::new(Gone), clock, tempfile::tempdir().unwrap());
    let mut visitor = Visitor::new();
    // The page itself asks the store only about browsers that have been here.
    let page = door.get(&mut visitor, "/sign-in/team").await;
    let csrf = page.field("csrf");
    let fields = [
        ("csrf", csrf.as_str()),
        ("return_to", "/"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let answer = door.post(&mut visitor, "/sign-in/team", &fields).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.text.contains("Reference <code>"));
    assert!(!answer.text.contains("secret"));
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
}
