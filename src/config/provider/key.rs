//! The section of one issuer of API keys.

use toml::de::DeTable;

use super::{ApiKeyProvider, Probe, preset::Places, request};
use crate::{
    base::id::Name,
    config::{section::Section, value::Text},
};

/// What services say to a key that they do not know, or that may do nothing (RFC 9110 §15.5.2 and §15.5.4).
const WRONG: &[u16] = &[401, 403];
/// It stands before a field, and within sentences. Characters.
const LONGEST_LABEL: usize = 40;

pub(super) fn provider(
    section: &Section<'_>,
    name: &Name,
    preset: Option<&DeTable<'_>>,
) -> ApiKeyProvider {
    let places = Places::read(section, preset);
    let title = section.text("title").and_then(Text::label);
    let key_url = section.text("key_url").and_then(|text| {
        let text = places.fill(section, text);
        text.secure_url("people take their keys from there")
    });
    let provider = ApiKeyProvider {
        title: title.unwrap_or_else(|| name.to_string()),
        label: label(section),
        hint: section.text("hint").and_then(Text::label),
        key_url,
        probe: probe(section, &places),
    };
    places.note_unused(section);
    provider
}

fn label(section: &Section<'_>) -> String {
    let text = section.text_or("label", "API key");
    if text.value.chars().count() > LONGEST_LABEL {
        text.problem("expected a word or two, such as \"API token\"");
    }
    text.label().unwrap_or_default()
}

fn probe(section: &Section<'_>, places: &Places) -> Option<Probe> {
    let section = section.section("probe");
    if !section.is_there() {
        return None;
    }
    let request = request::about_a_key(&section, places);
    Some(Probe {
        account: request::account_of_a_key(&section),
        wrong: section.statuses_or("wrong", WRONG),
        request: request.or_else(|| request::needs_url(&section, "where keys are tried"))?,
    })
}
