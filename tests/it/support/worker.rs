//! A worker: a tool server of the Arcade kind that checks signatures and requests as real ones do, remembers all of them, and
//! misbehaves on demand. A tool answers with what it was given, unless a test says what it answers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use url::Url;

use super::upstream::{Manner, misbehave};

/// What it shares with gateways.
pub const SECRET: &str = "the-secret-of-the-kit";

/// The running stand-in. Clones are the same server.
#[derive(Clone)]
pub struct StandIn {
    pub url: Url,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    secret: String,
    tools: Vec<Value>,
    manner: Option<(&'static str, Manner)>,
    /// What tools answer next, by name.
    answers: HashMap<String, VecDeque<Value>>,
    looks: usize,
    invoked: Vec<Value>,
    headers: Vec<HeaderMap>,
    claims: Vec<Value>,
}

/// A definition as workers send them, with `more` in it.
pub fn tool(name: &str, more: Value) -> Value {
    let mut tool = json!({
        "name": name, "fully_qualified_name": format!("Kit.{name}"), "description": format!("Does {name}"),
        "toolkit": { "name": "Kit", "description": "Tools for tests", "version": "1.2.3" },
        "input": { "parameters": [] },
        "output": { "description": null, "available_modes": ["value", "error"], "value_schema": { "val_type": "json" } },
        "requirements": { "authorization": null, "secrets": null, "metadata": null },
        "deprecation_message": null, "metadata": null, "_meta": null,
    });
    let Value::Object(more) = more else {
        panic!("{more}")
    };
    tool.as_object_mut().unwrap().extend(more);
    tool
}

/// The requirement of an account at `provider`.
pub fn account(provider: &str) -> Value {
    json!({ "authorization": { "id": provider, "provider_type": "oauth2", "oauth2": { "scopes": ["notes"] } }, "secrets": null })
}

/// What a tool answers when the service behind it did not take the token.
pub fn refused_token() -> Value {
    json!({ "success": false, "output": { "value": null, "error": {
        "kind": "UPSTREAM_RUNTIME_AUTH_ERROR", "message": "[UPSTREAM_RUNTIME_AUTH_ERROR] Unauthorized", "can_retry": false, "status_code": 401,
        "developer_message": "for https://internal.example", "stacktrace": "Traceback: internal", "extra": { "endpoint": "https://internal.example" },
    } } })
}

impl StandIn {
    /// One with these tools.
    pub async fn start(tools: Vec<Value>) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            secret: SECRET.to_owned(),
            tools,
            manner: None,
            answers: HashMap::new(),
            looks: 0,
            invoked: Vec::new(),
            headers: Vec::new(),
            claims: Vec::new(),
        }));
        let mut stand_in = None;
        super::serve(|base| {
            let server = Self {
                url: base.clone(),
                inner,
            };
            stand_in = Some(server.clone());
            Router::new()
                .route("/worker/tools", get(list))
                .route("/worker/tools/invoke", post(invoke))
                .with_state(server)
        })
        .await;
        stand_in.unwrap()
    }

    /// Its section of `gateway.toml`, with `more` keys.
    pub fn section(&self, name: &str, more: &str) -> String {
        let url = &self.url;
        format!(
            "\n[upstreams.{name}]\ntype = \"arcade\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nconnect_timeout = \"500ms\"\ncall_timeout = \"5s\"\nmax_response_bytes = 65536\n{more}\n"
        )
    }

    /// Has it go by another catalogue.
    pub fn offer(&self, tools: Vec<Value>) {
        self.lock().tools = tools;
    }

    /// Has it expect other signatures.
    pub fn expect(&self, secret: &str) {
        self.lock().secret = secret.to_owned();
    }

    /// Has it misbehave at `tools` or `invoke`.
    pub fn misbehave(&self, at: &'static str, manner: Manner) {
        self.lock().manner = Some((at, manner));
    }

    pub fn behave(&self) {
        self.lock().manner = None;
    }

    /// What `tool` answers to its next calls.
    pub fn answer(&self, tool: &str, answers: impl IntoIterator<Item = Value>) {
        let answers = answers.into_iter().collect();
        self.lock().answers.insert(tool.to_owned(), answers);
    }

    /// What it was asked to run, in order.
    pub fn invoked(&self) -> Vec<Value> {
        self.lock().invoked.clone()
    }

    /// The headers of those requests.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.lock().headers.clone()
    }

    /// The claims of every signature it accepted.
    pub fn claims(&self) -> Vec<Value> {
        self.lock().claims.clone()
    }

    /// How often its catalogue was asked for.
    pub fn looks(&self) -> usize {
        self.lock().looks
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn manner(&self, at: &str) -> Option<Manner> {
        let (on, manner) = self.lock().manner.clone()?;
        if on == at { manner.now() } else { None }
    }

    /// As real ones do it: HS256 and nothing else, `worker` among the audiences, the version a text, nothing from the future.
    fn check(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let refuse = |why: &str| {
            let body = Json(json!({ "detail": why }));
            let refused = (
                StatusCode::UNAUTHORIZED,
                [(header::WWW_AUTHENTICATE, "Bearer")],
                body,
            );
            Box::new(refused.into_response())
        };
        let token = headers.get(header::AUTHORIZATION);
        let token = token.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| refuse("Not authenticated"))?;
        let mut inner = self.lock();
        let key = DecodingKey::from_secret(inner.secret.as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["worker"]);
        validation.leeway = 0;
        let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
        let claims = decoded
            .map_err(|error| refuse(&format!("Invalid token. Error: {error}")))?
            .claims;
        if claims["ver"] != "1" || !claims["iat"].is_null() {
            return Err(refuse("Invalid token. Error: Unsupported token version"));
        }
        inner.claims.push(claims);
        Ok(())
    }
}

async fn list(State(server): State<StandIn>, headers: HeaderMap) -> Response {
    server.lock().looks += 1;
    if let Some(manner) = server.manner("tools") {
        return misbehave(manner, "0".to_owned()).await;
    }
    match server.check(&headers) {
        Ok(()) => Json(server.lock().tools.clone()).into_response(),
        Err(refusal) => *refusal,
    }
}

async fn invoke(State(server): State<StandIn>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = server.check(&headers) {
        return *refusal;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    {
        let mut inner = server.lock();
        inner.invoked.push(asked.clone());
        inner.headers.push(headers);
    }
    if let Some(manner) = server.manner("invoke") {
        return misbehave(manner, "0".to_owned()).await;
    }
    let malformed = !asked["tool"].is_object()
        || !asked["inputs"].is_object()
        || asked["context"]["authorization"]
            .get("user_info")
            .is_some_and(Value::is_null);
    if malformed {
        let body = json!({ "code": -32602, "message": "Invalid params: 1 error(s)" });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let mut inner = server.lock();
    let is_meant = |tool: &&Value| {
        let same = |mine: &Value, asked: &Value| {
            mine.as_str().map(str::to_lowercase) == asked.as_str().map(str::to_lowercase)
        };
        let version = &asked["tool"]["version"];
        same(&tool["name"], &asked["tool"]["name"])
            && same(&tool["toolkit"]["name"], &asked["tool"]["toolkit"])
            && (version.is_null() || *version == tool["toolkit"]["version"])
    };
    let Some(tool) = inner.tools.iter().find(is_meant) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response();
    };
    let name = tool["name"].as_str().unwrap().to_owned();
    let answers = inner.answers.get_mut(&name);
    let mut answer = answers.and_then(VecDeque::pop_front).unwrap_or_else(|| {
        let context = &asked["context"];
        let value = json!({ "inputs": asked["inputs"], "user_id": context["user_id"], "token": context["authorization"]["token"] });
        json!({ "success": true, "output": { "value": value, "logs": null, "error": null, "requires_authorization": null } })
    });
    answer["execution_id"] = asked["execution_id"].clone();
    answer["finished_at"] = "2026-11-20T23:46:47.824251".into();
    answer["duration"] = json!(0.53);
    Json(answer).into_response()
}
