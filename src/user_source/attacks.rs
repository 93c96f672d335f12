//! Attacks on signing in, each under its name.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use argon2::Params;
use axum::http::{StatusCode, header};

use super::{
    accounts::{Accounts, Verdict},
    fixture::{Door, PASSWORD, Visitor, hash, hash_at},
};
use crate::{
    base::clock::Span,
    config::Account,
    web::{cookie::BrowserKey, csrf, urls::LocalPath},
};

#[tokio::test]
async fn session_fixation() {
    let door = Door::new();
    // The attacker has been here and plants the key of that visit in the victim's browser.
    let mut attacker = Visitor::new();
    door.get(&mut attacker, "/sign-in/team").await;
    let mut victim = attacker.clone();
    door.try_as(&mut victim, "alice", PASSWORD).await;
    assert_eq!(door.who(&victim).await.as_deref(), Some("alice"));
    assert_eq!(door.who(&attacker).await, None);

    // Nor does it help to be signed in oneself: the victim's sign-in takes the planted session along and ends it.
    let attacker = door.signed_in("bob").await;
    let mut victim = attacker.clone();
    let csrf = door.get(&mut victim, "/").await.field("csrf");
    let leave = [("csrf", csrf.as_str()), ("source", "team")];
    door.post(&mut victim, "/sign-out", &leave).await;
    door.try_as(&mut victim, "alice", PASSWORD).await;
    assert_eq!(door.who(&victim).await.as_deref(), Some("alice"));
    assert_eq!(door.who(&attacker).await, None);
}

#[tokio::test]
async fn session_fixation_through_another_user_source() {
    let door = Door::new();
    let mut attacker = Visitor::new();
    door.try_at(&mut attacker, "/sign-in/partners", "alice", PASSWORD)
        .await;
    let mut victim = attacker.clone();
    door.try_as(&mut victim, "alice", PASSWORD).await;
    assert_eq!(door.who(&victim).await.as_deref(), Some("alice"));
    assert_eq!(door.who(&attacker).await, None);
    let home = door.get(&mut attacker, "/").await.text;
    assert!(home.contains("You are not signed in"));
}

#[tokio::test]
async fn sign_in_csrf() {
    let door = Door::new();
    let mut attacker = Visitor::new();
    let page = door.get(&mut attacker, "/sign-in/team").await;
    let token_of_attacker = page.field("csrf");
    let mut victim = Visitor::new();
    let token = door.get(&mut victim, "/sign-in/team").await.field("csrf");
    let fields = |token| {
        [
            ("csrf", token),
            ("return_to", "/"),
            ("username", "bob"),
            ("password", PASSWORD),
        ]
    };
    for (token, headers) in [
        (token_of_attacker.as_str(), vec![]),
        ("", vec![]),
        (&token, vec![("sec-fetch-site", "cross-site")]),
        (&token, vec![("sec-fetch-site", "same-site")]),
        (&token, vec![("origin", "https://evil.example")]),
        (&token, vec![("origin", "null")]),
    ] {
        let answer = door
            .post_with(&mut victim, "/sign-in/team", &fields(token), &headers)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        assert_eq!(door.who(&victim).await, None);
    }
    // A browser whose cookies were held back, as other sites' forms are (SameSite).
    let mut bare = Visitor::new();
    let answer = door.post(&mut bare, "/sign-in/team", &fields(&token)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("no cookie"));
    // A token for another user source's form is none for this one.
    let other = door
        .get(&mut victim, "/sign-in/partners")
        .await
        .field("csrf");
    let answer = door
        .post(&mut victim, "/sign-in/team", &fields(&other))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn sign_out_csrf() {
    let door = Door::new();
    let mut alice = door.signed_in("alice").await;
    let csrf = door.get(&mut alice, "/").await.field("csrf");
    let cross = [("sec-fetch-site", "cross-site")];
    for (token, headers) in [("", &[][..]), ("AAAA", &[][..]), (&csrf, &cross[..])] {
        let answer = door
            .post_with(&mut alice, "/sign-out", &[("csrf", token)], headers)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(door.who(&alice).await.is_some());
    }
    assert_eq!(
        door.get(&mut alice, "/sign-out").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn open_redirect_by_return_to() {
    let door = Door::new();
    for evil in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%09/evil.example\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "/..//evil.example",
        "http:evil.example",
        "@evil.example",
    ] {
        let mut alice = Visitor::new();
        let wish: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        let path = format!("/sign-in/team?return_to={wish}");
        let answer = door.try_at(&mut alice, &path, "alice", PASSWORD).await;
        assert_eq!(answer.location(), "http://localhost:8080/", "{evil}");
        let answer = door.get(&mut alice, &path).await;
        assert_eq!(answer.location(), "http://localhost:8080/", "{evil}");
        let csrf = door.get(&mut alice, "/").await.field("csrf");
        let leave = [("csrf", csrf.as_str()), ("return_to", evil)];
        let answer = door.post(&mut alice, "/sign-out", &leave).await;
        assert_eq!(
            answer.location(),
            "http://localhost:8080/signed-out",
            "{evil}"
        );
    }
    assert!(LocalPath::parse("/connect/abc").is_some());
}

#[tokio::test]
async fn password_guessing_is_throttled() {
    let door = Door::new();
    let mut guesser = Visitor::new();
    for _ in 0..5 {
        let answer = door.try_as(&mut guesser, "alice", "wrong").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let answer = door.try_as(&mut guesser, "alice", PASSWORD).await;
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "even the right one"
    );
    assert_eq!(answer.headers[header::RETRY_AFTER], "60");
    assert!(answer.text.contains("Too many attempts. Wait a minute"));
    // From elsewhere it is the same account; a name that does not exist is throttled alike.
    let mut elsewhere = Visitor::from("198.51.100.9:1");
    let answer = door.try_as(&mut elsewhere, "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..5 {
        door.try_as(&mut elsewhere, "nobody", "wrong").await;
    }
    let answer = door.try_as(&mut elsewhere, "nobody", "wrong").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    // Others are not kept out, and time heals.
    door.signed_in("bob").await;
    door.clock.advance(Span::from_secs(59));
    let answer = door.try_as(&mut elsewhere, "alice", PASSWORD).await;
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    door.clock.advance(Span::from_secs(1));
    let answer = door.try_as(&mut elsewhere, "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_one_password_at_many_accounts_is_throttled() {
    let door = Door::new();
    let mut guesser = Visitor::from("[2001:db8:1:2:3::1]:1");
    for number in 0..30 {
        let answer = door
            .try_as(&mut guesser, &format!("user{number}"), "123456")
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{number}");
    }
    // The next address of the same customer.
    let mut guesser = Visitor::from("[2001:db8:1:2:ffff::9]:1");
    let answer = door.try_as(&mut guesser, "bob", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    door.signed_in("bob").await;
}

#[tokio::test]
async fn behind_a_proxy_a_guesser_locks_nobody_else_out() {
    let door = Door::at("https://gw.example.com");
    let attempt = async |from: &str, name: &str, password: &str| {
        let mut visitor = Visitor::from("127.0.0.1:1");
        let csrf = door.get(&mut visitor, "/sign-in/team").await.field("csrf");
        let who = [("username", name), ("password", password)];
        let form = [("csrf", csrf.as_str()), ("return_to", "/"), who[0], who[1]];
        let forwarded = [("x-forwarded-for", from)];
        let sent = door.post_with(&mut visitor, "/sign-in/team", &form, &forwarded);
        sent.await.status
    };
    for number in 0..30 {
        attempt("203.0.113.1", &format!("user{number}"), "123456").await;
    }
    let guesser = attempt("203.0.113.1", "bob", PASSWORD).await;
    assert_eq!(guesser, StatusCode::TOO_MANY_REQUESTS);
    let bob = attempt("203.0.113.2", "bob", PASSWORD).await;
    assert_eq!(bob, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_all_at_once_is_throttled() {
    let door = Door::new();
    let accounts = Accounts::new(door.store.clone(), Arc::new(door.clock.clone()));
    let known = people(&hash(PASSWORD));
    let guesses = (0..40).map(|number| {
        let address = IpAddr::from([203, 0, 113, number]);
        verdict(&accounts, &known, "alice", address)
    });
    let verdicts = futures_util::future::join_all(guesses).await;
    let wrong = verdicts
        .iter()
        .filter(|verdict| **verdict == Verdict::Wrong);
    assert_eq!(wrong.count(), 5);
}

#[tokio::test]
async fn signing_in_often_is_no_attack() {
    let door = Door::new();
    for _ in 0..40 {
        door.signed_in("alice").await;
    }
}

#[tokio::test]
async fn unknown_user_takes_as_long() {
    let door = Door::new();
    let accounts = Accounts::new(door.store.clone(), Arc::new(door.clock.clone()));
    let known = people(&hash_at(
        PASSWORD,
        Params::new(16 * 1024, 3, 1, None).unwrap(),
    ));
    // The least of several: other work on this machine only ever adds.
    let mut least = BTreeMap::from([("alice", Duration::MAX), ("mallory", Duration::MAX)]);
    for number in 0..5 {
        for (name, least) in &mut least {
            let begun = Instant::now();
            let address = IpAddr::from([203, 0, 113, number]);
            let verdict = verdict(&accounts, &known, name, address).await;
            assert_eq!(verdict, Verdict::Wrong);
            *least = (*least).min(begun.elapsed());
        }
    }
    let (alice, mallory) = (least["alice"], least["mallory"]);
    assert!(
        mallory > alice / 2 && alice > mallory / 2,
        "{alice:?} {mallory:?}"
    );
}

#[tokio::test]
async fn nobody_is_let_in_by_a_decoy() {
    let door = Door::new();
    let accounts = Accounts::new(door.store.clone(), Arc::new(door.clock.clone()));
    let address = IpAddr::from([203, 0, 113, 1]);
    let team = "team".parse().unwrap();
    for known in [people(&hash(PASSWORD)), BTreeMap::new()] {
        let verdict = accounts
            .verify(&team, &known, "mallory", PASSWORD.into(), address)
            .await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }
}

#[tokio::test]
async fn cookie_flags_on_https_and_http() {
    for (base, start, end) in [
        (
            "https://gw.example.com",
            "__Host-anteroom-browser=",
            "; HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            "http://localhost:8080",
            "anteroom-8080-browser=",
            "; HttpOnly; SameSite=Lax; Path=/",
        ),
    ] {
        let door = Door::at(base);
        let mut alice = Visitor::new();
        let before = door.get(&mut alice, "/sign-in/team").await;
        let after = door.try_as(&mut alice, "alice", PASSWORD).await;
        for answer in [before, after] {
            let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
            assert!(
                cookie.starts_with(start) && cookie.ends_with(end),
                "{cookie}"
            );
        }
    }
}

#[tokio::test]
async fn framed_page() {
    let door = Door::new();
    let mut alice = door.signed_in("alice").await;
    let mut stranger = Visitor::new();
    for answer in [
        door.get(&mut stranger, "/sign-in/team").await,
        door.get(&mut stranger, "/sign-in/nowhere").await,
        door.get(&mut stranger, "/").await,
        door.get(&mut alice, "/").await,
        door.post(&mut alice, "/sign-out", &[("csrf", "")]).await,
    ] {
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(policy.contains("form-action 'self'") && !policy.contains("https:"));
        assert_eq!(answer.headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn a_form_token_ends_with_the_sign_in() {
    let door = Door::new();
    let mut alice = Visitor::new();
    door.get(&mut alice, "/sign-in/team").await;
    let before = key(&door, &alice);
    door.try_as(&mut alice, "alice", PASSWORD).await;
    let stale = csrf::token(&before, csrf::Form::SignOut);
    let answer = door
        .post(&mut alice, "/sign-out", &[("csrf", &stale)])
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("out of date"));
}

fn key(door: &Door, visitor: &Visitor) -> BrowserKey {
    let mut headers = axum::http::HeaderMap::new();
    headers.insert(header::COOKIE, visitor.cookies.join("; ").parse().unwrap());
    BrowserKey::of(&headers, &door.urls).unwrap()
}

async fn verdict(
    accounts: &Accounts,
    known: &BTreeMap<String, Account>,
    name: &str,
    from: IpAddr,
) -> Verdict {
    let team = "team".parse().unwrap();
    let verdict = accounts
        .verify(&team, known, name, "wrong".into(), from)
        .await;
    verdict.unwrap()
}

fn people(hash: &str) -> BTreeMap<String, Account> {
    let account = || Account {
        claims: Default::default(),
        password_hash: hash.to_owned(),
        display_name: None,
        email: None,
    };
    ["alice", "bob"]
        .map(|name| (name.to_owned(), account()))
        .into()
}
