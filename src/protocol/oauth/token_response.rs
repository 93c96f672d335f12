//! Answers of token endpoints (RFC 6749 §5), read leniently: what providers send is rarely quite the standard.
//!
//! JSON or form; an `error` counts whatever the status; numbers may be texts; scopes may stand between commas or in an
//! array. Only what we use is kept. No text of the answer ever gets into an error.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use super::{
    error::ErrorCode,
    scope::ScopeSet,
    token::{AccessToken, RefreshToken},
};
use crate::base::clock::Timestamp;

/// Longer tokens fit into no header and no record.
const LONGEST_TOKEN: usize = 32 * 1024;
/// An access token that claims to live longer is taken to live this long.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Types that need a proof with every request (RFC 9449 and its drafts), which we cannot give.
const UNUSABLE_TYPES: [&str; 4] = ["dpop", "hok", "mac", "pop"];

/// How a provider writes its token answers.
#[derive(Clone, Debug, Default)]
pub struct AnswerShape {
    /// JSON pointer (RFC 6901) to the object that holds the members below; empty for the whole answer.
    pub pointer: String,
    /// JSONPath (RFC 9535), from the root, of members that are elsewhere or have another name.
    pub paths: BTreeMap<Member, JsonPath>,
    /// What words of `error` mean here, where they mean something else than registered or nothing at all.
    pub error_words: BTreeMap<String, ErrorCode>,
    /// What it says about the life of an access token.
    pub expiry: Expiry,
    /// How long an access token lives if the answer does not say.
    pub lifetime: Option<Duration>,
}

/// What we read in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// `access_token`
    AccessToken,
    /// `refresh_token`
    RefreshToken,
    /// `expires_in`, or `expires_at` if it is an [`Expiry::Absolute`].
    Expires,
    /// `scope`
    Scope,
    /// `token_type`
    TokenType,
    /// `error`, always looked for from the root.
    Error,
}

/// What an answer says about the life of an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// How many seconds it has (RFC 6749 §5.1).
    #[default]
    Relative,
    /// When it ends: seconds or milliseconds since 1970, or a date (RFC 3339).
    Absolute,
    /// Tokens do not expire, whatever is said.
    Never,
}

/// How long an access token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// So long from now.
    For(Duration),
    /// Until then.
    Until(Timestamp),
}

/// A successful answer.
pub struct TokenAnswer {
    /// `access_token`; only characters that may stand in a header.
    pub access_token: AccessToken,
    /// `refresh_token`, if any.
    pub refresh_token: Option<RefreshToken>,
    /// `None` if it is not said, unreadable, or not positive, which some providers say for "never".
    pub life: Option<Life>,
    /// `scope`; `None` if absent or empty, which means just what was asked for.
    pub scopes: Option<ScopeSet>,
    /// `token_type` as written; `Bearer` if absent.
    pub token_type: String,
    /// The answer without these tokens; may hold others (`id_token`), so it is neither kept nor printed.
    pub rest: Value,
}

/// Nothing of the answer.
impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(…)")
    }
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

/// Reads the body of an answer that is written in this shape.
///
/// # Errors
/// [`NoTokens::Error`] if the answer has an `error`, whatever else is in it; [`NoTokens::Unreadable`] if there is no
/// usable access token.
pub fn parse(body: &[u8], shape: &AnswerShape) -> Result<TokenAnswer, NoTokens> {
    let mut answer = read(body)?;
    if let Some(error) = shape.error(&answer) {
        return Err(NoTokens::Error(error));
    }
    if shape.paths.is_empty() && !answer.pointer(&shape.pointer).is_some_and(Value::is_object) {
        return Err(NoTokens::Unreadable(
            "the tokens are not where they should be",
        ));
    }
    let access_token = shape.access_token(&mut answer)?;
    let refresh_token = shape.text(&mut answer, Member::RefreshToken);
    if refresh_token
        .as_ref()
        .is_some_and(|token| token.len() > LONGEST_TOKEN)
    {
        return Err(NoTokens::Unreadable("the refresh token is too long"));
    }
    Ok(TokenAnswer {
        access_token: access_token.into(),
        refresh_token: refresh_token.map(Into::into),
        life: shape.life(&answer),
        scopes: shape
            .find(&answer, Member::Scope)
            .map(scopes)
            .filter(|set| !set.is_empty()),
        token_type: shape
            .text(&mut answer, Member::TokenType)
            .unwrap_or_else(|| "Bearer".to_owned()),
        rest: answer,
    })
}

/// The error that an answer says, of whatever kind of request.
///
/// `None` if it says none, or is not an answer that could.
pub fn error(body: &[u8], shape: &AnswerShape) -> Option<ErrorCode> {
    shape.error(&read(body).ok()?)
}

impl AnswerShape {
    /// The address of a member within an answer (RFC 6901); `None` if there is nothing.
    fn locate(&self, answer: &Value, member: Member) -> Option<String> {
        if let Some(path) = self.paths.get(&member) {
            let found = path.query_located(answer);
            return Some(found.first()?.location().to_json_pointer());
        }
        let name = match member {
            Member::AccessToken => "access_token",
            Member::RefreshToken => "refresh_token",
            Member::Expires if self.expiry == Expiry::Absolute => "expires_at",
            Member::Expires => "expires_in",
            Member::Scope => "scope",
            Member::TokenType => "token_type",
            Member::Error => return Some("/error".to_owned()),
        };
        Some(format!("{}/{name}", self.pointer))
    }

    fn find<'a>(&self, answer: &'a Value, member: Member) -> Option<&'a Value> {
        answer.pointer(&self.locate(answer, member)?)
    }

    /// Moves a text out, so that no copy of a token stays behind in the answer.
    fn text(&self, answer: &mut Value, member: Member) -> Option<String> {
        let place = self.locate(answer, member)?;
        match answer.pointer_mut(&place).map(Value::take) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn error(&self, answer: &Value) -> Option<ErrorCode> {
        let error = self.find(answer, Member::Error)?;
        says_something(error).then(|| self.meaning(error))
    }

    fn meaning(&self, error: &Value) -> ErrorCode {
        // Some give numbers for words.
        let word = match error {
            Value::String(word) => word.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return ErrorCode::Other;
            }
        };
        let own = self.error_words.get(&word).copied();
        own.unwrap_or_else(|| ErrorCode::parse(&word))
    }

    fn access_token(&self, answer: &mut Value) -> Result<String, NoTokens> {
        let token = self
            .text(answer, Member::AccessToken)
            .ok_or(NoTokens::Unreadable("there is no access token in it"))?;
        let presentable = |byte: u8| (0x20..=0x7e).contains(&byte);
        if token.len() > LONGEST_TOKEN || !token.bytes().all(presentable) {
            return Err(NoTokens::Unreadable("the access token fits into no header"));
        }
        let kind = self.find(answer, Member::TokenType).and_then(Value::as_str);
        let needs_proof = kind.is_some_and(|kind| {
            UNUSABLE_TYPES
                .iter()
                .any(|unusable| kind.eq_ignore_ascii_case(unusable))
        });
        if needs_proof {
            return Err(NoTokens::Unreadable(
                "the token type needs a proof of possession",
            ));
        }
        Ok(token)
    }

    fn life(&self, answer: &Value) -> Option<Life> {
        let said = self.find(answer, Member::Expires);
        let said = match self.expiry {
            Expiry::Relative => said.and_then(seconds).map(Life::For),
            Expiry::Absolute => said.and_then(moment).map(Life::Until),
            Expiry::Never => return None,
        };
        said.or(self.lifetime.map(Life::For))
    }
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

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let life = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE);
    (seconds >= 1.0).then(|| life.min(LONGEST_LIFE))
}

/// When a token ceases to work: seconds or milliseconds since 1970, or a date (RFC 3339).
pub fn moment(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return text.trim().parse().ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // As seconds this would be in the year 5138.
    let seconds = if number > 1e11 {
        number / 1000.0
    } else {
        number
    };
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    let since = i64::try_from(since.as_secs()).ok()?;
    Timestamp::from_second(since).ok().filter(|_| since > 0)
}

/// The scopes of a text or an array.
pub fn scopes(value: &Value) -> ScopeSet {
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
#[path = "tests_token_response.rs"]
mod tests;
