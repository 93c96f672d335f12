//! The face towards MCP clients: streamable HTTP at `/mcp/{gateway}`, both eras.
//!
//! ```text
//! endpoint   bytes, headers    → principal, message       guard: Host and Origin
//! modern     2026-07-28        → Request                  header checks, one request per POST
//! legacy     2025-*            → Request                  initialize, sessions, batches, responses
//! serve      Request           → Answer                   discover, list, call, listen
//! dress      upstream's result → this revision's result
//! elicitation  what is missing → what this client understands
//! ```
//! The core speaks 2026-07-28 and keeps nothing between requests. Records: `ended_sessions/{session}` (until the id would
//! have expired), `elicited/{session}/{id}` (an in-band elicitation and the client's word on it, as long as its link).

mod account;
mod answer;
mod batch;
mod call;
mod client;
mod dress;
mod elicitation;
mod endpoint;
pub mod guard;
mod hold;
mod invoked;
mod legacy;
mod listen;
mod mirror;
mod modern;
mod rejection;
mod relay;
mod seats;
mod serve;
mod server_info;
mod session;
mod state;

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    base::{clock::Clock, entropy::Entropy, seal::Sealer},
    config::live::Live,
    connect::Connect,
    gateway::{Gateways, access::AccessControl},
    store::{Store, signal::Signals, table::Table},
};

pub use endpoint::routes;
use seats::Seats;
use server_info::ServerInfos;
use session::McpSessions;

/// Everything a request at `/mcp` may need. Clones share.
#[derive(Clone)]
pub struct McpFace(Arc<Inside>);

/// What the face is made of.
pub struct Parts {
    /// The configuration in force.
    pub config: Live,
    /// Who is asking.
    pub access: AccessControl,
    /// Routing and permission.
    pub gateways: Gateways,
    /// Opens flows.
    pub connect: Connect,
    /// Wakes those who wait.
    pub signals: Signals,
    /// Where the face keeps its few records.
    pub store: Arc<dyn Store>,
    /// Seals what passes through clients.
    pub sealer: Sealer,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Cancelled when the process is to stop: streams that would go on for ever end.
    pub stopping: CancellationToken,
}

/// [`Parts`], and what is made from them.
struct Inside {
    parts: Parts,
    /// Legacy sessions.
    sessions: McpSessions,
    /// What clients said to in-band elicitations.
    elicited: Table<hold::Word>,
    /// How gateways introduce us.
    server_infos: ServerInfos,
    /// Open streams.
    seats: Seats,
}

impl McpFace {
    /// The face over these parts.
    pub fn new(parts: Parts) -> Self {
        let sessions = McpSessions::new(
            Arc::clone(&parts.store),
            parts.sealer.clone(),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.entropy),
        );
        let elicited = Table::new(Arc::clone(&parts.store), "elicited");
        Self(Arc::new(Inside {
            parts,
            sessions,
            elicited,
            server_infos: ServerInfos::default(),
            seats: Seats::default(),
        }))
    }

    /// Reads what earlier processes left: which sessions were ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(&self) -> Result<(), crate::store::StoreError> {
        self.0.sessions.load().await
    }

    fn sessions(&self) -> &McpSessions {
        &self.0.sessions
    }

    fn elicited(&self) -> &Table<hold::Word> {
        &self.0.elicited
    }

    fn seats(&self) -> &Seats {
        &self.0.seats
    }

    fn server_infos(&self) -> &ServerInfos {
        &self.0.server_infos
    }
}

impl Deref for McpFace {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
