//! How we introduce ourselves: `serverInfo` of each gateway, as JSON, written once per configuration and not once per answer.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use rmcp::model::Implementation;

use crate::{base::id::GatewayName, config::Config};

/// The texts for the configuration that was asked for last.
#[derive(Default)]
pub struct ServerInfos(ArcSwapOption<Written>);

struct Written {
    edition: u64,
    texts: BTreeMap<GatewayName, Arc<str>>,
}

impl ServerInfos {
    /// The text for the gateway `name` of `config`.
    pub fn of(&self, config: &Config, name: &GatewayName) -> Arc<str> {
        let written = self.0.load();
        let known = written
            .as_ref()
            .filter(|written| written.edition == config.edition);
        if let Some(text) = known.and_then(|written| written.texts.get(name)) {
            return Arc::clone(text);
        }
        let texts: BTreeMap<_, _> = config
            .gateways
            .iter()
            .map(|(name, gateway)| (name.clone(), write(&gateway.title)))
            .collect();
        // A principal is only ever made at a gateway of its configuration; any other has its name for a title.
        let text = texts
            .get(name)
            .map_or_else(|| write(name.as_str()), Arc::clone);
        // Requests of two configurations at once, while one replaces the other, write this anew for each other: no more than that.
        self.0.store(Some(Arc::new(Written {
            edition: config.edition,
            texts,
        })));
        text
    }
}

fn write(title: &str) -> Arc<str> {
    let info = Implementation::new("anteroom", env!("CARGO_PKG_VERSION")).with_title(title);
    serde_json::to_string(&info)
        .expect("our own values serialise")
        .into()
}
