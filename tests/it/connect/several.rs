//! Several accounts, as the person at the browser meets them.

use anteroom::{
    config::provider::{AccountSource, Body, Method, Request, RequestAuth},
    vault::Slot,
};
use serde_json_path::JsonPath;

use super::house::{House, alice};
use crate::support::provider::About;

/// One whose provider tells whose account it is.
async fn house() -> House {
    let house = House::new().await;
    let url = house.acme.base.join("me").unwrap();
    house.reconfigure("acme", |acme| {
        acme.account = Some(AccountSource {
            request: Some(Request {
                url: url.as_str().into(),
                method: Method::Get,
                body: Body::Form,
                auth: RequestAuth::Bearer,
                headers: Vec::new(),
                parameters: Default::default(),
            }),
            id: vec![JsonPath::parse("$.user.id").unwrap()],
            name: vec![JsonPath::parse("$.user.name").unwrap()],
            email: None,
        });
    });
    house
}

/// Alice goes through the pages with this account of hers at the provider; the words of the last one.
async fn lands(house: &House, slot: &Slot, who: (u32, &'static str)) -> String {
    house.acme.switch(|acme| acme.who = who);
    let offer = house.offer_for(slot).await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(back).await.words()
}

async fn accounts(house: &House) -> Vec<String> {
    let all = house.vault.of_user(&alice()).await.unwrap();
    let shown = all.iter().map(|known| known.shown().unwrap_or("?"));
    shown.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_last_page_says_which_account_it_was_and_what_moved() {
    let house = house().await;
    let work = Slot::Label("work".parse().unwrap());
    let words = lands(&house, &Slot::Default, (1, "Home <b>")).await;
    assert!(
        words.contains("Acme Notes account Home <b> is now connected"),
        "{words}"
    );
    let words = lands(&house, &work, (2, "Office")).await;
    assert!(
        words.contains("used where the account “work” is named"),
        "{words}"
    );
    let words = lands(&house, &work, (3, "Club")).await;
    assert!(
        words
            .contains("“work” means this account. The account that it meant before (Office) stays"),
        "{words}"
    );
    let words = lands(&house, &Slot::Default, (3, "Club")).await;
    assert!(
        words.contains("The account that was used before (Home <b>) stays connected"),
        "{words}"
    );
    let words = lands(&house, &Slot::Beside, (2, "Office")).await;
    assert!(words.contains("It was connected already"), "{words}");
    let first = house.vault.of_user(&alice()).await.unwrap()[0].id.clone();
    let words = lands(&house, &Slot::Again(first), (2, "Office")).await;
    assert!(
        words.contains("another account than the one that was to be connected again (Home <b>)"),
        "{words}"
    );
    assert_eq!(accounts(&house).await, ["Home <b>", "Office", "Club"]);
}

#[tokio::test]
async fn a_provider_that_does_not_tell_whose_account_it_is_connects_all_the_same() {
    let house = house().await;
    for about in [
        About::Say(500, "<b>pwned</b>"),
        About::Say(200, "{}"),
        About::Hang,
        About::Huge,
    ] {
        house.acme.switch(|acme| acme.about = about.clone());
        let words = lands(&house, &Slot::Default, (1, "Home")).await;
        assert!(words.contains("is now connected"), "{about:?} {words}");
        assert_eq!(accounts(&house).await, ["?"], "{about:?}");
    }
    house.acme.switch(|acme| acme.about = About::Right);
    lands(&house, &Slot::Default, (1, "Home")).await;
    assert_eq!(
        accounts(&house).await,
        ["Home"],
        "told at last, of the same connection"
    );
}

#[tokio::test]
async fn two_flows_that_land_the_same_account_at_once_make_one_connection() {
    let house = house().await;
    house.acme.switch(|acme| acme.who = (1, "Home"));
    let slots = [
        Slot::Default,
        Slot::Beside,
        Slot::Label("work".parse().unwrap()),
    ];
    let mut waiting = Vec::new();
    for slot in &slots {
        let offer = house.offer_for(slot).await;
        waiting.push(house.alice_at_callback(&offer).await);
    }
    let landings = waiting
        .iter()
        .map(|(browser, back)| browser.open(back.clone()));
    for page in futures_util::future::join_all(landings).await {
        assert!(page.words().contains("Connected"), "{}", page.words());
    }
    assert_eq!(accounts(&house).await, ["Home"]);
    let only = house.vault.of_user(&alice()).await.unwrap().remove(0);
    assert!(
        only.is_default && only.labels[0].as_str() == "work",
        "{only:?}"
    );
}
