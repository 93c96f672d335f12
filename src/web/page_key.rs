//! The page on which a user types a key. Nothing that was typed is ever shown again.

use askama::Template;

use super::page::{Person, SwitchForm, initial, label, waiting};

/// Asks a user for their key at a provider, which a client wants to be used.
#[derive(Debug, Template)]
#[template(path = "key.html")]
pub struct KeyPage<'a> {
    /// Whether no client asks, but the user on their own page.
    pub own_page: bool,
    /// The client's label.
    pub client: &'a str,
    /// How we know that label, such as "through the API key demo": clients may call themselves anything.
    pub client_note: Option<&'a str>,
    /// What the gateway is called; `None` when a program asks by itself.
    pub gateway: Option<&'a str>,
    /// What the provider is called.
    pub provider: &'a str,
    /// What it calls such a key: `API token`.
    pub key: &'a str,
    /// Where one finds it, in words.
    pub hint: Option<&'a str>,
    /// The page where one finds it.
    pub key_url: Option<&'a str>,
    /// Whether it is tried at the provider before it is kept.
    pub tried: bool,
    /// Who is signed in, and "Not you?"; `None` where an application vouches for its users.
    pub signed_in: Option<(&'a Person, SwitchForm)>,
    /// What that application is called.
    pub vouched_by: Option<&'a str>,
    /// What to say above the field.
    pub notice: KeyNotice,
    /// Where the form posts to; the fields are those of [`super::page::ConsentForm`].
    pub action: &'a str,
    /// [`super::csrf::Form::Connect`].
    pub csrf: String,
}

/// What the page says of the attempt before. Nothing was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNotice {
    /// There was none.
    Nothing,
    /// Nothing was typed.
    Empty,
    /// It is longer than any key.
    TooLong,
    /// There is a blank within.
    Blank,
    /// There is a character that keys do not have.
    Odd,
    /// The provider does not accept it.
    Wrong,
    /// The provider does not say whether it does.
    Silent {
        /// Under which it was logged.
        reference: String,
    },
    /// Too many attempts; good to try again in so many seconds.
    Wait(u64),
}
