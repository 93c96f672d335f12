//! The pages on which users see what is connected in their name, and change it.

use askama::Template;

use super::page::{OtherSource, Person, ScopeLine, initial, label};

/// A form that does one thing: a button, and what proves that it was pressed on this page.
#[derive(Clone, Debug)]
pub struct Act {
    /// Where it posts to.
    pub action: String,
    /// [`super::csrf::Form::Connections`] of just that address.
    pub csrf: String,
}

/// Everything that is connected in the name of the people at a browser.
#[derive(Debug, Template)]
#[template(path = "connections.html")]
pub struct ConnectionsPage<'a> {
    /// One for each user source that somebody is signed in at.
    pub people: Vec<PersonPart<'a>>,
    /// The other user sources.
    pub others: Vec<OtherSource>,
    /// What came of what was done before.
    pub notice: Option<Notice>,
    /// [`super::csrf::Form::SignOut`]; empty when nobody is signed in.
    pub sign_out: String,
}

/// What is connected in the name of one user.
#[derive(Debug)]
pub struct PersonPart<'a> {
    /// Who.
    pub person: Person,
    /// The user source's name.
    pub source: &'a str,
    /// What the user source is called.
    pub source_title: &'a str,
    /// The providers at which they have connected something.
    pub services: Vec<Service<'a>>,
    /// Providers that their tools use, and where they have connected nothing.
    pub missing: Vec<Missing<'a>>,
    /// The applications that they let in.
    pub apps: Vec<App<'a>>,
}

/// A provider and what is connected there.
#[derive(Debug)]
pub struct Service<'a> {
    /// What the provider is called.
    pub title: &'a str,
    /// What uses it.
    pub uses: Vec<Use<'a>>,
    /// The accounts, the default one first.
    pub accounts: Vec<AccountCard<'a>>,
    /// "Connect another account".
    pub another: Option<Act>,
    /// Whether users connect it with a key that they type.
    pub by_key: bool,
    /// Whether the configuration has this provider no more.
    pub gone: bool,
}

/// A gateway's tools that use a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use<'a> {
    /// What the gateway is called.
    pub gateway: &'a str,
    /// The upstreams there, or some tools of them.
    pub tools: Vec<String>,
}

/// One connected account.
#[derive(Debug)]
pub struct AccountCard<'a> {
    /// What its owner calls it at the provider; `None` if the provider does not say.
    pub name: Option<&'a str>,
    /// Its e-mail address.
    pub email: Option<&'a str>,
    /// The names that its user gave it.
    pub labels: Vec<&'a str>,
    /// Whether it is the one that is used where nothing is said; `None` if it is the only one, so that there is no question.
    pub default: Option<bool>,
    /// Whether it works.
    pub state: State,
    /// What it may do; without those that others include.
    pub scopes: Vec<ScopeLine<'a>>,
    /// What tools need, and it may not.
    pub lacking: Vec<ScopeLine<'a>>,
    /// When it was connected.
    pub connected: When,
    /// When it was last used.
    pub used: Option<When>,
    /// "Reconnect".
    pub reconnect: Option<Act>,
    /// "Make default".
    pub make_default: Option<Act>,
    /// "Save name"; a field `name`.
    pub rename: Act,
    /// The page that asks whether to disconnect it.
    pub disconnect: String,
}

impl AccountCard<'_> {
    /// What tells it from the user's other accounts, in a sentence that is heard rather than seen.
    fn called(&self, provider: &str) -> String {
        let name = self.labels.first().copied().or(self.name).or(self.email);
        match name {
            Some(name) => format!("{name} at {provider}"),
            None => format!("account at {provider}"),
        }
    }

    /// Whether tools wait for it.
    fn is_urgent(&self) -> bool {
        self.state == State::NeedsUser || !self.lacking.is_empty()
    }

    fn reconnect_words(&self) -> &'static str {
        if self.state == State::NeedsUser || self.lacking.is_empty() {
            "Reconnect"
        } else {
            "Give more access"
        }
    }
}

/// Whether a connection works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Works,
    /// Its user has to connect it again.
    NeedsUser,
    /// The provider does not answer at present.
    Silent,
    /// The provider does not accept this gateway: the operator has to act.
    NeedsOperator,
}

/// A moment, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// Such as `3 November 2026` or `5 minutes ago`.
    pub words: String,
    /// RFC 3339.
    pub exact: String,
}

/// A provider where nothing is connected.
#[derive(Debug)]
pub struct Missing<'a> {
    /// What it is called.
    pub title: &'a str,
    /// The label of the account that is missing, where gateways name one.
    pub label: Option<&'a str>,
    /// What would use it.
    pub uses: Vec<Use<'a>>,
    /// "Connect"; a field `label`.
    pub connect: Act,
}

/// An application that was let in.
#[derive(Debug)]
pub struct App<'a> {
    /// What it calls itself.
    pub name: &'a str,
    /// The host that vouches for that name.
    pub host: Option<String>,
    /// The gateway that it may use.
    pub gateway: &'a str,
    /// Since when.
    pub since: When,
    /// When it last showed itself.
    pub used: When,
    /// "Remove access".
    pub remove: Act,
}

/// What came of what was done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether all went well; else the person should read on.
    pub well: bool,
    /// In a few words.
    pub title: String,
    /// The rest.
    pub text: String,
}

/// Asks whether an account shall be disconnected.
#[derive(Debug, Template)]
#[template(path = "disconnect.html")]
pub struct DisconnectPage<'a> {
    /// What the provider is called.
    pub provider: &'a str,
    /// The account, as the provider or its user calls it.
    pub account: Option<&'a str>,
    /// Its e-mail address.
    pub email: Option<&'a str>,
    /// What will stop working.
    pub stops: Vec<Use<'a>>,
    /// What will go on with the account that becomes the default.
    pub moves: Vec<Use<'a>>,
    /// What that one is called, if anybody knows.
    pub instead: Option<&'a str>,
    /// Whether the access is ended at the provider, too.
    pub revokes: bool,
    /// "Disconnect".
    pub act: Act,
}
