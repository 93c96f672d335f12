//! `[user_sources.*]` of type `oidc`: an OpenID provider that signs a company's people in.

use std::time::Duration;

use super::{
    ClientAuth,
    provider::{CLIENT_AUTH, scope},
    section::Section,
    value::Text,
};
use crate::{base::secret::Secret, protocol::oauth::scope::ScopeSet};

/// Clocks of two machines differ by less.
const LEEWAY: Duration = Duration::from_secs(60);

/// Our client at an OpenID provider, and which of its claims names the user.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The issuer as its tokens spell it (OpenID Connect Core §2, `iss`): compared byte by byte. An `https` URL.
    pub issuer: String,
    /// Our client there.
    pub client_id: String,
    /// Our secret there; absent for public clients.
    pub client_secret: Option<Secret>,
    /// How we authenticate at the token endpoint; `None`: as the provider's metadata says.
    pub client_auth: Option<ClientAuth>,
    /// The claim whose value is the user's subject.
    pub subject_claim: String,
    /// What we ask for; `openid` is always among it.
    pub scopes: ScopeSet,
    /// How far the provider's clock may be off.
    pub leeway: Duration,
    /// Whether its identity assertions (ID-JAG) buy access tokens without a browser.
    pub id_jag: bool,
}

pub(super) fn oidc(section: &Section<'_>) -> Option<Oidc> {
    let issuer = section.required_text(
        "issuer",
        "the address before `/.well-known/openid-configuration`, as the provider's tokens spell it",
    );
    let client_id = section.required_text("client_id", "the client made for Anteroom there");
    let client_secret = section.optional("client_secret");
    let has_secret = client_secret.is_some();
    let client_secret = client_secret.and_then(|secret| secret.secret());
    let auth = section.optional("client_auth");
    let client_auth = auth.as_ref().and_then(|auth| auth.choice(CLIENT_AUTH));
    match (auth, client_auth) {
        (Some(auth), Some(ClientAuth::None)) if has_secret => {
            auth.problem("a public client has no `client_secret`");
        }
        (Some(auth), Some(ClientAuth::Basic | ClientAuth::Post)) if !has_secret => {
            auth.problem("this needs a `client_secret`");
        }
        _ => {}
    }
    let subject_claim = section.text_or("subject_claim", "sub");
    if subject_claim.value.is_empty() {
        subject_claim.problem("expected the name of a claim, such as \"sub\" or \"email\"");
    }
    let scopes = section.texts_or("scopes", "[\"openid\"]");
    let scopes = scopes.map_or_else(ScopeSet::default, |scopes| {
        scopes.into_iter().map(scope).collect()
    });
    let leeway = section.duration_or(
        "leeway",
        LEEWAY,
        &(Duration::ZERO..=Duration::from_secs(300)),
    );
    let id_jag = section.flag_or("id_jag", false);
    Some(Oidc {
        issuer: issuer.and_then(|text| issuer_url(&text))?,
        client_id: client_id?.label()?,
        client_secret,
        client_auth,
        subject_claim: subject_claim.value,
        scopes: scopes.union(&ScopeSet::parse("openid")),
        leeway,
        id_jag,
    })
}

/// An issuer is a URL without query and fragment (OpenID Connect Discovery §3). It is kept as written, for it is compared so.
fn issuer_url(text: &Text<'_>) -> Option<String> {
    let url = text.secure_url("whoever sits on the way could sign in as anybody")?;
    if url.query().is_some() || url.fragment().is_some() {
        text.problem("an issuer has neither query nor fragment");
        return None;
    }
    if url.path().ends_with("/.well-known/openid-configuration") {
        text.problem("this is the address of the discovery document; leave `/.well-known/openid-configuration` out");
        return None;
    }
    Some(text.value.clone())
}
