//! What providers really answer.

use super::*;

fn read_root(body: &str) -> Result<TokenAnswer, NoTokens> {
    parse(body.as_bytes(), &AnswerShape::default())
}

#[test]
fn the_standard_answer() {
    let answer = read_root(
        r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"x y"}"#,
    )
    .unwrap();
    assert_eq!(answer.access_token.expose(), "a");
    assert_eq!(answer.refresh_token.unwrap().expose(), "r");
    assert_eq!(answer.life, Some(Life::For(Duration::from_secs(3600))));
    assert_eq!(answer.scopes, Some(ScopeSet::parse("x y")));
    assert_eq!(answer.token_type, "Bearer");
}

#[test]
fn github_answers_with_a_form_and_commas() {
    let answer = read_root("access_token=gho_1&scope=repo%2Cgist&token_type=bearer").unwrap();
    assert_eq!(answer.access_token.expose(), "gho_1");
    assert_eq!(answer.scopes, Some(ScopeSet::parse("gist repo")));
}

#[test]
fn slack_nests_the_users_token_and_the_bots_is_not_taken() {
    let body = br#"{"ok":true,"access_token":"xoxb","refresh_token":"bot","scope":"chat:write",
        "authed_user":{"id":"U1","scope":"search:read,users:read","access_token":"xoxp","token_type":"user"}}"#;
    let shape = AnswerShape {
        pointer: "/authed_user".into(),
        ..AnswerShape::default()
    };
    let answer = parse(body, &shape).unwrap();
    assert_eq!(answer.access_token.expose(), "xoxp");
    assert!(answer.refresh_token.is_none());
    assert_eq!(
        answer.scopes,
        Some(ScopeSet::parse("search:read users:read"))
    );
    assert_eq!(answer.token_type, "user");
    assert_eq!(
        parse(br#"{"ok":true,"access_token":"xoxb"}"#, &shape).unwrap_err(),
        NoTokens::Unreadable("the tokens are not where they should be")
    );
}

#[test]
fn an_error_counts_before_anything_else() {
    for (body, code) in [
        (
            r#"{"error":"bad_verification_code"}"#,
            ErrorCode::InvalidGrant,
        ),
        (
            r#"{"error":"invalid_client","access_token":"a"}"#,
            ErrorCode::InvalidClient,
        ),
        (r#"{"error":{"message":"no","code":190}}"#, ErrorCode::Other),
        (
            "error=access_denied&error_description=no",
            ErrorCode::AccessDenied,
        ),
        ("error=%3Cb%3E", ErrorCode::Other),
    ] {
        assert_eq!(
            read_root(body).unwrap_err(),
            NoTokens::Error(code),
            "{body}"
        );
    }
    assert!(read_root(r#"{"error":null,"access_token":"a"}"#).is_ok());
    assert!(read_root(r#"{"error":"","access_token":"a"}"#).is_ok());
}

#[test]
fn lives_come_in_many_shapes() {
    for (written, life) in [
        ("3600", Some(3600)),
        ("3600.0", Some(3600)),
        (r#""3600""#, Some(3600)),
        ("null", None),
        ("0", None),
        ("-1", None),
        (r#""never""#, None),
        ("[]", None),
        ("1e300", Some(LONGEST_LIFE.as_secs())),
        (r#""NaN""#, None),
        (r#""inf""#, Some(LONGEST_LIFE.as_secs())),
    ] {
        let answer = read_root(&format!(r#"{{"access_token":"a","expires_in":{written}}}"#));
        assert_eq!(
            answer.unwrap().life,
            life.map(|life| Life::For(Duration::from_secs(life))),
            "{written}"
        );
    }
}

#[test]
fn scopes_come_in_many_shapes() {
    for (written, scopes) in [
        (r#""a b""#, Some("a b")),
        (r#""a,b""#, Some("a b")),
        (r#"["a","b"]"#, Some("a b")),
        (r#""""#, None),
        ("null", None),
        ("7", None),
    ] {
        let answer = read_root(&format!(r#"{{"access_token":"a","scope":{written}}}"#));
        assert_eq!(
            answer.unwrap().scopes,
            scopes.map(ScopeSet::parse),
            "{written}"
        );
    }
}

#[test]
fn types_are_refused_only_if_they_need_a_proof() {
    let of_type =
        |kind: &str| read_root(&format!(r#"{{"access_token":"a","token_type":"{kind}"}}"#));
    for kind in ["bearer", "BEARER", "bot", "token", ""] {
        assert!(of_type(kind).is_ok(), "{kind}");
    }
    for kind in ["DPoP", "mac", "pop"] {
        assert!(of_type(kind).is_err(), "{kind}");
    }
}

#[test]
fn rubbish_is_unreadable() {
    for body in [
        "",
        "null",
        "[]",
        "{",
        "<html>error=1</html>",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":"a\r\nX-Evil: 1"}"#,
        "access_token=%C3%A4",
        &format!(r#"{{"access_token":"{}"}}"#, "a".repeat(LONGEST_TOKEN + 1)),
    ] {
        assert!(
            matches!(read_root(body), Err(NoTokens::Unreadable(_))),
            "{}",
            &body[..body.len().min(40)]
        );
    }
}
