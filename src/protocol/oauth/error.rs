//! Error codes of authorization and token responses. A code we know is kept, any other text is not: it came from outside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in the registered words (RFC 6749 §4.1.2.1 and §5.2, RFC 8707, OpenID Connect Core §3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// `access_denied`: the person, or a policy of the provider, said no.
    AccessDenied,
    /// `invalid_client`: our client is unknown there, or its secret is wrong.
    InvalidClient,
    /// `invalid_grant`: the code or refresh token is used, expired, revoked, or not ours.
    InvalidGrant,
    /// `invalid_request`: a parameter is missing or wrong.
    InvalidRequest,
    /// `invalid_scope`: the provider does not know a scope, or may not give it.
    InvalidScope,
    /// `invalid_target` (RFC 8707 §2): the resource is not one it serves.
    InvalidTarget,
    /// `server_error`.
    ServerError,
    /// `temporarily_unavailable`.
    TemporarilyUnavailable,
    /// `unauthorized_client`: our client may not do this there.
    UnauthorizedClient,
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// `unsupported_response_type`.
    UnsupportedResponseType,
    /// `login_required`, `consent_required`, `interaction_required` or `account_selection_required`.
    InteractionRequired,
    /// A word of the provider's own, which is not repeated.
    Other,
}

/// Words some providers say instead of the registered ones, and what they mean.
const OWN_WORDS: [(&str, ErrorCode); 21] = [
    // RFC 6750 §3.1, and many a token endpoint.
    ("invalid_token", ErrorCode::InvalidGrant),
    // GitHub, always with HTTP 200.
    ("bad_refresh_token", ErrorCode::InvalidGrant),
    ("bad_verification_code", ErrorCode::InvalidGrant),
    ("incorrect_client_credentials", ErrorCode::InvalidClient),
    ("redirect_uri_mismatch", ErrorCode::InvalidRequest),
    ("unverified_user_email", ErrorCode::AccessDenied),
    // Slack, always with HTTP 200 and `"ok": false`.
    ("account_inactive", ErrorCode::InvalidGrant),
    ("bad_client_secret", ErrorCode::InvalidClient),
    ("bad_redirect_uri", ErrorCode::InvalidRequest),
    ("code_already_used", ErrorCode::InvalidGrant),
    ("fatal_error", ErrorCode::ServerError),
    ("internal_error", ErrorCode::ServerError),
    ("invalid_auth", ErrorCode::InvalidGrant),
    ("invalid_client_id", ErrorCode::InvalidClient),
    ("invalid_code", ErrorCode::InvalidGrant),
    ("invalid_grant_type", ErrorCode::UnsupportedGrantType),
    ("invalid_refresh_token", ErrorCode::InvalidGrant),
    ("ratelimited", ErrorCode::TemporarilyUnavailable),
    ("service_unavailable", ErrorCode::TemporarilyUnavailable),
    ("token_expired", ErrorCode::InvalidGrant),
    ("token_revoked", ErrorCode::InvalidGrant),
];

impl ErrorCode {
    /// The code that `text` says.
    pub fn parse(text: &str) -> Self {
        match text {
            "access_denied" => Self::AccessDenied,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "invalid_request" => Self::InvalidRequest,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            "server_error" => Self::ServerError,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "unsupported_response_type" => Self::UnsupportedResponseType,
            "login_required"
            | "consent_required"
            | "interaction_required"
            | "account_selection_required" => Self::InteractionRequired,
            own => OWN_WORDS
                .iter()
                .find_map(|(word, code)| (*word == own).then_some(*code))
                .unwrap_or(Self::Other),
        }
    }

    /// The registered word; `other` for anything else.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InteractionRequired => "interaction_required",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_words_survive_and_others_do_not() {
        assert_eq!(ErrorCode::parse("invalid_grant").as_str(), "invalid_grant");
        assert_eq!(ErrorCode::parse("<script>").as_str(), "other");
        assert_eq!(ErrorCode::parse("").as_str(), "other");
    }

    #[test]
    fn own_words_are_understood() {
        assert_eq!(
            ErrorCode::parse("bad_verification_code"),
            ErrorCode::InvalidGrant
        );
    }
}
