//! What tools are called at a gateway.
//!
//! Hosts put a prefix before our names and cut at 60 or 64 characters, and model APIs take `[A-Za-z0-9_-]` only. So a name
//! has at most 46 of those. Where the natural name is longer, has other characters, or belongs to two tools, it gets a suffix
//! that depends on the tool alone: adding another upstream never renames it to something else.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::{base::id::UpstreamName, config::ToolNames};

const LONGEST: usize = 46;
const SUFFIX_DIGITS: usize = 6;

/// Names for tools given as (upstream, native name), in the same order; all different.
pub fn assign(style: ToolNames, tools: &[(&UpstreamName, &str)]) -> Vec<String> {
    let prefixed = |&(upstream, native): &(&UpstreamName, &str)| format!("{upstream}_{native}");
    let natural: Vec<String> = match style {
        ToolNames::Prefixed => tools.iter().map(prefixed).collect(),
        ToolNames::Plain => {
            let plain = tools
                .iter()
                .map(|(_, native)| (*native).to_owned())
                .collect::<Vec<_>>();
            let uses = count(&plain);
            let choose =
                |(tool, plain): (&(&UpstreamName, &str), &String)| match uses[plain.as_str()] {
                    1 => plain.clone(),
                    _ => prefixed(tool),
                };
            tools.iter().zip(&plain).map(choose).collect()
        }
    };
    let uses = count(&natural);
    let fits = |name: &str| name.len() <= LONGEST && name.bytes().all(legal) && uses[name] == 1;
    tools
        .iter()
        .zip(&natural)
        .map(|(tool, name)| {
            if fits(name) {
                name.clone()
            } else {
                suffixed(name, tool)
            }
        })
        .collect()
}

fn count(names: &[String]) -> HashMap<&str, usize> {
    names.iter().fold(HashMap::new(), |mut uses, name| {
        *uses.entry(name.as_str()).or_default() += 1;
        uses
    })
}

fn legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn suffixed(name: &str, (upstream, native): &(&UpstreamName, &str)) -> String {
    let mut hash = Sha256::new();
    hash.update(upstream.as_str());
    hash.update([0]);
    hash.update(native);
    let hash = hash.finalize();
    let stem: String = name
        .chars()
        .map(|c| {
            if u8::try_from(c).is_ok_and(legal) {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST - SUFFIX_DIGITS - 1)
        .collect();
    format!("{stem}_{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(style: ToolNames, tools: &[(&str, &str)]) -> Vec<String> {
        let upstreams: Vec<UpstreamName> = tools
            .iter()
            .map(|(name, _)| name.parse().unwrap())
            .collect();
        let tools: Vec<_> = upstreams
            .iter()
            .zip(tools)
            .map(|(upstream, (_, native))| (upstream, *native))
            .collect();
        assign(style, &tools)
    }

    #[test]
    fn natural_names_stay() {
        assert_eq!(
            names(ToolNames::Prefixed, &[("github", "list_issues")]),
            ["github_list_issues"]
        );
        assert_eq!(
            names(ToolNames::Plain, &[("a", "x"), ("b", "y")]),
            ["x", "y"]
        );
    }

    #[test]
    fn long_strange_and_colliding_names_get_a_stable_suffix() {
        let long = "x".repeat(60);
        let alone = names(ToolNames::Prefixed, &[("a", &long), ("a", "nöt.legal")]);
        assert!(
            alone
                .iter()
                .all(|name| name.len() <= LONGEST && name.bytes().all(legal)),
            "{alone:?}"
        );
        let more = names(
            ToolNames::Prefixed,
            &[("z", "t"), ("a", "nöt.legal"), ("a", &long)],
        );
        assert_eq!((&alone[0], &alone[1]), (&more[2], &more[1]));
        let colliding = names(ToolNames::Prefixed, &[("a", "b_c"), ("a_b", "c")]);
        assert_ne!(colliding[0], colliding[1]);
    }

    #[test]
    fn plain_names_that_collide_are_prefixed() {
        assert_eq!(
            names(ToolNames::Plain, &[("a", "x"), ("b", "x"), ("b", "y")]),
            ["a_x", "b_x", "y"]
        );
    }
}
