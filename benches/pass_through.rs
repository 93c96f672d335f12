//! What one authenticated `tools/call` costs: `cargo bench`.
//!
//! Three threads, each with a runtime of its own: an upstream that answers at once, the gateway, and clients that call as
//! fast as they get answers; with an API key, with an access token, and with a key to a tool that needs the user's own account (`vault`):
//! its credential is looked up, noted in the audit log and sent along; then over the REST API (`rest`), there also of a tool of a worker (`worker`). The figure to trust on a busy machine is the gateway thread's CPU time per call.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anteroom::{
    app::App,
    base::{clock::SystemClock, entropy::OsEntropy, secret::TokenHash},
    config,
};
use axum::{
    Json, Router,
    routing::{get, post},
    serve::ListenerExt,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime, time::timeout};

/// The tests' own person and program: somebody has to sign in before there is a token.
#[path = "../tests/it/support"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests need more of them, and in a test a panic is the report"
)]
mod support {
    pub mod browser;
    pub mod oauth;
}

const KEY: &str = "arc_bench";
const PASSWORD: &str = "correct horse";
const MODERN: &str = "2026-07-28";
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);

fn main() {
    let upstream = upstream();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (gateway, gateway_thread) = gateway(directory.path(), &upstream);
    let token = signed_in(&gateway);
    connect(&gateway);
    println!("access  connections  payload  calls/s   p50 µs   p99 µs   gateway CPU µs/call");
    let rest = gateway.replace("/mcp/work", "/v1/tools/execute");
    for (access, endpoint, bearer, tool) in [
        ("key", &gateway, KEY, "plain_echo"),
        ("token", &gateway, &token, "plain_echo"),
        ("vault", &gateway, KEY, "own_echo"),
        ("rest", &rest, KEY, "plain.echo"),
        ("worker", &rest, KEY, "Kit.Echo"),
    ] {
        for payload in [100, 10_000] {
            for connections in [1, 16, 64] {
                print!("{access:<6}  ");
                measure(
                    (endpoint, bearer, tool),
                    &gateway_thread,
                    connections,
                    payload,
                );
            }
        }
    }
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = memory
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or("VmHWM: unknown");
    println!("whole process, all three parts: {peak}");
}

/// Runs `inside` on a thread with a runtime of its own; gives what it sends first.
fn on_a_thread<T: Send + 'static, F>(
    name: &str,
    inside: impl FnOnce(mpsc::Sender<T>) -> F + Send + 'static,
) -> T
where
    F: Future<Output = ()>,
{
    let (sender, receiver) = mpsc::channel();
    let body = move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(inside(sender));
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread");
    receiver.recv().expect("the thread starts")
}

fn upstream() -> String {
    on_a_thread("upstream", |started| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        started
            .send(format!("http://{address}"))
            .expect("somebody waits");
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new()
            .route(
                "/mcp",
                post(async |Json(body): Json<Value>| Json(answer(&body))),
            )
            .route("/worker/tools", get(async || Json(json!([worker_tool()]))))
            .route(
                "/worker/tools/invoke",
                post(async |Json(body): Json<Value>| Json(invoked(&body))),
            );
        axum::serve(listener, router).await.expect("serving");
    })
}

fn answer(body: &Value) -> Value {
    let result = match body["method"].as_str() {
        Some("server/discover") => json!({
            "resultType": "complete", "supportedVersions": [MODERN], "capabilities": { "tools": {} }, "ttlMs": 60_000, "cacheScope": "public",
        }),
        Some("tools/list") => json!({
            "resultType": "complete", "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }], "ttlMs": 600_000, "cacheScope": "public",
        }),
        _ => json!({
            "resultType": "complete", "content": [{ "type": "text", "text": body["params"]["arguments"]["text"] }],
        }),
    };
    json!({ "jsonrpc": "2.0", "id": body["id"], "result": result })
}

fn worker_tool() -> Value {
    json!({
        "name": "Echo", "fully_qualified_name": "Kit.Echo", "description": "Says it again",
        "toolkit": { "name": "Kit", "version": "1.0.0" },
        "input": { "parameters": [
            { "name": "text", "required": true, "inferrable": true, "value_schema": { "val_type": "string" } },
        ] },
        "output": { "available_modes": ["value"], "value_schema": { "val_type": "string" } },
        "requirements": { "authorization": null, "secrets": null, "metadata": null },
    })
}

fn invoked(body: &Value) -> Value {
    json!({
        "execution_id": body["execution_id"], "finished_at": "2026-11-21T00:00:00", "duration": 0.1, "success": true,
        "output": { "value": body["inputs"]["text"], "logs": null, "error": null, "requires_authorization": null },
    })
}

/// Starts the gateway; gives its endpoint and the id of its thread.
fn gateway(directory: &Path, upstream: &str) -> (String, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (listen, hash) = (
        base.trim_start_matches("http://").to_owned(),
        String::from(TokenHash::of(KEY)),
    );
    let password = "$argon2id$v=19$m=19456,t=2,p=1$/QXoxgj0aRhchWsI6u6KOw$87cWc3L9dEN+VMFSqTTZJEm/nZ6SGOvlyn96tvQrpZI";
    let toml = format!(
        r#"
[server]
listen = "{listen}"
public_url = "{base}"
[store]
url = "sled:store"
[user_sources.team]
type = "accounts"
accounts.alice = {{ password_hash = "{password}" }}
[api_keys.bench]
hash = "{hash}"
user_source = "team"
[providers.service]
type = "api_key"
[upstreams.plain]
url = "{upstream}/mcp"
[upstreams.own]
url = "{upstream}/mcp"
auth = {{ provider = "service" }}
[upstreams.kit]
type = "arcade"
url = "{upstream}"
secret = "dev"
list_ttl = "10m"
[gateways.work]
user_source = "team"
access = ["headers", "oauth"]
tools = ["plain.*", "own.*", "kit.*"]
"#
    );
    let file = directory.join("gateway.toml");
    fs::write(&file, toml).expect("the file is written");
    let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let thread = on_a_thread("gateway", move |started| async move {
        let app = App::build(config, Arc::new(SystemClock), Arc::new(OsEntropy))
            .await
            .expect("the gateway is built");
        listener.set_nonblocking(true).expect("a listener");
        let listener = TcpListener::from_std(listener).expect("a listener");
        started.send(thread_id()).expect("somebody waits");
        app.serve(listener, std::future::pending()).await;
    });
    (format!("{base}/mcp/work"), thread)
}

fn thread_id() -> String {
    let link = fs::read_link("/proc/thread-self").expect("Linux");
    link.file_name()
        .expect("a thread id")
        .to_str()
        .expect("digits")
        .to_owned()
}

/// Nanoseconds of CPU that a thread has had.
fn cpu(thread: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"))
        .expect("Linux with schedstat");
    text.split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

/// An access token of alice's, by the way that clients get one.
fn signed_in(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches("/mcp/work");
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let program = support::oauth::Program::register(base).await;
        let browser = support::browser::Browser::new();
        let page = browser.open(program.request(endpoint, |_| {})).await;
        let page = program.go_on(&browser, page, "alice", PASSWORD).await;
        let said = program.trade(&program.code(&page), |_| {}).await;
        said.tokens().access
    })
}

/// Has alice connect the account that the tools of `own` need: by typing a key, which needs no provider to be running.
fn connect(endpoint: &str) {
    let page = format!("{}/connections", endpoint.trim_end_matches("/mcp/work"));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let browser = support::browser::Browser::new();
        let form = browser.open(&page).await.form("Sign in");
        let form = form.with("username", "alice").with("password", PASSWORD);
        let form = browser.submit(&form).await.form("Connect");
        let form = browser.submit(&form).await.form("Connect service");
        let done = browser.submit(&form.with("key", "k-1")).await;
        assert!(done.title().starts_with("Connected"), "{}", done.words());
    });
}

fn measure(
    (endpoint, bearer, tool): (&str, &str, &'static str),
    gateway_thread: &str,
    connections: usize,
    payload: usize,
) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (calls, cpu, mut times) = runtime.block_on(async {
        let text = "x".repeat(payload);
        let ids = Arc::new(AtomicU64::new(1));
        let clients: Vec<_> = (0..connections).map(|_| reqwest::Client::new()).collect();
        let load = |span| {
            let running = clients.iter().map(|client| {
                tokio::spawn(calls(
                    client.clone(),
                    (endpoint.to_owned(), bearer.to_owned(), tool),
                    text.clone(),
                    Arc::clone(&ids),
                    span,
                ))
            });
            futures_util::future::join_all(running.collect::<Vec<_>>())
        };
        drop(load(WARM_UP).await);
        let before = cpu(gateway_thread);
        let times: Vec<Duration> = load(MEASURED)
            .await
            .into_iter()
            .flat_map(|times| times.expect("a client"))
            .collect();
        (times.len(), cpu(gateway_thread) - before, times)
    });
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_nanos() as f64 / 1000.0;
    println!(
        "{connections:>11}  {payload:>7}  {:>7.0}  {:>7.0}  {:>7.0}  {:>20.1}",
        calls as f64 / MEASURED.as_secs_f64(),
        at(0.5),
        at(0.99),
        cpu as f64 / calls as f64 / 1000.0,
    );
}

/// Calls one after the other for `span`, checks each answer, and gives how long each took.
async fn calls(
    client: reqwest::Client,
    (endpoint, bearer, tool): (String, String, &'static str),
    text: String,
    ids: Arc<AtomicU64>,
    span: Duration,
) -> Vec<Duration> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < span {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let request = if endpoint.ends_with("/execute") {
            let body = json!({ "tool_name": tool, "input": { "text": text }, "user_id": "alice" });
            client.post(&endpoint).bearer_auth(&bearer).json(&body)
        } else {
            mcp_call(&client, (&endpoint, &bearer, tool), &text, id)
        };
        let sent = Instant::now();
        let answer = timeout(Duration::from_secs(10), request.send())
            .await
            .expect("in time")
            .expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        times.push(sent.elapsed());
        let over_mcp = answer["id"] == id && answer["result"]["content"][0]["text"] == text;
        let over_rest = answer["success"] == true && answer["output"]["value"] == text;
        assert!(over_mcp || over_rest, "{answer}");
    }
    times
}

fn mcp_call(
    client: &reqwest::Client,
    (endpoint, bearer, tool): (&str, &str, &'static str),
    text: &str,
    id: u64,
) -> reqwest::RequestBuilder {
    let body = json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {
            "name": tool, "arguments": { "text": text },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    client
        .post(endpoint)
        .bearer_auth(bearer)
        .header("arcade-user-id", "alice")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .json(&body)
}
