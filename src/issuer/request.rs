//! An authorization request (OAuth 2.1 §4.1.1): the query of a URL, read anew at every step, for nothing is kept of it before
//! somebody agrees.

use std::net::IpAddr;

use url::{Url, form_urlencoded};

use super::{
    client::{Client, ClientError, Clients, DocumentProblem},
    resource::{self, Resource},
    scope,
};
use crate::{
    base::id::GatewayName,
    config::{Config, Gateway},
    protocol::oauth::{redirect::RedirectUri, scope::ScopeSet},
    store::StoreError,
    web::{authorize_failure::AuthorizeFailure, urls::Urls},
};

/// Longer requests are nobody's. Bytes.
pub(super) const LONGEST: usize = 8 * 1024;

/// A request that may be put to a user.
#[derive(Debug)]
pub(super) struct Request {
    pub recipient: Recipient,
    pub gateway: GatewayName,
    pub resource: String,
    pub scopes: ScopeSet,
    pub challenge: String,
    pub prompt: Prompt,
}

/// Who asks, and where the answer goes: to nobody else may even an error be sent.
#[derive(Debug)]
pub(super) struct Recipient {
    pub client: Client,
    pub redirect: RedirectUri,
    state: Option<String>,
    issuer: String,
}

/// How much the client wants its user to be asked (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// As we see fit.
    Unsaid,
    /// Not at all.
    None,
    /// Whether they agree, though they did before. Also of `select_account`, for the page has "Not you?".
    Consent,
    /// Who they are, though we know.
    Login,
}

/// Words of the registry of OAuth errors, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    InvalidRequest(&'static str),
    UnsupportedResponseType,
    InvalidTarget(&'static str),
    /// OpenID Connect Core §6: requests as objects.
    RequestNotSupported,
    AccessDenied,
    LoginRequired,
    ConsentRequired,
}

/// Why a request is not put to anybody.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Nobody but the person at the browser may be told.
    #[error("it cannot be answered at the client")]
    Page(AuthorizeFailure),
    /// The client is told.
    #[error("refused")]
    Refused(Box<Recipient>, Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The parameters. Those without a value count as omitted (OAuth 2.1 §3.1).
struct Parameters(Vec<(String, String)>);

struct Repeated;

impl Parameters {
    fn of(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut found = self.0.iter().filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value.as_str());
        match found.next() {
            Some(_) => Err(Repeated),
            None => Ok(first),
        }
    }

    fn repeats(&self) -> bool {
        self.0.iter().any(|(name, _)| self.one(name).is_err())
    }
}

impl Request {
    /// Reads a request; first who asks and where the answer goes, so that everything else can be answered there.
    pub(super) async fn read(
        clients: &Clients,
        config: &Config,
        urls: &Urls,
        query: &str,
        from: IpAddr,
    ) -> Result<Self, Unreadable> {
        let parameters = Parameters::of(query);
        let recipient = Recipient::read(clients, config, urls, &parameters, from).await?;
        match Asked::read(config, urls, &parameters) {
            Ok(asked) => Ok(Self {
                recipient,
                gateway: asked.resource.gateway,
                resource: asked.resource.uri,
                scopes: asked.scopes,
                challenge: asked.challenge,
                prompt: asked.prompt,
            }),
            Err(refusal) => Err(Unreadable::Refused(Box::new(recipient), refusal)),
        }
    }

    /// The gateway's configuration.
    pub(super) fn gateway<'c>(&self, config: &'c Config) -> &'c Gateway {
        &config.gateways[&self.gateway]
    }
}

impl Recipient {
    async fn read(
        clients: &Clients,
        config: &Config,
        urls: &Urls,
        parameters: &Parameters,
        from: IpAddr,
    ) -> Result<Self, Unreadable> {
        let unclear = |_: Repeated| Unreadable::Page(AuthorizeFailure::Unclear);
        let id = parameters.one("client_id").map_err(unclear)?;
        let asked = parameters.one("redirect_uri").map_err(unclear)?;
        let id = id.ok_or(Unreadable::Page(AuthorizeFailure::Unclear))?;
        let client = clients.find(config, id, from).await;
        let client = client.map_err(|error| match error {
            ClientError::Unknown => Unreadable::Page(AuthorizeFailure::UnknownClient),
            ClientError::Document(problem) => Unreadable::Page(shown(problem)),
            ClientError::Store(error) => error.into(),
        })?;
        let redirect = match (asked, client.redirect_uris.as_slice()) {
            (Some(asked), _) => client.redirect(asked),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        Ok(Self {
            redirect: redirect.ok_or(Unreadable::Page(AuthorizeFailure::Redirect))?,
            client,
            // One that comes twice is the mistake of which the client is told, without it.
            state: parameters.one("state").ok().flatten().map(str::to_owned),
            issuer: urls.origin().to_owned(),
        })
    }

    /// The address that tells the client, with `iss` (RFC 9207).
    pub(super) fn answer(&self, what: &[(&str, &str)]) -> Url {
        let mut url = self.redirect.url().clone();
        url.query_pairs_mut()
            .extend_pairs(what)
            .extend_pairs(self.state.iter().map(|state| ("state", state)))
            .append_pair("iss", &self.issuer);
        url
    }

    /// The address that tells the client that it was refused.
    pub(super) fn refuse(&self, refusal: Refusal) -> Url {
        self.answer(&[
            ("error", refusal.code()),
            ("error_description", refusal.description()),
        ])
    }
}

/// What is asked for, apart from who asks.
struct Asked {
    resource: Resource,
    scopes: ScopeSet,
    challenge: String,
    prompt: Prompt,
}

impl Asked {
    fn read(config: &Config, urls: &Urls, parameters: &Parameters) -> Result<Self, Refusal> {
        if parameters.repeats() {
            return Err(Refusal::InvalidRequest("a parameter comes twice"));
        }
        let one = |name| parameters.one(name).ok().flatten();
        if one("request").or(one("request_uri")).is_some() {
            return Err(Refusal::RequestNotSupported);
        }
        match one("response_type") {
            Some("code") => {}
            Some(_) => return Err(Refusal::UnsupportedResponseType),
            None => return Err(Refusal::InvalidRequest("response_type is missing")),
        }
        if one("response_mode").is_some_and(|mode| mode != "query") {
            return Err(Refusal::InvalidRequest("response_mode is query"));
        }
        let challenge = challenge(one("code_challenge"), one("code_challenge_method"))?;
        let resource = resource::find(config, urls, one("resource")).map_err(|why| match why {
            resource::InvalidTarget::Unknown => Refusal::InvalidTarget(
                "resource is not an endpoint of this server that takes access tokens",
            ),
            resource::InvalidTarget::Missing => Refusal::InvalidTarget(
                "name the endpoint with the parameter resource; this server has several",
            ),
        })?;
        Ok(Self {
            resource,
            scopes: scopes(one("scope").unwrap_or_default()),
            challenge,
            prompt: Prompt::read(one("prompt").unwrap_or_default())?,
        })
    }
}

impl Prompt {
    fn read(text: &str) -> Result<Self, Refusal> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let has = |word: &str| words.contains(&word);
        match (
            has("none"),
            has("login"),
            has("consent") || has("select_account"),
        ) {
            (true, ..) if words.len() > 1 => Err(Refusal::InvalidRequest(
                "prompt=none goes with nothing else",
            )),
            (true, ..) => Ok(Self::None),
            (_, true, _) => Ok(Self::Login),
            (_, _, true) => Ok(Self::Consent),
            _ => Ok(Self::Unsaid),
        }
    }
}

impl Refusal {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidTarget(_) => "invalid_target",
            Self::RequestNotSupported => "request_not_supported",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(why) | Self::InvalidTarget(why) => why,
            Self::UnsupportedResponseType => "response_type is code",
            Self::RequestNotSupported => "parameters come in the query, one by one",
            Self::AccessDenied => "the user did not let the client in, or may not use the gateway",
            Self::LoginRequired => "nobody is signed in",
            Self::ConsentRequired => "the user was not asked yet",
        }
    }
}

/// S256 and nothing else (RFC 7636 §4.3: without a method it would be `plain`).
fn challenge(challenge: Option<&str>, method: Option<&str>) -> Result<String, Refusal> {
    let why = match (challenge, method) {
        (None, _) => "code_challenge is missing: PKCE is required",
        (_, None | Some("plain")) => "code_challenge_method is S256",
        (Some(challenge), Some("S256")) => {
            let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
            if challenge.len() == 43 && challenge.bytes().all(legal) {
                return Ok(challenge.to_owned());
            }
            "code_challenge is 43 characters of base64url"
        }
        (_, Some(_)) => "code_challenge_method is S256",
    };
    Err(Refusal::InvalidRequest(why))
}

/// What we know of what is asked for. A token with which no tool can be called is of no use to anybody, so that is always in it.
fn scopes(asked: &str) -> ScopeSet {
    let known = scope::known();
    let asked = asked.split_ascii_whitespace();
    let scopes: ScopeSet = asked
        .filter(|asked| known.iter().any(|known| known == *asked))
        .map(str::to_owned)
        .collect();
    if scope::allows_tools(&scopes) {
        scopes
    } else {
        scopes.union(&ScopeSet::parse(scope::TOOLS))
    }
}

fn shown(problem: DocumentProblem) -> AuthorizeFailure {
    AuthorizeFailure::Document {
        why: problem.to_string(),
        later: problem.may_pass(),
    }
}
