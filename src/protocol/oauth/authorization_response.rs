//! What a browser brings back from an authorization server (RFC 6749 §4.1.2), and whether the server we asked sent it
//! (RFC 9207).

use super::{error::ErrorCode, token::AuthorizationCode};
use crate::base::secret::Secret;

/// The parameters of a redirect back to us.
#[derive(Debug)]
pub struct AuthorizationResponse {
    /// `state`, which is ours.
    pub state: Secret,
    /// `iss`, if it came.
    pub issuer: Option<String>,
    /// What it says. Not to be looked at before `state` and `iss` are checked.
    pub answer: Answer,
}

/// What an authorization response says.
#[derive(Debug)]
pub enum Answer {
    /// `code`
    Code(AuthorizationCode),
    /// `error`; `error_description` is not kept: anybody may have written it.
    Error(ErrorCode),
    /// Neither, which no honest server says.
    Nothing,
}

/// A redirect that is no authorization response at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAResponse {
    /// There is no `state`, so nobody here waits for it.
    #[error("it has no state")]
    NoState,
    /// RFC 6749 §3.1: parameters must not be included more than once.
    #[error("it has the parameter {0} more than once")]
    Repeated(&'static str),
}

/// The issuer is not the one we sent the browser to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongIssuer {
    /// It names another.
    #[error("the response names another issuer")]
    Other,
    /// It names none although the provider says that it always does.
    #[error("the response names no issuer although the provider always does")]
    Missing,
}

impl AuthorizationResponse {
    /// Reads the query of the redirect (without `?`).
    ///
    /// # Errors
    /// When there is no `state`, or one of the parameters we know comes twice.
    pub fn parse(query: &str) -> Result<Self, NotAResponse> {
        let once = |name| only(query, name);
        let state = once("state")?.ok_or(NotAResponse::NoState)?;
        let issuer = once("iss")?;
        let code = once("code")?;
        // An error wins: from a response that is at odds with itself no code is used.
        let answer = match (once("error")?, code) {
            (Some(error), _) => Answer::Error(ErrorCode::parse(&error)),
            (None, Some(code)) => Answer::Code(code.into()),
            (None, None) => Answer::Nothing,
        };
        Ok(Self {
            state: state.into(),
            issuer,
            answer,
        })
    }
}

/// RFC 9207 §2.4, simple string comparison. `expected` is the issuer we know the provider by, `required` whether it says
/// of itself that it always sends `iss`, `got` what came.
///
/// | required | came | verdict |
/// |---|---|---|
/// | yes | yes | must be equal |
/// | yes | no | refused |
/// | no | yes | must be equal, if we know an issuer |
/// | no | no | fine |
///
/// Where no issuer is known, the callback address that each provider has of its own is what defends against mix-up
/// (RFC 9700 §4.4.2.2).
///
/// # Errors
/// When the response must not be acted upon, nor anything in it shown.
pub fn check_issuer(
    expected: Option<&str>,
    required: bool,
    got: Option<&str>,
) -> Result<(), WrongIssuer> {
    match (expected, got) {
        (Some(expected), Some(got)) if expected == got => Ok(()),
        (Some(_), Some(_)) => Err(WrongIssuer::Other),
        (None, Some(_)) if required => Err(WrongIssuer::Other),
        (Some(_) | None, None) if required => Err(WrongIssuer::Missing),
        (None, Some(_)) | (Some(_) | None, None) => Ok(()),
    }
}

/// The only, non-empty value of a parameter. One without a value counts as omitted (RFC 6749 §3.1).
fn only(query: &str, name: &'static str) -> Result<Option<String>, NotAResponse> {
    let mut values = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value);
    let value = values.next();
    if values.next().is_some() {
        return Err(NotAResponse::Repeated(name));
    }
    Ok(value
        .map(std::borrow::Cow::into_owned)
        .filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_with_state_and_issuer() {
        let response =
            AuthorizationResponse::parse("code=c%20d&state=s&iss=https%3A%2F%2Fas.example&x=1")
                .unwrap();
        use crate::base::secret::ExposeSecret;
        assert_eq!(response.state.expose_secret(), "s");
        assert_eq!(response.issuer.as_deref(), Some("https://as.example"));
        assert!(matches!(response.answer, Answer::Code(code) if code.expose() == "c d"));
    }

    #[test]
    fn an_error_wins_over_a_code() {
        let answer = |query| AuthorizationResponse::parse(query).unwrap().answer;
        assert!(matches!(
            answer("state=s&error=access_denied&code=c"),
            Answer::Error(ErrorCode::AccessDenied)
        ));
        assert!(matches!(answer("state=s"), Answer::Nothing));
        assert!(matches!(answer("state=s&code="), Answer::Nothing));
    }

    #[test]
    fn no_state_or_anything_twice_is_no_response() {
        let refused = |query| AuthorizationResponse::parse(query).unwrap_err();
        assert_eq!(refused("code=c"), NotAResponse::NoState);
        assert_eq!(refused("code=c&state="), NotAResponse::NoState);
        for (query, name) in [
            ("state=s&state=s&code=c", "state"),
            ("state=s&code=c&code=d", "code"),
            ("state=s&code=c&iss=a&iss=a", "iss"),
            ("state=s&error=a&error=b", "error"),
        ] {
            assert_eq!(refused(query), NotAResponse::Repeated(name));
        }
    }

    #[test]
    fn nothing_of_a_response_is_printed() {
        let response = AuthorizationResponse::parse("code=xyzzy&state=plugh").unwrap();
        let shown = format!("{response:?}");
        assert!(
            !shown.contains("xyzzy") && !shown.contains("plugh"),
            "{shown}"
        );
    }

    #[test]
    fn the_issuer_table() {
        let (a, b) = (Some("https://a"), Some("https://b"));
        for (expected, required, got, verdict) in [
            (a, true, a, Ok(())),
            (a, true, b, Err(WrongIssuer::Other)),
            (a, true, None, Err(WrongIssuer::Missing)),
            (a, false, a, Ok(())),
            (a, false, b, Err(WrongIssuer::Other)),
            (a, false, Some("https://a/"), Err(WrongIssuer::Other)),
            (a, false, None, Ok(())),
            (None, false, None, Ok(())),
            (None, false, a, Ok(())),
            (None, true, a, Err(WrongIssuer::Other)),
            (None, true, None, Err(WrongIssuer::Missing)),
        ] {
            assert_eq!(
                check_issuer(expected, required, got),
                verdict,
                "{expected:?} {required} {got:?}"
            );
        }
    }
}
