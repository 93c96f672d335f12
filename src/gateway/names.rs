//! What tools are called at a gateway.
//!
//! Hosts put a prefix before our names and cut at 60 or 64 characters, and model APIs take `[A-Za-z0-9_-]` only. So a name
//! has at most 46 of those. Where the natural name is longer, has other characters, or belongs to two tools, it gets a suffix
//! that depends on the tool alone: adding another upstream never renames it to something else.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::{base::id::UpstreamName, config::ToolNames};

const LONGEST: usize = 46;
const SUFFIX_DIGITS: usize = 6;
/// A suffix that another tool has already is made longer, up to this many times six digits.
const SUFFIX_WIDTHS: usize = 6;

/// Names for tools given as (upstream, native name), in the same order; all different. Those that bring a name of their own,
/// `Kit_Tool`, have that in every style.
pub fn assign(
    style: ToolNames,
    tools: &[(&UpstreamName, &str)],
    own: &[Option<String>],
) -> Vec<String> {
    let prefixed = |&(upstream, native): &(&UpstreamName, &str)| format!("{upstream}_{native}");
    let tools_and_own = || tools.iter().zip(own);
    let natural: Vec<String> = match style {
        ToolNames::Prefixed => tools_and_own()
            .map(|(tool, own)| own.clone().unwrap_or_else(|| prefixed(tool)))
            .collect(),
        ToolNames::Plain => {
            let plain: Vec<_> = tools_and_own()
                .map(|((_, native), own)| own.clone().unwrap_or_else(|| (*native).to_owned()))
                .collect();
            let uses = count(&plain);
            let choose = |((tool, own), plain): ((_, &Option<String>), &String)| {
                if own.is_some() || uses[plain.as_str()] == 1 {
                    plain.clone()
                } else {
                    prefixed(tool)
                }
            };
            tools_and_own().zip(&plain).map(choose).collect()
        }
    };
    distinct(LONGEST, &natural, tools)
}

/// The natural names where they fit, are legal and belong to one tool alone; else with a suffix. All different.
pub(super) fn distinct(
    longest: usize,
    natural: &[String],
    tools: &[(&UpstreamName, &str)],
) -> Vec<String> {
    let uses = count(natural);
    let fits = |name: &str| name.len() <= longest && name.bytes().all(legal) && uses[name] == 1;
    let mut taken = HashSet::new();
    let mut names = vec![String::new(); tools.len()];
    // Suffixes first: a natural name that looks like one yields to it, or an upstream could take another's calls.
    let (fitting, other): (Vec<usize>, Vec<usize>) =
        (0..tools.len()).partition(|&position| fits(&natural[position]));
    for position in other.iter().chain(&fitting).copied() {
        let (tool, name) = (&tools[position], &natural[position]);
        let as_it_is = fits(name).then(|| name.clone());
        let longer =
            (1..=SUFFIX_WIDTHS).map(|width| suffixed(longest, name, tool, width * SUFFIX_DIGITS));
        let free = |name: &String| taken.insert(name.clone());
        names[position] = as_it_is
            .into_iter()
            .chain(longer)
            .find(free)
            .expect("two tools differ in upstream or name, so in their digests");
    }
    names
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

fn suffixed(
    longest: usize,
    name: &str,
    (upstream, native): &(&UpstreamName, &str),
    digits: usize,
) -> String {
    let mut hash = Sha256::new();
    hash.update(upstream.as_str());
    hash.update([0]);
    hash.update(native);
    let suffix = base16ct::lower::encode_string(&hash.finalize());
    let plain = |c: char| match u8::try_from(c) {
        Ok(byte) if legal(byte) => c,
        _ => '_',
    };
    let stem: String = name.chars().map(plain).take(longest - digits - 1).collect();
    format!("{stem}_{}", &suffix[..digits])
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
        assign(style, &tools, &vec![None; tools.len()])
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

    #[test]
    fn a_name_of_its_own_stays_in_every_style() {
        let upstreams: [UpstreamName; 3] = ["kit", "b", "c"].map(|name| name.parse().unwrap());
        let tools: Vec<_> = upstreams.iter().zip(["Kit.Add", "Kit_Add", "x"]).collect();
        let own = [Some("Kit_Add".to_owned()), None, None];
        assert_eq!(
            assign(ToolNames::Prefixed, &tools, &own),
            ["Kit_Add", "b_Kit_Add", "c_x"]
        );
        assert_eq!(
            assign(ToolNames::Plain, &tools, &own),
            ["Kit_Add", "b_Kit_Add", "x"]
        );
    }

    #[test]
    fn no_upstream_can_take_a_name_that_another_tool_got() {
        let alone = names(ToolNames::Plain, &[("a", "nöt.legal")]);
        let both = names(ToolNames::Plain, &[("b", &alone[0]), ("a", "nöt.legal")]);
        assert_eq!(both[1], alone[0]);
        assert_ne!(both[0], both[1]);
    }
}
