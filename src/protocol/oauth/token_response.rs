//! Answers of token endpoints (RFC 6749 §5), read leniently: what providers send is rarely quite the standard.
//!
//! JSON or form; an `error` counts whatever the status; numbers may be texts; scopes may stand between commas or in an
//! array. Only what we use is kept. No text of the answer ever gets into an error.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    error::ErrorCode,
    scope::ScopeSet,
    token::{AccessToken, RefreshToken},
};

/// Longer tokens fit into no header and no record.
const LONGEST_TOKEN: usize = 32 * 1024;
/// An access token that claims to live longer is taken to live this long.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Types that need a proof with every request (RFC 9449 and its drafts), which we cannot give.
const UNUSABLE_TYPES: [&str; 4] = ["dpop", "hok", "mac", "pop"];

/// A successful answer.
#[derive(Debug)]
pub struct TokenAnswer {
    /// `access_token`; only characters that may stand in a header.
    pub access_token: AccessToken,
    /// `refresh_token`, if any.
    pub refresh_token: Option<RefreshToken>,
    /// `expires_in`; `None` if absent, unreadable, or not positive, which some providers say for "never".
    pub expires_in: Option<Duration>,
    /// `scope`; `None` if absent or empty, which means just what was asked for.
    pub scopes: Option<ScopeSet>,
    /// `token_type` as written; `Bearer` if absent.
    pub token_type: String,
}

/// Anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTokens {
    /// The provider says what is wrong.
    #[error("it says {0}")]
    Error(ErrorCode),
    /// Not a token answer we can use.
    #[error("{0}")]
    Unreadable(&'static str),
}

/// Reads the body of an answer. `pointer` (RFC 6901) leads to the object that holds the tokens; empty for the root.
///
/// # Errors
/// [`NoTokens::Error`] if the answer has an `error`, whatever else is in it; [`NoTokens::Unreadable`] if there is no
/// usable access token.
pub fn parse(body: &[u8], pointer: &str) -> Result<TokenAnswer, NoTokens> {
    let mut answer = read(body)?;
    if let Some(error) = answer.get("error").filter(|error| says_something(error)) {
        let code = error.as_str().map_or(ErrorCode::Other, ErrorCode::parse);
        return Err(NoTokens::Error(code));
    }
    let tokens = answer
        .pointer_mut(pointer)
        .and_then(Value::as_object_mut)
        .ok_or(NoTokens::Unreadable(
            "the tokens are not where they should be",
        ))?;
    usable(tokens)
}

fn usable(tokens: &mut Map<String, Value>) -> Result<TokenAnswer, NoTokens> {
    let access_token = text(tokens, "access_token")
        .ok_or(NoTokens::Unreadable("there is no access token in it"))?;
    let presentable = |byte: u8| (0x20..=0x7e).contains(&byte);
    if access_token.len() > LONGEST_TOKEN || !access_token.bytes().all(presentable) {
        return Err(NoTokens::Unreadable("the access token fits into no header"));
    }
    let token_type = text(tokens, "token_type").unwrap_or_else(|| "Bearer".to_owned());
    if UNUSABLE_TYPES
        .iter()
        .any(|unusable| token_type.eq_ignore_ascii_case(unusable))
    {
        return Err(NoTokens::Unreadable(
            "the token type needs a proof of possession",
        ));
    }
    let refresh_token = text(tokens, "refresh_token");
    if refresh_token
        .as_ref()
        .is_some_and(|token| token.len() > LONGEST_TOKEN)
    {
        return Err(NoTokens::Unreadable("the refresh token is too long"));
    }
    Ok(TokenAnswer {
        access_token: access_token.into(),
        refresh_token: refresh_token.map(Into::into),
        expires_in: tokens.get("expires_in").and_then(seconds),
        scopes: tokens
            .get("scope")
            .map(scopes)
            .filter(|set| !set.is_empty()),
        token_type,
    })
}

/// JSON if it looks like an object, else a form (GitHub's default). The `Content-Type` is not asked: it is often wrong.
fn read(body: &[u8]) -> Result<Value, NoTokens> {
    let body = body.trim_ascii();
    if body.first() == Some(&b'{') {
        return serde_json::from_slice(body)
            .map_err(|_| NoTokens::Unreadable("it is not the JSON it begins as"));
    }
    let form: Map<String, Value> = url::form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    if form.contains_key("access_token") || form.contains_key("error") {
        Ok(Value::Object(form))
    } else {
        Err(NoTokens::Unreadable(
            "it is neither a JSON object nor a form",
        ))
    }
}

/// Some providers send `"error": null` or `""` with every success.
fn says_something(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// Moves a text out, so that no copy of a token stays behind in the answer.
fn text(tokens: &mut Map<String, Value>, name: &str) -> Option<String> {
    match tokens.get_mut(name).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let life = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE);
    (seconds >= 1.0).then(|| life.min(LONGEST_LIFE))
}

fn scopes(value: &Value) -> ScopeSet {
    match value {
        Value::String(text) => ScopeSet::parse(text),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => ScopeSet::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_root(body: &str) -> Result<TokenAnswer, NoTokens> {
        parse(body.as_bytes(), "")
    }

    #[test]
    fn the_standard_answer() {
        let answer = read_root(
            r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"x y"}"#,
        )
        .unwrap();
        assert_eq!(answer.access_token.expose(), "a");
        assert_eq!(answer.refresh_token.unwrap().expose(), "r");
        assert_eq!(answer.expires_in, Some(Duration::from_secs(3600)));
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
        let answer = parse(body, "/authed_user").unwrap();
        assert_eq!(answer.access_token.expose(), "xoxp");
        assert!(answer.refresh_token.is_none());
        assert_eq!(
            answer.scopes,
            Some(ScopeSet::parse("search:read users:read"))
        );
        assert_eq!(answer.token_type, "user");
        assert_eq!(
            parse(br#"{"ok":true,"access_token":"xoxb"}"#, "/authed_user").unwrap_err(),
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
                answer.unwrap().expires_in,
                life.map(Duration::from_secs),
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
}
