//! A sample of each state of the page on which a user types a key.

use axum::{http::StatusCode, response::Response};

use super::{
    page::{Person, SwitchForm, respond},
    page_key::{KeyNotice, KeyPage},
};

fn page<'a>(alice: &'a Person, switch: &SwitchForm, notice: KeyNotice) -> KeyPage<'a> {
    KeyPage {
        own_page: false,
        client: "Claude Code",
        client_note: Some("known by the API key “demo”"),
        gateway: Some("Work tools"),
        provider: "Weather service",
        key: "API key",
        hint: Some("Sign in there, then Profile → API keys → Create key."),
        key_url: Some("https://weather.example/account/keys?<b>"),
        tried: true,
        signed_in: Some((alice, switch.clone())),
        vouched_by: None,
        notice,
        action: "/connect/abc",
        csrf: "token".into(),
    }
}

pub(super) fn samples(alice: &Person, switch: &SwitchForm) -> Vec<(&'static str, Response)> {
    let page = |notice| page(alice, switch, notice);
    let silent = KeyNotice::Silent {
        reference: "3fa9-01cc".into(),
    };
    let by_app = KeyPage {
        signed_in: None,
        vouched_by: Some("Acme <b>App"),
        gateway: None,
        hint: None,
        key_url: None,
        tried: false,
        ..page(KeyNotice::Nothing)
    };
    let own = KeyPage {
        own_page: true,
        client: "Your connections page",
        client_note: None,
        gateway: None,
        ..page(KeyNotice::Nothing)
    };
    let long = KeyPage {
        client: "An agent with quite a long name that somebody made up to fill the page and then some more of it",
        provider: "Zusammenarbeitsplattform der <b>Wetterdienste",
        key: "persönlicher Zugangsschlüssel",
        ..page(KeyNotice::Blank)
    };
    let all = [
        ("key", page(KeyNotice::Nothing)),
        ("key-wrong", page(KeyNotice::Wrong)),
        ("key-empty", page(KeyNotice::Empty)),
        ("key-too-long", page(KeyNotice::TooLong)),
        ("key-odd", page(KeyNotice::Odd)),
        ("key-wait", page(KeyNotice::Wait(58))),
        ("key-silent", page(silent)),
        ("key-by-app", by_app),
        ("key-own-page", own),
        ("key-long", long),
    ];
    let all = all.into_iter();
    all.map(|(name, page)| (name, respond(StatusCode::OK, &page)))
        .collect()
}
