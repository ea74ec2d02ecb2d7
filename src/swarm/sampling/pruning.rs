//! When a node closes connections that it has not opened.

use std::time::Duration;

/// When connections are closed although other behaviours of the swarm may use them. In a swarm with gossipsub no
/// connection ever idles out, so what Kademlia dials for a query, or a peer for an exchange, stays for good,
/// unless somebody prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning {
    /// How many connections there may be, whoever opened them, in connections; at least as many as
    /// [neighbours](crate::Config::with_neighbours). Of those beyond, the oldest are closed whose peer is no neighbour
    /// and with whom no exchange is under way.
    pub max_connections: usize,
    /// How old a connection is before it is closed for that; up to 24 h. What siblings dial is theirs for so long, and
    /// for so long there may be more connections.
    pub grace: Duration,
}
