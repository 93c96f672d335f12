//! What the steps have in common: their state, their addresses, and how a step stops.

use std::{error::Error, future::Future};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, rejection::PathRejection},
    http::StatusCode,
    routing::get,
};
use tokio_util::task::TaskTracker;
use url::Url;

use super::{Connect, StepError, callback, consent, dispatch, flow::Flow};
use crate::{
    base::{id::FlowId, seal::Sealer},
    provider::OAuthClient,
    store::StoreError,
    user_source::session::BrowserSessions,
    vault::Vault,
    web::failure::{Faults, LinkFailure, PageFailure},
};

pub(super) use crate::web::stop::{Stop, see_other};

/// A consent form is a few hundred bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// The browser's half of connecting an account. Cheap to clone.
#[derive(Clone)]
pub struct ConnectPages {
    pub(super) connect: Connect,
    pub(super) sessions: BrowserSessions,
    pub(super) oauth: OAuthClient,
    pub(super) vault: Vault,
    pub(super) sealer: Sealer,
    pub(super) faults: Faults,
    answers: TaskTracker,
}

/// `GET` and `POST /connect/{flow}`, and the redirect URI of each provider.
pub fn routes(pages: ConnectPages) -> Router {
    Router::new()
        .route("/connect/{flow}", get(dispatch::show).post(consent::answer))
        .route(
            "/oauth2/intermediate_callback/{provider}",
            // Without this a HEAD would be answered by the GET, and use up the state.
            get(callback::receive).head(|| async { StatusCode::METHOD_NOT_ALLOWED }),
        )
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(pages)
}

impl ConnectPages {
    /// The pages of `connect`. Tokens that are fetched go to `vault`; PKCE verifiers that wait are sealed by `sealer`.
    pub fn new(
        connect: Connect,
        sessions: BrowserSessions,
        oauth: OAuthClient,
        vault: Vault,
        sealer: Sealer,
        faults: Faults,
    ) -> Self {
        Self {
            connect,
            sessions,
            oauth,
            vault,
            sealer,
            faults,
            answers: TaskTracker::new(),
        }
    }

    /// Waits until every answer of a provider that is being worked on is settled: before the process ends, else codes
    /// that are spent already come to nothing.
    pub async fn drain(&self) {
        self.answers.close();
        self.answers.wait().await;
    }

    /// Works on in a task of its own: a browser that hangs up does not stop what cannot be done a second time.
    pub(super) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Stop>> + Send + 'static,
    ) -> Result<T, Stop> {
        match self.answers.spawn(work).await {
            Ok(result) => result,
            Err(broken) => Err(self.fault("settling a provider's answer", &broken)),
        }
    }

    /// The flow whose link was opened.
    pub(super) async fn flow(&self, id: Result<Path<String>, PathRejection>) -> Result<Flow, Stop> {
        let Some(id) = id.ok().and_then(|Path(id)| FlowId::parse(&id)) else {
            return Err(LinkFailure::Unknown.into());
        };
        let found = self.stored(self.connect.load(&id).await, "reading a flow")?;
        found.ok_or_else(|| LinkFailure::Unknown.into())
    }

    /// Back to the dispatcher, which knows what comes next.
    pub(super) fn next(&self, flow: &Flow) -> Url {
        self.connect.urls.connect(&flow.id)
    }

    /// Where the browser of a completed flow goes instead of our page, while the user source still allows that.
    pub(super) fn onward(&self, flow: &Flow) -> Option<Url> {
        let config = self.connect.live.now();
        let source = config.user_sources.get(flow.user.source())?;
        let next = flow.next_uri.as_ref();
        next.filter(|next| source.may_lead_to(next)).cloned()
    }

    /// The step's flow; where there was no step to take, the dispatcher says how things stand.
    pub(super) fn stepped(&self, step: Result<Flow, StepError>, flow: &Flow) -> Result<Flow, Stop> {
        match step {
            Ok(flow) => Ok(flow),
            Err(StepError::NotNow(_)) => Err(Stop::SeeOther(self.next(flow))),
            Err(StepError::Store(error)) => Err(self.fault("changing a flow", &error)),
        }
    }

    /// What the store said, or a fault while `doing`.
    pub(super) fn stored<T>(&self, said: Result<T, StoreError>, doing: &str) -> Result<T, Stop> {
        said.map_err(|error| self.fault(doing, &error))
    }

    pub(super) fn fault(&self, doing: &str, error: &dyn Error) -> Stop {
        PageFailure::Fault(self.faults.note(doing, error)).into()
    }
}
