//! `[user_sources.*]` and `[api_keys.*]`: who is known, and who may speak for them.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use argon2::{Algorithm, Params, password_hash::phc::PasswordHash};

use super::{
    Account, ApiKey, App, Gateway, UserSource, UserSourceKind,
    app::allowed_origins,
    check::{Declared, Referrer},
    oidc::oidc,
    policy::values,
    section::Section,
    value::{Text, did_you_mean},
};
use crate::{
    base::{
        id::{ApiKeyName, GatewayName, UserSourceName},
        secret::TokenHash,
    },
    protocol::oauth::claims::Claims,
};

/// More would make one sign-in a burden for the machine; the default of `anteroom accounts hash` is 19 MiB and 2 passes.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 64;

#[derive(Clone, Copy)]
enum Kind {
    Oidc,
    Accounts,
    App,
}

pub(super) fn user_sources<'d>(
    root: &Section<'d>,
) -> (BTreeMap<UserSourceName, UserSource>, Declared<'d>) {
    let mut checked = BTreeMap::new();
    let mut declared = Declared::new("user source", root.reader);
    for (name, mut section) in root.named("user_sources") {
        let active = section.is_active();
        declared.add(&name, active, &section.place);
        let title = section.text("title").and_then(Text::label);
        let description = section.text("description").and_then(Text::label);
        let allowed_origins = allowed_origins(&section);
        let kinds = [
            ("oidc", Kind::Oidc),
            ("accounts", Kind::Accounts),
            ("app", Kind::App),
        ];
        let Some(kind) = section.choice_if_known("type", &kinds) else {
            // Nobody can tell which keys it should have.
            section.forgive();
            continue;
        };
        let kind = match kind {
            Kind::Oidc => oidc(&section).map(|oidc| UserSourceKind::Oidc(Box::new(oidc))),
            Kind::Accounts => Some(UserSourceKind::Accounts(accounts(&section))),
            Kind::App => App::read(&section).map(|app| UserSourceKind::App(Box::new(app))),
        };
        let Some(kind) = kind else { continue };
        let title = title.unwrap_or_else(|| name.to_string());
        checked.insert(
            name,
            UserSource {
                title,
                description,
                active,
                allowed_origins,
                kind,
            },
        );
    }
    (checked, declared)
}

fn accounts(section: &Section<'_>) -> BTreeMap<String, Account> {
    let mut accounts = BTreeMap::new();
    for (name, value) in section.entries("accounts") {
        if name.trim() != name
            || name.is_empty()
            || name.len() > 255
            || name.chars().any(char::is_control)
        {
            value.problem("an account's name has 1 to 255 bytes, none of them invisible");
        }
        let Some(account) = value.section("user_sources.*.accounts.*".to_owned()) else {
            continue;
        };
        let hash = account.required_text("password_hash", "`anteroom accounts hash` makes one");
        let display_name = account.text("display_name").and_then(Text::label);
        let email = account.text("email").and_then(Text::label);
        let mut claims: Claims = email.iter().map(|email| ("email", vec![email])).collect();
        claims.update(self::claims(&account));
        if let Some(password_hash) = hash.and_then(password_hash) {
            let account = Account {
                password_hash,
                display_name,
                email,
                claims,
            };
            accounts.insert(name, account);
        }
    }
    accounts
}

fn claims(account: &Section<'_>) -> Claims {
    let claims = account.entries("claims").into_iter();
    claims
        .map(|(name, value)| (name, values(&value).into_iter().collect()))
        .collect()
}

fn password_hash(text: Text<'_>) -> Option<String> {
    let why = match PasswordHash::new(&text.value) {
        Err(_) => "expected an argon2id hash in PHC form ($argon2id$…); `anteroom accounts hash` makes one".to_owned(),
        Ok(hash) if Algorithm::try_from(hash.algorithm.as_str()) != Ok(Algorithm::Argon2id) => {
            "expected argon2id, found another algorithm; `anteroom accounts hash` makes one".to_owned()
        }
        Ok(hash) if hash.salt.is_none() || hash.hash.is_none() => {
            "the hash was cut short: its salt or its end is missing".to_owned()
        }
        Ok(hash) => match Params::try_from(&hash) {
            Err(_) => "the hash's parameters are not argon2's".to_owned(),
            Ok(costs) if costs.m_cost() > MAX_MEMORY_KIB || costs.t_cost() > MAX_PASSES => {
                "the hash costs too much: at most 1 GiB of memory (m=1048576) and 64 passes (t=64)".to_owned()
            }
            Ok(_) => return Some(text.value),
        },
    };
    text.problem(why);
    None
}

/// The gateways that the file names for API keys.
pub(super) type Wishes<'d> = BTreeMap<ApiKeyName, Text<'d>>;

pub(super) fn api_keys<'d>(
    root: &Section<'d>,
    sources: &Declared<'_>,
) -> (BTreeMap<ApiKeyName, ApiKey>, Wishes<'d>) {
    let mut checked = BTreeMap::new();
    let mut wishes = BTreeMap::new();
    let mut owners: HashMap<TokenHash, ApiKeyName> = HashMap::new();
    for (name, section) in root.named("api_keys") {
        let active = section.is_active();
        let hash = section.required_text("hash", "`anteroom keys issue` makes a key and its hash");
        let user_source = section
            .required_text(
                "user_source",
                "the user source whose users the key may speak for",
            )
            .and_then(|text| sources.refer(&text, &Referrer::new("API key", &name, active)));
        let gateway = section.text("gateway");
        let admin = section.flag_or("admin", false);
        let expose_tokens = section.flag_or("expose_tokens", false);
        let Some(text) = hash else { continue };
        let Some(hash) = token_hash(&text) else {
            continue;
        };
        if let Some(owner) = owners.insert(hash, name.clone()) {
            text.problem(format!(
                "the API key `{owner}` has the same hash; issue a key for each"
            ));
        }
        if let (Some(user_source), true) = (user_source, active) {
            wishes.extend(gateway.map(|gateway| (name.clone(), gateway)));
            let key = ApiKey {
                hash,
                user_source,
                gateway: None,
                admin,
                expose_tokens,
            };
            checked.insert(name, key);
        }
    }
    (checked, wishes)
}

/// Says which gateway's tools each key gets: the one it names; else the default one of those that take keys of its user source,
/// or the only one.
pub(super) fn give_gateways(
    keys: &mut BTreeMap<ApiKeyName, ApiKey>,
    gateways: &BTreeMap<GatewayName, Gateway>,
    wishes: &Wishes<'_>,
) {
    for (name, key) in keys {
        let takes =
            |gateway: &Gateway| gateway.headers_access && gateway.user_source == key.user_source;
        let fitting = || gateways.iter().filter(|(_, gateway)| takes(gateway));
        let fits: Vec<&str> = fitting().map(|(name, _)| name.as_str()).collect();
        key.gateway = match wishes.get(name) {
            Some(wish) => {
                let found = fitting().find(|(name, _)| name.as_str() == wish.value);
                if found.is_none() {
                    let (quoted, source) = (wish.quoted(), &key.user_source);
                    wish.problem(format!(
                        "no active gateway {quoted} takes API keys of the user source `{source}`; {}",
                        did_you_mean(&wish.value, &fits)
                    ));
                }
                found.map(|(name, _)| name.clone())
            }
            None => {
                let default = fitting().find(|(_, gateway)| gateway.default);
                let only = fitting().next().filter(|_| fits.len() == 1);
                default.or(only).map(|(name, _)| name.clone())
            }
        };
    }
}

fn token_hash(text: &Text<'_>) -> Option<TokenHash> {
    if text.value.starts_with("arc_") {
        text.problem(
            "this is a key itself, not its hash; whoever read this file may have it: issue another with `anteroom keys issue`",
        );
        return None;
    }
    TokenHash::from_str(&text.value)
        .map_err(|why| text.problem(why.to_string()))
        .ok()
}
