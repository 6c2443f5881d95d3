//! Counts of what the demo made.

use serde::Serialize;

/// What the clients did and how it went, in connections unless said otherwise.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Connections for one request each.
    pub short: u64,
    /// Connections kept for several requests.
    pub keep_alive: u64,
    /// Connections with a ping every half minute.
    pub websocket: u64,
    /// Requests answered in full, over all connections.
    pub responses: u64,
    /// Bytes of response bodies.
    pub body_bytes: u64,
    /// Connections reset by the client.
    pub aborted: u64,
    /// Clients whose link was cut while they had a connection.
    pub vanished: u64,
    /// Attempts to reach a host that is not there.
    pub dead_host: u64,
    /// Name queries.
    pub dns: u64,
    /// Name queries that got no answer.
    pub dns_unanswered: u64,
    /// Connections or queries that failed against intention.
    pub failed: u64,
}
