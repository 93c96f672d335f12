//! What a user may use, by their claims: the gateway at all, and which of its tools. Whatever they may not use is not there.

use std::sync::Arc;

use crate::{config::Gateway, protocol::oauth::claims::Claims};

/// Which of a gateway's rules a user meets. Users who meet the same ones see the same tools, so lists are shared by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rights(Arc<[bool]>);

impl Rights {
    /// The rights of somebody with these claims; `None` where the gateway asks for claims that they lack.
    pub fn of(gateway: &Gateway, claims: &Claims) -> Option<Self> {
        gateway.require.is_met_by(claims).then(|| {
            let rules = gateway.rules.iter();
            Self(rules.map(|rule| rule.require.is_met_by(claims)).collect())
        })
    }

    /// Whether a gateway tells its users apart: if not, nobody's claims have to be read.
    pub fn depend_on_claims(gateway: &Gateway) -> bool {
        !gateway.require.is_empty() || !gateway.rules.is_empty()
    }

    /// Whether they may use `tool`, written `upstream.tool`: every rule that is about it must be met.
    ///
    /// `gateway` is the one these rights were made for. A rule that joined it since is not met.
    pub fn allow(&self, gateway: &Gateway, tool: &str) -> bool {
        let mut rules = gateway.rules.iter().enumerate();
        rules.all(|(position, rule)| {
            self.0.get(position).is_some_and(|met| *met) || !rule.tools.allows(tool)
        })
    }
}
