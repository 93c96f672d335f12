//! From a provider's claims to our user: who it is, what pages call them, and what policy may look at.

use serde_json::{Map, Value};

use super::OidcError;
use crate::{
    base::text::is_invisible, config::Oidc, protocol::oauth::claims::Claims, web::page::Person,
};

/// OpenID Connect Core §2: a `sub` has no more than 255 characters. Bytes.
const LONGEST_SUBJECT: usize = 255;
/// Nobody is called by a longer name. Bytes.
const LONGEST_NAME: usize = 255;
/// What a token says of itself rather than of the user.
const OF_THE_TOKEN: [&str; 11] = [
    "iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "sid",
];

/// The value of the subject claim.
///
/// # Errors
/// When it is missing, or nothing that can name a user: such a user could not be told from others on pages, or in policies.
pub(super) fn subject(oidc: &Oidc, claims: &Map<String, Value>) -> Result<String, OidcError> {
    let name = &oidc.subject_claim;
    let bad = |why| {
        Err(OidcError::BadClaim {
            claim: name.clone(),
            why,
        })
    };
    let subject = match claims.get(name) {
        None | Some(Value::Null) => return Err(OidcError::NoClaim(name.clone())),
        Some(Value::String(subject)) => subject,
        Some(_) => return bad("it is not a text"),
    };
    if subject.is_empty() {
        return bad("it is empty");
    }
    if subject.len() > LONGEST_SUBJECT {
        return bad("it is longer than 255 bytes");
    }
    if subject.chars().any(is_invisible) || subject.trim() != subject {
        return bad("it has invisible characters");
    }
    // An address that anybody may claim must not name anybody.
    if name == "email" && claims.get("email_verified") == Some(&Value::Bool(false)) {
        return Err(OidcError::Unverified);
    }
    Ok(subject.clone())
}

/// What pages call the user.
pub(super) fn person(subject: &str, claims: &Map<String, Value>) -> Person {
    let text = |name| {
        let text = claims.get(name)?.as_str()?;
        let text: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        let text = text.trim();
        (!text.is_empty() && text.len() <= LONGEST_NAME).then(|| text.to_owned())
    };
    let email = text("email");
    let detail = email.clone().unwrap_or_else(|| subject.to_owned());
    let name = text("name").or_else(|| text("preferred_username"));
    let name = name.or(email).unwrap_or_else(|| subject.to_owned());
    Person {
        detail: (detail != name).then_some(detail),
        name,
    }
}

/// What policy may look at.
pub(super) fn claims(mut claims: Map<String, Value>) -> Claims {
    claims.retain(|name, _| !OF_THE_TOKEN.contains(&name.as_str()));
    Claims::of(&claims)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(claims: &Value) -> (String, Option<String>) {
        let person = person("00u1", claims.as_object().unwrap());
        (person.name, person.detail)
    }

    #[test]
    fn people_are_called_by_the_best_name_there_is() {
        let (some, alice) = (
            |text: &str| Some(text.to_owned()),
            |text: &str| text.to_owned(),
        );
        assert_eq!(
            shown(&json!({ "name": "Alice", "email": "a@b.example" })),
            (alice("Alice"), some("a@b.example"))
        );
        assert_eq!(
            shown(&json!({ "preferred_username": "a\u{202e}li", "name": " \u{200b}" })),
            (alice("ali"), some("00u1"))
        );
        assert_eq!(
            shown(&json!({ "email": "a@b.example" })),
            (alice("a@b.example"), None)
        );
        assert_eq!(shown(&json!({ "name": 7 })), (alice("00u1"), None));
    }

    #[test]
    fn what_a_token_says_of_itself_is_not_what_it_says_of_the_user() {
        let said = json!({ "iss": "https://a", "nonce": "n", "groups": ["eng"], "sub": "alice" });
        let claims = claims(said.as_object().unwrap().clone());
        assert_eq!(claims.one("nonce"), None);
        assert_eq!(claims.one("iss"), None);
        assert_eq!(claims.one("groups"), Some("eng"));
        assert_eq!(claims.one("sub"), Some("alice"));
    }
}
