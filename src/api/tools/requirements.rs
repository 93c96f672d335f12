//! `POST /v1/tools/requirements`: what several tools need together, and, if wanted, all the links at once.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{
    refused::refusal,
    standing::{self, AccountRequirement, Activity, Standing},
};
use crate::{
    api::{
        ApiFace,
        asking::{self, Wanted, Word},
        body::Body,
        caller::Caller,
        error::{ApiError, ErrorBody},
    },
    base::id::FlowId,
    config::Provider,
    connect::Ending,
    execution::NotExecuted,
    gateway::{
        access::Principal,
        admit::AdmitError,
        required::{self, Needed},
        view::Tool,
    },
    protocol::oauth::scope::ScopeSet,
    vault::Slot,
};

/// More tools than this nobody looks after at once.
const MOST_TOOLS: usize = 100;

#[derive(Deserialize, ToSchema)]
#[schema(as = ToolRequirementsRequest)]
pub(super) struct Asked {
    /// In any of the forms that `execute` takes.
    tool_names: Option<Vec<String>>,
    /// The same, with versions.
    tools: Option<Vec<Named>>,
    /// For whom.
    user_id: Option<String>,
    /// Whether to begin what is missing: then there are links in the answer.
    authorize: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NamedTool)]
struct Named {
    tool_name: String,
    tool_version: Option<String>,
}

/// What the tools need together.
#[derive(Serialize, ToSchema)]
#[schema(as = ToolRequirementsResponse)]
pub(super) struct All {
    /// Whether all of it is there.
    met: bool,
    /// Accounts of the user's.
    authorization: Group<Account>,
    /// Secrets of the operator's.
    secrets: Group<Secret>,
}

/// What is needed of one kind.
#[derive(Serialize, ToSchema)]
struct Group<T> {
    /// Whether all of it is there.
    met: bool,
    /// By name.
    items: BTreeMap<String, T>,
}

/// An account at one provider.
#[derive(Serialize, ToSchema)]
#[schema(as = NeededAccount)]
struct Account {
    /// To wait for it with, once it has been asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    authorization_id: Option<FlowId>,
    /// Whether it is there.
    met: bool,
    /// The provider's name at this gateway; of one that it does not know, the tools' word for it.
    provider_id: String,
    /// `oauth2` or `api_key`.
    provider_type: String,
    /// What all the tools together need of it.
    scopes: Vec<String>,
    /// Whether the gateway knows the provider.
    status: Activity,
    /// How it stands; absent where no user is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_status: Option<Word>,
    /// Which tools need it.
    tool_names: Vec<String>,
    /// Where the user connects it, once it has been asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    url: Option<Url>,
}

/// A secret.
#[derive(Serialize, ToSchema)]
#[schema(as = NeededSecret)]
struct Secret {
    /// Whether it is set.
    met: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status_reason: Option<String>,
    /// Which tools need it.
    tool_names: Vec<String>,
}

/// Says what several tools need together.
///
/// With `authorize`, everything that the user has to connect is begun, and the answer has all the links.
#[utoipa::path(
    post,
    path = "/v1/tools/requirements",
    operation_id = "tools_requirements",
    tag = "tools",
    request_body = Asked,
    responses(
        (status = OK, description = "What they need", body = All),
        (status = FORBIDDEN, description = "The user has no tools here", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such tool, or not in that version", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many links for this user", body = ErrorBody),
    ),
)]
pub(super) async fn requirements(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(asked): Body<Asked>,
) -> Result<Json<All>, ApiError> {
    let all = all(&face, &caller, &asked).await;
    all.map(Json).map_err(|error| error.by(&caller))
}

async fn all(face: &ApiFace, caller: &Caller, asked: &Asked) -> Result<All, ApiError> {
    let principal = caller.principal(face, asked.user_id.as_deref()).await?;
    let tools = tools(face, caller, &principal, asked).await?;
    let standing = Standing::of(face, caller, &principal, &tools).await?;
    let (known, mut accounts) = gathered(caller, &principal, &tools)?;
    for (needed, tool_names) in known {
        let mut account = account(caller, &standing, &needed, tool_names);
        if asked.authorize.unwrap_or_default() && !account.met {
            begin(face, caller, &principal, &needed, &mut account).await?;
        }
        accounts.insert(key(&needed), account);
    }
    let mut secrets = BTreeMap::<String, Secret>::new();
    for tool in &tools {
        for secret in standing.secrets(tool) {
            let known = secrets.entry(secret.key).or_insert_with(|| Secret {
                met: secret.met,
                status_reason: secret.status_reason,
                tool_names: Vec::new(),
            });
            known.tool_names.push(tool.qualified.dotted());
        }
    }
    let authorization = Group {
        met: accounts.values().all(|account| account.met),
        items: accounts,
    };
    let secrets = Group {
        met: secrets.values().all(|secret| secret.met),
        items: secrets,
    };
    let met = authorization.met && secrets.met;
    Ok(All {
        met,
        authorization,
        secrets,
    })
}

async fn tools(
    face: &ApiFace,
    caller: &Caller,
    principal: &Principal,
    asked: &Asked,
) -> Result<Vec<Arc<Tool>>, ApiError> {
    let named = asked.tools.iter().flatten();
    let named = named.map(|tool| (&tool.tool_name, tool.tool_version.as_deref()));
    let bare = asked.tool_names.iter().flatten().map(|name| (name, None));
    let wanted: Vec<_> = named.chain(bare).collect();
    if wanted.is_empty() || wanted.len() > MOST_TOOLS {
        let message = "name 1 to 100 tools, in `tool_names` or in `tools`";
        return Err(ApiError::bad("invalid_request", message));
    }
    // Who else has a say about what is seen is asked once about all, and not about one after the other.
    let view = face.gateways.list(&caller.config, principal).await;
    let mut tools: Vec<Arc<Tool>> = Vec::new();
    for (name, version) in wanted {
        let seen = view.as_ref().and_then(|view| view.find(name, version));
        let tool = match seen {
            Some(tool) => Arc::clone(tool),
            None => {
                let executor = &face.executor;
                let found = executor.resolve(&caller.config, principal, name, version);
                found.await.map_err(|not| refusal(&not))?
            }
        };
        if !tools.iter().any(|known| known.name == tool.name) {
            tools.push(tool);
        }
    }
    Ok(tools)
}

/// Accounts with the names of the tools that need them.
type Gathered<'c> = Vec<(Needed<'c>, Vec<String>)>;

/// The accounts that `tools` need, each once, with everything it must be good for, and who needs it; and those at providers that
/// this gateway does not know.
fn gathered<'c>(
    caller: &'c Caller,
    principal: &Principal,
    tools: &[Arc<Tool>],
) -> Result<(Gathered<'c>, BTreeMap<String, Account>), ApiError> {
    let (mut gathered, mut unknown) = (Gathered::new(), BTreeMap::new());
    for tool in tools {
        let needed = match required::accounts(&caller.config, principal, tool) {
            Ok(needed) => needed,
            Err(error @ AdmitError::NoProvider { .. }) => {
                let wanted = standing::unknown_provider(tool, &error);
                let account = at_unknown(wanted);
                let known: &mut Account = unknown
                    .entry(account.provider_id.clone())
                    .or_insert(account);
                known.tool_names.push(tool.qualified.dotted());
                continue;
            }
            Err(error) => return Err(refusal(&error.into())),
        };
        for needed in needed {
            let mut known = gathered.iter_mut();
            let same = |(known, _): &&mut (Needed<'_>, _)| {
                known.provider == needed.provider && known.slot == needed.slot
            };
            match known.find(same) {
                Some((known, names)) => {
                    known.scopes = known.scopes.union(&needed.scopes);
                    names.push(tool.qualified.dotted());
                }
                None => gathered.push((needed, vec![tool.qualified.dotted()])),
            }
        }
    }
    Ok((gathered, unknown))
}

/// One that nobody can connect until the operator has seen to it.
fn at_unknown(wanted: AccountRequirement) -> Account {
    let word = Some(wanted.id).filter(|id| !id.is_empty());
    Account {
        authorization_id: None,
        met: false,
        provider_id: word.unwrap_or(wanted.provider_id),
        provider_type: wanted.provider_type,
        scopes: wanted
            .oauth2
            .map(|oauth2| oauth2.scopes)
            .unwrap_or_default(),
        status: wanted.status,
        token_status: None,
        tool_names: Vec::new(),
        url: None,
    }
}

fn key(needed: &Needed<'_>) -> String {
    match &needed.slot {
        Slot::Label(label) => format!("{}/{label}", needed.provider),
        _ => needed.provider.to_string(),
    }
}

fn account(
    caller: &Caller,
    standing: &Standing<'_>,
    needed: &Needed<'_>,
    tool_names: Vec<String>,
) -> Account {
    let token_status = standing.token_status(needed);
    Account {
        authorization_id: None,
        met: token_status == Some(Word::Completed),
        provider_id: needed.provider.to_string(),
        provider_type: match caller.config.providers[needed.provider] {
            Provider::OAuth(_) => "oauth2",
            Provider::ApiKey(_) => "api_key",
        }
        .to_owned(),
        scopes: asking::list(&needed.scopes),
        status: Activity::Active,
        token_status,
        tool_names,
        url: None,
    }
}

/// Asks the user for it.
async fn begin(
    face: &ApiFace,
    caller: &Caller,
    principal: &Principal,
    needed: &Needed<'_>,
    account: &mut Account,
) -> Result<(), ApiError> {
    if principal.is_program() {
        return Err(refusal(&NotExecuted::Admit(AdmitError::NoUser)));
    }
    let scopes: &ScopeSet = &needed.scopes;
    let wanted = Wanted {
        user: principal.user(),
        provider: needed.provider,
        config: &caller.config.providers[needed.provider],
        slot: &needed.slot,
        scopes,
        ending: &Ending::default(),
    };
    let asked = asking::ask(face, caller, wanted).await?;
    account.authorization_id = asked.id;
    account.url = asked.url;
    account.token_status = Some(asked.status);
    account.met = asked.status == Word::Completed;
    Ok(())
}
