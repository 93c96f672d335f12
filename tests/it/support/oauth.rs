//! A program that signs its user in: an MCP client as an OAuth client, which registers, sends a browser, and trades codes.

use std::{future::IntoFuture, net::SocketAddr};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::Url;

use super::browser::{Browser, Page};

/// The verifier of every challenge here; its being known does no harm to a test.
pub const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";
pub const STATE: &str = "the client's own state";

/// A registered client with a listener for its answers.
pub struct Program {
    http: reqwest::Client,
    pub base: String,
    pub client_id: String,
    pub redirect_uri: String,
}

/// What a token endpoint says.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// An answer of an OAuth endpoint.
#[derive(Debug)]
pub struct Said {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
}

impl Program {
    /// Registers itself at the gateway (RFC 7591) as most clients do.
    pub async fn register(base: &str) -> Self {
        let mut program = Self::unregistered(base).await;
        let registration = json!({
            "client_name": "Test Client",
            "redirect_uris": [program.redirect_uri],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        });
        let said = program.post_json("/oauth2/register", &registration).await;
        assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
        program.client_id = said.json["client_id"].as_str().unwrap().to_owned();
        program
    }

    /// One that only listens.
    pub async fn unregistered(base: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let arrived =
            Router::new().route("/callback", get(|| async { "You can close this window." }));
        tokio::spawn(axum::serve(listener, arrived).into_future());
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: base.to_owned(),
            client_id: String::new(),
            redirect_uri: format!("http://{address}/callback"),
        }
    }

    /// The authorization request for an endpoint; `change` sees its parameters before they are written down.
    pub fn request(&self, resource: &str, change: impl FnOnce(&mut Vec<(&str, String)>)) -> Url {
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("code_challenge", challenge()),
            ("code_challenge_method", "S256".to_owned()),
            ("state", STATE.to_owned()),
            ("resource", resource.to_owned()),
            ("scope", "mcp:tools".to_owned()),
        ];
        change(&mut parameters);
        let mut url = Url::parse(&format!("{}/oauth2/authorize", self.base)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }

    /// Whatever `page` asks of a person who is called `user` and wants to go on, until the browser is back at the program.
    pub async fn go_on(
        &self,
        browser: &Browser,
        mut page: Page,
        user: &str,
        password: &str,
    ) -> Page {
        for _ in 0..6 {
            if page.url.as_str().starts_with(&self.redirect_uri) {
                return page;
            }
            let form = if page.has_button("Sign in") {
                page.form("Sign in")
                    .with("username", user)
                    .with("password", password)
            } else if page.has_button("Allow and sign in") {
                page.form("Allow and sign in")
            } else {
                assert!(page.has_button("Allow"), "{} {}", page.url, page.words());
                page.form("Allow")
            };
            page = browser.submit(&form).await;
        }
        panic!("no way back to the program from {}", page.url);
    }

    /// The code that came back to the program, after a look at what came with it.
    pub fn code(&self, page: &Page) -> String {
        let answer = answer(page);
        let one = |name: &str| {
            let values: Vec<_> = answer.iter().filter(|(n, _)| n == name).collect();
            assert_eq!(values.len(), 1, "{name} in {answer:?}");
            values[0].1.clone()
        };
        assert_eq!(
            (one("state").as_str(), one("iss").as_str()),
            (STATE, self.base.as_str())
        );
        one("code")
    }

    /// Trades a code.
    pub async fn trade(&self, code: &str, change: impl FnOnce(&mut Vec<(&str, String)>)) -> Said {
        let mut form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        change(&mut form);
        self.post_form("/oauth2/token", &form).await
    }

    /// Trades a refresh token.
    pub async fn refresh(&self, refresh: &str) -> Said {
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh.to_owned()),
            ("client_id", self.client_id.clone()),
        ];
        self.post_form("/oauth2/token", &form).await
    }

    /// Trades a refresh token for less.
    pub async fn refresh_for(&self, refresh: &str, scope: &str) -> Said {
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh.to_owned()),
            ("client_id", self.client_id.clone()),
            ("scope", scope.to_owned()),
        ];
        self.post_form("/oauth2/token", &form).await
    }

    /// RFC 7009.
    pub async fn revoke(&self, token: &str) -> Said {
        let form = [
            ("token", token.to_owned()),
            ("client_id", self.client_id.clone()),
        ];
        self.post_form("/oauth2/revoke", &form).await
    }

    pub async fn post_form(&self, path: &str, form: &[(&str, String)]) -> Said {
        let request = self.http.post(format!("{}{path}", self.base)).form(form);
        said(request.send().await.unwrap()).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Said {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        said(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Said {
        let request = self.http.get(format!("{}{path}", self.base));
        said(request.send().await.unwrap()).await
    }
}

impl Said {
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let text = |name: &str| self.json[name].as_str().unwrap_or_default().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    pub fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The parameters of the address that a browser ended at.
pub fn answer(page: &Page) -> Vec<(String, String)> {
    page.url.query_pairs().into_owned().collect()
}

async fn said(response: reqwest::Response) -> Said {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Said {
        status,
        headers,
        // Of a page, its beginning is enough for a report.
        json: serde_json::from_str(&text)
            .unwrap_or_else(|_| Value::String(text.chars().take(200).collect())),
    }
}
