//! YAML within bounds.

use anyhow::anyhow;
use serde_json::Value;

/// Reads one document: no deep nesting, no bombs of aliases, no key twice.
///
/// # Errors
/// Where it went wrong, in words that quote nothing of the file.
pub(super) fn parse(text: &str) -> anyhow::Result<Value> {
    let options = serde_saphyr::options! {
        // What it would show may be a secret.
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 20_000,
            max_events: 60_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|place| {
            let (line, column) = (place.line(), place.column());
            format!("line {line}, column {column}: ")
        });
        anyhow!(
            "{}it is not YAML that can be read: broken, nested too deeply, too large when its aliases are written out, or with a key twice",
            place.unwrap_or_default()
        )
    })
}
