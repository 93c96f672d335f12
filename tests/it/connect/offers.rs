//! Links: when the same is given again, when a new one, and when none.

use anteroom::connect::{ConnectError, Outcome};

use super::house::{House, alice, bob};

#[tokio::test]
async fn the_same_link_while_a_flow_is_open() {
    let house = House::new().await;
    let first = house.offer().await;
    house.advance(5);
    assert_eq!(house.offer().await, first);
    for (user, client, provider) in [
        (bob(), "curl", "acme"),
        (alice(), "cursor", "acme"),
        (alice(), "curl", "other"),
    ] {
        let other = house.ask(&user, client, provider, "notes").await.unwrap();
        assert_ne!(other.url, first.url, "{user:?} {client} {provider}");
    }
}

#[tokio::test]
async fn at_the_same_moment_there_is_one_link() {
    let house = House::new().await;
    let asks = (0..16).map(|_| house.offer());
    let offers = futures_util::future::join_all(asks).await;
    assert!(offers.iter().all(|offer| offer.url == offers[0].url));
    assert_eq!(house.table("flows").await.len(), 1);
}

#[tokio::test]
async fn a_fresh_link_after_the_old_one_ended_or_expired() {
    let house = House::new().await;
    let first = house.offer().await;
    house.advance(21);
    let second = house.offer().await;
    assert_ne!(second.url, first.url);
    assert_eq!(house.outcome(&first).await, Outcome::Expired);

    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&second.url).await;
    browser.submit(&page.form("Cancel")).await;
    assert_ne!(house.offer().await.url, second.url);
}

#[tokio::test]
async fn a_link_about_to_expire_is_not_given_again() {
    let house = House::new().await;
    let first = house.offer().await;
    house.advance(19);
    assert_ne!(house.offer().await.url, first.url);
}

#[tokio::test]
async fn more_scopes_are_asked_together_with_those_before() {
    let house = House::new().await;
    let first = house.offer().await;
    let more = house.ask(&alice(), "curl", "acme", "files").await.unwrap();
    assert_ne!(more.url, first.url);
    assert_eq!(more.scopes.to_string(), "files notes");
    let less = house.ask(&alice(), "curl", "acme", "notes").await.unwrap();
    assert_eq!(less.url, more.url, "a flow for more does for less");
}

/// An older link stays good, and what lands through it takes the place of what is there: nothing may be lost by that.
#[tokio::test]
async fn an_older_link_for_less_takes_nothing_away() {
    let house = House::new().await;
    let less = house.offer().await;
    let more = house.ask(&alice(), "curl", "acme", "files").await.unwrap();
    for offer in [&more, &less] {
        let (browser, back) = house.alice_at_callback(offer).await;
        browser.open(back).await;
        assert_eq!(house.outcome(offer).await, Outcome::Completed);
    }
    assert_eq!(house.acme.authorizations()[1]["scope"], "files notes");
}

#[tokio::test]
async fn too_many_links_are_refused_clearly() {
    let house = House::new().await;
    let mut given = 0;
    let refusal = loop {
        let client = format!("client {given}");
        match house.ask(&alice(), &client, "acme", "notes").await {
            Ok(_) => given += 1,
            Err(error) => break error,
        }
        assert!(given < 1000, "there is no limit");
    };
    assert!(matches!(refusal, ConnectError::TooMany(_)), "{refusal}");
    assert!(given >= 20, "{given}");
    house
        .ask(&alice(), "client 0", "acme", "notes")
        .await
        .expect("the same again costs nothing");
    house
        .ask(&bob(), "curl", "acme", "notes")
        .await
        .expect("others have their own measure");
    house.advance(21);
    house
        .ask(&alice(), "one more", "acme", "notes")
        .await
        .expect("it passes");
}

#[tokio::test]
async fn sessions_are_told_of_what_landed_once() {
    let house = House::new().await;
    let ask = |session: Option<&'static str>| {
        let house = &house;
        async move {
            let user = alice();
            let asked = house.ask_notifying(&user, "curl", "acme", "notes", session);
            asked.await.unwrap()
        }
    };
    let offer = ask(Some("one")).await;
    assert_eq!(ask(Some("two")).await, offer);
    assert!(house.connect.landed("one").await.unwrap().is_empty());
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(back).await;
    assert_eq!(
        house.connect.landed("one").await.unwrap(),
        std::slice::from_ref(&offer.flow)
    );
    assert!(house.connect.landed("one").await.unwrap().is_empty());
    assert_eq!(house.connect.landed("two").await.unwrap(), [offer.flow]);
    assert!(house.connect.landed("three").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_did_not_land_is_not_told() {
    let house = House::new().await;
    let user = alice();
    let asked = house.ask_notifying(&user, "curl", "acme", "notes", Some("one"));
    let offer = asked.await.unwrap();
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    browser.submit(&page.form("Cancel")).await;
    assert!(house.connect.landed("one").await.unwrap().is_empty());
    assert!(house.table("awaiting").await.is_empty());
}
