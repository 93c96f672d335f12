//! Why a call can neither go ahead nor be asked for.

use url::Url;

use crate::{
    base::id::{Label, ProviderName, UpstreamName},
    protocol::oauth::scope::ScopeSet,
    store::StoreError,
    vault::VaultError,
};

/// Neither yes nor "ask the user".
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The vault could not say.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The user was just asked for it, and the provider would not grant it: asking again is of no use for now.
    #[error("{title} did not grant {missing}, which the tool needs")]
    Withheld {
        /// What pages call the provider.
        title: String,
        /// What it did not grant.
        missing: ScopeSet,
        /// Where the user can try again.
        connections: Box<Url>,
    },
    /// The call names another account than the gateway does.
    #[error(
        "the call names another account at `{provider}` than `{label}`, which the gateway uses"
    )]
    Fixed {
        /// Where.
        provider: ProviderName,
        /// The label that the gateway names.
        label: Label,
    },
    /// This configuration has no such upstream.
    #[error("there is no upstream `{0}` any more")]
    Gone(UpstreamName),
    /// A worker's tool needs an account at a provider that this configuration does not have.
    #[error(
        "the tool `{tool}` needs an account at `{wanted}`, and no provider is called so or made from that preset"
    )]
    NoProvider {
        /// `Kit.Tool`
        tool: String,
        /// Its word for the provider.
        wanted: String,
    },
    /// A worker's tool needs secrets that the operator has not given.
    #[error("the tool `{tool}` needs secrets that are not set: {missing}")]
    NoSecret {
        /// `Kit.Tool`
        tool: String,
        /// Their names, for a sentence.
        missing: String,
    },
    /// A secret that a worker's tool needs cannot be read.
    #[error("a secret that the tool needs cannot be read: {0}")]
    Secret(#[source] StoreError),
    /// A worker's tool asks for what the operator did not mean for its server.
    #[error(
        "the tool `{tool}` asks for {what}, which its server is not to have: if it is, write so in `{setting}`"
    )]
    NotGiven {
        /// `Kit.Tool`
        tool: String,
        /// An account at a provider, or secrets; for a sentence.
        what: String,
        /// Where in the file it would be said.
        setting: String,
    },
    /// A program runs a tool for nobody, and the tool needs somebody's account.
    #[error("the tool needs an account of a user's, and the call names no user")]
    NoUser,
    /// The provider's token cannot stand in a header.
    #[error("the token of the provider `{0}` cannot be sent in a header")]
    Unsendable(ProviderName),
}

impl AdmitError {
    /// One sentence without internals, for clients and people.
    pub fn public(&self) -> String {
        match self {
            Self::Vault(VaultError::Operator { provider, .. }) => {
                format!("{provider} does not accept this gateway; its operator has to look at the provider's configuration. The connected account is kept.")
            }
            Self::Vault(VaultError::Unavailable { provider, retry_after }) => {
                let seconds = retry_after.as_secs().max(1);
                format!("{provider} does not answer right now, so the account cannot be used; try again in {seconds} seconds.")
            }
            Self::Withheld { title, missing, connections } => {
                format!("{title} was connected but did not grant everything this tool needs; missing: {missing}. The user, or whoever manages the account, has to allow it there; then connect it again at {connections} and call the tool again.")
            }
            Self::Vault(VaultError::Store(_) | VaultError::Sealed { .. } | VaultError::Full { .. }) => {
                "The account this tool needs cannot be read right now; try again later, or ask the gateway's operator.".to_owned()
            }
            Self::Fixed { provider, label } => format!("At this gateway tools use the {provider} account labelled “{label}” and no other; call the tool without naming an account."),
            Self::NoProvider { tool, wanted } => format!("{tool} needs an account at “{wanted:.100}”, which this gateway does not know; its operator has to add that provider to the configuration."),
            Self::NoSecret { tool, missing } => format!("{tool} needs secrets that this gateway does not have: {missing:.500}; its operator has to set them."),
            Self::Secret(_) => "A secret this tool needs cannot be read right now; try again later, or ask the gateway's operator.".to_owned(),
            Self::NotGiven { tool, what, .. } => format!("{tool} asks for {what:.500}, which this gateway does not give to the server of that tool; its operator has to allow it."),
            Self::NoUser => "This tool needs an account of a user's: say in `user_id` for whom it is to run.".to_owned(),
            Self::Gone(_) => "There is no such tool any more; list the tools again.".to_owned(),
            Self::Unsendable(provider) => format!("The token of {provider} cannot be sent to the tool's server; ask the operator."),
        }
    }
}
