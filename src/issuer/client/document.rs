//! Clients that are known by the address of a document about them (Client ID Metadata Documents, draft-00).

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_cache_semantics::{CacheOptions, CachePolicy};
use serde_json::{Map, Value};
use url::Url;

use super::{
    Client, ClientAuth, Metadata, Origin, Unfit,
    budget::{Budget, TooOften},
    metadata::AuthMethod,
};
use crate::{
    base::clock::{Clock, Span, Timestamp},
    config::OAuth,
    web::fetch::{FetchError, Fetched, Fetcher, Limits},
};

/// The draft recommends 5 KB; keys that stand in the document need more. Bytes.
const LARGEST: usize = 16 * 1024;
/// Longer addresses are nobody's. Bytes.
const LONGEST_ID: usize = 2048;
/// Documents are not fetched more often than this, nor kept longer, whatever their headers say.
const FRESH: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(5 * 60)..=Duration::from_secs(24 * 60 * 60);
/// The most documents that are remembered.
const ROOM: u64 = 1000;

/// Whether an id is meant as the address of a document.
pub(super) fn is_id(id: &str) -> bool {
    id.starts_with("https:") || id.starts_with("http:")
}

#[derive(Clone)]
pub(super) struct Documents {
    fetcher: Fetcher,
    known: moka::future::Cache<String, Known>,
    budget: Budget,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Known {
    client: Arc<Client>,
    until: Timestamp,
    /// Whether it was fetched when private addresses might be asked.
    private: bool,
}

/// What is the matter with a document, or with its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentProblem {
    /// No address that a document may have. Nothing was fetched.
    #[error("client_id: {0}")]
    Address(&'static str),
    /// Not among `oauth.metadata_document_hosts`. Nothing was fetched.
    #[error("documents of this host are not taken here")]
    Host,
    /// Too many fetches. Nothing was fetched.
    #[error("too many documents are being fetched")]
    TooOften,
    /// No answer.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// Not 200; redirects are among these.
    #[error("answered with another status than 200")]
    Status,
    /// Not JSON.
    #[error("is no JSON object")]
    NotJson,
    /// Its `client_id` is not the address it was fetched from, character by character.
    #[error("its client_id is not its own address")]
    OtherId,
    /// It has no `client_name`.
    #[error("has no client_name")]
    Nameless,
    /// It says a secret, or wants to have one.
    #[error("has a client secret, which everybody can read")]
    Secret,
    /// Something else in it is not taken.
    #[error("{0}")]
    Unfit(#[from] Unfit),
}

impl Documents {
    pub(super) fn new(fetcher: Fetcher, budget: Budget, clock: Arc<dyn Clock>) -> Self {
        Self {
            fetcher,
            known: moka::future::Cache::new(ROOM),
            budget,
            clock,
        }
    }

    /// The client whose document is at `id`: as it was, while that is fresh; else as it is now.
    pub(super) async fn find(
        &self,
        oauth: &OAuth,
        id: &str,
        from: IpAddr,
    ) -> Result<Client, DocumentProblem> {
        let (url, host) = address(id)?;
        let hosts = &oauth.metadata_document_hosts;
        if !hosts.is_empty() && !hosts.contains(&host) {
            return Err(DocumentProblem::Host);
        }
        if let Some(known) = self.known.get(id).await {
            let allowed = oauth.private_metadata_documents || !known.private;
            if allowed && self.clock.now() < known.until {
                return Ok(Client::clone(&known.client));
            }
            self.known.invalidate(id).await;
        }
        // Of many who ask at once one fetches; what went wrong is remembered by nobody.
        let fetched = self.known.try_get_with_by_ref(id, async {
            self.budget.spend(&url, from)?;
            let limits = Limits {
                largest: LARGEST,
                private: oauth.private_metadata_documents,
            };
            let fetched = self.fetcher.get_json(&url, limits).await?;
            let client = Arc::new(read(id, &host, &fetched)?);
            self.budget.prove(&url).await;
            let now = self.clock.now();
            let until = later(now, fresh_for(&url, &fetched, now));
            let private = limits.private;
            Ok::<_, DocumentProblem>(Known {
                client,
                until,
                private,
            })
        });
        let known = fetched.await.map_err(|problem| *problem)?;
        Ok(Client::clone(&known.client))
    }
}

impl DocumentProblem {
    /// Whether the same document may do at another time: it did not come, or we did not ask. Anything else is the client's.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::TooOften | Self::Fetch(FetchError::Slow | FetchError::Unreachable)
        )
    }
}

impl From<TooOften> for DocumentProblem {
    fn from(_: TooOften) -> Self {
        Self::TooOften
    }
}

/// Checks the address itself (draft-00 §3).
fn address(id: &str) -> Result<(Url, String), DocumentProblem> {
    let bad = |why| Err(DocumentProblem::Address(why));
    if id.len() > LONGEST_ID {
        return bad("longer than 2048 bytes");
    }
    let Ok(url) = Url::parse(id) else {
        return bad("not a URL");
    };
    if url.scheme() != "https" {
        return bad("a metadata document has an https address");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("has a user name or password");
    }
    if url.fragment().is_some() {
        return bad("has a fragment");
    }
    if url.path() == "/" {
        return bad("has no path");
    }
    // Dot segments, plain or encoded, do not survive parsing, nor do capitals in the host or a port that says nothing.
    if url.as_str() != id {
        return bad(
            "not in its normal form (RFC 3986 §6.2.2): a path with dots, capitals in the host, or the default port",
        );
    }
    let Some(host) = url.host_str().map(str::to_owned) else {
        return bad("has no host");
    };
    Ok((url, host))
}

fn read(id: &str, host: &str, fetched: &Fetched) -> Result<Client, DocumentProblem> {
    if fetched.status != StatusCode::OK {
        return Err(DocumentProblem::Status);
    }
    if !is_json(&fetched.headers) {
        return Err(DocumentProblem::NotJson);
    }
    let object: Map<String, Value> =
        serde_json::from_slice(&fetched.body).map_err(|_| DocumentProblem::NotJson)?;
    if object.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err(DocumentProblem::OtherId);
    }
    if object.keys().any(|key| key.starts_with("client_secret")) {
        return Err(DocumentProblem::Secret);
    }
    let metadata: Metadata = serde_json::from_value(Value::Object(object))
        .map_err(|_| Unfit::Metadata("a member has another type than RFC 7591 gives it"))?;
    let named = metadata.client_name.as_deref();
    if named.is_none_or(|name| name.trim().is_empty()) {
        return Err(DocumentProblem::Nameless);
    }
    let application = metadata.check()?;
    let auth = match application.auth {
        AuthMethod::None => ClientAuth::None,
        AuthMethod::PrivateKey(keys) => ClientAuth::PrivateKey(keys),
        AuthMethod::Secret(_) => return Err(DocumentProblem::Secret),
    };
    Ok(Client {
        id: id.to_owned(),
        name: application.name,
        origin: Origin::Document {
            host: host.to_owned(),
        },
        redirect_uris: application.redirect_uris,
        auth,
    })
}

/// `application/json`, or something built on it (RFC 6839 §3.1).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    essence.is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// How long an answer is good by its own headers (RFC 9111), within bounds.
pub(super) fn fresh_for(url: &Url, fetched: &Fetched, now: Timestamp) -> Duration {
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    let mut response = Response::new(());
    *response.status_mut() = fetched.status;
    *response.headers_mut() = fetched.headers.clone();
    let now = SystemTime::from(now);
    let policy = CachePolicy::new_options(&request, &response, now, CacheOptions::default());
    policy.time_to_live(now).clamp(*FRESH.start(), *FRESH.end())
}

pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = Span::try_from(by).unwrap_or(Span::MAX);
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
