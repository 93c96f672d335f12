//! Tokens, whatever shape the answer has; and failures, parted by who has to act.

use std::time::Duration;

use anteroom::{
    config::provider::{Body, Refresh},
    protocol::oauth::{error::ErrorCode, token_response::Expiry},
    provider::TokenError,
};
use serde_json::json;

use super::{Desk, at, who};
use crate::support::provider::{AtToken, Switches};

#[tokio::test]
async fn token_requests_are_written_as_the_provider_reads_them() {
    for (body, content_type) in [
        (Body::Form, Some("application/x-www-form-urlencoded")),
        (Body::Json, Some("application/json")),
        (Body::Query, None),
    ] {
        let mut desk = Desk::new(|_| {}).await;
        desk.config.token_body = body;
        desk.connect().await.unwrap();
        let asked = desk.acme.asked().remove(0);
        assert_eq!(asked.content_type.as_deref(), content_type);
        assert_eq!(asked.fields["grant_type"], "authorization_code");
        assert!(!asked.fields.contains_key("client_secret"), "shown once");
    }
}

#[tokio::test]
async fn lives_are_read_as_they_are_written() {
    let from_now = at("2026-11-06T09:00:00Z");
    let until = at("2026-11-06T08:30:00Z");
    for (written, expiry, expected) in [
        (json!(3600), Expiry::Relative, from_now),
        (json!("3600"), Expiry::Relative, from_now),
        (json!(0), Expiry::Relative, None),
        (json!(null), Expiry::Relative, None),
        (json!(3600), Expiry::Never, None),
        (json!(1_793_953_800), Expiry::Absolute, until),
        (json!("1793953800"), Expiry::Absolute, until),
        (json!(1_793_953_800_000_i64), Expiry::Absolute, until),
        (json!("2026-11-06T09:30:00+01:00"), Expiry::Absolute, until),
        (json!("soon"), Expiry::Absolute, None),
    ] {
        let mut desk = Desk::new(|acme| {
            acme.expires_at = Some(written.clone());
            acme.expires_in = written.clone();
        })
        .await;
        desk.config.answer.expiry = expiry;
        let tokens = desk.connect().await.unwrap();
        assert_eq!(tokens.expires, expected, "{written} {expiry:?}");
    }
    let mut desk = Desk::new(|acme| acme.expires_in = json!(null)).await;
    desk.config.answer.lifetime = Some(Duration::from_secs(1800));
    assert_eq!(desk.connect().await.unwrap().expires, until);
}

#[tokio::test]
async fn a_used_refresh_token_is_refused_and_may_end_the_grant() {
    let desk = Desk::new(|acme| acme.reuse_ends_the_grant = true).await;
    let first = desk.connect().await.unwrap();
    let refresh_token = first.refresh_token.unwrap();
    let second = desk.client.refresh(&desk.config, &refresh_token).await;
    let second = second.unwrap();
    assert!(desk.acme.works(second.access_token.expose()));
    let again = desk.client.refresh(&desk.config, &refresh_token).await;
    assert_eq!(
        again.unwrap_err(),
        TokenError::Refused {
            error: ErrorCode::InvalidGrant
        }
    );
    assert!(!desk.acme.works(second.access_token.expose()));
    let asked = desk.acme.asked().len();
    assert_eq!(asked, 3, "nothing is sent twice by itself");
}

#[tokio::test]
async fn a_refresh_may_bring_no_refresh_token() {
    let desk = Desk::new(|acme| acme.rotating = false).await;
    let first = desk.connect().await.unwrap();
    let refresh_token = first.refresh_token.unwrap();
    let second = desk.client.refresh(&desk.config, &refresh_token).await;
    assert!(second.unwrap().refresh_token.is_none());
    assert!(
        desk.client
            .refresh(&desk.config, &refresh_token)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn refreshes_go_to_their_own_address_if_there_is_one() {
    let mut desk = Desk::new(|_| {}).await;
    let tokens = desk.connect().await.unwrap();
    let refresh_token = tokens.refresh_token.unwrap();
    desk.config.token_url = "http://127.0.0.1:9/".parse().unwrap();
    desk.config.refresh = Some(Refresh {
        url: Some(desk.acme.base.join("token").unwrap()),
        parameters: Some([("audience".to_owned(), "notes".into())].into()),
    });
    desk.client
        .refresh(&desk.config, &refresh_token)
        .await
        .unwrap();
    assert_eq!(desk.acme.asked()[1].fields["audience"], "notes");
}

#[tokio::test]
async fn tokens_that_are_not_renewed_have_no_refresh_token() {
    let mut desk = Desk::new(|_| {}).await;
    desk.config.refresh = None;
    let tokens = desk.connect().await.unwrap();
    assert!(tokens.refresh_token.is_none());
    let refused = desk.client.refresh(&desk.config, &"old".into()).await;
    assert_eq!(who(&refused.unwrap_err()), "user");
    assert_eq!(desk.acme.asked().len(), 1);
}

#[tokio::test]
async fn less_may_be_granted_and_more_may_be_meant() {
    let mut desk = Desk::new(|acme| acme.granted = Some("notes".into())).await;
    let granted = desk.connect().await.unwrap().scopes.unwrap();
    assert_eq!(granted.to_string(), "notes");
    let includes = (
        "notes".to_owned(),
        ["notes.read".to_owned()].into_iter().collect(),
    );
    desk.config.scope_includes = [includes].into();
    let granted = desk.connect().await.unwrap().scopes.unwrap();
    assert_eq!(granted.to_string(), "notes notes.read");
}

#[tokio::test]
async fn a_providers_own_words_are_understood() {
    let mut desk = Desk::new(|acme| {
        acme.token = AtToken::Say(403, r#"{"status":"TOKEN_DEAD","message":"pwned"}"#);
    })
    .await;
    assert_eq!(who(&desk.connect().await.unwrap_err()), "unreadable");
    let word = ("TOKEN_DEAD".to_owned(), ErrorCode::InvalidGrant);
    desk.config.answer.error_words = [word].into();
    let path = serde_json_path::JsonPath::parse("$.status").unwrap();
    let member = anteroom::protocol::oauth::token_response::Member::Error;
    desk.config.answer.paths = [(member, path)].into();
    assert_eq!(who(&desk.connect().await.unwrap_err()), "user");
}

#[tokio::test]
async fn bad_habits_are_survived_and_parted_by_who_has_to_act() {
    type Habit = (AtToken, &'static str);
    let say = AtToken::Say;
    let habits: [Habit; 17] = [
        (AtToken::Hang, "nobody yet"),
        (AtToken::Slow(Duration::from_secs(2)), "nobody yet"),
        (AtToken::CutShort, "nobody yet"),
        (AtToken::Busy(429, "7"), "nobody yet"),
        (AtToken::Busy(503, "7"), "nobody yet"),
        (say(500, "<html>pwned</html>"), "nobody yet"),
        (say(502, r#"{"error":"pwned"}"#), "nobody yet"),
        (
            say(200, r#"{"error":"temporarily_unavailable"}"#),
            "nobody yet",
        ),
        (say(200, r#"{"ok":false,"error":"invalid_code"}"#), "user"),
        (say(200, "error=bad_refresh_token"), "user"),
        (say(401, r#"{"error":"invalid_client"}"#), "operator"),
        (
            say(200, r#"{"ok":false,"error":"bad_client_secret"}"#),
            "operator",
        ),
        (AtToken::Truncated, "unreadable"),
        (AtToken::Huge, "unreadable"),
        (AtToken::Redirect, "unreadable"),
        (
            say(200, r#"{"access_token":"pwned","token_type":"DPoP"}"#),
            "unreadable",
        ),
        (
            say(200, r#"{"access_token":{"nested":"pwned"}}"#),
            "unreadable",
        ),
    ];
    for (habit, expected) in habits {
        let desk = Desk::new(|acme: &mut Switches| acme.token = habit.clone()).await;
        let error = desk.connect().await.unwrap_err();
        assert_eq!(who(&error), expected, "{habit:?}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("pwned"), "{habit:?}: {shown}");
        assert_eq!(desk.acme.asked().len(), 1, "{habit:?}: a code is sent once");
        if let AtToken::Busy(..) = habit {
            assert!(
                matches!(error, TokenError::Unavailable { retry_after: Some(wait), .. } if wait.as_secs() == 7)
            );
        }
    }
}
