//! An event with all that is known around it, and the line that says it.
//!
//! One JSON object on each line. Members that have nothing to say are absent; names and words stay as they are, new ones may
//! come.
//!
//! | member | says |
//! |---|---|
//! | `at` | when, RFC 3339 |
//! | `event` | what; one of [`super::event::KINDS`] |
//! | `outcome` | `ok`, `failed`, `refused`, `needs_user` |
//! | `user_source`, `user` | whose connection: the user source and its word for the person, in full |
//! | `provider` | at which provider |
//! | `connection`, `account` | which connection, and which account there, as the provider calls it |
//! | `through` | `client`, `api_key`, `page` (the user's own), `operator`, or `itself` (Anteroom, unasked) |
//! | `client_id`, `client`, `grant` | with `client`: its `client_id`, its name, and the grant it acted with |
//! | `api_key` | with `api_key`: the name of the key |
//! | `gateway`, `upstream`, `tool` | where, and for which tool (its name at the upstream; absent with `listed`) |
//! | `flow` | which attempt to connect, as in its link |
//! | `reference` | the log entry that says more |
//! | `why` | what was wrong, in one word |
//! | `change`, `scopes`, `withheld` | with `connected`: `new`, `updated` or `replaced`; what was granted, what was asked for in vain |
//! | `verifier` | with `verified`, `verify_mismatch`: who vouched for the person, `sign_in`, `app` or `link` |
//! | `came` | with `verify_mismatch`: who was at the browser instead, if they are known: the same user source's word for them |
//! | `cause` | with `refreshed`: `expiry`, `refused` (by an upstream) or `operator` |
//! | `by`, `revoked` | with `disconnected`: `user` or `operator`; what the provider made of it |

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Event, Outcome, cut, shortened};
use crate::base::{
    clock::Timestamp,
    id::{ApiKeyName, FlowId, GatewayName, ProviderName, UserId},
};

/// Something that happened to a user's connection at a provider. Cheap to make: names are shared, nothing is formatted yet.
#[derive(Clone, Debug)]
pub struct Entry {
    user: UserId,
    provider: ProviderName,
    event: Event,
    connection: Option<String>,
    account: Option<String>,
    through: Through,
    gateway: Option<GatewayName>,
    flow: Option<FlowId>,
    reference: Option<String>,
}

/// On whose behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "through", rename_all = "snake_case")]
pub enum Through {
    /// Nobody's: Anteroom saw to it.
    #[default]
    Itself,
    /// An OAuth client that the user let in.
    Client {
        /// Its `client_id`.
        client_id: Arc<str>,
        /// What it was called when the user let it in.
        #[serde(serialize_with = "cut")]
        client: Arc<str>,
        /// The grant. Worth nothing to whoever reads it.
        grant: Arc<str>,
    },
    /// A program that holds an API key.
    ApiKey {
        /// The name of the key, never the key.
        api_key: ApiKeyName,
    },
    /// The user, on a page of ours.
    Page,
    /// An operator: the admin listener, or the command line.
    Operator,
}

impl Entry {
    /// `event` happened to a connection of `user` at `provider`.
    pub fn new(user: &UserId, provider: &ProviderName, event: Event) -> Self {
        Self {
            user: user.clone(),
            provider: provider.clone(),
            event,
            connection: None,
            account: None,
            through: Through::Itself,
            gateway: None,
            flow: None,
            reference: None,
        }
    }

    /// To which connection.
    #[must_use]
    pub fn connection(self, id: impl Into<String>) -> Self {
        let connection = Some(id.into());
        Self { connection, ..self }
    }

    /// Of which account at the provider, as far as it is known.
    #[must_use]
    pub fn account(self, account: Option<String>) -> Self {
        Self { account, ..self }
    }

    /// On whose behalf.
    #[must_use]
    pub fn through(self, through: Through) -> Self {
        Self { through, ..self }
    }

    /// At which gateway, if at one.
    #[must_use]
    pub fn gateway(self, gateway: Option<&GatewayName>) -> Self {
        let gateway = gateway.cloned();
        Self { gateway, ..self }
    }

    /// In which flow.
    #[must_use]
    pub fn flow(self, flow: &FlowId) -> Self {
        let flow = Some(flow.clone());
        Self { flow, ..self }
    }

    /// Which log entry says more.
    #[must_use]
    pub fn reference(self, reference: Option<&str>) -> Self {
        let reference = reference.map(str::to_owned);
        Self { reference, ..self }
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The line, without its end.
    pub(super) fn line(&self, at: Timestamp) -> String {
        let line = Line {
            at,
            event: &self.event,
            outcome: self.event.outcome(),
            user_source: self.user.source().as_str(),
            user: self.user.subject(),
            provider: self.provider.as_str(),
            connection: self.connection.as_deref(),
            account: self.account.as_deref().map(shortened),
            through: &self.through,
            gateway: self.gateway.as_ref().map(GatewayName::as_str),
            flow: self.flow.as_ref().map(FlowId::as_str),
            reference: self.reference.as_deref(),
        };
        serde_json::to_string(&line).expect("texts and names serialise")
    }
}

/// The members, in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
    outcome: Outcome,
    user_source: &'a str,
    user: &'a str,
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(flatten)]
    through: &'a Through,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::{
        super::event::{KINDS, tests::every_event},
        *,
    };

    fn alice() -> UserId {
        UserId::new("team".parse().unwrap(), "alice@example.com")
    }

    #[test]
    fn every_event_is_known_by_its_word() {
        let provider = "acme".parse().unwrap();
        let words = every_event().into_iter().map(|event| {
            let kind = event.kind();
            let line = Entry::new(&alice(), &provider, event).line(Timestamp::UNIX_EPOCH);
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["event"], kind, "{line}");
            assert!(line["outcome"].is_string(), "{line}");
            kind
        });
        assert_eq!(words.collect::<Vec<_>>(), KINDS);
    }

    #[test]
    fn a_line_says_who_what_where_and_through_whom() {
        let used = every_event().remove(7);
        let entry = Entry::new(&alice(), &"acme".parse().unwrap(), used)
            .connection("c-1")
            .account(Some("alice-at-acme".to_owned()))
            .through(Through::Client {
                client_id: "dcr_1".into(),
                client: "Claude Code\n".into(),
                grant: "g-1".into(),
            })
            .gateway(Some(&"work".parse().unwrap()))
            .reference(Some("r-1"));
        assert_eq!(
            entry.line("2026-11-21T17:00:00.000001Z".parse().unwrap()),
            r#"{"at":"2026-11-21T17:00:00.000001Z","event":"used","upstream":"notes","tool":"add","outcome":"ok","user_source":"team","user":"alice@example.com","provider":"acme","connection":"c-1","account":"alice-at-acme","through":"client","client_id":"dcr_1","client":"Claude Code\n","grant":"g-1","gateway":"work","reference":"r-1"}"#
        );
    }

    #[test]
    fn what_strangers_call_themselves_is_cut() {
        let through = Through::Client {
            client_id: "c".into(),
            client: "ä".repeat(10_000).into(),
            grant: "g".into(),
        };
        let event = every_event().remove(5);
        let entry = Entry::new(&alice(), &"acme".parse().unwrap(), event).through(through);
        assert!(entry.line(Timestamp::UNIX_EPOCH).len() < 1500);
    }
}
