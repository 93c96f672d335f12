//! `GET /connect/{flow}`: what is shown at which stage, and nothing else decides that. Looking changes nothing, however often
//! and by whatever program.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

use super::{
    consent, done,
    flow::{Stage, Status},
    pages::{ConnectPages, Stop, see_other},
};
use crate::web::failure::LinkFailure;

pub(super) async fn show(
    State(pages): State<ConnectPages>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let flow = pages.flow(id).await?;
    let status = flow.status(pages.connect.clock.now());
    // Nobody has to sign in only to hear that it is too late.
    if status == Status::Expired {
        return Err(LinkFailure::Expired.into());
    }
    let verified = pages.verify(&headers, flow).await?;
    if let Stage::Settling { .. } = verified.flow().stage
        && status == Status::Open
    {
        return Err(LinkFailure::Settling.into());
    }
    match status {
        Status::Open => consent::page(&pages, &verified).await,
        Status::Completed => match pages.onward(verified.flow()) {
            Some(next) => Ok(see_other(&next)),
            None => Ok(done::completed(&pages, &verified)),
        },
        Status::Failed(why) => Err(done::failed(&pages, &verified, why)),
        Status::Expired => Err(LinkFailure::Expired.into()),
    }
}
