//! Disconnecting: first what will stop working, then the end, and what the provider said to it.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};

use super::{
    ConnectionsPages, Stop,
    act::title,
    needs::shown,
    posted::{Place, Posted},
    said::{Ended, Said},
};
use crate::{
    audit::event::By,
    config::Provider,
    vault::Connection,
    web::{
        connection_failure::ConnectionFailure,
        csrf,
        failure::PageFailure,
        page,
        page_connections::{Act, DisconnectPage},
        urls::LocalPath,
    },
};

/// `GET …/disconnect`: asks. Changes nothing.
pub(super) async fn ask(
    State(pages): State<ConnectionsPages>,
    place: Result<Path<Place>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let Path((source, name, id)) = place.map_err(|_| PageFailure::NotFound)?;
    let here = LocalPath::parse(uri.path()).ok_or(PageFailure::NotFound)?;
    let visitor = pages.visitor(&headers, &source, &here).await?;
    let all = pages.0.vault.of_user(&visitor.user).await;
    let all = all.map_err(|error| pages.vault(&error))?;
    let (mut meant, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|known| known.provider == name)
        .partition(|known| known.id == id);
    let connection = meant.pop().ok_or(ConnectionFailure::Gone)?;
    let config = pages.0.live.now();
    let needs = pages.needs(&config, &visitor).await?;
    let provider = config.providers.get(&name);
    let oldest = others.iter().min_by_key(|other| other.connected);
    let instead = oldest.filter(|_| connection.is_default);
    let (stops, moves): (Vec<_>, Vec<_>) = needs
        .of_connection(&connection)
        .into_iter()
        .partition(|need| need.label.is_some() || instead.is_none());
    let page = DisconnectPage {
        provider: title(&config, &name),
        account: connection.shown(),
        email: address(&connection),
        stops: shown(&stops),
        moves: shown(&moves),
        instead: instead.and_then(Connection::shown),
        revokes: provider.is_some_and(ends_grants),
        act: Act {
            action: here.to_string(),
            csrf: visitor
                .browser
                .form_token(csrf::Form::Connections(here.as_str())),
        },
    };
    Ok(page::respond(StatusCode::OK, &page))
}

/// `POST …/disconnect`
pub(super) async fn disconnect(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, name, id),
        ..
    }: Posted<Place>,
) -> Result<Response, Stop> {
    let config = pages.0.live.now();
    let provider = config.providers.get(&name);
    let vault = &pages.0.vault;
    let ended = vault
        .disconnect(&visitor.user, &name, &id, provider, By::User)
        .await;
    let ended = ended.map_err(|error| pages.vault(&error))?;
    let ended = ended.ok_or(ConnectionFailure::Gone)?;
    let ended = Ended::from(&ended.revoked);
    Ok(pages.back(&visitor, &Said::Disconnected(name, ended)))
}

/// Its e-mail address, where that is not what it is called.
fn address(connection: &Connection) -> Option<&str> {
    let email = connection.account.as_ref()?.email.as_deref();
    email.filter(|email| connection.shown() != Some(email))
}

fn ends_grants(provider: &Provider) -> bool {
    provider
        .oauth()
        .is_some_and(|provider| provider.revocation.is_some())
}
