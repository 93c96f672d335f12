//! How a client gets in that knows nothing but the gateway's address: it finds out, registers, and sends alice to sign in.

use std::{collections::HashMap, future::IntoFuture};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::Url;

use super::{
    Stumble,
    browser::Page,
    client::Client,
    clock::SkippingClock,
    people::Person,
    report::{Failed, Report},
};
use crate::base::clock::Span;

/// Longer than an access token is good.
const LONG: Span = Span::from_mins(11);
/// RFC 7636 §4.1. It guards against nobody here.
const VERIFIER: &str = "the-verifier-of-a-program-that-walks-the-demo-0";
const STATE: &str = "of the demo";

/// A program with a listener of its own for what the browser brings back.
struct Program {
    http: reqwest::Client,
    redirect_uri: String,
    client_id: String,
    server: Value,
    resource: String,
}

/// Signs in, calls, renews, and ends it.
pub(super) async fn story(
    report: &mut Report<'_>,
    alice: &mut Person,
    clock: &SkippingClock,
) -> Result<(), Failed> {
    let words = "a client that knows only the address finds where to sign in, and registers itself";
    let program = report.step(words, Program::start(&alice.client)).await?;
    let words = "alice sees which client asks, allows it, and signs in";
    let code = report.step(words, program.send(alice)).await?;
    let words = "the code buys a token, and the token calls a tool";
    let (client, refresh) = report
        .step(words, async {
            let form = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
            ];
            let (client, refresh) = holder(alice, &program.trade(&form).await?)?;
            client.call("acme_server_time", json!({})).await?;
            Ok((client, refresh))
        })
        .await?;
    let words = "when it has expired the client renews it, without alice";
    let client = report
        .step(words, async {
            clock.skip(LONG);
            is_refused(&client).await?;
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
            ];
            let (client, _) = holder(alice, &program.trade(&form).await?)?;
            client.call("acme_server_time", json!({})).await?;
            Ok(client)
        })
        .await?;
    let words = "a refresh token that comes back long after its use ends everything it gave";
    report
        .step(words, async {
            clock.skip(Span::from_mins(1));
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
            ];
            let stolen = program.trade(&form).await;
            Stumble::unless(
                stolen.is_err(),
                "the old refresh token to be refused",
                &"tokens",
            )?;
            is_refused(&client).await
        })
        .await
}

impl Program {
    /// From a 401 to a registration (RFC 9728 §5.1, RFC 8414 §3, RFC 7591 §3).
    async fn start(client: &Client) -> Result<Self, Stumble> {
        let http = client.http();
        let challenge = client.stranger().challenge().await?;
        let metadata = challenge
            .split("resource_metadata=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .ok_or_else(|| Stumble::Unexpected("a 401 that does not say where to go".to_owned()))?;
        let resource: Value = http.get(metadata).send().await?.json().await?;
        let server = text(&resource["authorization_servers"], 0)?;
        let server = format!("{server}/.well-known/oauth-authorization-server");
        let server: Value = http.get(server).send().await?.json().await?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let redirect_uri = format!("http://{}/callback", listener.local_addr()?);
        let arrived = Router::new().route("/callback", get(|| async { "You are signed in." }));
        tokio::spawn(axum::serve(listener, arrived).into_future());
        let registration = json!({ "client_name": "Demo check", "redirect_uris": [redirect_uri] });
        let endpoint = text(&server, "registration_endpoint")?;
        let registered = http.post(endpoint).json(&registration).send().await?;
        let registered: Value = registered.json().await?;
        Ok(Self {
            http,
            redirect_uri,
            client_id: text(&registered, "client_id")?,
            server,
            resource: text(&resource, "resource")?,
        })
    }

    /// Sends alice's browser; gives the code that it brings back.
    async fn send(&self, alice: &mut Person) -> Result<String, Stumble> {
        let mut url = Url::parse(&text(&self.server, "authorization_endpoint")?)
            .map_err(|error| Stumble::Unexpected(error.to_string()))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &self.resource),
            ("state", STATE),
        ]);
        let page = alice.open(&url).await?;
        page.says(200, "Demo check wants to use Anteroom demo")?;
        let page = alice.press(&page, "Allow and sign in", &[]).await?;
        let page = alice.sign_in(page).await?;
        let code = self.answer(&page)?;
        alice.secrets.push(code.clone());
        Ok(code)
    }

    fn answer(&self, page: &Page) -> Result<String, Stumble> {
        let mut answer: HashMap<_, _> = page.url.query_pairs().into_owned().collect();
        let issuer = text(&self.server, "issuer")?;
        let holds = page.url.as_str().starts_with(&self.redirect_uri)
            && answer.get("state").is_some_and(|state| state == STATE)
            && answer.get("iss") == Some(&issuer);
        let expected = "the browser back at the program, with its state and the issuer";
        Stumble::unless(holds, expected, &page.url.path())?;
        let code = answer.remove("code");
        code.ok_or_else(|| Stumble::Unexpected("an answer without a code".to_owned()))
    }

    async fn trade(&self, what: &[(&str, &str)]) -> Result<Value, Stumble> {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        form.extend_from_slice(what);
        let endpoint = text(&self.server, "token_endpoint")?;
        let answer = self.http.post(endpoint).form(&form).send().await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.json().await?),
            status => Err(Stumble::Unexpected(format!(
                "the token endpoint answered {status}"
            ))),
        }
    }
}

/// Alice's client with a token instead of a key, and the token to renew it with.
fn holder(alice: &mut Person, tokens: &Value) -> Result<(Client, String), Stumble> {
    let client = alice.client.stranger();
    let (access, refresh) = (
        text(tokens, "access_token")?,
        text(tokens, "refresh_token")?,
    );
    alice.secrets.extend([access.clone(), refresh.clone()]);
    Ok((client.with_key(&access), refresh))
}

async fn is_refused(client: &Client) -> Result<(), Stumble> {
    let challenge = client.challenge().await?;
    let holds = challenge.contains("error=\"invalid_token\"");
    Stumble::unless(holds, "a 401 that says invalid_token", &challenge)
}

fn text<I: serde_json::value::Index + std::fmt::Display + Copy>(
    value: &Value,
    at: I,
) -> Result<String, Stumble> {
    let found = value.get(at).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Stumble::Unexpected(format!("an answer without `{at}`")))
}
