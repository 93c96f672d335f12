//! Whose account it is, ending the grant, and what a token is good for.

use anteroom::{
    config::{
        ClientAuth,
        provider::{
            AccountSource, Body, Introspection, Method, Request, RequestAuth, Revocation, Template,
            WhichToken, Word,
        },
    },
    provider::{Account, Revoked},
};
use serde_json::json;
use serde_json_path::JsonPath;

use super::{Desk, at, who};
use crate::support::provider::{About, AtToken, CLIENT};

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

fn request(desk: &Desk, path: &str, method: Method, auth: RequestAuth) -> Request {
    let token = Template::parse("{{token}}", &[Word::Token]).unwrap();
    Request {
        url: desk.acme.base.join(path).unwrap().as_str().into(),
        method,
        body: Body::Form,
        auth,
        headers: Vec::new(),
        parameters: match auth {
            RequestAuth::Bearer => Default::default(),
            _ => [("token".to_owned(), token)].into(),
        },
    }
}

/// With everything that can be asked.
async fn desk() -> Desk {
    let mut desk = Desk::new(|_| {}).await;
    desk.config.account = Some(AccountSource {
        request: Some(request(&desk, "me", Method::Get, RequestAuth::Bearer)),
        id: vec![path("$.team.id"), path("$.user.id")],
        name: vec![path("$.user.name"), path("$.team.name")],
        email: Some(path("$.user['mail','email']")),
    });
    desk.config.revocation = Some(Revocation {
        request: request(&desk, "revoke", Method::Post, RequestAuth::Client),
        token: WhichToken::Refresh,
    });
    desk
}

#[tokio::test]
async fn an_account_is_known_by_what_it_says_of_itself() {
    let desk = desk().await;
    let tokens = desk.connect().await.unwrap();
    let account = desk.client.user_info(&desk.config, &tokens).await.unwrap();
    let expected = Account {
        id: "T7:4711".into(),
        name: Some("Alice Liddell Wonderland".into()),
        email: Some("alice@acme.example".into()),
    };
    assert_eq!(account, Some(expected), "without what nobody sees");
    let told = desk.acme.told().remove(0);
    let bearer = format!("Bearer {}", tokens.access_token.expose());
    assert_eq!(told.authorization, Some(bearer));
}

#[tokio::test]
async fn the_token_answer_may_say_whose_it_is() {
    let mut desk = desk().await;
    desk.acme.switch(|acme| acme.token = AtToken::Nested);
    desk.config.answer.pointer = "/authed_user".into();
    desk.config.account = Some(AccountSource {
        request: None,
        id: vec![path("$.ok")],
        name: Vec::new(),
        email: None,
    });
    let tokens = desk.connect().await.unwrap();
    assert_eq!(tokens.account, None, "`true` names nobody");
    desk.config.account.as_mut().unwrap().id = vec![path("$.access_token")];
    let tokens = desk.connect().await.unwrap();
    let account = desk.client.user_info(&desk.config, &tokens).await.unwrap();
    assert_eq!(account.unwrap().id, "the-bots");
    desk.config.account.as_mut().unwrap().id = vec![path("$.authed_user.access_token")];
    let tokens = desk.connect().await.unwrap();
    assert_eq!(tokens.account, None, "a token is nobody's name");
    assert!(desk.acme.told().is_empty());
}

#[tokio::test]
async fn an_account_that_is_not_told_is_an_error_and_the_tokens_are_good() {
    for (about, expected) in [
        (About::Hang, "nobody yet"),
        (About::Say(500, "pwned"), "nobody yet"),
        (About::Say(429, ""), "nobody yet"),
        (About::Say(401, "pwned"), "user"),
        (
            About::Say(200, r#"{"ok":false,"error":"token_revoked"}"#),
            "user",
        ),
        (About::Say(403, "pwned"), "operator"),
        (About::Huge, "unreadable"),
        (About::Say(302, ""), "unreadable"),
        (About::Say(200, "<html>pwned</html>"), "unreadable"),
        (About::Say(200, r#"{"team":{"id":"T7"}}"#), "unreadable"),
    ] {
        let desk = desk().await;
        desk.acme.switch(|acme| acme.about = about.clone());
        let tokens = desk.connect().await.unwrap();
        let error = desk.client.user_info(&desk.config, &tokens).await;
        let error = error.unwrap_err();
        assert_eq!(who(&error), expected, "{about:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("pwned"), "{about:?}");
        assert!(desk.acme.works(tokens.access_token.expose()));
    }
}

#[tokio::test]
async fn a_grant_is_ended_by_its_refresh_token_or_its_access_token() {
    for (which, keep_refresh_token) in [
        (WhichToken::Refresh, true),
        (WhichToken::Refresh, false),
        (WhichToken::Access, true),
    ] {
        let mut desk = desk().await;
        desk.config.revocation.as_mut().unwrap().token = which;
        let tokens = desk.connect().await.unwrap();
        let refresh_token = tokens.refresh_token.as_ref().filter(|_| keep_refresh_token);
        let (config, access_token) = (&desk.config, &tokens.access_token);
        let revoked = desk
            .client
            .revoke(config, access_token, refresh_token)
            .await;
        assert_eq!(revoked, Ok(Revoked::Done));
        assert!(!desk.acme.works(access_token.expose()));
        let told = desk.acme.told().remove(0);
        assert_eq!(told.path, "/revoke");
        let sent = &told.fields["token"];
        let expected = match (which, refresh_token) {
            (WhichToken::Refresh, Some(token)) => token.expose(),
            _ => access_token.expose(),
        };
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn clients_show_themselves_to_revoke_as_they_do_for_tokens() {
    for auth in [ClientAuth::Basic, ClientAuth::Post] {
        let mut desk = desk().await;
        desk.config.client_auth = auth;
        let tokens = desk.connect().await.unwrap();
        let revoked = desk.client.revoke(&desk.config, &tokens.access_token, None);
        assert_eq!(revoked.await, Ok(Revoked::Done));
        let told = desk.acme.told().remove(0);
        assert_eq!(told.authorization.is_some(), auth == ClientAuth::Basic);
        let posted = told.fields.get("client_secret").map(String::as_str);
        assert_eq!(posted, (auth == ClientAuth::Post).then_some(CLIENT.1));
    }
}

#[tokio::test]
async fn a_grant_that_was_not_ended_is_said_by_who_has_to_act() {
    for (about, expected) in [
        (About::Hang, "nobody yet"),
        (About::Say(503, ""), "nobody yet"),
        (About::Say(401, ""), "operator"),
        (
            About::Say(400, r#"{"error":"unsupported_token_type"}"#),
            "user",
        ),
        (About::Say(404, "pwned"), "user"),
        (
            About::Say(200, r#"{"ok":false,"error":"token_revoked"}"#),
            "user",
        ),
        (About::Huge, "unreadable"),
    ] {
        let desk = desk().await;
        let tokens = desk.connect().await.unwrap();
        desk.acme.switch(|acme| acme.about = about.clone());
        let error = desk.client.revoke(&desk.config, &tokens.access_token, None);
        assert_eq!(who(&error.await.unwrap_err()), expected, "{about:?}");
    }
    let mut desk = desk().await;
    desk.config.revocation = None;
    let tokens = desk.connect().await.unwrap();
    let revoked = desk.client.revoke(&desk.config, &tokens.access_token, None);
    assert_eq!(revoked.await, Ok(Revoked::NotOffered));
    assert!(desk.acme.told().is_empty());
}

#[tokio::test]
async fn introspection_tells_what_the_token_answer_left_out() {
    let mut desk = desk().await;
    desk.acme.switch(|acme| acme.expires_in = json!(null));
    desk.config.introspection = Some(Introspection {
        request: request(&desk, "introspect", Method::Post, RequestAuth::ClientBasic),
        scope: path("$.scope"),
        expires_at: path("$.exp"),
    });
    let tokens = desk.connect().await.unwrap();
    assert_eq!(tokens.scopes.unwrap().to_string(), "notes profile");
    assert_eq!(tokens.expires, at("2027-01-15T08:00:00Z"));
    // What the answer says itself counts; and without an answer, tokens are tokens.
    desk.acme.switch(|acme| acme.granted = Some("notes".into()));
    let tokens = desk.connect().await.unwrap();
    assert_eq!(tokens.scopes.unwrap().to_string(), "notes");
    desk.acme.switch(|acme| acme.about = About::Hang);
    let tokens = desk.connect().await.unwrap();
    assert!(tokens.expires.is_none());
}
