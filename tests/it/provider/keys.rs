//! Whether a service knows a key, asked over real HTTP.

use anteroom::{
    config::{
        ApiKeyProvider,
        provider::{Method, RequestAuth, Template, Word},
    },
    provider::{ApiKey, KeyError},
};
use http::HeaderName;

use super::Desk;
use crate::support::provider::{About, KEY};

fn key(text: &str) -> ApiKey {
    ApiKey::parse(text).unwrap()
}

#[tokio::test]
async fn a_good_key_tells_whose_it_is() {
    let desk = Desk::new(|_| {}).await;
    let service = desk.acme.gives_keys();
    let tried = desk.client.try_key(&service, &key(KEY)).await;
    let account = tried.unwrap().unwrap();
    assert_eq!(account.id, "4711");
    assert_eq!(account.name.as_deref(), Some("Alice Liddell"));
    let wrong = desk.client.try_key(&service, &key("other")).await;
    assert_eq!(wrong, Err(KeyError::Wrong));
    assert_eq!(desk.acme.told().len(), 2);
}

#[tokio::test]
async fn a_key_goes_where_the_service_wants_it() {
    let desk = Desk::new(|_| {}).await;
    let template = |text| Template::parse(text, &[Word::Token, Word::AccessToken]).unwrap();
    let mut in_a_header = desk.acme.gives_keys();
    let request = &mut in_a_header.probe.as_mut().unwrap().request;
    request.auth = RequestAuth::None;
    let name = HeaderName::from_static("x-api-key");
    request.headers = vec![(name, template("{{access_token}}"))];
    let mut in_the_query = desk.acme.gives_keys();
    let request = &mut in_the_query.probe.as_mut().unwrap().request;
    request.auth = RequestAuth::None;
    request.parameters = [("key".to_owned(), template("{{token}}"))].into();
    let mut in_the_body = in_the_query.clone();
    in_the_body.probe.as_mut().unwrap().request.method = Method::Post;
    for service in [in_a_header, in_the_query, in_the_body] {
        let account = desk.client.try_key(&service, &key(KEY)).await.unwrap();
        assert_eq!(account.unwrap().id, "4711");
        let wrong = desk.client.try_key(&service, &key("other")).await;
        assert_eq!(wrong, Err(KeyError::Wrong));
    }
    assert!(
        desk.acme
            .told()
            .iter()
            .all(|told| told.authorization.is_none())
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_tried_counts_as_good() {
    let desk = Desk::new(|_| {}).await;
    let untried = ApiKeyProvider {
        probe: None,
        ..desk.acme.gives_keys()
    };
    assert_eq!(desk.client.try_key(&untried, &key("any")).await, Ok(None));
    assert!(desk.acme.told().is_empty());
}

/// Only a clear no is one; only a clear yes is one.
#[tokio::test]
async fn what_a_service_says_to_a_key() {
    let say = About::Say;
    for (about, expected) in [
        (say(200, "{}"), "good"),
        (say(204, ""), "good"),
        (say(200, "<html>hello</html>"), "good"),
        (say(200, r#"{"error":null,"account":{}}"#), "good"),
        (say(401, ""), "wrong"),
        (say(403, r#"{"error":"pwned"}"#), "wrong"),
        (say(200, r#"{"ok":false,"error":"invalid_auth"}"#), "wrong"),
        (
            say(200, r#"{"error":"temporarily_unavailable"}"#),
            "unknown",
        ),
        (say(302, ""), "unknown"),
        (say(307, "pwned"), "unknown"),
        (say(400, r#"{"error":"invalid_request"}"#), "unknown"),
        (say(404, "pwned"), "unknown"),
        (say(429, ""), "unknown"),
        (say(500, "<html>pwned</html>"), "unknown"),
        (About::Huge, "unknown"),
        (About::Hang, "unknown"),
    ] {
        let desk = Desk::new(|acme| acme.about = about.clone()).await;
        let tried = desk
            .client
            .try_key(&desk.acme.gives_keys(), &key(KEY))
            .await;
        let found = match &tried {
            Ok(None) => "good",
            Ok(Some(account)) => panic!("{about:?}: nobody said {account:?}"),
            Err(KeyError::Wrong) => "wrong",
            Err(KeyError::Unavailable { .. }) => "unknown",
        };
        assert_eq!(found, expected, "{about:?}");
        assert_eq!(
            desk.acme.told().len(),
            1,
            "{about:?}: asked once, and there"
        );
        if let Err(error) = tried {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("pwned") && !shown.contains(KEY), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_service_may_have_a_no_of_its_own() {
    let desk = Desk::new(|acme| acme.about = About::Say(400, "pwned")).await;
    let mut service = desk.acme.gives_keys();
    service.probe.as_mut().unwrap().wrong = vec![400];
    let tried = desk.client.try_key(&service, &key(KEY)).await;
    assert_eq!(tried, Err(KeyError::Wrong));
    desk.acme.switch(|acme| acme.about = About::Say(401, ""));
    let tried = desk.client.try_key(&service, &key(KEY)).await;
    assert!(matches!(
        tried,
        Err(KeyError::Unavailable {
            status: Some(401),
            ..
        })
    ));
}
