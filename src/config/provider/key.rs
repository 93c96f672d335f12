//! The section of one issuer of API keys.

use super::ApiKeyProvider;
use crate::{
    base::id::Name,
    config::{section::Section, value::Text},
};

pub(super) fn provider(section: &Section<'_>, name: &Name) -> ApiKeyProvider {
    let title = section.text("title").and_then(Text::label);
    ApiKeyProvider {
        title: title.unwrap_or_else(|| name.to_string()),
    }
}
