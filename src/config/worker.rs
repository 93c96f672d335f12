//! What is said of tool servers of the Arcade kind (`type = "arcade"`) alone, and which of them may have what.

use std::collections::BTreeMap;

use super::{
    ArcadeWorker, Globs, Provider, Upstream, UpstreamKind,
    check::{Declared, Referrer, names},
    section::Section,
    value::Text,
};
use crate::base::id::{ProviderName, UpstreamName};

pub(super) fn read(
    section: &Section<'_>,
    name: &UpstreamName,
    referrer: &Referrer,
    providers: &Declared<'_>,
) -> Option<ArcadeWorker> {
    let hint = "the ARCADE_WORKER_SECRET of the tool server, as \"${env:WORKER_SECRET}\"";
    let secret = section.required("secret", hint)?.secret();
    let named = section.entries("providers").into_iter();
    let meant = named.filter_map(|(means, value)| {
        let provider = providers.refer(&value.text()?, referrer)?;
        Some((means, provider))
    });
    let meant = meant.collect();
    let accounts = section.texts_or("accounts", "[\"*\"]");
    for account in accounts.iter().flatten() {
        if !account.value.contains(['*', '?', '[', '{', '!']) {
            providers.refer(account, referrer);
        }
    }
    let secrets = section.texts_or("secrets", "[\"*\"]");
    Some(ArcadeWorker {
        name: name.clone(),
        secret: secret?,
        providers: meant,
        accounts: list(accounts),
        secrets: list(secrets),
    })
}

/// One of nothing is one, too.
fn list(patterns: Option<Vec<Text<'_>>>) -> Globs {
    let Some(patterns) = patterns else {
        return Globs::new(&["*"]).unwrap_or_else(|_| Globs::nothing());
    };
    for pattern in &patterns {
        let glob = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        if let Err(error) = globset::Glob::new(glob) {
            pattern.problem(format!("not a glob: {}", error.kind()));
        }
    }
    let written: Vec<_> = patterns.into_iter().map(|pattern| pattern.value).collect();
    Globs::new(&written).unwrap_or_else(|_| Globs::nothing())
}

/// Tools say themselves what they need. Of a single tool server it is clear that what the file has is for its tools; of several
/// each gets what is said to be for it, or any of them could have what was meant for another.
pub(super) fn part(root: &Section<'_>, upstreams: &mut BTreeMap<UpstreamName, Upstream>) {
    let is_worker = |upstream: &&Upstream| matches!(upstream.kind, UpstreamKind::Arcade(_));
    if upstreams.values().filter(is_worker).count() < 2 {
        return;
    }
    for (name, upstream) in upstreams {
        let UpstreamKind::Arcade(worker) = &mut upstream.kind else {
            continue;
        };
        let place = root.place_of(&["upstreams", name.as_str()]);
        let unsaid = |key: &str| !root.has(&["upstreams", name.as_str(), key]);
        let (accounts, secrets) = (unsaid("accounts"), unsaid("secrets"));
        if accounts {
            worker.accounts = Globs::nothing();
        }
        if secrets {
            worker.secrets = Globs::nothing();
        }
        let missing = match (accounts, secrets) {
            (true, true) => "`accounts = [\"PROVIDER\"]` and `secrets = [\"NAME\"]`",
            (true, false) => "`accounts = [\"PROVIDER\"]`",
            (false, true) => "`secrets = [\"NAME\"]`",
            (false, false) => continue,
        };
        root.reader.warning(&place, format!(
            "there are several tool servers, so each gets only what is said to be for it; its tools get nothing until you write {missing}, or [\"*\"] for all"
        ));
    }
}

/// Notes the presets of which a worker's tools could not tell which provider they mean: of several with the same preset, none
/// has its name.
pub(super) fn note_ambiguous(
    root: &Section<'_>,
    upstreams: &BTreeMap<UpstreamName, Upstream>,
    providers: &BTreeMap<ProviderName, Provider>,
) {
    let mut of_preset: BTreeMap<&str, Vec<&ProviderName>> = BTreeMap::new();
    for (name, provider) in providers {
        let preset = provider
            .oauth()
            .and_then(|provider| provider.preset.as_deref());
        if let Some(preset) = preset {
            of_preset.entry(preset).or_default().push(name);
        }
    }
    for (name, upstream) in upstreams {
        let UpstreamKind::Arcade(worker) = &upstream.kind else {
            continue;
        };
        for (preset, made) in &of_preset {
            let told = worker.providers.contains_key(*preset);
            if made.len() > 1 && !told && !providers.contains_key(*preset) {
                let place = root.place_of(&["upstreams", name.as_str()]);
                let candidates = names(made.iter().copied());
                root.reader.problem(&place, format!(
                    "its tools may ask for \"{preset}\", which could be any of {candidates}; say which: `providers = {{ {preset} = \"{}\" }}`",
                    made[0]
                ));
            }
        }
    }
}
