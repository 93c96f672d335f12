//! The buttons of the page. Each is answered with a redirect, so that going back or reloading does nothing twice.

use axum::{extract::State, response::Response};
use serde::Deserialize;

use super::{
    ConnectionsPages, Stop, Visitor,
    needs::{Needs, scopes},
    posted::{Place, Posted},
    said::Said,
    see_other,
};
use crate::{
    base::id::{Label, ProviderName, UserSourceName},
    config::{Config, Provider},
    connect::{Ask, ConnectError, Ending, flow::Asker},
    protocol::oauth::scope::ScopeSet,
    vault::Slot,
    web::{connection_failure::ConnectionFailure, failure::PageFailure},
};

/// "Connect".
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// The label that gateways know the account by; none where it becomes the default or one more.
    label: Option<String>,
}

/// "Save name".
#[derive(Deserialize)]
pub(super) struct Naming {
    /// Empty: none.
    name: String,
}

/// `POST /connections/{source}/{provider}`
pub(super) async fn connect(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, name),
        form,
    }: Posted<(UserSourceName, ProviderName), Wanted>,
) -> Result<Response, Stop> {
    let label = form.label.as_deref().map(str::parse::<Label>);
    let label = label.transpose().map_err(|_| PageFailure::Unreadable)?;
    let config = pages.0.live.now();
    let needs = pages.needs(&config, &visitor).await?;
    let needed = needs.labelled(&name, label.as_ref());
    let needed = match (needed.is_empty(), &label) {
        (true, None) => needs.at(&name).iter().collect(),
        _ => needed,
    };
    let wish = Wish {
        config: &config,
        name: &name,
        used: !needed.is_empty(),
        scopes: &scopes(&needed),
        slot: &label.map_or(Slot::Beside, Slot::Label),
    };
    pages.begin(&visitor, wish).await
}

/// `POST …/reconnect`
pub(super) async fn reconnect(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, name, id),
        ..
    }: Posted<Place>,
) -> Result<Response, Stop> {
    let connection = pages.connection(&visitor, &name, &id).await?;
    let config = pages.0.live.now();
    let needs = pages.needs(&config, &visitor).await?;
    // What was granted before is asked for again anyhow.
    let wish = Wish {
        config: &config,
        name: &name,
        used: !needs.at(&name).is_empty(),
        scopes: &scopes(&needs.of_connection(&connection)),
        slot: &Slot::Again(id),
    };
    pages.begin(&visitor, wish).await
}

/// `POST …/default`
pub(super) async fn make_default(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, name, id),
        ..
    }: Posted<Place>,
) -> Result<Response, Stop> {
    let turned = pages.0.vault.make_default(&visitor.user, &name, &id).await;
    let turned = turned.map_err(|error| pages.vault(&error))?;
    turned.ok_or(ConnectionFailure::Gone)?;
    Ok(pages.back(&visitor, &Said::Default(name)))
}

/// `POST …/name`
pub(super) async fn name(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, provider, id),
        form,
    }: Posted<Place, Naming>,
) -> Result<Response, Stop> {
    let name = Some(form.name.trim()).filter(|name| !name.is_empty());
    let label = name.map(str::parse::<Label>).transpose();
    let label = label.map_err(|_| ConnectionFailure::BadName)?;
    let vault = &pages.0.vault;
    let named = vault.label(&visitor.user, &provider, &id, label.as_ref());
    let named = named.await.map_err(|error| pages.vault(&error))?;
    named.ok_or(ConnectionFailure::Gone)?;
    Ok(pages.back(&visitor, &Said::Named(provider)))
}

/// `POST /applications/{source}/{handle}/remove`
pub(super) async fn remove(
    State(pages): State<ConnectionsPages>,
    Posted {
        visitor,
        place: (_, handle),
        ..
    }: Posted<(UserSourceName, String)>,
) -> Result<Response, Stop> {
    let ended = pages.0.issuer.shut_out(&visitor.user, &handle).await;
    let ended = ended.map_err(|error| pages.fault("shutting a client out", &error))?;
    ended.ok_or(ConnectionFailure::NotLetIn)?;
    Ok(pages.back(&visitor, &Said::Removed))
}

/// What is to be connected.
#[derive(Clone, Copy)]
struct Wish<'a> {
    config: &'a Config,
    name: &'a ProviderName,
    /// Whether tools of theirs use it; else there is no reason to ask for anything.
    used: bool,
    scopes: &'a ScopeSet,
    slot: &'a Slot,
}

impl ConnectionsPages {
    pub(super) async fn needs<'c>(
        &self,
        config: &'c Config,
        visitor: &Visitor,
    ) -> Result<Needs<'c>, Stop> {
        let needs = Needs::of(config, &self.0.profiles, &visitor.user).await;
        needs.map_err(|error| self.fault("reading what is known of a user", &error))
    }

    /// On to a flow, as if a tool had asked.
    async fn begin(&self, visitor: &Visitor, wish: Wish<'_>) -> Result<Response, Stop> {
        let provider = wish.config.providers.get(wish.name);
        let Some(provider) = provider.filter(|_| wish.used) else {
            return Err(ConnectionFailure::NotOffered.into());
        };
        let ask = Ask {
            user: &visitor.user,
            asker: &Asker::own_page(),
            gateway: None,
            provider: wish.name,
            config: provider,
            slot: wish.slot,
            scopes: wish.scopes,
            ending: &Ending::default(),
            notify: None,
        };
        match self.0.connect.offer(ask).await {
            Ok(offer) => Ok(see_other(&offer.url)),
            Err(ConnectError::TooMany(wait)) => {
                let retry_after = wait.as_secs().max(1);
                Err(PageFailure::TooMany { retry_after }.into())
            }
            Err(ConnectError::Store(error)) => Err(self.fault("opening a flow", &error)),
        }
    }
}

/// What pages call a provider.
pub(super) fn title<'c>(config: &'c Config, name: &'c ProviderName) -> &'c str {
    let provider = config.providers.get(name);
    provider.map_or(name.as_str(), Provider::title)
}
