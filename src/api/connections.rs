//! Connections that are verified at an address given for each: `link`, then `verify`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{
    ApiFace,
    asking::{self, Wanted},
    body::{self, Body},
    caller::Caller,
    confirm::{self, must_vouch},
    error::{ApiError, ErrorBody},
};
use crate::{
    base::{clock::Timestamp, id::FlowId},
    connect::{Confirmed, Ending, flow::Verification},
    vault::Slot,
};

/// Longer ones fit into no URL. Bytes.
const LONGEST_STATE: usize = 1024;

#[derive(Deserialize, ToSchema)]
#[schema(as = LinkConnection)]
pub(super) struct Link {
    /// Of `gateway.toml`.
    provider: String,
    user_id: String,
    /// Where the user's browser goes to be verified.
    user_verify_url: String,
    /// Stands in that address as it is given here.
    state: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    /// Which of the user's accounts there it is to be.
    label: Option<String>,
    next_uri: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LinkedConnection)]
pub(super) struct Linked {
    /// Where the user goes to connect the account.
    #[schema(value_type = String, format = "uri")]
    link: Url,
    #[schema(value_type = String)]
    auth_id: FlowId,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Asks for a connection that is verified at an address of its own.
#[utoipa::path(
    post,
    path = "/v1/connections/link",
    operation_id = "connections_link",
    tag = "connections",
    request_body = Link,
    responses(
        (status = OK, description = "The link for the user", body = Linked),
        (status = TOO_MANY_REQUESTS, description = "Too many links for this user", body = ErrorBody),
    ),
)]
pub(super) async fn link(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(wish): Body<Link>,
) -> Result<Json<Linked>, ApiError> {
    let linked = linked(&face, &caller, wish).await;
    linked.map(Json).map_err(|error| error.by(&caller))
}

async fn linked(face: &ApiFace, caller: &Caller, wish: Link) -> Result<Linked, ApiError> {
    must_vouch(caller)?;
    let user = caller.user(&wish.user_id)?;
    let (provider, config) = body::provider(caller, &wish.provider)?;
    let scopes = body::scopes(&wish.scopes)?;
    let slot = slot(wish.label.as_deref())?;
    let user_verify_url = caller.address("user_verify_url", &wish.user_verify_url)?;
    let ours = ["auth_request_id", "state"];
    if user_verify_url
        .query_pairs()
        .any(|(name, _)| ours.contains(&name.as_ref()))
    {
        let message = "`user_verify_url` must not have an `auth_request_id` or `state` of its own";
        return Err(ApiError::bad("invalid_url", message));
    }
    if wish
        .state
        .as_ref()
        .is_some_and(|it| it.len() > LONGEST_STATE)
    {
        let message = "`state` is longer than 1024 bytes";
        return Err(ApiError::bad("invalid_state", message));
    }
    let next_uri = wish.next_uri.as_deref();
    let next_uri = next_uri.map(|next| caller.address("next_uri", next));
    let ending = Ending {
        verification: Verification::ByLink {
            user_verify_url,
            state: wish.state,
        },
        next_uri: next_uri.transpose()?,
    };
    let wanted = Wanted {
        user: &user,
        provider,
        config,
        slot: &slot,
        scopes: &scopes,
        ending: &ending,
    };
    let offer = asking::offer(face, caller, wanted).await?;
    Ok(Linked {
        link: offer.url,
        auth_id: offer.flow,
        expires_at: offer.expires,
    })
}

/// Where the account goes: with a label, under that one and nowhere else.
fn slot(label: Option<&str>) -> Result<Slot, ApiError> {
    let Some(label) = label else {
        return Ok(Slot::Default);
    };
    let label = label.parse();
    label.map(Slot::Label).map_err(|_| {
        ApiError::bad(
            "invalid_label",
            "a `label` has 1 to 40 characters, none of them invisible",
        )
    })
}

#[derive(Deserialize, ToSchema)]
#[schema(as = VerifyConnection)]
pub(super) struct Verify {
    /// As it stood in the address that the browser came to.
    auth_request_id: String,
    /// Who is signed in there.
    user_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedConnection)]
pub(super) struct Verified {
    /// Where the browser is to go on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    post_user_verify_redirect_url: Option<Url>,
    #[schema(value_type = String)]
    auth_id: FlowId,
}

/// Says who came to the address that a link was made with.
#[utoipa::path(
    post,
    path = "/v1/connections/verify",
    operation_id = "connections_verify",
    tag = "connections",
    request_body = Verify,
    responses(
        (status = OK, description = "The user was whom the link was made for; the connection is made", body = Verified),
        (status = FORBIDDEN, description = "Somebody else came", body = ErrorBody),
        (status = NOT_FOUND, description = "Nobody waits to be verified with this id", body = ErrorBody),
        (status = CONFLICT, description = "It is being verified at this moment", body = ErrorBody),
    ),
)]
pub(super) async fn verify(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(said): Body<Verify>,
) -> Result<Json<Verified>, ApiError> {
    let word = (said.auth_request_id.as_str(), said.user_id.as_str());
    let confirmed = confirm::confirmed(&face, &caller, word, true).await;
    let Confirmed { id, next, again } = confirmed.map_err(|error| error.by(&caller))?;
    if again {
        let message = "nobody waits to be verified with this id";
        return Err(ApiError::not_found(message).by(&caller));
    }
    Ok(Json(Verified {
        post_user_verify_redirect_url: next,
        auth_id: id,
    }))
}
