//! Who has to act, by what a provider says.

use ::http::HeaderValue;
use bytes::Bytes;

use super::*;

fn now() -> Timestamp {
    "2026-11-06T08:49:00Z".parse().unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    let seven = (header::RETRY_AFTER, HeaderValue::from_static("7"));
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: [seven].into_iter().collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn verdict(status: u16, body: &str) -> Result<TokenAnswer, TokenError> {
    tokens(&answer(status, body), &AnswerShape::default(), now())
}

#[test]
fn failures_are_parted_by_who_has_to_act() {
    use ErrorCode::{InvalidClient, InvalidGrant, Other};
    let refused = |error| Some(TokenError::Refused { error });
    let misconfigured = |error| Some(TokenError::Misconfigured { error });
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_grant"}"#, refused(InvalidGrant)),
        (
            200,
            r#"{"error":"bad_verification_code"}"#,
            refused(InvalidGrant),
        ),
        (500, r#"{"error":"invalid_grant"}"#, refused(InvalidGrant)),
        (400, r#"{"error":"weird"}"#, refused(Other)),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            misconfigured(InvalidClient),
        ),
        (401, "", misconfigured(InvalidClient)),
        (403, r#"{"error":"weird"}"#, misconfigured(Other)),
    ] {
        assert_eq!(verdict(status, body).err(), expected, "{status} {body}");
    }
}

#[test]
fn silence_and_nonsense_keep_what_there_is() {
    for (status, body) in [
        (429, ""),
        (500, "<html>"),
        (503, r#"{"error":"weird"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (408, ""),
    ] {
        assert!(
            matches!(
                verdict(status, body),
                Err(TokenError::Unavailable { retry_after: Some(wait), .. }) if wait.as_secs() == 7
            ),
            "{status} {body}"
        );
    }
    for (status, body) in [
        (200, "<html>"),
        (302, ""),
        (404, "no"),
        (400, r#"{"access_token":"a"}"#),
    ] {
        assert!(
            matches!(verdict(status, body), Err(TokenError::Unreadable { .. })),
            "{status} {body}"
        );
    }
    assert!(verdict(201, r#"{"access_token":"a"}"#).is_ok());
}

#[test]
fn patience_comes_in_seconds_or_as_a_date() {
    for (text, expected) in [
        ("120", Some(120)),
        ("Fri, 06 Nov 2026 08:49:37 GMT", Some(37)),
        ("Fri, 06 Nov 2026 08:48:00 GMT", Some(0)),
        ("999999999", Some(3600)),
        ("soon", None),
        ("-1", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        assert_eq!(
            retry_after(&headers, now()),
            expected.map(Duration::from_secs),
            "{text}"
        );
    }
}

#[test]
fn answers_about_a_token_are_parted_in_the_same_way() {
    use ErrorCode::{InvalidClient, InvalidGrant, InvalidRequest, Other};
    use RequestAuth::{Bearer, Client};
    let refused = |error| Err(TokenError::Refused { error });
    let misconfigured = |error| Err(TokenError::Misconfigured { error });
    for (auth, status, body, expected) in [
        (Client, 200, "", Ok(())),
        (Client, 204, "", Ok(())),
        (Client, 200, "<html>", Ok(())),
        (Bearer, 200, r#"{"ok":true,"revoked":true}"#, Ok(())),
        (
            Bearer,
            200,
            r#"{"ok":false,"error":"token_revoked"}"#,
            refused(InvalidGrant),
        ),
        (
            Bearer,
            200,
            r#"{"ok":false,"error":"weird"}"#,
            refused(Other),
        ),
        (Bearer, 401, "", refused(InvalidGrant)),
        (
            Bearer,
            401,
            r#"{"error":{"code":401}}"#,
            refused(InvalidGrant),
        ),
        (Client, 401, "", misconfigured(InvalidClient)),
        (Client, 404, "", refused(InvalidGrant)),
        (
            Client,
            400,
            r#"{"error":"invalid_token"}"#,
            refused(InvalidGrant),
        ),
        (
            Client,
            400,
            r#"{"error":"invalid_request"}"#,
            misconfigured(InvalidRequest),
        ),
        (Client, 403, "", misconfigured(Other)),
    ] {
        let found = about_a_token(&answer(status, body), &AnswerShape::default(), auth, now());
        assert_eq!(found, expected, "{status} {body}");
    }
    for (status, body) in [(500, ""), (429, "{}"), (400, r#"{"error":"server_error"}"#)] {
        let found = about_a_token(
            &answer(status, body),
            &AnswerShape::default(),
            Client,
            now(),
        );
        assert!(
            matches!(
                found,
                Err(TokenError::Unavailable {
                    retry_after: Some(_),
                    ..
                })
            ),
            "{status}"
        );
    }
    let found = about_a_token(&answer(302, ""), &AnswerShape::default(), Client, now());
    assert!(matches!(found, Err(TokenError::Unreadable { .. })));
}
