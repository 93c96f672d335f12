//! What programs call tools: `Kit.Tool`, in the tradition of Arcade's engine, and the other forms they write it in.
//!
//! A worker names its own toolkits; the toolkit of any other upstream is called as `gateway.toml` calls the upstream. What the
//! file says counts for more than what a worker says: a kit that is called as an upstream of the gateway is that upstream's. Of
//! two workers that claim the same tool neither gets it, or one could take the other's calls by a claim. What a worker does not
//! get, it has under the name of its own upstream.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    names,
    view::{Tool, What},
};
use crate::base::id::UpstreamName;

/// Model APIs take no longer names of functions.
const LONGEST_FOR_MODELS: usize = 64;

/// The name of a tool, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    /// What it belongs to.
    pub toolkit: String,
    /// Its name there.
    pub name: String,
    /// Both in one word that model APIs take: `Kit_Tool`, if that fits in 64 characters, is legal and of this tool alone.
    pub function: String,
}

impl Qualified {
    /// `Kit.Tool`
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.toolkit, self.name)
    }

    /// `Kit_Tool`
    pub(super) fn underscored(&self) -> String {
        format!("{}_{}", self.toolkit, self.name)
    }
}

/// The names of all tools of a gateway with these `upstreams`, in their order; no two are the same.
pub(super) fn assign(
    upstreams: &[UpstreamName],
    found: &[(&UpstreamName, What)],
) -> Vec<Qualified> {
    let claims = claims(upstreams, found);
    let mut taken = HashSet::new();
    let mut names: Vec<Option<(String, String)>> = found
        .iter()
        .map(|(upstream, what)| match what {
            What::Native(tool) if tool.worker.is_some() => None,
            // Unique as they are; in lower case only so that no worker comes near them.
            _ => {
                let name = what.native_name().to_owned();
                taken.insert(lower(upstream.as_str(), &name));
                Some((upstream.to_string(), name))
            }
        })
        .collect();
    for (name, (upstream, what)) in names.iter_mut().zip(found) {
        if let (None, Some(tool)) = (&name, what.definition()) {
            let claimed = (tool.toolkit.name.clone(), tool.name.clone());
            let its_own = claims.get(&lower(&claimed.0, &claimed.1)) == Some(&Some(*upstream));
            let claimed = Some(claimed).filter(|_| its_own);
            let own = (upstream.to_string(), tool.name.clone());
            let native = (upstream.to_string(), what.native_name().to_owned());
            let free = |(kit, name): &(String, String)| taken.insert(lower(kit, name));
            // Tools of one upstream that differ in nothing but case: their natural names are still two.
            let chosen = claimed.into_iter().chain([own]).find(free);
            *name = Some(chosen.unwrap_or(native));
        }
    }
    let names: Vec<_> = names.into_iter().map(Option::unwrap_or_default).collect();
    let underscored: Vec<_> = names
        .iter()
        .map(|(toolkit, name)| format!("{toolkit}_{name}"))
        .collect();
    let natural: Vec<_> = found
        .iter()
        .map(|(upstream, what)| (*upstream, what.native_name()))
        .collect();
    let functions = names::distinct(LONGEST_FOR_MODELS, &underscored, &natural);
    names
        .into_iter()
        .zip(functions)
        .map(|((toolkit, name), function)| Qualified {
            toolkit,
            name,
            function,
        })
        .collect()
}

/// Whose the tools are that workers claim, in lower case: `None` for those that two claim.
fn claims<'f>(
    upstreams: &[UpstreamName],
    found: &[(&'f UpstreamName, What)],
) -> HashMap<String, Option<&'f UpstreamName>> {
    let named: HashMap<_, _> = upstreams
        .iter()
        .map(|upstream| (plain(upstream.as_str()), upstream))
        .collect();
    let mut claims: HashMap<_, Option<&UpstreamName>> = HashMap::new();
    for (upstream, what) in found {
        let Some(tool) = what.definition() else {
            continue;
        };
        let kit = named.get(&plain(&tool.toolkit.name)).copied();
        if kit.is_some_and(|kit| kit != *upstream) {
            continue;
        }
        let claim = claims.entry(lower(&tool.toolkit.name, &tool.name));
        claim
            .and_modify(|owner| *owner = owner.filter(|owner| owner == upstream))
            .or_insert(Some(*upstream));
    }
    claims
}

/// `GoogleDocs` and `google-docs` are the same word.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn lower(toolkit: &str, name: &str) -> String {
    format!("{toolkit}.{name}").to_lowercase()
}

/// Tools by every form of their names.
#[derive(Debug)]
pub(super) struct Index {
    /// As written.
    exact: Forms,
    /// In lower case.
    any_case: Forms,
}

/// The place of a tool, or that several could be meant.
type Forms = HashMap<String, Option<usize>>;

impl Index {
    pub fn new(tools: &[Arc<Tool>]) -> Self {
        // A form that comes first is never taken by one that comes later.
        let forms: [fn(&Tool) -> String; 4] = [
            |tool| tool.qualified.dotted(),
            |tool| tool.qualified.function.clone(),
            |tool| tool.name.clone(),
            |tool| tool.qualified.underscored(),
        ];
        let (mut exact, mut any_case) = (Forms::new(), Forms::new());
        for form in forms {
            let written = tools.iter().map(|tool| form(tool));
            add(&mut exact, written.clone());
            add(&mut any_case, written.map(|name| name.to_lowercase()));
        }
        Self { exact, any_case }
    }

    /// The place of the tool of that name, and of that version if one is asked for, here or after an `@` in the name.
    pub fn find(&self, tools: &[Arc<Tool>], name: &str, version: Option<&str>) -> Option<usize> {
        let version = version.filter(|version| !version.is_empty());
        if let Some(found) = self.of_version(tools, name, version) {
            return Some(found);
        }
        let (name, after) = name.rsplit_once('@')?;
        if version.is_some_and(|version| version != after) {
            return None;
        }
        self.of_version(tools, name, Some(after).filter(|after| !after.is_empty()))
    }

    fn of_version(&self, tools: &[Arc<Tool>], name: &str, version: Option<&str>) -> Option<usize> {
        let is_it = |&place: &usize| is_of(&tools[place], version);
        self.called(name).filter(is_it)
    }

    fn called(&self, name: &str) -> Option<usize> {
        let exact = self.exact.get(name).copied().flatten();
        exact.or_else(|| self.any_case.get(&name.to_lowercase()).copied().flatten())
    }
}

/// Whether a tool is of that version. One of no version is of any.
fn is_of(tool: &Tool, version: Option<&str>) -> bool {
    match (tool.version(), version) {
        (Some(known), Some(version)) => known == version,
        _ => true,
    }
}

/// Adds one form of all tools. What stands there from a form before stays; what two tools would be called, neither is.
fn add(forms: &mut Forms, written: impl Iterator<Item = String>) {
    let mut new = Forms::new();
    for (place, name) in written.enumerate() {
        if !forms.contains_key(&name) {
            new.entry(name)
                .and_modify(|there| *there = None)
                .or_insert(Some(place));
        }
    }
    forms.extend(new);
}
