//! A program with an API key.

use anteroom::base::secret::TokenHash;
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap},
};
use serde_json::Value;

use super::world::{KEY, World};

/// A key of the user source `team` with `admin`, if the world has [`operator`] in its file.
pub const OPERATOR_KEY: &str = "arc_key-of-the-operator";

/// The section of that key.
pub fn operator() -> String {
    let hash = String::from(TokenHash::of(OPERATOR_KEY));
    format!("\n[api_keys.operator]\nhash = \"{hash}\"\nuser_source = \"team\"\nadmin = true\n")
}

/// The program. What it does not say is as Arcade's Python SDK does it.
#[derive(Clone)]
pub struct Rest {
    base: String,
    authorization: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// What it was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Rest {
    /// Sends the key as it is.
    pub fn new(base: &str, key: &str) -> Self {
        Self {
            base: base.to_owned(),
            authorization: Some(key.to_owned()),
            headers: Vec::new(),
        }
    }

    /// Sends it after `Bearer`, as Arcade's documents say.
    pub fn bearer(mut self) -> Self {
        self.authorization = self.authorization.map(|key| format!("Bearer {key}"));
        self
    }

    pub fn without_key(mut self) -> Self {
        self.authorization = None;
        self
    }

    /// Sends this with everything.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut request = reqwest::Client::new().request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// What it says, if it is a success.
    pub fn good(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// What it says, if it is a refusal of this kind in the one shape of refusals.
    pub fn expect(&self, status: u16, name: &str) -> Value {
        let said = self.json();
        assert_eq!(
            (self.status, &said["name"], &said["error"]),
            (status, &name.into(), &name.into()),
            "{self:?}"
        );
        assert_eq!(
            (&said["code"], &said["msg"]),
            (&status.into(), &said["message"])
        );
        said
    }

    /// The value of a header; empty without it.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    /// A program with the key of `team`.
    pub fn rest(&self) -> Rest {
        Rest::new(&self.base, KEY)
    }

    /// A program of the operator's; the world must have [`operator`] in its file.
    pub fn operator(&self) -> Rest {
        Rest::new(&self.base, OPERATOR_KEY)
    }
}
