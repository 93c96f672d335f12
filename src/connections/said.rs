//! What the page says of what was done before: carried through the redirect in the address, with a token that only this browser
//! was given, so that nobody's link can make the page say something that did not happen.

use url::Url;

use crate::{
    base::{id::ProviderName, secret::TokenHash},
    config::{Config, Provider},
    user_source::session::Browser,
    vault::Revocation,
    web::{csrf, page_connections::Notice},
};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An account was disconnected.
    Disconnected(ProviderName, Ended),
    /// Another account is the default now.
    Default(ProviderName),
    /// An account has a name, or none any more.
    Named(ProviderName),
    /// An application was shut out.
    Removed,
}

/// What became of the access at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The provider ended it.
    Done,
    /// It had ended before.
    Already,
    /// We cannot end it.
    NotOffered,
    /// It could not be ended.
    Failed,
}

/// Their names in addresses.
const ENDED: [(Ended, &str); 4] = [
    (Ended::Done, "ended"),
    (Ended::Already, "was-over"),
    (Ended::NotOffered, "not-ended"),
    (Ended::Failed, "failed"),
];

impl From<&Revocation> for Ended {
    fn from(revocation: &Revocation) -> Self {
        match revocation {
            Revocation::Done => Self::Done,
            Revocation::AlreadyGone => Self::Already,
            Revocation::NotOffered => Self::NotOffered,
            Revocation::Failed(_) => Self::Failed,
        }
    }
}

impl Said {
    /// `page` with this said on it, to `browser` only.
    pub fn on(&self, mut page: Url, browser: &Browser) -> Url {
        let text = self.text();
        page.query_pairs_mut()
            .append_pair("said", &text)
            .append_pair("by", &token(browser, &text));
        page
    }

    /// What an address says, if it was given to this browser.
    pub fn read(said: &str, by: &str, browser: &Browser) -> Option<Self> {
        let ours = TokenHash::of(&token(browser, said)) == TokenHash::of(by);
        let (kind, provider) = said.split_once('.').unwrap_or((said, ""));
        let provider = || provider.parse().ok();
        match kind {
            _ if !ours => None,
            "default" => provider().map(Self::Default),
            "named" => provider().map(Self::Named),
            "removed" => Some(Self::Removed),
            _ => {
                let (ended, _) = ENDED.into_iter().find(|(_, name)| *name == kind)?;
                Some(Self::Disconnected(provider()?, ended))
            }
        }
    }

    /// For people.
    pub fn notice(&self, config: &Config) -> Notice {
        let title = |name: &ProviderName| {
            let provider = config.providers.get(name);
            provider.map_or_else(|| name.to_string(), |known| known.title().to_owned())
        };
        match self {
            Self::Disconnected(name, ended) => {
                ended.notice(&title(name), config.providers.get(name))
            }
            Self::Default(name) => well(
                "The default account is changed",
                format!("Tools that use {} without naming an account use this one from now on.", title(name)),
            ),
            Self::Named(name) => well(
                "The name is saved",
                format!("It is yours alone; {} does not see it.", title(name)),
            ),
            Self::Removed => well(
                "The application has no access any more",
                "It can use nothing in your name from now on. Should it ask again, you are asked first.".to_owned(),
            ),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Disconnected(provider, ended) => {
                let name = ENDED.iter().find(|(known, _)| known == ended);
                format!("{}.{provider}", name.map_or("failed", |(_, name)| name))
            }
            Self::Default(provider) => format!("default.{provider}"),
            Self::Named(provider) => format!("named.{provider}"),
            Self::Removed => "removed".to_owned(),
        }
    }
}

impl Ended {
    fn notice(self, provider: &str, known: Option<&Provider>) -> Notice {
        let title = format!("{provider} is disconnected");
        let here = "Our keys for the account are deleted.";
        let there = || where_to_end_it(provider, known);
        match self {
            Self::Done => well(
                &title,
                format!("{here} {provider} confirmed that the access is over on its side, too."),
            ),
            Self::Already => well(
                &title,
                format!("{here} {provider} had ended the access before."),
            ),
            Self::NotOffered => less(
                &title,
                format!(
                    "{here} We cannot end the access on the side of {provider}, which may list it still. {}",
                    there()
                ),
            ),
            Self::Failed => less(
                &title,
                format!(
                    "{here} But {provider} did not confirm that the access is over on its side, and may list it still. {}",
                    there()
                ),
            ),
        }
    }
}

fn where_to_end_it(title: &str, provider: Option<&Provider>) -> String {
    match provider {
        Some(Provider::ApiKey(service)) => match &service.key_url {
            Some(url) => format!("To end it there: delete your {} at {url}.", service.label),
            None => format!(
                "To end it there: open the settings of your account at {title}, and delete your {}.",
                service.label
            ),
        },
        Some(Provider::OAuth(server)) => {
            let host = server.authorize_url.host_str().unwrap_or(title);
            format!(
                "To end it there: sign in at {host}, open the settings of your account, and remove it from the connected or authorized applications."
            )
        }
        None => format!(
            "To end it there: open the settings of your account at {title}, and remove it from the connected or authorized applications."
        ),
    }
}

fn token(browser: &Browser, said: &str) -> String {
    browser.form_token(csrf::Form::Connections(&format!("said/{said}")))
}

fn well(title: &str, text: String) -> Notice {
    Notice {
        well: true,
        title: title.to_owned(),
        text,
    }
}

fn less(title: &str, text: String) -> Notice {
    Notice {
        well: false,
        ..well(title, text)
    }
}
