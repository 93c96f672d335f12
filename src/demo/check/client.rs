//! Two small MCP clients: one that speaks 2026-07-28, and one that speaks 2025-11-25 with a session.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Stumble;
use crate::{
    demo::handout::{Handout, example},
    protocol::sse::Events,
};

const LARGEST_EVENT: usize = 1024 * 1024;

/// Someone's MCP client. Clones are the same client with the same session.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
    user: Option<String>,
    /// The legacy session, once there is one.
    session: Option<String>,
    /// Every message that came, one a line.
    seen: Arc<Mutex<String>>,
}

/// A GET stream of the legacy wire.
pub struct Notifications(Events<reqwest::Body>);

/// What a request was answered with.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON-RPC response.
    pub body: Value,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

impl Answer {
    /// The result, or what came instead.
    pub fn result(self) -> Result<Value, Stumble> {
        match self.body.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(Stumble::Unexpected(format!(
                "expected a result, found {self}"
            ))),
        }
    }
}

impl Client {
    /// The client of `user`, with the demo's API key.
    pub fn new(handout: &Handout, user: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .resolve("localhost", ([127, 0, 0, 1], 0).into())
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client without proxies and own certificates can be built");
        Self {
            http,
            url: handout.mcp_url.clone(),
            key: handout.api_key.clone(),
            user: Some(user.to_owned()),
            session: None,
            seen: Arc::default(),
        }
    }

    /// The same client with another key.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// The same client, who shows no key and names nobody.
    #[must_use]
    pub fn stranger(&self) -> Self {
        let client = self.clone();
        Self {
            key: String::new(),
            user: None,
            ..client
        }
    }

    /// What it sends requests with.
    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// What a request is told that is answered 401.
    pub async fn challenge(&self) -> Result<String, Stumble> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        let response = self.post(&body).send().await?;
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        match challenge.and_then(|challenge| challenge.to_str().ok()) {
            Some(challenge) if response.status() == StatusCode::UNAUTHORIZED => {
                Ok(challenge.to_owned())
            }
            Some(_) | None => Err(Stumble::Unexpected(format!(
                "expected a 401 with a challenge, found {}",
                response.status()
            ))),
        }
    }

    /// One request of 2026-07-28; `more` are headers that mirror parameters.
    pub async fn modern(
        &self,
        method: &str,
        params: Value,
        capabilities: &Value,
        more: &[(&str, &str)],
    ) -> Result<Answer, Stumble> {
        let example = example("demo-check", method, params, capabilities);
        let mut request = self.request(Method::POST);
        for (name, value) in &example.headers {
            request = request.header(*name, value);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let response = request.body(example.body.to_string()).send().await?;
        self.read(response).await
    }

    /// `tools/call` of 2026-07-28, by a client that opens links.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Stumble> {
        let params = json!({ "name": tool, "arguments": arguments });
        self.modern("tools/call", params, &opens_links(), &[])
            .await?
            .result()
    }

    /// `initialize` and `notifications/initialized` of 2025-11-25.
    pub async fn initialize(&mut self, capabilities: &Value) -> Result<Value, Stumble> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": { "name": "demo-check", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = self.post(&body).send().await?;
        let session = response.headers().get("mcp-session-id");
        let session = session.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let result = self.read(response).await?.result()?;
        self.session = session;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = self.legacy_post(&initialized).send().await?;
        match accepted.status() {
            StatusCode::ACCEPTED => Ok(result),
            status => Err(Stumble::Unexpected(format!(
                "initialized was answered {status}"
            ))),
        }
    }

    /// `tools/call` in the legacy session.
    pub async fn legacy_call(&self, tool: &str, arguments: Value) -> Result<Answer, Stumble> {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let response = self.legacy_post(&body).send().await?;
        self.read(response).await
    }

    /// Opens the session's GET stream.
    pub async fn listen(&self) -> Result<Notifications, Stumble> {
        let request = self.in_session(self.request(Method::GET));
        let response = request
            .header(header::ACCEPT, "text/event-stream")
            .send()
            .await?;
        match response.status() {
            StatusCode::OK => Ok(Notifications(events(response))),
            status => Err(Stumble::Unexpected(format!(
                "the GET stream was answered {status}"
            ))),
        }
    }

    /// Ends the session.
    pub async fn end(&self) -> Result<StatusCode, Stumble> {
        Ok(self
            .in_session(self.request(Method::DELETE))
            .send()
            .await?
            .status())
    }

    /// Every message that came, one a line.
    pub fn seen(&self) -> String {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn read(&self, response: Response) -> Result<Answer, Stumble> {
        let answer = read(response).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push_str(&answer.body.to_string());
        seen.push('\n');
        Ok(answer)
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let mut request = self.http.request(method, &self.url);
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        match &self.user {
            Some(user) => request.header("Arcade-User-ID", user),
            None => request,
        }
    }

    fn post(&self, body: &Value) -> RequestBuilder {
        self.request(Method::POST)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(body.to_string())
    }

    fn legacy_post(&self, body: &Value) -> RequestBuilder {
        self.in_session(self.post(body))
    }

    fn in_session(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("MCP-Protocol-Version", "2025-11-25");
        match &self.session {
            Some(session) => request.header("MCP-Session-Id", session),
            None => request,
        }
    }
}

impl Notifications {
    /// Waits for a notification of this method; others are passed over.
    pub async fn wait_for(&mut self, method: &str) -> Result<Value, Stumble> {
        while let Some(message) = next_message(&mut self.0).await? {
            if message["method"] == method {
                return Ok(message["params"].clone());
            }
        }
        Err(Stumble::Unexpected(format!(
            "the stream ended without {method}"
        )))
    }
}

/// The capabilities of a client that opens links for its user.
pub fn opens_links() -> Value {
    json!({ "elicitation": { "url": {} } })
}

async fn read(response: Response) -> Result<Answer, Stumble> {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let streamed = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !streamed {
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        return Ok(Answer { status, body });
    }
    let mut events = events(response);
    while let Some(message) = next_message(&mut events).await? {
        if message.get("id").is_some() && message.get("method").is_none() {
            return Ok(Answer {
                status,
                body: message,
            });
        }
    }
    Err(Stumble::Unexpected(
        "the stream ended without an answer".to_owned(),
    ))
}

fn events(response: Response) -> Events<reqwest::Body> {
    Events::new(response.into(), LARGEST_EVENT)
}

async fn next_message(events: &mut Events<reqwest::Body>) -> Result<Option<Value>, Stumble> {
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| Stumble::Unexpected(error.to_string()))?;
        // A priming event has no data.
        let data = event.data.unwrap_or_default();
        if !data.is_empty() {
            let message = serde_json::from_str(&data);
            return message
                .map(Some)
                .map_err(|_| Stumble::Unexpected("an event that is not JSON".to_owned()));
        }
    }
    Ok(None)
}
