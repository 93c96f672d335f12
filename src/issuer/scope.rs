//! The scopes of our own tokens: few and coarse, for clients ask a person again whenever one is missing.

use crate::protocol::oauth::scope::ScopeSet;

/// To list and call tools.
pub const TOOLS: &str = "mcp:tools";
/// Everything an endpoint offers; implies the others.
pub const ALL: &str = "mcp";
/// OpenID Connect Core §11; accepted where clients ask for it, and not advertised. Refresh tokens are given without it, too.
pub const OFFLINE: &str = "offline_access";

/// What may be asked for.
pub fn known() -> ScopeSet {
    [TOOLS, ALL, OFFLINE]
        .map(str::to_owned)
        .into_iter()
        .collect()
}

/// Whether somebody who holds `granted` holds `scope`, too.
pub fn covers(granted: &ScopeSet, scope: &str) -> bool {
    let has = |wanted: &str| granted.iter().any(|held| held == wanted);
    has(scope) || (scope == TOOLS && has(ALL))
}

/// Whether tools may be listed and called.
pub fn allows_tools(granted: &ScopeSet) -> bool {
    covers(granted, TOOLS)
}

/// `asked`, if all of it is covered by `granted`.
pub(super) fn narrowed(granted: &ScopeSet, asked: ScopeSet) -> Option<ScopeSet> {
    let covered = asked.iter().all(|scope| covers(granted, scope));
    covered.then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_scope_implies_the_narrow_one_and_not_the_other_way() {
        let set = ScopeSet::parse;
        assert!(allows_tools(&set("mcp:tools")) && allows_tools(&set("mcp")));
        assert!(!allows_tools(&set("offline_access")) && !covers(&set("mcp:tools"), "mcp"));
        assert_eq!(
            narrowed(&set("mcp"), set("mcp:tools")),
            Some(set("mcp:tools"))
        );
        assert_eq!(narrowed(&set("mcp:tools"), set("mcp mcp:tools")), None);
    }
}
