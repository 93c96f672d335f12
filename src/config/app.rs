//! `[user_sources.*]` of type `app`: an application that vouches for its own users; and where a browser may be sent on to.

use url::Url;

use super::{
    problem::quoted,
    section::Section,
    value::{Text, is_loopback},
};

/// An application that knows its users itself. It speaks for them through an API key, and says who came to its verifier URL.
#[derive(Debug)]
pub struct App {
    /// Where the browser goes when it is back from a provider, with a `flow_id` that the application confirms.
    pub verifier_url: Url,
    /// Whether ids that differ only in upper and lower case are one user.
    pub any_case: bool,
}

impl App {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        const HINT: &str = "the page of the application that finds out who is at the browser, and tells us with `POST /v1/auth/confirm_user`";
        let verifier_url = section.required_text("verifier_url", HINT);
        let verifier_url =
            verifier_url.and_then(|text| text.secure_url("who sees this request can confirm it"));
        let verifier_url = verifier_url.filter(|url| {
            let taken = url.query_pairs().any(|(name, _)| name == "flow_id");
            if taken {
                section.problem_at(
                    "verifier_url",
                    "has a `flow_id` of its own, beside which ours would be lost",
                );
            }
            !taken
        });
        let spellings = [("exact", false), ("any_case", true)];
        let any_case = section.choice("user_ids", &spellings);
        Some(Self {
            verifier_url: verifier_url?,
            any_case,
        })
    }
}

/// A letter in its small form, if it is the capital of just that: there are letters that only share a small form with one, such as
/// the sign of the unit kelvin (UAX #44, `Lowercase_Mapping`), and two ids must not become one by those.
pub(super) fn small(letter: char) -> char {
    let mut small = letter.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) if small.to_uppercase().eq([letter]) => small,
        _ => letter,
    }
}

/// The origins of a list.
pub(super) fn allowed_origins(section: &Section<'_>) -> Vec<String> {
    let texts = section.texts("allowed_origins");
    texts.iter().filter_map(allowed_origin).collect()
}

fn allowed_origin(text: &Text<'_>) -> Option<String> {
    let origin = text.secure_url("browsers are sent there")?.origin();
    let origin = origin.ascii_serialization();
    if origin != text.value {
        text.problem(format!(
            "expected an origin, without path or query; {} would be one",
            quoted(&origin)
        ));
        return None;
    }
    Some(origin)
}

/// Whether a browser may be sent to an address that came with a request: over TLS or on this machine, to nobody by name, and to
/// one of `origins`.
pub(super) fn may_lead_to<'a>(url: &Url, mut origins: impl Iterator<Item = &'a str>) -> bool {
    let origin = url.origin().ascii_serialization();
    is_plain(url) && origins.any(|allowed| allowed == origin)
}

/// An address that can be a page of an application: over TLS or on this machine, without user name and password.
pub fn is_plain(url: &Url) -> bool {
    let secure = match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    };
    secure && url.username().is_empty() && url.password().is_none()
}
