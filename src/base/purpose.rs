//! What things are sealed for.

/// What a sealed thing is for. One purpose's key never opens another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A user's tokens at a provider, in the vault.
    Credential,
    /// A PKCE verifier that waits for its authorization code.
    CodeVerifier,
    /// A legacy MCP session id.
    McpSession,
    /// The `requestState` of an input-required result.
    RequestState,
    /// What a sign-in that is under way needs when it comes back: nonce and PKCE verifier.
    SignIn,
    /// An ID token, kept to sign out with (`id_token_hint`).
    IdToken,
    /// A private key that signs access tokens.
    SigningKey,
    /// A refresh token of our own: grant and generation, in the client's keeping.
    RefreshToken,
    /// An authorization code with its PKCE verifier, until somebody says whose it is.
    HeldCode,
    /// A user's key at somebody's service, until somebody says whose it is.
    HeldKey,
    /// What a run that was ordered for later is given, and what it gives.
    ScheduledRun,
    /// An answer that is given again when the same request comes again.
    KeptAnswer,
    /// What tools need of the operator, set while the gateway runs.
    StoredSecret,
}

impl Purpose {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 13] = [
        Self::Credential,
        Self::CodeVerifier,
        Self::McpSession,
        Self::RequestState,
        Self::SignIn,
        Self::IdToken,
        Self::SigningKey,
        Self::RefreshToken,
        Self::HeldCode,
        Self::HeldKey,
        Self::ScheduledRun,
        Self::KeptAnswer,
        Self::StoredSecret,
    ];

    /// What its key is derived with: never changes.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::CodeVerifier => "code-verifier",
            Self::McpSession => "mcp-session",
            Self::RequestState => "request-state",
            Self::SignIn => "sign-in",
            Self::IdToken => "id-token",
            Self::SigningKey => "signing-key",
            Self::HeldCode => "held-code",
            Self::HeldKey => "held-key",
            Self::StoredSecret => "stored-secret",
            Self::RefreshToken => "refresh-token",
            Self::ScheduledRun => "scheduled-run",
            Self::KeptAnswer => "kept-answer",
        }
    }
}
