//! Connections as programs ask for them: how one stands, the link for one that is missing, and, for keys that may see it, the
//! token of one that is there.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::{ApiFace, caller::Caller, error::ApiError};
use crate::{
    audit::{Entry, Event, Through},
    base::id::{FlowId, ProviderName, UserId},
    config::Provider,
    connect::{Ask, ConnectError, Ending, Offer},
    protocol::oauth::scope::ScopeSet,
    vault::{Connection, ConnectionState, Filter, Slot, TokenLookup, Wish},
};

/// How a connection stands.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationResponse)]
pub(super) struct Authorization {
    /// To wait for it with; absent when nothing had to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub id: Option<FlowId>,
    /// Whether the account is connected.
    pub status: Word,
    /// Where the user goes to connect the account, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    pub url: Option<Url>,
    /// What it is, or is to be, good for.
    pub scopes: Vec<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub provider_id: Option<ProviderName>,
    /// Whose; absent if it is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub user_id: Option<String>,
    /// The account's `token` and `user_info`, once it is connected, for keys with `expose_tokens`; else empty.
    #[schema(value_type = Object)]
    pub context: Map<String, Value>,
}

/// How a connection stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuthorizationStatus)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// The user has been asked for nothing yet.
    NotStarted,
    /// The user has a link.
    Pending,
    /// It is there.
    Completed,
    /// The attempt came to nothing, or the connection is of no use any more.
    Failed,
}

impl Authorization {
    /// Nothing has to be connected.
    pub fn completed(user: Option<&UserId>) -> Self {
        Self {
            id: None,
            status: Word::Completed,
            url: None,
            scopes: Vec::new(),
            provider_id: None,
            user_id: user.map(|user| user.subject().to_owned()),
            context: Map::new(),
        }
    }

    /// With all that a connected account is good for, which may be more than was asked of it.
    pub fn good_for(self, connection: Option<&Connection>) -> Self {
        let known = connection.filter(|connection| !connection.by_key);
        Self {
            scopes: known.map_or(self.scopes, |connection| list(&connection.scopes)),
            ..self
        }
    }
}

/// A connection to be asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub user: &'a UserId,
    pub provider: &'a ProviderName,
    pub config: &'a Provider,
    pub slot: &'a Slot,
    pub scopes: &'a ScopeSet,
    pub ending: &'a Ending,
}

/// How it stands; with the link, if it is not there.
pub(super) async fn ask(
    face: &ApiFace,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Authorization, ApiError> {
    let accounts = Accounts::at(face, wanted.user, wanted.provider).await?;
    let found = accounts.find(wanted.provider, wanted.config, wanted.slot);
    let answer = Authorization {
        scopes: list(wanted.scopes),
        provider_id: Some(wanted.provider.clone()),
        ..Authorization::completed(Some(wanted.user))
    };
    if status(found, wanted.scopes) == Word::Completed {
        let answer = answer.good_for(found);
        return with_token(face, caller, answer, wanted.user, wanted.slot).await;
    }
    // Some providers take away what is not asked for again.
    let granted = found.map(|connection| wanted.scopes.union(&connection.scopes));
    let scopes = granted.as_ref().unwrap_or(wanted.scopes);
    let offer = offer(face, caller, Wanted { scopes, ..wanted }).await?;
    Ok(Authorization {
        id: Some(offer.flow),
        status: Word::Pending,
        url: Some(offer.url),
        scopes: list(&offer.scopes),
        ..answer
    })
}

/// The link for it.
pub(super) async fn offer(
    face: &ApiFace,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Offer, ApiError> {
    let ask = Ask {
        user: wanted.user,
        asker: &caller.asker(),
        gateway: None,
        provider: wanted.provider,
        config: wanted.config,
        slot: wanted.slot,
        scopes: wanted.scopes,
        ending: wanted.ending,
        notify: None,
    };
    face.connect.offer(ask).await.map_err(|error| match error {
        ConnectError::TooMany(wait) => {
            let (status, seconds) = (StatusCode::TOO_MANY_REQUESTS, wait.as_secs().max(1));
            let message = format!("rate_limit: {error}");
            ApiError::new(status, "rate_limit", message).retry_after(seconds)
        }
        ConnectError::Store(error) => ApiError::fault(&face.faults, "offering a link", &error),
    })
}

/// Accounts that a user has connected, as they stand. No token is touched.
#[derive(Default)]
pub(super) struct Accounts(Vec<Connection>);

impl Accounts {
    /// Of `user`, wherever they are.
    pub async fn of(face: &ApiFace, user: &UserId) -> Result<Self, ApiError> {
        let found = face.vault.of_user(user).await;
        found.map(Self).map_err(|error| looking(face, &error))
    }

    /// Of `user`, at one provider.
    pub async fn at(face: &ApiFace, user: &UserId, name: &ProviderName) -> Result<Self, ApiError> {
        let (user, provider) = (Some(user), Some(name));
        let filter = Filter { user, provider };
        let page = face.vault.page(None, usize::MAX, filter).await;
        let page = page.map_err(|error| looking(face, &error))?;
        Ok(Self(page.connections))
    }

    /// The account that `slot` means, if it is one that `provider`, as it is configured now, gave.
    pub fn find(
        &self,
        name: &ProviderName,
        provider: &Provider,
        slot: &Slot,
    ) -> Option<&Connection> {
        let mut there = self.0.iter().filter(|known| known.provider == *name);
        let found = there.find(|known| match slot {
            Slot::Default => known.is_default,
            Slot::Label(label) => known.labels.contains(label),
            Slot::Again(id) => known.id == *id,
            Slot::Beside => false,
        });
        found.filter(|known| known.fits(provider))
    }
}

/// How a connection stands that has to be good for `required`.
pub(super) fn status(connection: Option<&Connection>, required: &ScopeSet) -> Word {
    match connection {
        None => Word::NotStarted,
        Some(it) if it.state == ConnectionState::NeedsUser => Word::Failed,
        Some(it) if it.by_key || required.missing_from(&it.scopes).is_empty() => Word::Completed,
        Some(_) => Word::NotStarted,
    }
}

/// `answer`, which says that an account is connected, with its token if the caller's key may see it. That it was shown is noted
/// before it is; a token that cannot be had now, or not noted, is left out.
pub(super) async fn with_token(
    face: &ApiFace,
    caller: &Caller,
    answer: Authorization,
    user: &UserId,
    slot: &Slot,
) -> Result<Authorization, ApiError> {
    let provider = answer.provider_id.as_ref();
    let provider = provider.and_then(|name| caller.config.providers.get_key_value(name));
    let Some((name, provider)) = provider.filter(|_| caller.may_see_tokens()) else {
        return Ok(answer);
    };
    let wish = Wish {
        user,
        name,
        provider,
        slot,
        required: &ScopeSet::default(),
    };
    let found = face.vault.find(wish).await;
    let held = match found.map_err(|error| looking(face, &error))? {
        TokenLookup::Ready(held) => held,
        TokenLookup::Missing(_) => return Ok(answer),
    };
    let entry = Entry::new(user, name, Event::TokenShown)
        .connection(held.account.as_str())
        .through(Through::ApiKey {
            api_key: caller.key.clone(),
        });
    let noted = face.trail.note(entry).await;
    noted.map_err(|error| ApiError::fault(&face.faults, "noting that a token is shown", &error))?;
    let mut context = Map::new();
    context.insert("token".to_owned(), held.token.expose().into());
    let info = held.info.as_ref().map(|account| account.claims());
    context.insert("user_info".to_owned(), info.unwrap_or_default().into());
    Ok(Authorization {
        scopes: list(&held.scopes),
        context,
        ..answer
    })
}

fn looking(face: &ApiFace, error: &dyn std::error::Error) -> ApiError {
    ApiError::fault(&face.faults, "looking up a connection", error)
}

pub(super) fn list(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}
