//! The form of a request to the token and revocation endpoints, read by the rules of RFC 6749 §3.2.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, header},
};

use super::refusal::Refusal;

/// The one parameter that may be repeated (RFC 8707 §2).
const RESOURCE: &str = "resource";

/// Why a body is no form, in words for the client's developer (`invalid_request`).
pub(super) struct Unreadable(pub &'static str);

/// Parameters by name. Prints nothing: most are secrets.
pub(super) struct Fields {
    single: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Fields {
    /// Reads a body. Empty parameters are as good as omitted, repeated ones are refused.
    pub(super) fn read(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, Unreadable> {
        let body = body.map_err(|_| Unreadable("the request is too large or was cut short"))?;
        let content_type = headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|text| text.split(';').next());
        let is_form = essence.is_some_and(|essence| {
            essence
                .trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        if !is_form {
            let why = "send the parameters as application/x-www-form-urlencoded";
            return Err(Unreadable(why));
        }
        let mut fields = Self {
            single: BTreeMap::new(),
            resources: Vec::new(),
        };
        for (name, value) in url::form_urlencoded::parse(&body) {
            if value.is_empty() {
                continue;
            }
            if name == RESOURCE {
                fields.resources.push(value.into_owned());
            } else if fields
                .single
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(Unreadable("a parameter is there more than once"));
            }
        }
        Ok(fields)
    }

    /// The parameter `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    /// The parameter `name`, which has to be there.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        let missing = || {
            let why = format!("the parameter {name} is missing");
            Refusal::Request(
                crate::protocol::oauth::error::ErrorCode::InvalidRequest,
                why.into(),
            )
        };
        self.get(name).ok_or_else(missing)
    }

    /// Every `resource`.
    pub(super) fn resources(&self) -> &[String] {
        &self.resources
    }
}
