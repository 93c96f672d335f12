//! Policy hooks: servers of the operator's that decide who sees which tools, what calls may do, and what of their answers goes on.
//!
//! Hooks are asked in their turn, each about what the ones before have left. The first no is the last word. A hook that does not
//! answer as the contract says (down, slow, garbage, a redirect, another status than 200) counts as its `failure_mode` says: as a
//! no unless the operator wrote otherwise. Nothing is asked twice. Owns no records.

mod access;
mod calls;
mod client;
mod denial;

use std::{sync::Arc, time::Duration};

use moka::future::Cache;

pub use self::{
    access::Offered,
    calls::{Answer, Call, Changes, Replaced},
    denial::Denial,
};
use self::{access::VerdictKey, client::Clients};
use crate::{
    base::{
        clock::{Clock, Timestamp},
        id::{GatewayName, UserId},
    },
    config::{Config, HookPoint},
};

/// Verdicts that nobody asked for this long are forgotten.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Asks hooks. Clones share connections and what is known.
#[derive(Clone)]
pub struct Hooks {
    clients: Clients,
    /// What a hook said of a tool, and until when that holds.
    verdicts: Cache<VerdictKey, (bool, Timestamp)>,
    clock: Arc<dyn Clock>,
}

/// On whose behalf hooks are asked.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The configuration in force for them.
    pub config: &'a Config,
    /// Where they are.
    pub gateway: &'a GatewayName,
    /// Who they are.
    pub user: &'a UserId,
    /// [`UserId::key`]
    pub user_key: &'a Arc<str>,
    /// Their id as programs know it; `None` where a program acts for nobody.
    pub user_id: Option<&'a str>,
}

/// A point of the way at which hooks are asked, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Access,
    Pre,
    Post,
}

impl Point {
    fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }
}

impl Hooks {
    /// Nobody is contacted yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clients: Clients::new(),
            verdicts: Cache::builder()
                .max_capacity(200_000)
                .time_to_idle(IDLE)
                .build(),
            clock,
        }
    }
}

fn count(hook: &HookPoint, point: Point, outcome: &'static str) {
    let name = hook.server.name.to_string();
    metrics::counter!("anteroom_hook_calls_total", "hook" => name, "point" => point.word(), "outcome" => outcome)
        .increment(1);
}
