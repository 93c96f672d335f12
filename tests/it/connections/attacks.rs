//! What others would like to do to somebody's connections.

use super::place::{Place, aimed_at, disconnect_link};
use crate::support::browser::Browser;

#[tokio::test]
async fn connection_of_another_user() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.account(2, "bob-at-acme");
    let bob = place.signed_in("bob").await;
    place.connect_by(&bob, "Connect").await;
    let hers = disconnect_link(&place.page(&alice).await);
    let page = bob.open(place.url(&hers)).await;
    assert_eq!(
        (page.status.as_u16(), page.title().as_str()),
        (404, "This connection is not there")
    );
    assert!(!page.words().contains("alice"), "{}", page.words());

    // With every token that Bob's own pages give him, aimed at what is hers: each token is for its own address only.
    let own = [
        place.asked(&bob).await.form("Disconnect"),
        place.page(&bob).await.form("Reconnect"),
        place.page(&bob).await.form("Save name"),
    ];
    let hers = hers.strip_suffix("/disconnect").unwrap();
    for form in own {
        for act in ["disconnect", "reconnect", "default", "name"] {
            let form = form.clone().with("name", "mine");
            let page = bob.submit(&aimed_at(&form, &format!("{hers}/{act}"))).await;
            assert_eq!(page.status, 403, "{act}: {}", page.words());
        }
    }
    assert_eq!(place.kept(&alice).await, 1);
    assert!(place.page(&alice).await.words().contains("alice-at-acme"));
}

#[tokio::test]
async fn forged_disconnect() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let form = place.asked(&alice).await.form("Disconnect");
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
    ] {
        let page = alice.post(&form, headers).await;
        assert_eq!(page.title(), "This did not come from our own page");
    }
    for token in ["", "AAAA", "not base64url!"] {
        let page = alice.submit(&form.clone().with("csrf", token)).await;
        assert_eq!(page.title(), "That page was out of date");
    }
    // Her browser, but the token of another's page: Bob posts the form he was shown.
    let bob = place.signed_in("bob").await;
    let his = place.page(&bob).await.form("Connect");
    let his = form.clone().with("csrf", his.field("csrf").unwrap());
    assert_eq!(
        alice.submit(&his).await.title(),
        "That page was out of date"
    );
    // A link does nothing: only a form that was posted does.
    assert_eq!(
        alice.get(&form.action).await.title(),
        "Disconnect Acme Notes ?"
    );
    assert_eq!(place.kept(&alice).await, 1);
    assert!(
        place
            .provider
            .told()
            .iter()
            .all(|told| told.path != "/revoke")
    );
}

#[tokio::test]
async fn stale_form_after_signing_in_again() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let form = place.asked(&alice).await.form("Disconnect");
    let page = place.page(&alice).await;
    alice.submit(&page.form("Sign out")).await;
    let page = alice.open(place.url("/sign-in/team")).await;
    let sign_in = page.form("Sign in").with("username", "alice");
    alice
        .submit(&sign_in.with("password", crate::support::world::PASSWORD))
        .await;
    let page = alice.submit(&form).await;
    assert_eq!(page.title(), "That page was out of date");
    assert_eq!(place.kept(&alice).await, 1);
}

#[tokio::test]
async fn form_posted_from_a_signed_out_browser() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let form = place.asked(&alice).await.form("Disconnect");
    let page = place.page(&alice).await;
    alice.submit(&page.form("Sign out")).await;
    for browser in [alice, Browser::new()] {
        let page = browser.submit(&form).await;
        assert_eq!(page.url.path(), "/sign-in/team", "{}", page.words());
        let page = browser.open(&form.action).await;
        assert_eq!(page.url.path(), "/sign-in/team", "{}", page.words());
    }
    assert_eq!(place.kept(&place.signed_in("alice").await).await, 1);
}

/// Whoever sends Alice a link cannot make her page say that something happened.
#[tokio::test]
async fn made_up_notice() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let bob = place.signed_in("bob").await;
    let made_up = [
        "said=ended.acme",
        "said=removed&by=",
        "said=ended.acme&by=AAAA",
        "by=x",
    ];
    for query in made_up {
        let page = alice
            .open(place.url(&format!("/connections?{query}")))
            .await;
        assert_eq!(page.status, 200);
        assert!(
            !page.text.contains("role=\"status\""),
            "{query}: {}",
            page.words()
        );
    }
    // One that was true in another browser is not true in hers.
    place.connect_by(&bob, "Connect").await;
    place.account(2, "bob-at-acme");
    let asked = place.asked(&bob).await;
    let page = bob.submit(&asked.form("Disconnect")).await;
    assert!(page.text.contains("role=\"status\""), "{}", page.words());
    let page = alice.open(&page.url).await;
    assert!(!page.text.contains("role=\"status\""), "{}", page.words());
}

#[tokio::test]
async fn application_of_another_user() {
    let place = Place::new().await;
    let (program, tokens) = place.tokens("alice").await;
    let (_, _) = place.tokens("bob").await;
    let alice = place.signed_in("alice").await;
    let hers = place.page(&alice).await.form("Remove access");
    // The name of her application, with his own session: it is not among his.
    let bob = place.signed_in("bob").await;
    let page = bob.submit(&hers).await;
    assert_eq!(page.status, 403, "{}", page.words());
    program.refresh(&tokens.refresh).await.tokens();
}

#[tokio::test]
async fn flow_of_the_page_is_the_users_own() {
    let place = Place::new().await;
    let alice = place.signed_in("alice").await;
    let page = place.page(&alice).await;
    let flow = alice.press(&page.form("Connect")).await.location().unwrap();
    let bob = place.signed_in("bob").await;
    assert_eq!(
        bob.open(&flow).await.title(),
        "This link is for someone else"
    );
    assert_eq!(place.kept(&bob).await, 0);
}
