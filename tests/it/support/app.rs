//! An application that knows its users itself: it has sessions of its own, a verifier page, and an API key of the gateway.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde_json::{Value, json};
use url::Url;

use super::browser::Browser;

/// Its key of the user source `app`.
pub const APP_KEY: &str = "arc_key-of-the-application";

/// The running application. Clones are the same one.
#[derive(Clone)]
pub struct Application {
    pub base: Url,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    gateway: String,
    visits: Vec<String>,
}

/// What a request to the gateway's API was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub status: u16,
    pub json: Value,
}

impl Application {
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        let mut started = None;
        super::serve(|base| {
            let app = Self {
                base: base.clone(),
                inner,
            };
            started = Some(app.clone());
            Router::new()
                .route("/verify", get(verify))
                .route("/link-verify", get(link_verify))
                .route("/welcome", get(|| async { "welcome back" }))
                .with_state(app)
        })
        .await;
        started.unwrap()
    }

    /// Where its gateway is.
    pub fn uses(&self, gateway: &str) {
        self.inner.lock().unwrap().gateway = gateway.to_owned();
    }

    /// A browser at which this user is signed in to the application.
    pub fn browser_of(&self, user: &str) -> Browser {
        let browser = Browser::new();
        browser.set_cookie(&self.base, "session", user);
        browser
    }

    /// The queries that its verifier pages were opened with.
    pub fn visits(&self) -> Vec<String> {
        self.inner.lock().unwrap().visits.clone()
    }

    /// A request to the gateway's API with the application's key.
    pub async fn post(&self, path: &str, body: &Value) -> Said {
        let gateway = self.inner.lock().unwrap().gateway.clone();
        post(&format!("{gateway}{path}"), APP_KEY, body).await
    }

    pub async fn get(&self, path: &str) -> Said {
        let gateway = self.inner.lock().unwrap().gateway.clone();
        let request = reqwest::Client::new().get(format!("{gateway}{path}"));
        said(request.header(header::AUTHORIZATION, APP_KEY)).await
    }

    pub async fn confirm(&self, flow_id: &str, user_id: &str) -> Said {
        let body = json!({ "flow_id": flow_id, "user_id": user_id });
        self.post("/v1/auth/confirm_user", &body).await
    }
}

/// A request with any key.
pub async fn post(url: &str, key: &str, body: &Value) -> Said {
    let request = reqwest::Client::new().post(url).json(body);
    said(request.header(header::AUTHORIZATION, format!("Bearer {key}"))).await
}

/// What a request is answered with.
pub async fn said(request: reqwest::RequestBuilder) -> Said {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Said {
        status,
        json: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

/// The user of the application's own session: never of anything in the address.
fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().unwrap();
    let session = cookies
        .split("; ")
        .find_map(|it| it.strip_prefix("session="));
    session.map(str::to_owned)
}

type Parameters = Query<BTreeMap<String, String>>;

async fn verify(State(app): State<Application>, query: Parameters, headers: HeaderMap) -> Response {
    app.visited(&query);
    let Some(user) = user(&headers) else {
        return (StatusCode::UNAUTHORIZED, "sign in first").into_response();
    };
    let said = app.confirm(&query["flow_id"], &user).await;
    onward(&said, "next_uri")
}

async fn link_verify(
    State(app): State<Application>,
    query: Parameters,
    headers: HeaderMap,
) -> Response {
    app.visited(&query);
    let user = user(&headers).unwrap();
    let body = json!({ "auth_request_id": query["auth_request_id"], "user_id": user });
    let said = app.post("/v1/connections/verify", &body).await;
    onward(&said, "post_user_verify_redirect_url")
}

fn onward(said: &Said, next: &str) -> Response {
    match (said.status, said.json[next].as_str()) {
        (200, Some(next)) => Redirect::to(next).into_response(),
        (200, None) => "connected".into_response(),
        (status, _) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, said.json.to_string()).into_response()
        }
    }
}

impl Application {
    fn visited(&self, Query(query): &Parameters) {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        self.inner.lock().unwrap().visits.push(text);
    }
}
