//! An MCP client as a value: it says what it is told, byte for byte, so that tests can also say the wrong thing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// A client with an API key that speaks for one user.
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    key: Option<String>,
    user: Option<String>,
    capabilities: Value,
    next_id: AtomicU64,
    legacy: Option<Legacy>,
}

struct Legacy {
    revision: String,
    session: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// An answer that comes in events.
pub struct Events {
    pub status: StatusCode,
    pub headers: HeaderMap,
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Client {
    pub fn new(endpoint: &str, key: &str, user: &str) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            endpoint: endpoint.to_owned(),
            key: Some(key.to_owned()),
            user: Some(user.to_owned()),
            capabilities: json!({}),
            next_id: AtomicU64::new(1),
            legacy: None,
        }
    }

    pub fn declaring(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    pub fn with_key(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }

    pub fn with_user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    /// Shakes hands in a legacy revision; requests are legacy from now on.
    pub async fn initialized(mut self, revision: &str) -> Self {
        let answer = self.initialize(revision).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = answer
            .headers
            .get("mcp-session-id")
            .map(|id| id.to_str().unwrap().to_owned());
        let revision = answer.json()["result"]["protocolVersion"]
            .as_str()
            .unwrap()
            .to_owned();
        self.legacy = Some(Legacy { revision, session });
        let accepted = self.notify("notifications/initialized", json!({})).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        self
    }

    /// Speaks a legacy revision without having shaken hands, as clients do that lost their session.
    pub fn without_session(mut self, revision: &str) -> Self {
        self.legacy = Some(Legacy {
            revision: revision.to_owned(),
            session: None,
        });
        self
    }

    pub async fn initialize(&self, revision: &str) -> Answer {
        let params = json!({
            "protocolVersion": revision,
            "capabilities": self.capabilities,
            "clientInfo": { "name": "test-client", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        self.post(&[], &body.to_string()).await
    }

    pub fn session(&self) -> Option<&str> {
        self.legacy.as_ref()?.session.as_deref()
    }

    /// `_meta` of a well-formed modern request.
    pub fn meta(&self) -> Value {
        json!({
            PROTOCOL_VERSION: "2026-07-28",
            CAPABILITIES: self.capabilities,
            CLIENT_INFO: { "name": "test-client", "version": "1" },
        })
    }

    /// A request in this client's revision, with its id.
    pub fn body(&self, method: &str, mut params: Value) -> Value {
        if self.legacy.is_none() {
            let mut meta = self.meta();
            if let Some(more) = params["_meta"].as_object() {
                meta.as_object_mut().unwrap().extend(more.clone());
            }
            params["_meta"] = meta;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// The headers that belong to a request's body.
    pub fn headers(&self, body: &Value) -> Vec<(&'static str, String)> {
        if let Some(legacy) = &self.legacy {
            let mut headers = vec![("mcp-protocol-version", legacy.revision.clone())];
            headers.extend(
                legacy
                    .session
                    .clone()
                    .map(|session| ("mcp-session-id", session)),
            );
            return headers;
        }
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28".to_owned()),
            ("mcp-method", body["method"].as_str().unwrap().to_owned()),
        ];
        let name = body["params"]["name"]
            .as_str()
            .or(body["params"]["uri"].as_str());
        headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
        headers
    }

    pub async fn request(&self, method: &str, params: Value) -> Answer {
        self.events(method, params).await.whole().await
    }

    pub async fn events(&self, method: &str, params: Value) -> Events {
        let body = self.body(method, params);
        let headers = self.headers(&body);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.open(&headers, &body.to_string()).await
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    pub async fn notify(&self, method: &str, params: Value) -> Answer {
        let body = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let headers = self.headers(&body);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.post(&headers, &body.to_string()).await
    }

    /// Posts exactly this.
    pub async fn post(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        self.open(headers, body).await.whole().await
    }

    pub async fn open(&self, headers: &[(&str, &str)], body: &str) -> Events {
        let request = self
            .builder(Method::POST, headers)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_owned());
        Events::of(request.send().await.unwrap())
    }

    pub async fn get(&self, headers: &[(&str, &str)]) -> Events {
        let mut all = headers.to_vec();
        if let Some(session) = self.session() {
            all.push(("mcp-session-id", session));
        }
        let request = self
            .builder(Method::GET, &all)
            .header("accept", "text/event-stream");
        Events::of(request.send().await.unwrap())
    }

    pub async fn delete(&self) -> Answer {
        let session = self.session().unwrap_or_default().to_owned();
        let request = self.builder(Method::DELETE, &[("mcp-session-id", &session)]);
        Events::of(request.send().await.unwrap()).whole().await
    }

    fn builder(&self, method: Method, headers: &[(&str, &str)]) -> RequestBuilder {
        let mut request = self
            .http
            .request(method, &self.endpoint)
            .timeout(Duration::from_secs(30));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(user) = &self.user {
            request = request.header("arcade-user-id", user);
        }
        headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    }
}

impl Answer {
    /// The JSON-RPC response: the body, or the last event of a stream.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = match self
            .headers
            .get("content-type")
            .map(|kind| kind.to_str().unwrap())
        {
            Some(kind) if kind.starts_with("text/event-stream") => {
                let last = messages(&self.text).pop();
                last.unwrap_or_else(|| panic!("no event in {:?}", self.text))
            }
            _ => self.text.clone(),
        };
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {} {text}", self.status))
    }

    /// Status and JSON-RPC error code.
    #[track_caller]
    pub fn error(&self) -> (u16, i64) {
        let json = self.json();
        let code = json["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error: {json}"));
        (self.status.as_u16(), code)
    }

    #[track_caller]
    pub fn result(&self) -> Value {
        let json = self.json();
        assert!(json["error"].is_null(), "{json}");
        json["result"].clone()
    }

    /// The text of a tool's result.
    #[track_caller]
    pub fn words(&self) -> String {
        let result = self.result();
        result["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("no text: {result}"))
            .to_owned()
    }
}

impl Events {
    fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            response,
            buffer: Vec::new(),
        }
    }

    pub fn is_stream(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"))
    }

    /// The next message, or `None` when the stream has ended. Panics after ten seconds of silence.
    pub async fn next(&mut self) -> Option<Value> {
        self.within(Duration::from_secs(10))
            .await
            .expect("a message or the end within ten seconds")
    }

    /// The next message if it comes in time: `None` if nothing came, `Some(None)` for the end.
    pub async fn within(&mut self, time: Duration) -> Option<Option<Value>> {
        let deadline = tokio::time::Instant::now() + time;
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(message) = messages(std::str::from_utf8(&event).unwrap()).pop() {
                    return Some(Some(serde_json::from_str(&message).unwrap()));
                }
                continue;
            }
            match tokio::time::timeout_at(deadline, self.response.chunk()).await {
                Err(_) => return None,
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
                Ok(Ok(None) | Err(_)) => return Some(None),
            }
        }
    }

    pub async fn whole(self) -> Answer {
        let text = self.response.text().await.unwrap();
        Answer {
            status: self.status,
            headers: self.headers,
            text,
        }
    }
}

/// The data of each event.
fn messages(text: &str) -> Vec<String> {
    text.split("\n\n")
        .map(|event| {
            event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("\n")
        })
        .filter(|data| !data.is_empty())
        .collect()
}
