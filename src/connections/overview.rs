//! `GET /connections`: everything that is connected in the name of whoever is signed in at the browser. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

use super::{
    ConnectionsPages, Stop, Visitor,
    act::title,
    needs::{Need, Needs},
    said::Said,
    signs_in,
    when::when,
};
use crate::{
    base::{
        clock::Timestamp,
        id::{Label, ProviderName},
    },
    config::{Config, OAuthProvider, Provider},
    issuer::LetIn,
    protocol::oauth::scope::ScopeSet,
    user_source::session::Browser,
    vault::{Connection, ConnectionState},
    web::{
        csrf,
        page::{self, OtherSource, Person, ScopeLine},
        page_connections::{
            AccountCard, Act, App, ConnectionsPage, Missing, PersonPart, Service, State as Health,
        },
        urls::LocalPath,
    },
};

/// What was done before ([`Said`]).
#[derive(Deserialize)]
pub(super) struct Before {
    said: Option<String>,
    by: Option<String>,
}

/// Everything of one user that a page is drawn from.
struct Holdings<'c> {
    visitor: Visitor,
    person: Person,
    connections: Vec<Connection>,
    needs: Needs<'c>,
    let_in: Vec<LetIn>,
}

pub(super) async fn show(
    State(pages): State<ConnectionsPages>,
    before: Result<Query<Before>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let config = pages.0.live.now();
    let browser = pages.browser(&headers).await?;
    let others = others(&pages, &config, browser.as_ref());
    let Some(browser) = browser else {
        return nobody(&pages, &config, others);
    };
    let mut holdings = Vec::new();
    for user in browser.users() {
        let visitor = Visitor {
            browser: browser.clone(),
            user: user.clone(),
        };
        holdings.push(pages.holdings(&config, visitor).await?);
    }
    let said = before
        .ok()
        .and_then(|Query(before)| Said::read(&before.said?, &before.by?, &browser));
    let now = pages.0.clock.now();
    let page = ConnectionsPage {
        people: holdings
            .iter()
            .filter_map(|of| of.part(&config, now))
            .collect(),
        others,
        notice: said.map(|said| said.notice(&config)),
        sign_out: browser.form_token(csrf::Form::SignOut),
    };
    Ok(page::respond(StatusCode::OK, &page))
}

/// Nobody is signed in: if there is only one way to be, that is it.
fn nobody(
    pages: &ConnectionsPages,
    config: &Config,
    others: Vec<OtherSource>,
) -> Result<Response, Stop> {
    let mut sources = config
        .user_sources
        .iter()
        .filter(|(_, known)| signs_in(known));
    if let (Some((only, _)), None) = (sources.next(), sources.next()) {
        let sign_in = pages.0.urls.sign_in(only, &LocalPath::connections());
        return Err(Stop::SeeOther(sign_in));
    }
    let page = ConnectionsPage {
        people: Vec::new(),
        others,
        notice: None,
        sign_out: String::new(),
    };
    Ok(page::respond(StatusCode::OK, &page))
}

fn others(
    pages: &ConnectionsPages,
    config: &Config,
    browser: Option<&Browser>,
) -> Vec<OtherSource> {
    let is_here = |name| browser.is_some_and(|browser| browser.user(name).is_some());
    config
        .user_sources
        .iter()
        .filter(|(name, source)| signs_in(source) && !is_here(name))
        .map(|(name, source)| OtherSource {
            title: source.title.clone(),
            description: source.description.clone(),
            address: pages
                .0
                .urls
                .sign_in(name, &LocalPath::connections())
                .to_string(),
        })
        .collect()
}

impl ConnectionsPages {
    async fn holdings<'c>(
        &self,
        config: &'c Config,
        visitor: Visitor,
    ) -> Result<Holdings<'c>, Stop> {
        let connections = self.0.vault.of_user(&visitor.user).await;
        let let_in = self.0.issuer.let_in(&visitor.user).await;
        Ok(Holdings {
            person: visitor.browser.person(config, &visitor.user),
            connections: connections.map_err(|error| self.vault(&error))?,
            needs: self.needs(config, &visitor).await?,
            let_in: let_in.map_err(|error| self.fault("reading who was let in", &error))?,
            visitor,
        })
    }
}

impl Holdings<'_> {
    fn part<'a>(&'a self, config: &'a Config, now: Timestamp) -> Option<PersonPart<'a>> {
        let (source, known) = config
            .user_sources
            .get_key_value(self.visitor.user.source())?;
        let mut at: BTreeMap<&ProviderName, Vec<&Connection>> = BTreeMap::new();
        for connection in &self.connections {
            at.entry(&connection.provider).or_default().push(connection);
        }
        let services = at.into_iter();
        Some(PersonPart {
            person: self.person.clone(),
            source: source.as_str(),
            source_title: &known.title,
            services: services
                .map(|(name, mut connections)| {
                    connections.sort_by_key(|connection| !connection.is_default);
                    self.service(config, name, &connections, now)
                })
                .collect(),
            missing: self.missing(config),
            apps: self
                .let_in
                .iter()
                .map(|app| self.app(config, app, now))
                .collect(),
        })
    }

    fn service<'a>(
        &'a self,
        config: &'a Config,
        name: &'a ProviderName,
        connections: &[&'a Connection],
        now: Timestamp,
    ) -> Service<'a> {
        let provider = config.providers.get(name);
        let needed = self.needs.at(name);
        let account = |connection: &&'a Connection| {
            let several = connections.len() > 1;
            self.account(provider, connection, several, now)
        };
        Service {
            title: title(config, name),
            uses: needed.iter().map(Need::shown).collect(),
            accounts: connections.iter().map(account).collect(),
            another: (provider.is_some() && !needed.is_empty()).then(|| self.act(&self.path(name))),
            by_key: matches!(provider, Some(Provider::ApiKey(_))),
            gone: provider.is_none(),
        }
    }

    fn account<'a>(
        &'a self,
        provider: Option<&'a Provider>,
        connection: &'a Connection,
        several: bool,
        now: Timestamp,
    ) -> AccountCard<'a> {
        let path = format!("{}/{}", self.path(&connection.provider), connection.id);
        let act = |what: &str| self.act(&format!("{path}/{what}"));
        let oauth = provider.and_then(Provider::oauth);
        let account = connection.account.as_ref();
        let needed = self.needs.of_connection(connection);
        let usable = provider.is_some() && !self.needs.at(&connection.provider).is_empty();
        AccountCard {
            name: account.map(|account| account.shown()),
            email: account
                .and_then(|account| account.email.as_deref())
                .filter(|email| account.is_some_and(|account| account.shown() != *email)),
            labels: connection.labels.iter().map(Label::as_str).collect(),
            default: several.then_some(connection.is_default),
            state: match provider {
                Some(provider) if !connection.fits(provider) => Health::NeedsUser,
                _ => health(&connection.state),
            },
            scopes: lines(&connection.scopes, oauth),
            lacking: lacking(&needed, &connection.scopes, oauth),
            connected: when(connection.connected, now),
            used: connection.used.map(|used| when(used, now)),
            reconnect: usable.then(|| act("reconnect")),
            make_default: (several && !connection.is_default).then(|| act("default")),
            rename: act("name"),
            disconnect: format!("{path}/disconnect"),
        }
    }

    /// What tools use and nothing is connected for: accounts at all, or one with a label that a gateway names.
    fn missing<'a>(&'a self, config: &'a Config) -> Vec<Missing<'a>> {
        let mut missing = Vec::new();
        for name in self.needs.providers() {
            let mut theirs = self.connections.iter();
            let some = theirs.any(|connection| connection.provider == *name);
            let labels: BTreeSet<Option<&Label>> =
                self.needs.at(name).iter().map(|need| need.label).collect();
            for label in labels.into_iter().filter(|label| match label {
                Some(label) => !self.has(name, label),
                None => !some,
            }) {
                missing.push(Missing {
                    title: title(config, name),
                    label: label.map(Label::as_str),
                    uses: self
                        .needs
                        .labelled(name, label)
                        .into_iter()
                        .map(Need::shown)
                        .collect(),
                    connect: self.act(&self.path(name)),
                });
            }
        }
        missing
    }

    fn has(&self, provider: &ProviderName, label: &Label) -> bool {
        let mut theirs = self.connections.iter();
        theirs.any(|known| known.provider == *provider && known.labels.contains(label))
    }

    fn app<'a>(&self, config: &'a Config, app: &'a LetIn, now: Timestamp) -> App<'a> {
        let gateway = config.gateways.get(&app.gateway);
        let document = url::Url::parse(&app.client_id).ok();
        let source = self.visitor.user.source();
        App {
            name: &app.name,
            host: document
                .filter(|document| document.scheme() == "https")
                .and_then(|document| document.host_str().map(str::to_owned)),
            gateway: gateway.map_or(app.gateway.as_str(), |gateway| &gateway.title),
            since: when(app.since, now),
            used: when(app.used, now),
            remove: self.act(&format!("/applications/{source}/{}/remove", app.handle())),
        }
    }

    fn path(&self, provider: &ProviderName) -> String {
        format!("/connections/{}/{provider}", self.visitor.user.source())
    }

    fn act(&self, path: &str) -> Act {
        let form = csrf::Form::Connections(path);
        Act {
            action: path.to_owned(),
            csrf: self.visitor.browser.form_token(form),
        }
    }
}

fn health(state: &ConnectionState) -> Health {
    match state {
        ConnectionState::Active => Health::Works,
        ConnectionState::NeedsUser => Health::NeedsUser,
        ConnectionState::Resting { operator: None, .. } => Health::Silent,
        ConnectionState::Resting {
            operator: Some(_), ..
        } => Health::NeedsOperator,
    }
}

/// What was granted, without what is part of something else that was.
fn lines<'a>(scopes: &'a ScopeSet, provider: Option<&'a OAuthProvider>) -> Vec<ScopeLine<'a>> {
    let words = |scope: &str| Some(provider?.scope_words.get(scope)?.as_str());
    let includes = |wide: &str, narrow: &str| {
        let included = provider.and_then(|provider| provider.scope_includes.get(wide));
        included.is_some_and(|included| included.iter().any(|scope| scope == narrow))
    };
    // Some providers write a scope in two ways; the one there are words for is shown.
    let is_other_spelling = |scope: &str| {
        let prefix = provider.and_then(|provider| provider.scope_prefix.as_deref());
        let (Some(prefix), None) = (prefix, words(scope)) else {
            return false;
        };
        let short = scope.strip_prefix(prefix);
        let long = format!("{prefix}{scope}");
        scopes
            .iter()
            .any(|other| Some(other) == short || (other == long && words(other).is_some()))
    };
    scopes
        .iter()
        .filter(|scope| {
            !scopes
                .iter()
                .any(|wide| includes(wide, scope) && !includes(scope, wide))
        })
        .filter(|scope| !is_other_spelling(scope))
        .map(|scope| ScopeLine {
            scope,
            words: words(scope),
        })
        .collect()
}

/// What tools need of a connection, and it was not granted.
fn lacking<'a>(
    needed: &[&'a Need<'_>],
    granted: &ScopeSet,
    provider: Option<&'a OAuthProvider>,
) -> Vec<ScopeLine<'a>> {
    let Some(provider) = provider else {
        return Vec::new();
    };
    let required = needed.iter().flat_map(|need| need.scopes.iter());
    let missing = required.filter(|scope| !granted.iter().any(|held| held == *scope));
    let missing: BTreeSet<&str> = missing.collect();
    missing
        .into_iter()
        .map(|scope| ScopeLine {
            scope,
            words: provider.scope_words.get(scope).map(String::as_str),
        })
        .collect()
}
